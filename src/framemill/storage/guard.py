"""Where the farm connects on a client's behalf, judged when it connects: a name may mean another address by then than
when it was written down, and yet another a moment later. So it is looked up once, and what was judged is connected to.
"""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from typing import Annotated, TypeAlias

import httpx
from pydantic import Field

from framemill.config import Network
from framemill.errors import AddressClosed, AddressRefused, WrongUse
from framemill.jobs.settings import Value
from framemill.storage.address import Address
from framemill.storage.hosts import (
    CLOSED_PORTS,
    USUAL_PORTS,
    IpAddress,
    host_named,
    is_localhost,
    is_public,
    literals,
    meant,
    place_of,
    server_of,
)

Resolve: TypeAlias = Callable[[str, int], Sequence[str]]
"""Addresses of a host and port. Raises OSError where it has none. May block."""


def system_addresses(host: str, port: int) -> list[str]:
    """The addresses that this machine's resolver knows, the preferred ones first. Raises OSError where it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Reach(Value):
    """Where connections may go on a client's behalf: anywhere on the public network, and into these networks."""

    networks: tuple[Network, ...] = ()
    """Whatever they are; the operator's `allowed_networks`."""
    resolve: Annotated[Resolve, Field(exclude=True, repr=False)] = system_addresses
    """What looks up names; it does not travel as JSON."""

    def allows(self, address: IpAddress) -> bool:
        """Whether the farm may connect there."""
        return self.named(address) or is_public(address)

    def named(self, address: IpAddress) -> bool:
        """Whether the operator has opened a network that it is in."""
        one = meant(address)
        return any(one.version == net.version and one in net for net in self.networks)


def host_of(url: str) -> str:
    """`host:port` of an http(s) URL, in small letters. Raises `WrongUse` for anything else."""
    host, port = place_of(url)
    return f"{host}:{port}"


def refuse_plainly_private(url: str, reach: Reach | None) -> None:
    """Raise `WrongUse` where the URL itself names an address that is out of reach; names are judged when connecting."""
    _refuse_literal(place_of(url), reach, web=True)


def refuse_closed(uri: str, address: Address, reach: Reach | None) -> None:
    """The same for a URI of any store that a client names by its host."""
    if address.scheme in USUAL_PORTS:
        refuse_plainly_private(uri, reach)
    elif address.scheme in _SERVER_PORTS:
        _refuse_literal(server_of(address.host, _SERVER_PORTS[address.scheme]), reach, web=False)


_SERVER_PORTS = {"ftp": 21, "ftps": 21, "sftp": 22}


def _refuse_literal(place: tuple[str, int], reach: Reach | None, *, web: bool) -> None:
    found = literals(place[0])
    if found and reach is not None:
        try:
            _judged(*place, found, reach, web=web)
        except AddressRefused as refused:
            raise AddressClosed(refused.message, place[0]) from None


def addresses_of(host: str, port: int, reach: Reach, *, web: bool = True) -> list[str]:
    """The addresses of a host, every one of which may be connected to; it blocks while the name is looked up.

    `web`: whether it will be asked in HTTP, which is refused at ports of other protocols. Raises `AddressRefused`, or
    OSError where it has no address.
    """
    try:
        name = host_named(host)
    except WrongUse as error:
        raise AddressRefused(error.message) from None
    said = literals(name)
    found = said or [ipaddress.ip_address(one.partition("%")[0]) for one in reach.resolve(name, port)]
    if not found:
        raise OSError(f"{name} has no address")
    return _judged(name, port, found, reach, web=web)


def connected(host: str, port: int, reach: Reach | None, timeout: float, *, web: bool = False) -> socket.socket:
    """A connection to a host at one of the addresses that were judged; `reach` none: to whatever it is.

    Raises `AddressRefused`, and OSError (`TimeoutError` after `timeout` seconds in all) where nobody takes it.
    """
    if reach is None:
        return socket.create_connection((host, port), timeout)
    until = time.monotonic() + timeout
    failure: OSError = OSError(f"{host} has no address")
    for address in addresses_of(host, port, reach, web=web):
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"{host} did not take a connection within {timeout:g} s")
        try:
            found = socket.create_connection((address, port), left)
        except OSError as error:
            failure = error
        else:
            found.settimeout(timeout)
            return found
    raise failure


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects to the address that was judged, and not to what the name means a moment later.

    Connections are not kept: two names may share an address, and a kept one was opened under one of them.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._inner = httpx.AsyncHTTPTransport(limits=_NOT_KEPT, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it to the first of the host's addresses that takes it. Raises `AddressRefused`, and httpx's errors."""
        failure: httpx.HTTPError = httpx.ConnectError(f"{request.url.host} has no address", request=request)
        for there in await asyncio.to_thread(_pinned, request, self._reach):
            try:
                return await self._inner.handle_async_request(there)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()


class GuardedSyncTransport(httpx.BaseTransport):
    """The same for a client that blocks."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._inner = httpx.HTTPTransport(limits=_NOT_KEPT, trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it to the first of the host's addresses that takes it. Raises `AddressRefused`, and httpx's errors."""
        failure: httpx.HTTPError = httpx.ConnectError(f"{request.url.host} has no address", request=request)
        for there in _pinned(request, self._reach):
            try:
                return self._inner.handle_request(there)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure

    def close(self) -> None:
        """Close what is open."""
        self._inner.close()


_NOT_KEPT = httpx.Limits(max_connections=None, max_keepalive_connections=0)


def _pinned(request: httpx.Request, reach: Reach) -> list[httpx.Request]:
    """The request to each of its host's addresses, under the name of that host."""
    host, scheme = request.url.host, request.url.scheme
    if scheme not in USUAL_PORTS:  # the client leaves that to its transport
        raise httpx.UnsupportedProtocol(f"{scheme}: is nothing of the web", request=request)
    try:
        found = addresses_of(host, request.url.port or USUAL_PORTS[scheme], reach)
    except OSError as error:
        raise httpx.ConnectError(f"{host} has no address: {error}", request=request) from None
    return [
        httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,  # with the name as its host
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host.removesuffix(".")},
        )
        for address in found
    ]


def _judged(host: str, port: int, found: Sequence[IpAddress], reach: Reach, *, web: bool) -> list[str]:
    """Of this machine's names those addresses that are open; of others all: an honest name means no two networks."""
    closed = [address for address in found if not reach.allows(address)]
    left = [address for address in found if address not in closed]
    if closed and not (is_localhost(host) and left):
        raise AddressRefused(_refusal(host, closed))
    odd = [address for address in left if web and port in CLOSED_PORTS and not reach.named(address)]
    if odd:
        raise AddressRefused(f"{host}:{port} is asked for over HTTP, and no web server is at port {port}.")
    return [str(address) for address in left]


def _refusal(host: str, closed: Sequence[IpAddress]) -> str:
    judged = dict.fromkeys(meant(address) for address in closed)
    places = ", ".join(str(one) for one in judged)
    line = ",".join(f"{one}/{one.max_prefixlen}" for one in judged)
    named = f"{host} is" if [host] == [str(one) for one in judged] else f"{host} is at {places},"
    return (
        f"{named} in a network that is closed to clients: private ones, and the farm's own machine, are. The farm's"
        f" operator opens it by FRAMEMILL_ALLOWED_NETWORKS={line}"
    )
