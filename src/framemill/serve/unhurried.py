"""What an application that takes large bodies needs in a replica of Ray Serve."""

import asyncio
from collections.abc import Sequence

from ray.serve._private.direct_ingress_http_util import ASGIDIReceiveProxy
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framemill.api.errors import envelope
from framemill.services.fileplace import PROXY_BODY_BYTES

_AHEAD = 16
"""Messages of a body (64 KiB each) that may wait until they are written."""


class Unhurried:
    """Lets a body come as fast as it is written, and no faster.

    A replica of Serve reads all of it ahead, into a queue that has room for everything: 2 GB that come faster than
    the disk takes them are 2 GB of memory. With a bounded queue it waits, and so does the client.

    Where HAProxy has lost sight of the replicas for a moment, it sends requests round by Serve's Python proxy, which
    holds bodies in memory: large ones are told to come back.
    """

    def __init__(self, app: ASGIApp, *, haproxy: bool) -> None:
        self._app = app
        self._haproxy = haproxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if isinstance(receive, ASGIDIReceiveProxy):
            bound(receive)
        elif self._haproxy and scope["type"] == "http" and _length(scope) > PROXY_BODY_BYTES:
            told = "What takes large bodies is being started again: send it once more in a moment."
            await envelope(503, "farm", "not_ready", told, request_id=None)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _length(scope: Scope) -> int:
    said = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(said) if said.isdigit() else 0


def bound(receive: ASGIDIReceiveProxy) -> None:
    """Give its queue a limit. What has come already moves over: it is not read from yet."""
    come: Sequence[Message] = [receive.queue.get_nowait() for _ in range(receive.queue.qsize())]
    queue: asyncio.Queue[Message] = asyncio.Queue(max(_AHEAD, len(come)))
    for message in come:
        queue.put_nowait(message)
    receive._queue = queue
