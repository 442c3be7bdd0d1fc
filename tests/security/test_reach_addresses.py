"""Which addresses are open to clients, and what counts as the name of a host: one case for each way around."""

import ipaddress

import pytest

from framemill.errors import WrongUse
from framemill.storage.address import address_of
from framemill.storage.guard import Reach, host_of, refuse_closed, refuse_plainly_private
from framemill.storage.hosts import host_named

CLOSED = {
    "private, 10/8": "10.1.2.3",
    "private, 172.16/12": "172.31.255.255",
    "private, 192.168/16": "192.168.1.20",
    "this machine": "127.0.0.1",
    "this machine, another number": "127.8.9.1",
    "unspecified, which systems take for this machine": "0.0.0.0",  # noqa: S104
    "this network": "0.1.2.3",
    "link-local: metadata of AWS, Google, Azure": "169.254.169.254",
    "metadata of Alibaba, in the carriers' NAT": "100.100.100.200",
    "carriers' NAT": "100.64.0.1",
    "metadata of Oracle": "192.0.0.192",
    "the host of a machine at Azure": "168.63.129.16",
    "documentation": "192.0.2.1",
    "documentation, second": "198.51.100.7",
    "documentation, third": "203.0.113.7",
    "benchmarks": "198.18.0.1",
    "6to4 relay": "192.88.99.1",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "IPv6, this machine": "::1",
    "IPv6, unspecified": "::",
    "IPv6, unique local": "fd00::1",
    "metadata of AWS by IPv6": "fd00:ec2::254",
    "IPv6, link-local": "fe80::1",
    "IPv6, link-local with a zone": "fe80::1%lo",
    "IPv6, site-local": "fec0::1",
    "IPv6, multicast": "ff02::1",
    "IPv6, documentation": "2001:db8::1",
    "IPv6, documentation, second": "3fff::1",
    "IPv6, discard": "100::1",
    "mapped": "::ffff:10.0.0.1",
    "mapped, link-local": "::ffff:169.254.169.254",
    "mapped, as numbers": "::ffff:7f00:1",
    "compatible": "::127.0.0.1",
    "NAT64": "64:ff9b::10.0.0.1",
    "NAT64, local": "64:ff9b:1::1",
    "6to4": "2002:7f00:1::",
    "6to4, private": "2002:c0a8:114::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
}
OPEN = ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]


@pytest.mark.parametrize("address", CLOSED.values(), ids=CLOSED)
def test_a_network_that_is_not_public_is_closed(address: str) -> None:
    assert not Reach().allows(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OPEN)
def test_the_public_network_is_open(address: str) -> None:
    assert Reach().allows(ipaddress.ip_address(address))


def test_what_the_operator_has_opened_is_open_however_it_is_written() -> None:
    reach = Reach(networks=(ipaddress.ip_network("192.168.1.20/32"), ipaddress.ip_network("fd00::/8")))
    assert all(
        reach.allows(ipaddress.ip_address(one)) for one in ("192.168.1.20", "::ffff:192.168.1.20", "fd12::1", "8.8.8.8")
    )
    assert not any(reach.allows(ipaddress.ip_address(one)) for one in ("192.168.1.21", "::1", "127.0.0.1"))


@pytest.mark.parametrize(
    "host",
    [
        *("2130706433", "0x7f000001", "0x7f.0.0.1", "017700000001", "0177.0.0.1", "127.1", "127.0.1", "0300.0250.1.20"),
        *("127.0.0.1.1", "1.2.3.4.5", "256.1.1.1", "1e3.0x1", "localhost.0x7f000001"),
        *("", ".", "..", "a..b", ".example.com", "example.com..", "-" * 64, "a." * 130),
        *("fe80::1%25eth0", "fe80::1%eth0", "[::1", "::1]", "1::2::3", "[127.0.0.1]:", "::ffff:1.2.3"),
        *("exa%6dple.com", "%31%32%37.0.0.1", "127.0.0.1\t", "a b", "a_b c", "exa\0mple", "a/b", "a\\b", "a@b", "a?b"),
        *("\N{ZERO WIDTH SPACE}", "\N{RIGHT-TO-LEFT OVERRIDE}moc.live", "a\N{FRACTION SLASH}b"),
    ],
)
def test_what_programs_would_read_differently_is_no_host(host: str) -> None:
    with pytest.raises(WrongUse):
        host_named(host)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Example.COM.", "example.com"),
        ("127\N{IDEOGRAPHIC FULL STOP}0\N{FULLWIDTH FULL STOP}0\N{HALFWIDTH IDEOGRAPHIC FULL STOP}1", "127.0.0.1"),
        ("\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT TWO}\N{FULLWIDTH DIGIT SEVEN}.0.0.1", "127.0.0.1"),
        ("\N{CIRCLED LATIN SMALL LETTER L}ocalhost", "localhost"),
        ("LOCALHOST.", "localhost"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("::FFFF:127.0.0.1", "::ffff:127.0.0.1"),
    ],
)
def test_a_host_is_judged_by_what_is_connected_to(host: str, name: str) -> None:
    shown = host_named(host)
    assert shown == str(ipaddress.ip_address(name)) if name[0] in "1:" else shown == name


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/", "http://[::1]:80/", "http://localhost/", "http://localhost./", "http://a.localhost/"),
        *(
            "http://10.0.0.1:8080/x?y#z",
            "http://[::ffff:169.254.169.254]/",
            "http://127。0。0。1/",
            "http://①27.0.0.1/",
        ),
        *("http://public.example@127.0.0.1/", "http://public.example:80@127.0.0.1:80/", "HTTP://LocalHost/"),
        *(
            "http://public.example#@127.0.0.1/\\",
            "http://127.0.0.1\\@public.example/",
            "http://public.example\\@10.0.0.1",
        ),
        *("http://a@b@127.0.0.1/", "http:///127.0.0.1/", "http://", "http://:80/", "http:127.0.0.1", "//127.0.0.1/"),
        *("file:///etc/passwd", "ftp://public.example/", "gopher://127.0.0.1:70/_x", "dict://a/", "jar:http://a!/"),
        *("http://public.example:22/", "http://public.example:25/", "https://8.8.8.8:6379/", "http://8.8.8.8:11211/"),
        *("http://public.example:99999/", "http://public.example:-1/", "http://public.example:8o/"),
        *("http://public.example/\r\nHost: other", "http://public.example/a b", "http://pub\tlic.example/"),
        *("http://0x7f.1/", "http://2130706433/", "http://0/", "http://[::]/", "http://[fe80::1%25lo]/"),
    ],
)
def test_a_url_that_plainly_leads_to_a_closed_address_or_is_none_is_refused(url: str) -> None:
    if url in {"http://public.example:22/", "http://public.example:25/"}:
        url = url.replace("public.example", "8.8.8.8")  # of names only the connection is judged
    with pytest.raises(WrongUse):
        refuse_plainly_private(url, Reach())


@pytest.mark.parametrize(
    "uri", ["ftp://10.0.0.1/a", "ftps://localhost/a", "sftp://[::1]:22/a", "sftp://user:pw@127.0.0.1/a", "ftp://127.1/"]
)
def test_servers_of_other_stores_are_judged_alike(uri: str) -> None:
    with pytest.raises(WrongUse):
        refuse_closed(uri, address_of(uri), Reach())
    if "127.1" not in uri:
        refuse_closed(uri, address_of(uri), None)


@pytest.mark.parametrize(
    "uri", ["ftp://files.example/a", "sftp://8.8.8.8/a", "s3://bucket/key", "/srv/a.mp4", "https://a.example:8443/"]
)
def test_what_is_open_is_taken(uri: str) -> None:
    refuse_closed(uri, address_of(uri), Reach())


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://192.168.1.20/x", "FRAMEMILL_ALLOWED_NETWORKS=192.168.1.20/32"),
        ("http://[fd00::5]/x", "FRAMEMILL_ALLOWED_NETWORKS=fd00::5/128"),
        ("http://[::ffff:192.168.1.20]/x", "FRAMEMILL_ALLOWED_NETWORKS=192.168.1.20/32"),
        ("http://localhost:9000/x", "FRAMEMILL_ALLOWED_NETWORKS=127.0.0.1/32,::1/128"),
    ],
)
def test_a_refusal_names_the_line_to_add_and_that_line_opens_it(url: str, line: str) -> None:
    with pytest.raises(WrongUse) as refused:
        refuse_plainly_private(url, Reach())
    assert refused.value.message.endswith(line)
    networks = tuple(ipaddress.ip_network(one) for one in line.partition("=")[2].split(","))
    refuse_plainly_private(url, Reach(networks=networks))


def test_a_port_of_another_protocol_is_open_where_the_operator_has_opened_the_network() -> None:
    refuse_plainly_private("http://10.0.0.1:6000/", Reach(networks=(ipaddress.ip_network("10.0.0.0/8"),)))


def test_a_host_with_its_port_is_told_in_one_form() -> None:
    assert host_of("HTTPS://User:pw@Hooks.Example./x") == "hooks.example:443"
    assert host_of("http://[0::1]:81/") == "::1:81"
