"""Who comes into the dashboard, and who does not."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from framemill.dashboard.door import COOKIE, Door, caller_of
from framemill.errors import KeyRefused
from framemill.jobs.accounts import User
from framemill.sealing import Seals
from framemill.services.passwords import hashed
from framemill.services.sessions import Sessions
from framemill.services.visitors import KNOWN_SECONDS, Visitors
from framemill.store.database import Database
from framemill.store.users import save_user

PASSWORD = "a long way home"  # noqa: S105 - nobody's
ADMIN_KEY = "the farm's own key"


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sessions]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('door') / 'farm.db'}")
    database.create()
    now = datetime.now(UTC)
    ann = {"account": "default", "name": "ann", "role": "operator", "sessions_from": now, "created_at": now}
    with database.writing() as conn:
        save_user(conn, User.model_validate({**ann, "password_hash": hashed(PASSWORD)}))
    yield Sessions(database, Seals("a farm's secret"))
    database.close()


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(caller_of(request).actor)


@pytest.fixture
def app(sessions: Sessions) -> Door:
    return Door(Starlette(routes=[Route("/", page), Route("/jobs/{id}", page)]), Visitors(sessions, ADMIN_KEY))


@pytest.fixture
def link(sessions: Sessions) -> str:
    return f"/dashboard/login?token={sessions.login_link()}"


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


def browsing(app: Door) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, root_path="/dashboard"), base_url="http://farm")


def test_a_stranger_is_sent_to_the_login_page_and_back_to_where_they_were(app: Door) -> None:
    async def visit() -> None:
        async with browsing(app) as browser:
            sent = await browser.get("/dashboard/jobs/7")
            assert (sent.status_code, sent.headers["location"]) == (303, "/dashboard/login?next=/jobs/7")
            assert "password" in (await browser.get(sent.headers["location"])).text
            came = await browser.post(sent.headers["location"], data={"name": "ann", "secret": PASSWORD})
            assert (came.status_code, came.headers["location"]) == (303, "/dashboard/jobs/7")
            assert (await browser.get("/dashboard/jobs/7")).text.startswith("user:")

    run(visit())


def test_a_link_opens_the_door_once_and_the_cookie_is_kept_from_scripts_and_other_sites(app: Door, link: str) -> None:
    async def visit() -> None:
        async with browsing(app) as browser:
            came = await browser.get(link)
            assert (came.status_code, came.headers["location"]) == (303, "/dashboard/")
            cookie = came.headers["set-cookie"].lower()
            assert "httponly" in cookie
            assert "samesite=lax" in cookie
            assert "path=/dashboard/" in cookie
            assert "secure" not in cookie  # it came by http
            assert (await browser.get("/dashboard/")).text == "admin"
            out = await browser.get("/dashboard/logout")
            assert out.headers["location"] == "/dashboard/login"
            assert (await browser.get("/dashboard/")).status_code == 303
            assert "used already" in (await browser.get(link)).text

    run(visit())


def test_behind_tls_the_cookie_stays_with_it(app: Door, link: str) -> None:
    async def visit() -> None:
        async with browsing(app) as browser:
            came = await browser.get(link, headers={"x-forwarded-proto": "https"})
            assert "secure" in came.headers["set-cookie"].lower()

    run(visit())


@pytest.mark.parametrize(
    "data", [{"name": "ann", "secret": "wrong"}, {"secret": ""}, {"name": "x" * 9000, "secret": "y"}]
)
def test_who_is_refused_hears_why(app: Door, data: dict[str, str]) -> None:
    async def visit() -> None:
        async with browsing(app) as browser:
            answer = await browser.post("/dashboard/login", data=data)
            assert answer.status_code == 403
            assert 'role="alert"' in answer.text
            assert COOKIE not in answer.headers.get("set-cookie", "")

    run(visit())


@pytest.mark.parametrize("wanted", ["//evil.example/", "https://evil.example", "/\\evil.example", "/login?next=/", ""])
def test_nobody_is_sent_elsewhere(app: Door, link: str, wanted: str) -> None:
    async def visit() -> None:
        async with browsing(app) as browser:
            came = await browser.get(f"{link}&next={quote(wanted)}")
            assert came.headers["location"] == "/dashboard/"

    run(visit())


def test_the_address_without_a_slash_leads_to_the_one_with_it(app: Door) -> None:
    async def visit() -> None:
        async with browsing(app) as browser:
            assert (await browser.get("/dashboard")).headers["location"] == "/dashboard/"

    run(visit())


def test_the_farms_own_key_opens_it_and_no_other(app: Door) -> None:
    async def visit() -> None:
        async with browsing(app) as browser:
            assert (await browser.post("/dashboard/login", data={"secret": "another key"})).status_code == 403
            assert (await browser.post("/dashboard/login", data={"secret": ADMIN_KEY})).status_code == 303
            assert (await browser.get("/dashboard/")).text == "admin"

    run(visit())


@pytest.mark.parametrize(
    ("known", "headers", "passes"),
    [
        (False, [], False),
        (False, [(b"cookie", b"framemill_session=forged")], False),
        (True, [], True),
        (True, [(b"host", b"farm"), (b"origin", b"http://farm")], True),
        (True, [(b"host", b"farm"), (b"origin", b"http://evil")], False),
    ],
)
def test_a_web_socket_needs_a_session_and_a_page_of_this_host(
    sessions: Sessions, known: bool, headers: list[tuple[bytes, bytes]], passes: bool
) -> None:
    visitors = Visitors(sessions, ADMIN_KEY)
    if known:
        headers = [*headers, (b"cookie", f"{COOKIE}={visitors.signed_in('', ADMIN_KEY)}".encode())]
    passed: list[Scope] = []
    sent: list[Message] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope)

    async def visit() -> None:
        scope = {"type": "websocket", "path": "/dashboard/_nicegui_ws/", "root_path": "/dashboard", "headers": headers}
        await Door(inside, visitors)(scope, _never, _into(sent))

    run(visit())
    assert bool(passed) is passes
    assert [message["type"] for message in sent] == ([] if passes else ["websocket.close"])


def test_a_session_that_was_ended_is_over_within_seconds(sessions: Sessions) -> None:
    now = 100.0
    visitors = Visitors(sessions, ADMIN_KEY, clock=lambda: now)
    opened = sessions.redeemed(sessions.login_link())
    assert visitors.caller(opened.refresh_token).admin
    sessions.ended(opened.token)
    now += KNOWN_SECONDS
    with pytest.raises(KeyRefused):
        visitors.caller(opened.refresh_token)


async def _never() -> Message:
    raise AssertionError("nobody reads")


def _into(sent: list[Message]) -> Send:
    async def send(message: Message) -> None:
        sent.append(message)

    return send
