"""Messages over real connections, to receivers that misbehave; and where they may not go."""

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from made_store import made_store
from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from framemill.jobs.model import Callback, Job
from framemill.jobs.telling import Try
from framemill.policy.callbacks import Answer
from framemill.sealing import Seals
from framemill.services.courier import Courier
from framemill.services.schemes import Scheme
from framemill.services.sending import RESPONSE_BYTES, HttpSend
from framemill.services.signing import account_secret, standard_headers
from framemill.storage.guard import Reach
from framemill.store.database import Database
from framemill.store.epochs import take_epoch
from framemill.store.jobs import add_job
from framemill.store.messages import list_messages

HERE = (ipaddress.ip_network("127.0.0.0/8"),)
OPENED = Reach(networks=HERE)
App = Callable[[dict[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


class Receiver:
    """Answers by the path it is asked at."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, str], bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        path = scope["path"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.heard.append((path, headers, body))
        if path == "/hang":
            await asyncio.sleep(30)
        if path == "/close":
            raise ConnectionResetError  # uvicorn answers 500 and closes
        status = int(path[1:]) if path[1:].isdigit() else 200
        more = [(b"location", b"/200")] if path == "/302" else [(b"retry-after", b"7")] if path == "/503" else []
        await send({"type": "http.response.start", "status": status, "headers": more})
        if path == "/drip":
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(30)
        reply = b"x" * 10_000_000 if path == "/long" else b"said \0 something"
        with contextlib.suppress(Exception):
            await send({"type": "http.response.body", "body": reply})


@contextlib.asynccontextmanager
async def receiving(app: Any) -> AsyncIterator[str]:
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="critical", lifespan="off", timeout_graceful_shutdown=0
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.ensure_future(server._serve())
    while not server.started:  # noqa: ASYNC110 - nothing else tells
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


def sent(path: str, seconds: float = 5.0, reach: Reach = OPENED) -> tuple[Answer, Try, Receiver]:
    receiver = Receiver()

    async def scene() -> tuple[Answer, Try]:
        send = HttpSend()
        async with receiving(receiver) as url:
            try:
                return await send(url + path, b'{"a":1}', {"webhook-id": "m"}, seconds, reach)
            finally:
                await send.close()

    return *asyncio.run(scene()), receiver


def test_what_is_sent_and_what_was_answered() -> None:
    answer, tried, receiver = sent("/200")
    assert answer == Answer(200)
    ((_, headers, body),) = receiver.heard
    assert body == b'{"a":1}'
    assert (headers["webhook-id"], headers["content-type"]) == ("m", "application/json")
    assert headers["user-agent"].startswith("Framemill/")
    assert headers["host"].startswith("127.0.0.1:")
    assert (tried.status, tried.error, tried.response) == (200, None, "said � something")


def test_redirects_are_not_followed() -> None:
    answer, _, receiver = sent("/302")
    assert (answer.status, [path for path, _, _ in receiver.heard]) == (302, ["/302"])


@pytest.mark.parametrize("path", ["/500", "/410", "/404"])
def test_a_refusal_is_an_answer(path: str) -> None:
    assert sent(path)[0] == Answer(int(path[1:]))


def test_a_receiver_may_say_when_to_come_back() -> None:
    assert sent("/503")[0] == Answer(503, 7.0)


def test_one_that_hangs_is_left_in_time() -> None:
    began = time.monotonic()
    answer, tried, _ = sent("/hang", seconds=0.3)
    assert time.monotonic() - began < 20  # the receiver hangs for 30
    assert answer == Answer(None)
    assert tried.error == "no answer within 0.3 s"


def test_one_that_answers_and_never_ends_has_answered() -> None:
    answer, tried, _ = sent("/drip", seconds=8.0)  # time enough for the beginning of it, on a busy machine
    assert (answer.status, tried.error) == (200, "no end of it within 8 s")


def test_a_long_answer_is_not_read_to_its_end() -> None:
    answer, tried, _ = sent("/long")
    assert (answer.status, len(tried.response or "")) == (200, RESPONSE_BYTES)


def test_nobody_there_is_no_answer() -> None:
    answer, tried = asyncio.run(HttpSend()("http://127.0.0.1:9/?token=sesame", b"", {}, 5.0, None))
    assert answer == Answer(None)
    assert tried.error
    assert "sesame" not in tried.error


def test_the_environments_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert sent("/200")[0] == Answer(200)


# Where messages may not go


def test_an_address_is_judged_when_it_is_connected_to() -> None:
    for url in ("http://127.0.0.1:9/", "http://localhost:9/"):
        answer, tried = asyncio.run(HttpSend()(url, b"", {}, 5.0, Reach()))
        assert answer == Answer(None)
        assert "FRAMEMILL_ALLOWED_NETWORKS" in (tried.error or "")
    assert sent("/200", reach=OPENED)[0] == Answer(200)


# Through the courier


class Writes:
    def __init__(self, database: Database) -> None:
        self._database = database
        with database.writing() as conn:
            self.epoch = take_epoch(conn)

    async def write(self, change: Any) -> Any:
        def run() -> Any:
            with self._database.writing() as conn:
                return change(conn)

        return await asyncio.to_thread(run)


def test_a_jobs_callback_arrives_signed_however_often_it_has_to_be_tried(tmp_path: Path) -> None:
    database = made_store(tmp_path / "farm.db")
    seals = Seals("a farm's secret")
    receiver = Receiver()

    async def flaky(scope: Any, receive: Any, send: Any) -> None:
        await receiver({**scope, "path": "/500" if len(receiver.heard) < 2 else "/200"}, receive, send)

    async def scene() -> None:
        async with receiving(flaky) as url:
            job = Job(
                id="j",
                account="default",
                door="native",
                created_at=datetime.now(UTC),
                callbacks=(Callback(url=url, on="change", retry_seconds=(0.0, 0.0)),),
            )
            with database.writing() as conn:
                add_job(conn, job, [], [])
            courier = Courier(
                database=database,
                writes=Writes(database),
                seals=seals,
                send=HttpSend(),
                schemes={"native": Scheme(lambda _: '{"naïve": "✓"}', standard_headers)},
                reach=OPENED,
            )
            running = asyncio.ensure_future(courier.run())
            async with asyncio.timeout(20):
                while len(receiver.heard) < 3 or not _delivered(database):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scene())
    database.close()
    verifier = Verifier(account_secret(seals, "default"))
    for _, headers, body in receiver.heard:
        assert verifier.verify(body, headers) == {"naïve": "✓"}
        with pytest.raises(WebhookVerificationError):
            verifier.verify(body + b" ", headers)
    assert len({headers["webhook-id"] for _, headers, _ in receiver.heard}) == 1


def _delivered(database: Database) -> bool:
    with database.reading() as conn:
        return [one.state for one in list_messages(conn, None)] == ["delivered"]
