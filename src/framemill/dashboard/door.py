"""Nobody comes in without a session: checked before any page, asset or web socket is looked at."""

import asyncio
import contextlib
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framemill.errors import FramemillError, KeyRefused
from framemill.services.callers import Caller
from framemill.services.sessions import SESSION_LASTS
from framemill.services.visitors import Visitors

COOKIE = "framemill_session"
SESSION_SECONDS = int(SESSION_LASTS.total_seconds())
_LOGIN, _LOGOUT = "/login", "/logout"
_FORM_BYTES = 8192
_NOT_ALLOWED = 4403
"""Of RFC 6455's codes for applications."""

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
#: Of every answer. The pages' own scripts are written into them, and their templates compiled there; the player works
#: in a script of its own making. Nobody may put a page into theirs, and no page tells others where it is.
_HEADERS = {
    "Content-Security-Policy": "script-src 'self' 'unsafe-inline' 'unsafe-eval'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_OF_THE_FORM = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'"
)

_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "assets"), autoescape=True, undefined=jinja2.StrictUndefined
)


class Door:
    """Lets visitors with a session pass, and gives sessions to those who may have one."""

    def __init__(self, app: ASGIApp, visitors: Visitors) -> None:
        self._app = app
        self._visitors = visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a web socket."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if not path:  # links of the first page are relative to it
            await RedirectResponse(f"{scope['path']}/", 307)(scope, receive, send)
            return
        if scope["type"] == "http" and path in {_LOGIN, _LOGOUT}:
            answer = await self._reception(Request(scope, receive), path)
            await answer(scope, receive, send)
            return
        caller = await asyncio.to_thread(self._caller, scope)
        if caller is not None and (_is_only_read(scope) or _is_from_here(scope)):
            scope.setdefault("state", {})["caller"] = caller
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _NOT_ALLOWED, "reason": "Log in first."})
        else:
            answer = RedirectResponse(f"{scope.get('root_path', '')}{_LOGIN}?next={quote(path)}", 303)
            await answer(scope, receive, send)

    async def _reception(self, request: Request, path: str) -> Response:
        home = request.scope.get("root_path", "") + "/"
        if not _is_from_here(request.scope):
            return _form("This came from a page of somebody else's: log in here.", 403)
        if path == _LOGOUT:
            await asyncio.to_thread(self._visitors.left, _cookie(request.scope))
            gone = RedirectResponse(f"{home.rstrip('/')}{_LOGIN}", 303)
            gone.delete_cookie(COOKIE, path=home)
            return gone
        wanted = _inside(request.query_params.get("next", ""))
        try:
            if request.method == "POST":
                session = await self._signed_in(request)
            elif token := request.query_params.get("token"):
                session = await asyncio.to_thread(self._visitors.invited, token)
            else:
                return _form("")
        except FramemillError as error:
            return _form(error.message, 403)
        came_in = RedirectResponse(home.rstrip("/") + wanted, 303)
        secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
        came_in.set_cookie(
            COOKIE, session, max_age=SESSION_SECONDS, path=home, secure=secure, httponly=True, samesite="lax"
        )
        return came_in

    async def _signed_in(self, request: Request) -> str:
        place = request.client.host if request.client is not None else ""
        async with Request(request.scope, _short(request.receive)).form(max_files=0, max_fields=4) as form:
            name, secret = str(form.get("name", "")).strip(), str(form.get("secret", ""))
            return await asyncio.to_thread(self._visitors.signed_in, name, secret, place)

    def _caller(self, scope: Scope) -> Caller | None:
        session = _cookie(scope)
        if not session:
            return None
        try:
            return self._visitors.caller(session)
        except FramemillError:
            return None


def caller_of(request: Request) -> Caller:
    """Who looks at a page."""
    caller: Caller = request.scope["state"]["caller"]
    return caller


def _is_only_read(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] in _READS


def _is_from_here(scope: Scope) -> bool:
    """Whether a page of this very host asks: any other would bring the visitor's cookie along.

    Browsers say so themselves, where they know of Fetch Metadata; `none`: the visitor has typed the address.
    """
    headers = dict(scope["headers"])
    if scope["type"] == "http" and headers.get(b"sec-fetch-site", b"none") not in {b"same-origin", b"none"}:
        # A link to the pages may stand anywhere; what is posted from there is not the visitor's wish.
        return scope["method"] in _READS and not scope["path"].endswith(_LOGOUT)
    origin = headers.get(b"origin", b"").decode("latin-1")
    if not origin:
        return True
    host: bytes = headers.get(b"x-forwarded-host", headers.get(b"host", b""))
    netloc: str = urlsplit(origin).netloc
    return netloc == host.decode("latin-1")


def _short(receive: Receive) -> Receive:
    """A body that is no longer than a name and a password."""
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > _FORM_BYTES:
            raise KeyRefused("That is too long for a name and a password.")
        return message

    return limited


def _with_headers(send: Send) -> Send:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            known = {name.lower() for name, _ in message["headers"]}
            more = ((name.lower().encode(), value.encode()) for name, value in _HEADERS.items())
            fresh = [(name, value) for name, value in more if name not in known]
            message = {**message, "headers": [*message["headers"], *fresh]}
        await send(message)

    return told


def _cookie(scope: Scope) -> str:
    jar: SimpleCookie = SimpleCookie()
    for name, value in scope["headers"]:
        if name == b"cookie":
            with contextlib.suppress(CookieError):
                jar.load(value.decode("latin-1"))
    return jar[COOKIE].value if COOKIE in jar else ""


def _inside(wanted: str) -> str:
    """A path of this application, whatever was asked for: nobody is sent elsewhere."""
    return wanted if wanted.startswith("/") and not wanted.startswith(("//", "/\\", _LOGIN, _LOGOUT)) else "/"


def _form(problem: str, status: int = 200) -> Response:
    page: Any = _PAGES.get_template("login.html").render(problem=problem)
    return HTMLResponse(page, status, headers={"Cache-Control": "no-store", "Content-Security-Policy": _OF_THE_FORM})
