"""The guarded way out for libraries that look up names by themselves: whatever they ask for, it goes where clients may
go, and nobody else of the machine goes through it."""

import base64
import contextlib
import os
import socket
import ssl
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from reached import CLOSED, OPEN, Answer, Heard, Server, head_of, reach, serving, speaking
from servers.started import free_port

from framemill.storage.guard import Reach
from framemill.storage.guardproxy import MARK, proxied, refused


def client(where: Reach) -> httpx.Client:
    return httpx.Client(proxy=proxied(where), trust_env=False, timeout=10)


def said(proxy: str, words: bytes, *, authorized: bool = True) -> bytes:
    """All that the proxy answers to those very words; `@` in them: where the password belongs."""
    parts = urlsplit(proxy)
    key = base64.b64encode(f"{parts.username}:{parts.password}".encode())
    line = b"Proxy-Authorization: Basic " + key + b"\r\n" if authorized else b""
    with socket.create_connection((parts.hostname or "", parts.port or 0), 10) as connection:
        connection.sendall(words.replace(b"@@", line))
        read = b""
        with contextlib.suppress(ConnectionResetError):
            while block := connection.recv(65536):
                read += block
        return read


@pytest.fixture
def closed() -> Iterator[Server]:
    """One test has a server at its port in the open network, too."""
    with serving(host=CLOSED, port=free_port()) as server:
        yield server


def test_what_is_open_is_asked_and_answered() -> None:
    def echo(heard: Heard) -> Answer:
        return Answer(201, {"x-met": heard.method}, heard.body)

    where = reach(store_example=[[OPEN]])
    with serving(echo) as server, client(where) as web:
        url = f"http://store.example:{server.port}/bucket/a%20b?list=1&x="
        answer = web.put(url, content=b"x" * 3_000_000)
        chunked = web.post(url, content=iter([b"ab", b"cd"]))
        head = web.head(url)
    assert (answer.status_code, answer.headers["x-met"], len(answer.content)) == (201, "PUT", 3_000_000)
    assert (head.status_code, head.content) == (201, b"")
    first = server.heard[0]
    assert (first.path, first.headers["host"]) == ("/bucket/a%20b?list=1&x=", f"store.example:{server.port}")
    assert "proxy-authorization" not in first.headers
    assert (chunked.status_code, server.heard[1].headers["transfer-encoding"]) == (201, "chunked")


@pytest.mark.parametrize("host", ["inside.example", CLOSED, "localhost", "0x7f000002", "2130706434", "127.2", "[::1]"])
def test_a_plain_request_into_a_closed_network_is_refused(host: str, closed: Server) -> None:
    proxy = proxied(Reach(resolve=reach(inside_example=[[CLOSED]]).resolve))
    with httpx.Client(proxy=proxy, trust_env=False) as web:
        answer = web.get(f"http://{host}:{closed.port}/latest/meta-data")
    assert (answer.status_code, closed.heard) == (403, [])
    assert answer.headers[MARK] == refused(proxy)


def test_the_refusal_names_the_line_that_opens_the_very_address() -> None:
    proxy = proxied(reach(inside_example=[["192.168.1.20"]]))
    with httpx.Client(proxy=proxy, trust_env=False) as web:
        answer = web.get("http://inside.example/")
    assert answer.text.endswith("FRAMEMILL_ALLOWED_NETWORKS=192.168.1.20/32")


def test_a_tunnel_into_a_closed_network_is_refused(closed: Server) -> None:
    proxy = proxied(reach(inside_example=[[CLOSED]]))
    for target in (f"inside.example:{closed.port}", f"{CLOSED}:{closed.port}", f"[::ffff:127.0.0.2]:{closed.port}"):
        answer = said(proxy, f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n@@\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 403"), answer
        assert MARK.encode() in answer
    assert closed.heard == []
    assert "127.0.0.2/32" in (refused(proxy) or "")
    assert refused(proxied(reach())) is None


def test_a_name_that_means_another_address_a_moment_later_is_connected_to_where_it_was_judged(closed: Server) -> None:
    where = reach(rebinds_example=[[OPEN], [CLOSED]])
    with serving(port=closed.port) as server, client(where) as web:
        url = f"http://rebinds.example:{server.port}/"
        assert web.get(url).status_code == 200
        assert web.get(url).status_code == 403  # and the next connection is judged anew
    assert (len(server.heard), closed.heard) == (1, [])


def test_a_tunnel_carries_whatever_comes_both_ways_and_ends_with_it() -> None:
    def speaks(connection: socket.socket) -> None:
        connection.sendall(b"banner\n")
        got = b""
        while block := connection.recv(65536):
            got += block
        connection.sendall(b"%d" % len(got))

    with speaking(speaks) as server:
        target = f"{OPEN}:{server.port}"
        parts = urlsplit(proxy := proxied(reach()))
        with socket.create_connection((parts.hostname or "", parts.port or 0), 10) as connection:
            key = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
            asked = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Basic {key}\r\n\r\n"
            connection.sendall(asked.encode() + b"early")
            connection.sendall(b"x" * 1_000_000)
            connection.shutdown(socket.SHUT_WR)
            read = b""
            while block := connection.recv(65536):
                read += block
    assert read == b"HTTP/1.1 200 OK\r\n\r\nbanner\n1000005"
    assert refused(proxy) is None


def test_nobody_goes_through_it_without_its_password() -> None:
    where = reach()
    with serving() as server:
        right = proxied(where)
        port = urlsplit(right).port
        for wrong in (f"http://127.0.0.1:{port}", f"http://{urlsplit(right).username}:guess@127.0.0.1:{port}"):
            with httpx.Client(proxy=wrong, trust_env=False) as web:
                assert web.get(server.url).status_code == 407
        assert said(right, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 407")
        twice = b"GET %s/ HTTP/1.1\r\nHost: %s:%d\r\n@@@@\r\n" % (server.url.encode(), OPEN.encode(), server.port)
        assert said(right, twice).startswith(b"HTTP/1.1 407")
    assert server.heard == []


def test_each_call_has_a_password_of_its_own() -> None:
    assert proxied(reach()) != proxied(reach())


@pytest.mark.parametrize(
    "words",
    [
        b"GET {url}/a HTTP/1.1\r\nHost: other.example\r\n@@\r\n",  # judged for one host, asked of another
        b"POST {url}/ HTTP/1.1\r\nHost: {host}\r\n@@Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST {url}/ HTTP/1.1\r\nHost: {host}\r\n@@Content-Length: 4\r\nContent-Length: 44\r\n\r\nabcd",
        b"GET {url}/ HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n@@\r\n",
        b"GET /relative HTTP/1.1\r\nHost: {host}\r\n@@\r\n",
        b"GET file:///etc/passwd HTTP/1.1\r\nHost: {host}\r\n@@\r\n",
        b"GET {url}/ HTTP/1.1\r\nHost : {host}\r\n@@\r\n",
        b"GET {url}/ HTTP/1.1\r\nHost: {host}\r\n@@X: " + b"x" * 200_000 + b"\r\n\r\n",
        b"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n@@Content-Length: 5\r\n\r\nhello",
        b"CONNECT nowhere HTTP/1.1\r\nHost: x\r\n@@\r\n",
    ],
)
def test_what_could_be_read_in_two_ways_is_not_passed_on(words: bytes) -> None:
    with serving() as server:
        asked = words.replace(b"{url}", server.url.encode()).replace(b"{host}", f"{OPEN}:{server.port}".encode())
        answer = said(proxied(reach()), asked)
    assert answer.split(b" ", 2)[1] in {b"400", b"407", b"502"}, answer
    assert server.heard == []


def test_a_second_request_hidden_behind_the_first_is_not_read(closed: Server) -> None:
    with serving() as server:
        host = f"{OPEN}:{server.port}"
        second = f"GET http://{CLOSED}:{closed.port}/ HTTP/1.1\r\nHost: x\r\n\r\n"
        third = f"GET http://{host}/third HTTP/1.1\r\nHost: {host}\r\n\r\n"
        words = f"GET http://{host}/first HTTP/1.1\r\nHost: {host}\r\n@@\r\n{second}{third}"
        answer = said(proxied(reach()), words.encode())
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer.lower()
    assert ([one.path for one in server.heard], closed.heard) == (["/first"], [])


def test_a_store_that_wants_to_be_asked_first_is_and_may_say_no() -> None:
    """`Expect: 100-continue`, as S3's clients send it."""
    bodies = []

    def speaks(connection: socket.socket) -> None:
        head = head_of(connection)
        if b"/no" in head:
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
            return
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        bodies.append(connection.recv(100))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")

    with speaking(speaks) as server:
        host = f"{OPEN}:{server.port}"
        for path, last in (("/no", b"no"), ("/yes", b"yes")):
            parts = urlsplit(proxied(reach()))
            key = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
            with socket.create_connection((parts.hostname or "", parts.port or 0), 10) as connection:
                connection.sendall(
                    f"PUT http://{host}{path} HTTP/1.1\r\nHost: {host}\r\nProxy-Authorization: Basic {key}\r\n"
                    "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n".encode()
                )
                read = head_of(connection)
                if b" 100 " in read:
                    connection.sendall(b"body")
                while block := connection.recv(65536):
                    read += block
            assert read.endswith(last), read
    assert bodies == [b"body"]


def test_an_answer_that_breaks_off_is_not_made_whole() -> None:
    def speaks(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    with speaking(speaks) as server, client(reach()) as web, pytest.raises(httpx.RemoteProtocolError):
        web.get(server.url)


def test_nobody_there_is_an_outage_and_no_refusal() -> None:
    proxy = proxied(reach())
    port = free_port()
    with httpx.Client(proxy=proxy, trust_env=False) as web:
        assert web.get(f"http://{OPEN}:{port}/").status_code == 502
        assert web.get("http://unknown.example/").status_code == 502
    assert refused(proxy) is None


def test_a_forked_process_has_a_proxy_of_its_own() -> None:
    before = urlsplit(proxied(reach())).port
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.write(writing, str(urlsplit(proxied(reach())).port).encode())
        os._exit(0)
    os.waitpid(child, 0)
    after = int(os.read(reading, 16))
    os.close(reading)
    os.close(writing)
    assert after != before


def test_tls_is_between_the_library_and_the_store() -> None:
    """The tunnel shows what the store shows, so that a certificate is still checked by the library."""

    def speaks(connection: socket.socket) -> None:
        connection.recv(1)
        connection.sendall(b"no TLS at all")

    began = time.monotonic()
    with (
        speaking(speaks) as server,
        client(reach(store_example=[[OPEN]])) as web,
        pytest.raises(httpx.ConnectError) as e,
    ):
        web.get(f"https://store.example:{server.port}/")
    assert isinstance(e.value.__context__, Exception)
    assert "SSL" in str(e.value) or isinstance(e.value.__context__, ssl.SSLError)
    assert time.monotonic() - began < 10
