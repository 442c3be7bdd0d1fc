"""A connection goes where it was judged, whatever a name means a moment later, and to nothing that is closed."""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from reached import CLOSED, OPEN, OPENED, Answer, Server, reach, serving
from servers.started import free_port

from framemill.errors import AddressRefused
from framemill.storage.guard import GuardedSyncTransport, GuardedTransport, Reach, connected, system_addresses

Ask = Callable[[str, Reach], httpx.Response]


def by_waiting(url: str, where: Reach) -> httpx.Response:
    with httpx.Client(transport=GuardedSyncTransport(where), trust_env=False, follow_redirects=True) as web:
        return web.get(url)


def by_loop(url: str, where: Reach) -> httpx.Response:
    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=GuardedTransport(where), trust_env=False, follow_redirects=True) as web:
            return await web.get(url)

    return asyncio.run(asked())


both = pytest.mark.parametrize("ask", [by_waiting, by_loop])


@pytest.fixture
def closed() -> Iterator[Server]:
    """Some tests have a server at its port in the open network, too."""
    with serving(host=CLOSED, port=free_port()) as server:
        yield server


@both
def test_a_name_that_leads_into_a_closed_network_is_refused(ask: Ask, closed: Server) -> None:
    with pytest.raises(AddressRefused) as refused:
        ask(f"http://inside.example:{closed.port}/", reach(inside_example=[[CLOSED]]))
    assert refused.value.message.endswith("FRAMEMILL_ALLOWED_NETWORKS=127.0.0.2/32")
    assert closed.heard == []


@both
def test_one_closed_address_among_open_ones_refuses_the_name(ask: Ask, closed: Server) -> None:
    with pytest.raises(AddressRefused):
        ask(f"http://mixed.example:{closed.port}/", reach(mixed_example=[[OPEN, CLOSED]]))
    assert closed.heard == []


@both
@pytest.mark.parametrize("found", ["::ffff:127.0.0.2", "::1", "0.0.0.0", "169.254.169.254"])  # noqa: S104
def test_a_name_may_not_lead_there_in_another_form_either(found: str, ask: Ask, closed: Server) -> None:
    with pytest.raises(AddressRefused):
        ask(f"http://inside.example:{closed.port}/", reach(inside_example=[[found]]))
    assert closed.heard == []


@both
def test_dns_rebinding_finds_the_address_that_was_judged(ask: Ask, closed: Server) -> None:
    """The name means an open address when it is judged, and this machine as soon as somebody looks again."""
    where = reach(rebinds_example=[[OPEN], [CLOSED]])
    with serving(port=closed.port) as server:
        answer = ask(f"http://rebinds.example:{server.port}/", where)
        assert answer.status_code == 200
        assert where.resolve.asked == ["rebinds.example"]  # type: ignore[attr-defined]
        with pytest.raises(AddressRefused):  # the next connection is judged anew
            ask(f"http://rebinds.example:{server.port}/", where)
    assert (len(server.heard), closed.heard) == (1, [])
    assert server.heard[0].headers["host"] == f"rebinds.example:{server.port}"


@both
@pytest.mark.parametrize("there", ["http://127.0.0.2:{port}/", "http://inside.example:{port}/", "http://[::1]:{port}/"])
def test_a_redirect_into_a_closed_network_is_refused(there: str, ask: Ask, closed: Server) -> None:
    target = there.format(port=closed.port)
    with serving(lambda _: Answer(302, {"Location": target})) as server, pytest.raises(AddressRefused):
        ask(server.url, reach(inside_example=[[CLOSED]]))
    assert closed.heard == []


@both
@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x"])
def test_a_redirect_to_something_else_than_the_web_is_refused(target: str, ask: Ask) -> None:
    with serving(lambda _: Answer(302, {"Location": target})) as server, pytest.raises(httpx.UnsupportedProtocol):
        ask(server.url, reach())


@both
def test_every_address_of_an_open_name_is_tried(ask: Ask) -> None:
    networks = tuple(ipaddress.ip_network(one) for one in ("127.0.0.1/32", "127.0.0.3/32"))
    where = reach(several_example=[["127.0.0.3", OPEN]]).model_copy(update={"networks": networks})
    with serving() as server:
        assert ask(f"http://several.example:{server.port}/", where).status_code == 200


@both
def test_the_proxy_of_the_environment_is_not_asked(ask: Ask, monkeypatch: pytest.MonkeyPatch, closed: Server) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, closed.url)
    with serving() as server:
        assert ask(server.url, reach()).status_code == 200
    assert closed.heard == []


def test_a_socket_goes_where_it_was_judged(closed: Server) -> None:
    where = reach(rebinds_example=[[OPEN], [CLOSED]])
    with serving(port=closed.port) as server:
        with connected("rebinds.example", server.port, where, 5) as there:
            assert there.getpeername() == (OPEN, server.port)
        for host in ("rebinds.example", CLOSED, "localhost.", "::1", "127.2", "0x7f000002", ""):
            with pytest.raises(AddressRefused):
                connected(host if host != "localhost." else "localhost", server.port, Reach(resolve=where.resolve), 5)


def test_a_socket_of_the_operators_own_goes_anywhere(closed: Server) -> None:
    with connected(CLOSED, closed.port, None, 5) as there:
        assert there.getpeername() == (CLOSED, closed.port)


def test_nobody_there_is_no_refusal() -> None:
    port = free_port()
    with pytest.raises(ConnectionRefusedError):
        connected(OPEN, port, reach(), 5)
    with pytest.raises(OSError, match="not known"):
        connected("unknown.example", 80, reach(), 5)


def test_all_addresses_of_a_name_have_one_time_limit_together() -> None:
    """A name with a hundred addresses that swallow packets would else hold a worker for hours."""
    networks = (ipaddress.ip_network("127.0.0.0/8"),)
    with socket.create_server((OPEN, 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = []
        for _ in range(3):  # whoever comes after them is kept waiting
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex((OPEN, port))
            waiting.append(one)
        where = Reach(networks=networks, resolve=lambda *_: [OPEN] * 50)
        began = time.monotonic()
        with pytest.raises(OSError):  # noqa: PT011 - timed out, or all tried
            connected("slow.example", port, where, 0.4)
        assert time.monotonic() - began < 10  # and not 50 times as long, however busy this machine is
        for one in waiting:
            one.close()


def test_the_machines_own_resolver_is_asked_where_no_other_is_given(closed: Server) -> None:
    assert OPEN in system_addresses("localhost", 80)
    with serving() as server, connected("localhost", server.port, Reach(networks=OPENED), 5) as there:
        assert there.getpeername()[0] == OPEN
