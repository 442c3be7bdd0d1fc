"""What holds for every request before anybody looks at it: an id, a limit, and an answer whatever happens."""

import logging
import re
import uuid

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framemill.api.errors import Write, native, unforeseen

log = logging.getLogger(__name__)

BODY_BYTES = 4 << 20
"""Most that a request may carry: its sources travel elsewhere."""
LARGE = "large_body"
"""What a route sets in a request's state that takes more, and bounds it by itself."""

_ID_HEADER = b"x-request-id"
_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class Wire:
    """Gives each request an id (its own, where it brought one), limits its body, answers what nobody foresaw."""

    def __init__(self, app: ASGIApp, *, tells_id: bool = True, body_bytes: int = BODY_BYTES) -> None:
        self._app = Foreseen(app)
        self._tells_id = tells_id
        self._body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = [(_ID_HEADER, request_id.encode())] if self._tells_id else []
                more = scope["state"].get("headers", ())
                message = {**message, "headers": [*message["headers"], *more, *told]}
            await send(message)

        await self._app(scope, self._limited(scope, receive), send_with_id)

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._body_bytes and LARGE not in scope["state"]:
                raise HTTPException(413, f"The body is larger than {self._body_bytes >> 20} MiB.")
            return message

        return limited


class Foreseen:
    """Answers what nobody foresaw, as `write` does; the log tells what it was."""

    def __init__(self, app: ASGIApp, *, write: Write = native) -> None:
        self._app = app
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            request = Request(scope)
            log.exception("unforeseen", extra={"action": "request_failed", "request": scope["state"]["request_id"]})
            if begun:
                raise
            await self._write(request, unforeseen(request), error)(scope, receive, send)


def _request_id(scope: Scope) -> str:
    brought = next((value for name, value in scope["headers"] if name == _ID_HEADER), b"")
    return brought.decode() if _ID.fullmatch(brought) else uuid.uuid4().hex
