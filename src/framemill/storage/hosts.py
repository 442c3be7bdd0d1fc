"""Hosts as URLs name them, read in the one way in which nobody reads them differently; and which addresses are
nobody's on the public network. Pure: nothing is looked up."""

import ipaddress
from typing import TypeAlias
from urllib.parse import urlsplit

import idna

from framemill.errors import WrongUse

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

USUAL_PORTS = {"http": 80, "https": 443}

CLOSED_PORTS = frozenset(
    {1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110}
    | {111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531}
    | {532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060}
    | {5061, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211}
)
"""Where no web server is, and a request could be read as words of another protocol: the bad ports of the Fetch
standard (https://fetch.spec.whatwg.org/#port-blocking), with Redis and memcached, which take any line for a command."""

_NOT_PUBLIC = tuple(
    ipaddress.ip_network(one)
    # The registries of special-purpose addresses (RFC 6890, https://www.iana.org/assignments/iana-ipv4-special-registry
    # and iana-ipv6-special-registry), written out: what Python calls global differs from one version to the next.
    for one in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # public by its number, but in every machine of Azure's the way to its host
        *("::/8", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16"),
        *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)
_CARRIERS = tuple(
    (ipaddress.IPv6Network(net), shift)
    for net, shift in (("::ffff:0:0/96", 0), ("::/96", 0), ("64:ff9b::/96", 0), ("2002::/16", 80))
)
"""Mapped and compatible addresses (RFC 4291, 2.5.5), NAT64 (RFC 6052), 6to4 (RFC 3056); and where in them the IPv4
address stands, in bits from the right."""
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_LONGEST_LABEL, _LONGEST_NAME = 63, 253  # RFC 1035, 2.3.4


def meant(address: IpAddress) -> IpAddress:
    """The address that a connection there ends at: of an IPv6 address that carries an IPv4 one, that one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    number = int(address)
    for net, shift in _CARRIERS:
        if address in net and number > 1:  # `::` and `::1` carry none
            return ipaddress.IPv4Address(number >> shift & 0xFFFFFFFF)
    return ipaddress.IPv6Address(number)  # without a zone


def is_public(address: IpAddress) -> bool:
    """Whether what it means is somebody's on the public network."""
    one = meant(address)
    return not any(one.version == net.version and one in net for net in _NOT_PUBLIC)


def host_named(host: str) -> str:
    """The host in small ASCII letters, without a dot at its end. Raises `WrongUse` for what is none, and for what one
    program takes for another host than the next: 0x7f.1, 2130706433, 0177.0.0.1, a zone behind a `%`."""
    said = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not said.isascii():
        try:
            said = idna.encode(said, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise WrongUse(f"{host!r} is no name of a host: {error}.") from None
    said = said.lower()
    if ":" in said:
        try:
            return str(ipaddress.IPv6Address(said if "%" not in said else ""))
        except ValueError:
            raise WrongUse(f"{host!r} is no IPv6 address; zones (%) are not taken.") from None
    said = said.removesuffix(".")
    labels = said.split(".")
    wrong = not all(label and len(label) <= _LONGEST_LABEL and set(label) <= _LETTERS for label in labels)
    if wrong or len(said) > _LONGEST_NAME:
        raise WrongUse(f"{host!r} is no name of a host.")
    if labels[-1].isdigit() or labels[-1].startswith("0x"):  # as https://url.spec.whatwg.org/#ends-in-a-number-checker
        try:
            return str(ipaddress.IPv4Address(said))
        except ValueError:
            raise WrongUse(f"{host!r} is no IPv4 address: write it as four decimal numbers.") from None
    return said


def is_localhost(name: str) -> bool:
    """Whether a name means this machine, whatever a name server says (RFC 6761, 6.3)."""
    return name == "localhost" or name.endswith(".localhost")


def literals(name: str) -> list[IpAddress]:
    """The addresses that a host's name, as `host_named` gives it, says by itself; none: it has to be looked up."""
    if is_localhost(name):
        return [ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1")]
    try:
        return [ipaddress.ip_address(name)]
    except ValueError:
        return []


def server_of(place: str, usual_port: int) -> tuple[str, int]:
    """Host and port of `host[:port]`. Raises `WrongUse` for what is none."""
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise WrongUse(f"{place!r} is no host: {error}.") from None
    return host_named(host), port or usual_port


def place_of(url: str) -> tuple[str, int]:
    """Host and port of an http(s) URL. Raises `WrongUse` for anything else, and where programs would read another."""
    if any(character.isspace() or not character.isprintable() for character in url):
        raise WrongUse("The URL holds blanks or control characters: quote them.")
    if "\\" in url:
        raise WrongUse("The URL holds a backslash, which some read as a slash: write %5C, or a slash.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise WrongUse(f"This is no URL: {error}.") from None
    if parts.scheme not in USUAL_PORTS or not host:
        raise WrongUse("The URL has to begin with http:// or https:// and to name a host.")
    if parts.netloc.count("@") > 1:
        raise WrongUse("The URL has more than one @ before its host: write %40 in a user or password.")
    return host_named(host), port or USUAL_PORTS[parts.scheme]
