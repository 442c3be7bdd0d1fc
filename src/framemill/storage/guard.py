"""Which addresses the farm may connect to on a client's behalf, judged when it connects: a name may mean another
address by then than when it was written down."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

import httpx

from framemill.errors import WrongUse

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

USUAL_PORTS = {"http": 80, "https": 443}


class AddressRefused(httpx.ConnectError):
    """The name leads to no address that the farm may connect to."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where connections may go."""

    private: bool = False
    """Into private networks, and to this machine itself."""
    networks: tuple[Network, ...] = ()
    """And into these in any case."""

    def allows(self, address: Address) -> bool:
        """Whether the farm may connect there. Link-local addresses, where clouds keep credentials, only by name."""
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address.version == network.version and address in network for network in self.networks):
            return True
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            return False
        return self.private or address.is_global


def host_of(url: str) -> str:
    """`host:port` of an http(s) URL, in small letters. Raises `WrongUse` for anything else."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise WrongUse(f"This is no URL: {error}.") from None
    if parts.scheme not in USUAL_PORTS or not host:
        raise WrongUse("The URL has to begin with http:// or https:// and to name a host.")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise WrongUse("The URL holds blanks or control characters: quote them.")
    return f"{host}:{port or USUAL_PORTS[parts.scheme]}"


def refuse_plainly_private(url: str, reach: Reach) -> None:
    """Raise `WrongUse` where the URL itself names an address that is out of reach; names are judged when connecting."""
    host = host_of(url).rpartition(":")[0]
    literal = "127.0.0.1" if host == "localhost" or host.endswith(".localhost") else host
    try:
        address = ipaddress.ip_address(literal)
    except ValueError:
        return
    if not reach.allows(address):
        raise WrongUse(_refusal(host))


async def addresses_of(host: str, port: int, reach: Reach) -> Sequence[str]:
    """The addresses of a host that may be connected to. Raises `AddressRefused`, or OSError where it has none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = [address for address in addresses if reach.allows(ipaddress.ip_address(address.partition("%")[0]))]
    if not allowed:
        raise AddressRefused(_refusal(host))
    return allowed


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects to the address that was judged, and not to what the name means a moment later.

    Connections are not kept: two names may share an address, and a kept one was opened under one of them.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._inner = httpx.AsyncHTTPTransport(
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0), trust_env=False
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it to the first of the host's addresses that takes it."""
        host = request.url.host
        port = request.url.port or USUAL_PORTS[request.url.scheme]
        try:
            allowed = await addresses_of(host, port, self._reach)
        except OSError as error:
            raise httpx.ConnectError(f"{host} has no address: {error}", request=request) from None
        failure: httpx.ConnectError | None = None
        for address in allowed:
            there = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,  # with the name as its host
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return await self._inner.handle_async_request(there)
            except httpx.ConnectError as error:
                failure = error
        raise failure or httpx.ConnectError(f"{host} has no address", request=request)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()


def _refusal(host: str) -> str:
    return (
        f"{host} is in a network that this account may not reach: private ones, and the farm's own machine, are closed"
        " to clients. The farm's operator opens them by FRAMEMILL_ALLOWED_NETWORKS."
    )
