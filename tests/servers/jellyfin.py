"""A media server of our own that speaks as Jellyfin does: tokens of users, originals with ranges, HLS whose pieces are
made when they are asked for, and one long stream. It remembers what it was asked, and misbehaves as it is told."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl, urlsplit

GAP = 4
"""Pieces that may be passed over: further ahead, or back, it ends its encoder and begins anew there (Jellyfin's
`max allowed gap`)."""


class Asked(NamedTuple):
    """A request that came."""

    method: str
    target: str
    headers: dict[str, str]
    """By their names in small letters."""
    token: str


@dataclass
class Movie:
    """A film that it has."""

    original: bytes = b""
    """The file."""
    pieces: Sequence[bytes] = ()
    """What it makes of it: a transport stream, in pieces of a second."""
    original_status: int = 200
    """Other than 200: how whoever asks for the file is answered."""
    playlist_status: int = 200
    broken: set[int] = field(default_factory=set)
    """Pieces that answer 500."""
    piece_seconds: float = 0.0
    """How long a piece takes."""
    stream_seconds: float = 0.0
    """How long the long stream takes."""
    cut_after: int | None = None
    """Pieces after which the long stream ends, as if that were all; none: it is whole."""
    leads_to: str = ""
    """A URL that its playlist names instead of the second piece."""


@dataclass
class Jellyfin:
    """What it has, whom it knows, and what it was asked."""

    host: str = "127.0.0.1"
    port: int = 0
    base: str = ""
    """The path below which it is."""
    users: dict[str, str] = field(default_factory=dict)
    """Ids of users by their tokens."""
    movies: dict[str, Movie] = field(default_factory=dict)
    down: bool = False
    """It answers 503."""
    asked: list[Asked] = field(default_factory=list)
    encoders: list[int] = field(default_factory=list)
    """Of every encoder that it has started for HLS, the piece that it began with."""
    at: dict[str, int] = field(default_factory=dict)
    """By session, the piece that its encoder is at."""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}{self.base}"

    def asked_for(self, pattern: str) -> list[Asked]:
        """The requests whose target matches that."""
        return [one for one in list(self.asked) if re.search(pattern, one.target, re.IGNORECASE)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told: ClassVar[Jellyfin]
    over: ClassVar[threading.Event]

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name.lower(): value for name, value in parse_qsl(parts.query)}
        headers = {name.lower(): value for name, value in self.headers.items()}
        token = _token(headers, query)
        self.told.asked.append(Asked(self.command, self.path, headers, token))
        path = parts.path.lower()
        if self.told.down:
            self._say(503)
        elif not path.startswith(self.told.base.lower()):
            self._say(404)
        elif token not in self.told.users:
            self._say(401)
        else:
            self._found(path[len(self.told.base) :], parts.query, query)

    do_HEAD = do_GET  # noqa: N815 (the name is the base class's)

    def _found(self, path: str, raw: str, query: Mapping[str, str]) -> None:
        if path == "/users/me":
            user = self.told.users[_token({name.lower(): value for name, value in self.headers.items()}, query)]
            self._say(200, json.dumps({"Id": user, "Name": f"User {user}"}).encode(), "application/json")
            return
        match = re.fullmatch(r"/videos/([^/]+)/(.+)", path)
        movie = self.told.movies.get(match[1]) if match else None
        if match is None or movie is None:
            self._say(404)
            return
        if match[2].endswith(".m3u8"):
            self._playlist(movie, match[2], raw)
        elif piece := re.fullmatch(r"hls1/main/(\d+)\.ts", match[2]):
            self._piece(movie, int(piece[1]), query.get("playsessionid", ""))
        elif match[2].partition(".")[0] == "stream" and query.get("static") == "true":
            self._original(movie)
        elif match[2].partition(".")[0] == "stream":
            self._stream(movie)
        else:
            self._say(404)

    def _playlist(self, movie: Movie, name: str, raw: str) -> None:
        if movie.playlist_status != HTTPStatus.OK:
            self._say(movie.playlist_status)
            return
        if name == "master.m3u8":
            told = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=4000000\nmain.m3u8?{raw}\n"
        else:
            pieces = [
                f"hls1/main/{number}.ts?{raw}&runtimeTicks={number}0000000" for number in range(len(movie.pieces))
            ]
            if movie.leads_to:
                pieces[1] = movie.leads_to
            listed = "\n".join(f"#EXTINF:1.000000, nodesc\n{one}" for one in pieces)
            told = f"#EXTM3U\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n{listed}\n"
            told += "#EXT-X-ENDLIST\n"
        self._say(200, told.encode(), "application/vnd.apple.mpegurl")

    def _piece(self, movie: Movie, number: int, session: str) -> None:
        at = self.told.at.get(session)
        if at is None or not at <= number <= at + GAP:
            self.told.encoders.append(number)
        self.told.at[session] = number
        self.over.wait(movie.piece_seconds)
        if number in movie.broken or number >= len(movie.pieces):
            self._say(500)
        else:
            self._say(200, movie.pieces[number], "video/mp2t")

    def _original(self, movie: Movie) -> None:
        body, said, status = movie.original, {"Accept-Ranges": "bytes"}, HTTPStatus(movie.original_status)
        if status != HTTPStatus.OK:
            self._say(status)
            return
        wanted = self.headers.get("Range", "")
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1 if last else len(body), len(body))
            said["Content-Range"] = f"bytes {start}-{end - 1}/{len(body)}"
            status, body = HTTPStatus.PARTIAL_CONTENT, body[start:end]
        self._say(status, body, "video/mp4", said)

    def _stream(self, movie: Movie) -> None:
        """In chunks, as its encoder makes it: without a length, and without ranges."""
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        pieces = movie.pieces if movie.cut_after is None else movie.pieces[: movie.cut_after]
        with contextlib.suppress(OSError):  # whoever asked has gone
            for piece in pieces:
                self.over.wait(movie.stream_seconds / len(pieces))
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

    def _say(self, status: int, body: bytes = b"", kind: str = "", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": kind, **(headers or {})}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(OSError):
                self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """It says nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none of its business."""


@contextmanager
def running_jellyfin(base: str = "", host: str = "127.0.0.1") -> Iterator[Jellyfin]:
    """One that runs, without users and films."""
    told, over = Jellyfin(host=host, base=base), threading.Event()
    handler = type("Handler", (_Handler,), {"told": told, "over": over})
    with _Server((host, 0), handler) as server:
        told.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield told
        finally:
            over.set()
            server.shutdown()
            thread.join()


def _token(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """As Jellyfin looks for it: its own header first, then the older one, then the query."""
    match = re.search(r'Token="([^"]*)"', headers.get("authorization", ""))
    return match[1] if match else headers.get("x-emby-token", "") or query.get("apikey") or query.get("api_key") or ""
