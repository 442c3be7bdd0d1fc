"""The pages behind a proxy that has taken a path away: they are told of it as if they were mounted there themselves."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from framemill.api.urls import asked_as
from framemill.config import Network, Settings
from framemill.storage.http import is_loopback

_TOLD = b"x-forwarded-prefix"


class Prefixed:
    """Puts the path that was taken away before that of each request: links, redirects and cookies have it then, too.

    A trusted proxy says it by X-Forwarded-Prefix, or it is that of the public URL, where a request is for its host.
    Nobody further in reads the header: anybody can write it.
    """

    def __init__(self, app: ASGIApp, *, trusted: Sequence[Network], public_url: str | None) -> None:
        self._app = app
        self._trusted = trusted
        self._public = urlsplit(public_url or "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request as one for the whole path."""
        if scope["type"] in {"http", "websocket"}:
            prefix = self._taken_away(HTTPConnection(scope))
            scope = {
                **scope,
                "root_path": prefix + scope.get("root_path", ""),
                "path": prefix + scope["path"],
                "headers": [(name, value) for name, value in scope["headers"] if name != _TOLD],
            }
        await self._app(scope, receive, send)

    def _taken_away(self, request: HTTPConnection) -> str:
        if self._public.netloc and request.headers.get("host") == self._public.netloc:
            return self._public.path.rstrip("/")
        return asked_as(request, self._trusted).prefix


def believed_proxies(settings: Settings) -> tuple[Network, ...]:
    """Whose word counts on how a client has asked.

    Serve's HAProxy stands before the replicas and does not tell who has asked it: headers can be believed only where
    nobody but this machine's own proxy reaches it.
    """
    return settings.trusted_proxies if is_loopback(f"//{settings.host}") else ()
