"""A web server in a thread that serves files as web servers and S3 stores do, and misbehaves as it is told."""

import functools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, NamedTuple
from urllib.parse import unquote, urlsplit

ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>secret-words</Message></Error>'

EMPTY: Mapping[str, str] = {}


class Asked(NamedTuple):
    """A request that came."""

    method: str
    target: str
    headers: dict[str, str]
    """By their names in small letters."""


@dataclass
class Scripted:
    """What it serves, how, and what it was asked for."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    """By path, with its first slash."""
    breaks: list[int] = field(default_factory=list)
    """Of the next answers that have a body, after how many bytes each is cut off."""
    silences: int = 0
    """How many of the next requests get no answer."""
    pauses: int = 0
    """How many of the next bodies stop coming in their middle."""
    answers: list[tuple[int, str]] = field(default_factory=list)
    """Statuses and codes of errors that the next requests get."""
    ranges: bool = True
    """Whether it knows ranges."""
    sizes: bool = True
    """Whether it says how long a file is."""
    elsewhere: dict[str, str] = field(default_factory=dict)
    """Paths that lead to other URLs."""
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    scripted: ClassVar[Scripted]
    over: ClassVar[threading.Event]

    def do_GET(self) -> None:
        told, path = self._told(), unquote(urlsplit(self.path).path)
        if told is None:
            return
        if path in told.elsewhere:
            self._say(HTTPStatus.FOUND, b"", {"Location": told.elsewhere[path]})
        elif path not in told.files:
            self._say(HTTPStatus.NOT_FOUND, ERROR.format(code="NoSuchKey").encode())
        else:
            self._file(told, told.files[path])

    do_HEAD = do_GET  # noqa: N815 (the name is the base class's)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = self._told()
        if told is not None:
            told.files[unquote(urlsplit(self.path).path)] = body
            self._say(HTTPStatus.OK, b"", {"ETag": _etag(body)})

    def log_message(self, format: str, *args: Any) -> None:
        """It says nothing."""

    def _told(self) -> Scripted | None:
        """How to go on; none: it is through with this request."""
        told = self.scripted
        told.asked.append(Asked(self.command, self.path, {key.lower(): said for key, said in self.headers.items()}))
        if told.silences:
            told.silences -= 1
            self.over.wait()
            self.close_connection = True
            return None
        if told.answers:
            status, code = told.answers.pop(0)
            self._say(status, ERROR.format(code=code).encode())
            return None
        return told

    def _file(self, told: Scripted, body: bytes) -> None:
        said, status = {"ETag": _etag(body), "Content-Type": "video/mp4"}, HTTPStatus.OK
        said["Last-Modified"] = "Sun, 06 Nov 1994 08:49:37 GMT"
        if self.headers.get("If-Match", _etag(body)) != _etag(body):
            self._say(HTTPStatus.PRECONDITION_FAILED, ERROR.format(code="PreconditionFailed").encode())
            return
        wanted = self.headers.get("Range", "") if told.ranges else ""
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1 if last else len(body), len(body))
            if start >= len(body):
                said["Content-Range"] = f"bytes */{len(body)}"
                self._say(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", said)
                return
            said["Content-Range"] = f"bytes {start}-{end - 1}/{len(body)}"
            status, body = HTTPStatus.PARTIAL_CONTENT, body[start:end]
        self._say(status, body, said)

    def _say(self, status: int, body: bytes, headers: Mapping[str, str] = EMPTY) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        told = self.scripted
        if told.sizes or status != HTTPStatus.OK:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD" or not body:
            return
        if told.breaks and status < HTTPStatus.BAD_REQUEST:
            self.wfile.write(body[: told.breaks.pop(0)])
            self.close_connection = True
        elif told.pauses and status < HTTPStatus.BAD_REQUEST:
            told.pauses -= 1
            self.wfile.write(body[: len(body) // 2])
            self.over.wait()
            self.close_connection = True
        else:
            self.wfile.write(body)


@contextmanager
def scripted(**files: bytes) -> Iterator[Scripted]:
    """A server that runs; the files stand at `/bucket/NAME`."""
    told = Scripted(files={f"/bucket/{name}": body for name, body in files.items()})
    over = threading.Event()
    handler = type("Handler", (_Handler,), {"scripted": told, "over": over})
    with _Server(("127.0.0.1", 0), handler) as server:
        told.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield told
        finally:
            over.set()
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none of its business."""


@functools.lru_cache
def _etag(body: bytes) -> str:
    return f'"{md5(body, usedforsecurity=False).hexdigest()}"'
