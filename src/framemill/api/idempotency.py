"""`Idempotency-Key` on whatever makes something: the same request is carried out once, and told again.

Stands before the routes, so that it holds for those to come. Of a request under a key, `TheIds` are the same at every
try; a route that makes something gives what it makes such an id.
"""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Callable, Collection
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framemill.api.auth import caller_of
from framemill.api.errors import refusal
from framemill.api.urls import route_path
from framemill.errors import FarmError, FramemillError, StillUnderWay, TooLarge, WrongUse
from framemill.services.idempotency import Ids, Kept, Once
from framemill.store.idempotency import Claim
from framemill.store.trouble import is_trouble

WAIT_SECONDS = 10.0
"""How long a twin waits for the other's answer before it is told to come back."""
BEAT_SECONDS = 20.0
"""How often it is said that a request is still being carried out: a third of `HELD_FOR`."""
_LOOK_SECONDS = 0.1
_LONGEST_KEY = 255
_SERVER_ERROR = 500
_FOR_NOW = frozenset({402, 408, 429})
"""Refusals that say nothing of the request: the same may be carried out later."""


async def _ids(request: Request) -> Ids:
    return Ids(request.scope.get("state", {}).get("made_id"))


TheIds = Annotated[Ids, Depends(_ids)]


class Idempotency:
    """Serves each POST under `prefix` with an `Idempotency-Key` once.

    Only answers below 500 are kept, and none that says "later". `refuse` writes our own refusals, in a door's words.
    `paths`: where alone keys count; none: everywhere. `apart`: keys of that name's own, and of each path its own; none:
    an account has them for all it asks. `as_json`: bodies are the same that say the same, however they are written.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        once: Once,
        prefix: str = "/v1/",
        refuse: Callable[[Request, FramemillError], Response] = refusal,
        paths: Collection[str] | None = None,
        apart: str | None = None,
        as_json: bool = False,
    ) -> None:
        self._app = app
        self._once = once
        self._prefix = prefix
        self._refuse = refuse
        self._paths = paths
        self._apart = apart
        self._as_json = as_json
        self.wait_seconds = WAIT_SECONDS
        self.beat_seconds = BEAT_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        key = _key(scope) if scope["type"] == "http" and scope["method"] == "POST" else b""
        path = route_path(scope) if key else ""  # an application's start and end have none
        if not key or not path.startswith(self._prefix) or (self._paths is not None and path not in self._paths):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            caller = await caller_of(request)
        except (FramemillError, SQLAlchemyError):  # the route says it in its own words
            await self._app(scope, receive, send)
            return
        try:
            if len(key) > _LONGEST_KEY or not (key.isascii() and key.decode("latin-1").isprintable()):
                raise WrongUse(f"An Idempotency-Key has up to {_LONGEST_KEY} printable ASCII letters.")
            body = await _whole(receive)
            if body is None:  # nobody is there any more
                return
            asked = (scope["method"].encode(), _target(scope), _said(body) if self._as_json else body)
            found = await self._claimed(caller.account, self._kept_under(key, path), asked)
        except FramemillError as error:
            await self._refuse(request, error)(scope, receive, send)
            return
        if isinstance(found, Kept):
            await _send(send, found.status, _encoded(found), found.body)
        else:
            await self._carried_out(scope, _given(body, receive), send, found)

    def _kept_under(self, key: bytes, path: str) -> str:
        if self._apart is None:
            return key.decode("ascii")
        return f"{self._apart}:" + hashlib.sha256(b"\0".join((path.encode(), key))).hexdigest()

    async def _claimed(self, account: str, key: str, asked: tuple[bytes, bytes, bytes]) -> Claim | Kept:
        until = asyncio.get_running_loop().time() + self.wait_seconds
        while True:
            try:
                found = await self._once.begun(account, key, asked)
            except SQLAlchemyError as error:
                if not is_trouble(error):
                    raise
                raise FarmError("The farm's database does not answer. Nothing was done; try again.") from error
            if found is not None:
                return found
            if asyncio.get_running_loop().time() > until:
                raise StillUnderWay("The same request is still being carried out: ask again in a moment.")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _carried_out(self, scope: Scope, receive: Receive, send: Send, mine: Claim) -> None:
        scope["state"]["made_id"] = mine.made_id
        start: Message | None = None
        parts: list[bytes] = []

        async def kept(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        answered = False
        beating = asyncio.create_task(self._beat(mine))
        try:
            await self._app(scope, receive, kept)
            if start is not None and start["status"] < _SERVER_ERROR and start["status"] not in _FOR_NOW:
                told = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
                await self._once.answered(mine, start["status"], told, b"".join(parts))
                answered = True
        finally:
            beating.cancel()
            if not answered:  # also where the client has gone: what is made meanwhile, the next try finds
                with contextlib.suppress(FramemillError, SQLAlchemyError):  # then it is taken over after a while
                    await self._once.let_go(mine)
        if start is not None:
            await _send(send, start["status"], start["headers"], b"".join(parts))

    async def _beat(self, mine: Claim) -> None:
        while True:
            await asyncio.sleep(self.beat_seconds)
            with contextlib.suppress(FramemillError, SQLAlchemyError):  # the next one may get through
                await self._once.still_at_it(mine)


def _key(scope: Scope) -> bytes:
    return next((value.strip() for name, value in scope["headers"] if name == b"idempotency-key"), b"")


def _target(scope: Scope) -> bytes:
    """Path and query."""
    path = route_path(scope)
    query: bytes = scope.get("query_string", b"")
    return path.encode() + b"?" + query


def _said(body: bytes) -> bytes:
    """What a body says: without spaces, the fields of its objects by their names. What is no JSON stays as it is."""
    try:
        return json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return body


async def _whole(receive: Receive) -> bytes | None:
    """The body; none where the client has gone. Raises `TooLarge` where `Wire` takes no more of it."""
    parts = []
    while True:
        try:
            message = await receive()
        except HTTPException as error:
            raise TooLarge(str(error.detail)) from None
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _given(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _encoded(kept: Kept) -> list[tuple[bytes, bytes]]:
    told = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept.headers]
    return [*told, (b"idempotency-replayed", b"true")]


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
