"""Where a client reaches the API: behind proxies, under a path, and under a second name.

Proxies say how they were asked (`X-Forwarded-Proto/-Host/-Prefix/-For`, or `Forwarded` of RFC 7239). Anybody can write
these headers, so they count only where the request comes from a network in `FRAMEMILL_TRUSTED_PROXIES`.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from framemill.api.parts import ApiParts
from framemill.api.paths import ALSO_AT, NATIVE_V1, PROBED
from framemill.config import Network

AT_ROOT = "door_at_root"
"""In a request's scope: the path of the door that is at the root of the host name that was asked for."""

_HOST = re.compile(r"[A-Za-z0-9._~-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


class Asked(NamedTuple):
    """How the client asked, as the last trusted proxy tells it; empty: nobody told."""

    scheme: str = ""
    host: str = ""
    """With its port, where it is not the usual one."""
    prefix: str = ""
    """The path that the proxy has taken away."""
    client: str = ""
    """The client's address."""


def base_url(request: HTTPConnection, parts: ApiParts) -> str:
    """`https://host/prefix`, without a slash at its end: what absolute URLs of the farm begin with."""
    if parts.public_url is not None:
        return parts.public_url
    asked = asked_as(request, parts.trusted_proxies)
    host = asked.host or request.headers.get("host", "") or request.url.netloc
    if not _HOST.fullmatch(host):
        host = "localhost"
    return f"{asked.scheme or request.url.scheme}://{host}{asked.prefix}"


def api_url(request: HTTPConnection, parts: ApiParts) -> str:
    """The URL of the native API, under the name by which it was asked: `https://host/v1`, or `…/framemill/v1`."""
    return f"{base_url(request, parts)}{request.scope.get('also_at', '')}/v1"


def client_address(request: HTTPConnection, trusted: Sequence[Network]) -> str:
    """Who asks: the peer, or whom trusted proxies ask for. Empty where nobody knows."""
    return asked_as(request, trusted).client or (request.client.host if request.client is not None else "")


def asked_as(request: HTTPConnection, trusted: Sequence[Network]) -> Asked:
    """What trusted proxies say of how the client asked; nothing where the peer is not one of them."""
    if request.client is None or not _within(request.client.host, trusted):
        return Asked()
    told = _forwarded(request.headers, trusted) if "forwarded" in request.headers else _x_forwarded(request, trusted)
    return Asked(
        scheme=told.scheme if told.scheme in {"http", "https"} else "",
        host=told.host if _HOST.fullmatch(told.host) else "",
        prefix=_prefix(request.headers),
        client=told.client,
    )


def _x_forwarded(request: HTTPConnection, trusted: Sequence[Network]) -> Asked:
    # Whoever is nearest to us writes last, and may have passed on what a client wrote before.
    last = {name: request.headers.get(f"x-forwarded-{name}", "").rpartition(",")[2].strip() for name in _WORDS}
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    return Asked(last["proto"].lower(), last["host"], "", _farthest(hops, trusted))


_WORDS = ("proto", "host")


def _forwarded(headers: Mapping[str, str], trusted: Sequence[Network]) -> Asked:
    hops = [
        {
            name.strip().lower(): value.strip().strip('"')
            for name, _, value in (pair.partition("=") for pair in hop.split(";"))
        }
        for hop in headers["forwarded"].split(",")
    ]
    clients = [_without_port(hop["for"]) for hop in hops if hop.get("for")]
    return Asked(hops[-1].get("proto", "").lower(), hops[-1].get("host", ""), "", _farthest(clients, trusted))


def _farthest(hops: Sequence[str], trusted: Sequence[Network]) -> str:
    """The first address from behind that is no trusted proxy's: what stands before it may be made up."""
    for hop in reversed(hops):
        if not _within(hop, trusted):
            return hop
    return hops[0] if hops else ""


def _prefix(headers: Mapping[str, str]) -> str:
    told = headers.get("x-forwarded-prefix", "").rpartition(",")[2].strip().rstrip("/")
    return told if _PREFIX.fullmatch(told) and ".." not in told else ""


def _without_port(node: str) -> str:
    if node.startswith("["):
        return node[1:].partition("]")[0]
    return node.partition(":")[0] if node.count(":") == 1 else node


def _within(address: str, networks: Sequence[Network]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found.version == network.version and found in network for network in networks)


class Paths:
    """Finds the API under its other paths: `/framemill`, that of the public URL where a proxy leaves it there, and the
    root of a host name that is a door's own."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        public_url: str | None,
        hosts: Mapping[str, str] | None = None,
        mounts: Sequence[str] = (),
        trusted: Sequence[Network] = (),
    ) -> None:
        """`hosts`: paths of doors by the host name at whose root they are, `*` for every one; `mounts`: those of all
        doors; `trusted`: the proxies that may say which host was asked for."""
        self._app = app
        self._public = "" if public_url is None else urlsplit(public_url).path.rstrip("/")
        self._hosts = hosts or {}
        self._mounts = mounts
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request by the path that is left."""
        if scope["type"] in {"http", "websocket"}:
            self._shorten(scope)
        await self._app(scope, receive, send)

    def _shorten(self, scope: Scope) -> None:
        root: str = scope.get("root_path", "")
        rest = route_path(scope)
        taken = ""
        if self._public and _is_under(rest, self._public):
            taken, rest = self._public, rest.removeprefix(self._public)
        also = ALSO_AT if _is_under(rest, NATIVE_V1) else ""
        if taken or also:
            scope.update({"root_path": root + taken + also, "also_at": also})
        if self._hosts and not also:
            self._find_door(scope, rest)

    def _find_door(self, scope: Scope, rest: str) -> None:
        """Below its own host name, whatever is asked for is the door's; it is found under its path nevertheless."""
        request = HTTPConnection(scope)
        host = asked_as(request, self._trusted).host or request.headers.get("host", "")
        mount = self._hosts.get(_without_port(host).lower(), self._hosts.get("*"))
        if mount is None or rest in PROBED or any(_is_under(rest, one) for one in self._mounts):
            return
        scope.update({"path": scope.get("root_path", "") + mount + rest, AT_ROOT: mount})


def route_path(scope: Mapping[str, Any]) -> str:
    """The path as the routes know it, whichever way it was asked for."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _is_under(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
