"""Who logs in, how often they may try, and what somebody else's page can do in their name."""

import asyncio
import re
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from front_door import KEY, FrontDoor
from made_store import made_store
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from framemill.api.bytes.files import _ALONE
from framemill.dashboard.door import COOKIE, Door, caller_of
from framemill.errors import KeyRefused, LinkExpired, TooMany
from framemill.jobs.accounts import User
from framemill.sealing import Seals
from framemill.services.limits import FailedLogins
from framemill.services.links import output_of, output_token, upload_token, uploaded_by
from framemill.services.passwords import hashed
from framemill.services.sessions import Sessions
from framemill.services.visitors import Visitors
from framemill.store.users import save_user

PASSWORD = "a long way home"  # noqa: S105 - nobody's
HOST = "http://farm.example"


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sessions]:
    database = made_store(tmp_path_factory.mktemp("doors") / "farm.db")
    now = datetime.now(UTC)
    for name in ("ann", "bob", "eve"):
        told = {"account": "default", "name": name, "role": "operator", "sessions_from": now, "created_at": now}
        with database.writing() as conn:
            save_user(conn, User.model_validate({**told, "password_hash": hashed(PASSWORD)}))
    yield Sessions(database, Seals("a farm's secret"))
    database.close()


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(caller_of(request).actor)


@pytest.fixture
def pages(sessions: Sessions) -> Door:
    routes = [Route("/", page), Route("/things", page, methods=["GET", "POST"])]
    return Door(Starlette(routes=routes), Visitors(sessions, KEY))


def ask(pages: Any, method: str, path: str, **more: Any) -> httpx.Response:
    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=pages), base_url=HOST) as client:
            return await client.request(method, path, **more)

    return asyncio.run(asked())


def cookie(pages: Door) -> dict[str, str]:
    came_in = ask(pages, "POST", "/login", data={"name": "", "secret": KEY})
    return {"Cookie": f"{COOKIE}={came_in.cookies[COOKIE]}"}


# Guessing


def test_passwords_are_guessed_ten_times_and_then_not_for_a_while() -> None:
    """Somebody goes through a list of passwords for one name."""
    failed = FailedLogins()
    for _ in range(10):
        failed.allow("ann", "192.0.2.1")
        failed.failed("ann", "192.0.2.1")

    with pytest.raises(TooMany) as refused:
        failed.allow("Ann", "192.0.2.9")

    assert 0 < refused.value.retry_seconds <= 300
    failed.allow("bob", "192.0.2.9")


def test_nor_are_names_for_one_password() -> None:
    """Somebody tries one password for every name there is."""
    failed = FailedLogins()
    for number in range(50):
        failed.allow(f"user{number}", "192.0.2.1")
        failed.failed(f"user{number}", "192.0.2.1")

    with pytest.raises(TooMany):
        failed.allow("somebody", "192.0.2.1")
    failed.allow("somebody", "192.0.2.2")


def test_whoever_guesses_from_behind_the_farms_own_proxy_shuts_nobody_else_out() -> None:
    """Behind a proxy that does not tell who asks, everybody asks from this machine."""
    failed = FailedLogins()
    for number in range(60):
        failed.failed(f"user{number}", "127.0.0.1")

    failed.allow("ann", "127.0.0.1")


def test_the_farms_key_is_not_guessed_on_the_login_page(pages: Door) -> None:
    """Somebody goes through a list of keys: after ten even the right one has to wait."""
    for number in range(10):
        assert ask(pages, "POST", "/login", data={"name": "", "secret": f"guess {number}"}).status_code == 403

    answer = ask(pages, "POST", "/login", data={"name": "", "secret": KEY})

    assert answer.status_code == 403
    assert "Too many passwords" in answer.text


def test_an_unknown_name_sounds_like_a_wrong_password(sessions: Sessions) -> None:
    """Somebody asks for names, to learn which there are."""
    words = set()
    for name in ("bob", "nobody-at-all"):
        with pytest.raises(KeyRefused) as refused:
            sessions.opened(name, "wrong")
        words.add(refused.value.message)

    assert len(words) == 1


def test_an_unknown_name_takes_as_long_as_a_wrong_password(sessions: Sessions) -> None:
    """The same by the clock: of processor time, since the machine may be busy."""

    def took(name: str) -> float:
        began = time.thread_time()
        with pytest.raises(KeyRefused):
            sessions.opened(name, "wrong")
        return time.thread_time() - began

    known, unknown = ([took(name) for _ in range(4)] for name in ("eve", "nobody"))

    assert 0.5 < statistics.median(unknown) / statistics.median(known) < 2


# Cookies and other people's pages


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(pages: Door) -> None:
    told = ask(pages, "POST", "/login", data={"name": "", "secret": KEY}).headers["set-cookie"].lower()
    safe = ask(pages, "POST", "/login", data={"name": "", "secret": KEY}, headers={"X-Forwarded-Proto": "https"})

    assert "httponly" in told
    assert "samesite=lax" in told
    assert "secure" not in told.split("; ")  # over plain http a browser would not send it back
    assert "secure" in safe.headers["set-cookie"].lower().split("; ")


ELSEWHERE = {
    "another site's form": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "an old browser": {"Origin": "https://evil.example"},
    "a sandboxed frame": {"Origin": "null"},
    "a neighbour under the same domain": {"Sec-Fetch-Site": "same-site"},
    "another port of the same host": {"Origin": "http://farm.example:8080"},
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_nothing_is_posted_from_somebody_elses_page(case: str, pages: Door) -> None:
    """A page that the operator visits sends a form to the farm, and their browser adds the cookie."""
    headers = cookie(pages)

    assert ask(pages, "POST", "/things", headers={**headers, **ELSEWHERE[case]}).status_code != 200
    assert ask(pages, "POST", "/things", headers={**headers, "Origin": HOST}).status_code == 200
    assert ask(pages, "GET", "/things", headers={**headers, "Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize("case", ELSEWHERE)
def test_nobody_is_logged_in_as_somebody_else(case: str, pages: Door) -> None:
    """A page logs its visitor in under the attacker's name, and waits for what they do there."""
    answer = ask(pages, "POST", "/login", data={"name": "ann", "secret": PASSWORD}, headers=ELSEWHERE[case])

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_whoever_logs_out_is_out(pages: Door) -> None:
    """Somebody has copied the cookie before."""
    headers = cookie(pages)
    assert ask(pages, "GET", "/", headers=headers).status_code == 200

    ask(pages, "GET", "/logout", headers=headers)

    assert ask(pages, "GET", "/", headers=headers).status_code == 303


def test_a_web_socket_is_opened_by_our_own_pages_only(pages: Door) -> None:
    """Another site opens the pages' web socket, and the browser adds the cookie."""
    session = cookie(pages)["Cookie"].encode()

    async def opened(origin: bytes) -> list[Any]:
        sent: list[Any] = []
        headers = [(b"host", b"farm.example"), (b"cookie", session), (b"origin", origin)]
        scope = {"type": "websocket", "path": "/", "headers": headers, "root_path": "", "query_string": b""}

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await pages(scope, receive, send)
        return sent

    assert asyncio.run(opened(b"https://evil.example"))[0]["code"] == 4403


def test_pages_are_not_framed_and_load_nobodys_scripts(pages: Door) -> None:
    """A page puts ours into a frame, under buttons of its own."""
    for path, headers in (("/login", {}), ("/", cookie(pages)), ("/nothing", {})):
        told = ask(pages, "GET", path, headers=headers).headers

        assert "frame-ancestors 'none'" in told["content-security-policy"]
        assert told["x-frame-options"] == "DENY"
        assert told["x-content-type-options"] == "nosniff"
        assert told["referrer-policy"] == "no-referrer"
        assert "https:" not in told["content-security-policy"]


def test_nobody_is_sent_elsewhere_after_logging_in(pages: Door) -> None:
    """A link to the login page leads to the attacker's site afterwards."""
    for wanted in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        answer = ask(pages, "POST", "/login", params={"next": wanted}, data={"name": "", "secret": KEY})

        assert answer.headers["location"] == "/"


def test_a_form_of_megabytes_is_not_read(pages: Door) -> None:
    """Nobody needs to be logged in to send one, with its length or without."""

    async def endless() -> Any:
        for _ in range(64):
            yield b"name=" + b"x" * 65536

    kind = {"Content-Type": "application/x-www-form-urlencoded"}

    assert ask(pages, "POST", "/login", content=endless(), headers=kind).status_code == 403


@pytest.mark.parametrize("said", [f"{COOKIE}=a; {COOKIE}=b; =;;", f'{COOKIE}="\\', "\x80", f"{COOKIE}=ey.ey.ey"])
def test_a_cookie_that_is_none_is_no_fault(said: str, pages: Door) -> None:
    assert ask(pages, "GET", "/", headers={"Cookie": said.encode("latin-1")}).status_code == 303


# Links


def test_a_link_opens_what_it_was_made_for_and_nothing_else() -> None:
    """Somebody takes the token of one link for another."""
    seals, later = Seals("a farm's secret"), datetime.now(UTC) + timedelta(hours=1)
    ours, other = output_token(seals, "job.0", later), Seals("another farm's secret")

    assert output_of(seals, ours, datetime.now(UTC)).id == "job.0"
    for token in (upload_token(seals, "job.0"), output_token(other, "job.0", later), ours[:-2], "", "e30.e30"):
        with pytest.raises(KeyRefused):
            output_of(seals, token, datetime.now(UTC))
    with pytest.raises(KeyRefused):
        uploaded_by(seals, ours)
    with pytest.raises(LinkExpired):
        output_of(seals, ours, later + timedelta(seconds=1))


def test_what_clients_made_runs_nothing_in_the_farms_name() -> None:
    """An output that a browser takes for a page shows itself alone: no scripts, no forms, no other origin's cookies."""
    words = dict(re.findall(r"([\w-]+)([^;]*)", _ALONE))

    assert words["sandbox"] == ""
    assert words["default-src"].strip() == "'none'"
    assert "script-src" not in words


def test_the_api_takes_no_cookie(tmp_path: Path) -> None:
    """A page of another site asks the API, and the browser adds whatever cookies there are."""
    database = made_store(tmp_path / "farm.db")
    door = FrontDoor(database)

    answer = ask(door.app, "GET", "/v1/jobs", headers={"Cookie": f"{COOKIE}={KEY}", "Origin": "https://evil.example"})

    assert answer.status_code == 401
    assert "access-control-allow-origin" not in answer.headers
    database.close()


def test_json_without_end_is_refused(tmp_path: Path) -> None:
    """Brackets within brackets, a hundred thousand deep; and as deep as a parser just takes."""
    database = made_store(tmp_path / "farm.db")
    door = FrontDoor(database)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    deep = "".join(('{"inputs": [], "outputs": [], "start": "held", "metadata": ', '{"a":' * 900, "1", "}" * 900, "}"))

    for body in ("[" * 100_000, "[" * 2_000 + "]" * 2_000, deep):
        assert ask(door.app, "POST", "/v1/jobs", headers=headers, content=body).status_code in {400, 413, 422}
    database.close()
