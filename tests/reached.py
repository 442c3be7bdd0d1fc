"""Real web servers on addresses of the loopback network: one that the tests open to clients, and one that is closed."""

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from framemill.storage.guard import Reach

OPEN = "127.0.0.1"
"""Stands for the public network."""
CLOSED = "127.0.0.2"
"""Stands for whatever is private."""
OPENED = (ipaddress.ip_network(f"{OPEN}/32"),)


class Heard(NamedTuple):
    """A request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """What is answered; with no length said where `sized` is off."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""


Answers = Callable[[Heard], Answer]


class Server(NamedTuple):
    """One that is up."""

    host: str
    port: int
    heard: list[Heard]

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@contextlib.contextmanager
def serving(answers: Answers = lambda _: Answer(), host: str = OPEN, port: int = 0) -> Iterator[Server]:
    """A web server there, which answers so."""
    heard: list[Heard] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            one = Heard(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            heard.append(one)
            answer = answers(one)
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                with contextlib.suppress(OSError):  # whoever asked has gone
                    self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_any  # noqa: N815 - as the server looks for them

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Server(host, server.server_address[1], heard)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def speaking(speaks: Callable[[socket.socket], None], host: str = OPEN) -> Iterator[Server]:
    """A server of which each connection is handled by that function, one after the other, in a thread."""
    listener = socket.create_server((host, 0))

    def served() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                speaks(connection)

    thread = threading.Thread(target=served)
    thread.start()
    try:
        yield Server(host, listener.getsockname()[1], [])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def head_of(connection: socket.socket) -> bytes:
    """What it says up to the empty line, and what came with that."""
    read = b""
    while b"\r\n\r\n" not in read:
        block = connection.recv(65536)
        if not block:
            break
        read += block
    return read


class Names:
    """A resolver of the tests' own: each name's addresses, look after look; the last ones stay."""

    def __init__(self, **looks: Sequence[Sequence[str]]) -> None:
        self._looks = {name.replace("_", "."): list(one) for name, one in looks.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self._looks:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        looks = self._looks[host]
        return looks.pop(0) if len(looks) > 1 else looks[0]


def reach(**names: Sequence[Sequence[str]]) -> Reach:
    """To `OPEN`, and to nothing else of this machine."""
    return Reach(networks=OPENED, resolve=Names(**names))
