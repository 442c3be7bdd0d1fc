"""A guarded way out for libraries that look up names by themselves: a forward proxy inside this process, which judges
where each connection goes (`storage.guard`) and connects there and nowhere else.

It listens on this machine only, and serves who has the password that `proxied` hands out. TLS goes through it in a
tunnel; a plain request is read and written anew by h11, one a connection, so that nothing can hide behind it.
"""

import base64
import contextlib
import hmac
import logging
import os
import secrets
import selectors
import socket
import socketserver
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import h11

from framemill.errors import AddressRefused, WrongUse
from framemill.storage.guard import Reach, connected
from framemill.storage.hosts import place_of

log = logging.getLogger(__name__)

MARK = "x-framemill-refused"
"""Header of an answer that says that the address is closed to clients, and not that nobody is there."""
REASON = "Address Closed To Clients"
"""The words behind its 403, which libraries repeat where they tell no header of a failed tunnel."""
_HEAD_BYTES = 64 << 10
_HEAD_SECONDS = 30.0
_CONNECT_SECONDS = 30.0
_IDLE_SECONDS = 300.0  # a store that puts a large object together says nothing for minutes
_LINGER_SECONDS = 1.0
_BLOCK = 256 << 10
_LAST_PORT = 65535
_MOST_WAYS = 4096
"""Passwords that are known at once; the oldest are forgotten."""

# RFC 9110, 7.6.1: what is between two neighbours only. `Expect` is of both ends, and both are told of it.
_HOP_BY_HOP = {
    *(b"connection", b"proxy-connection", b"keep-alive", b"te", b"transfer-encoding", b"upgrade", b"trailer"),
    *(b"proxy-authorization", b"proxy-authenticate"),
}
_ENDS = {b"host", b"content-length"}
"""Which no `Connection` may take away."""

_ways: dict[int, "_Ways"] = {}
_making = threading.Lock()


def proxied(reach: Reach) -> str:
    """URL of a proxy, with its user and password, through which connections go where `reach` allows.

    Each call gives another password; what was refused under it, `refused` tells.
    """
    return _here().opened(reach)


def refused(url: str) -> str | None:
    """Why an address was refused the last time to who came by this URL of `proxied`; none: none was."""
    return _here().refused(urlsplit(url).username or "")


def _here() -> "_Ways":
    with _making:  # of this process: threads do not come along when it is forked
        if os.getpid() not in _ways:
            _ways.clear()
            _ways[os.getpid()] = _Ways()
        return _ways[os.getpid()]


@dataclass(slots=True)
class _Way:
    password: str
    reach: Reach
    refused: str | None = None


class _Ways(socketserver.ThreadingTCPServer):
    """The proxy of this process, and who may use it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Way] = OrderedDict()
        super().__init__(("127.0.0.1", 0), _Client)
        threading.Thread(target=self.serve_forever, name="guardproxy", daemon=True).start()

    def opened(self, reach: Reach) -> str:
        user, password = secrets.token_hex(8), secrets.token_hex(16)
        self._known[user] = _Way(password, reach)
        while len(self._known) > _MOST_WAYS:
            self._known.popitem(last=False)
        return f"http://{user}:{password}@127.0.0.1:{self.server_address[1]}"

    def refused(self, user: str) -> str | None:
        way = self._known.get(user)
        return None if way is None else way.refused

    def way_of(self, authorization: bytes) -> _Way | None:
        kind, _, said = authorization.partition(b" ")
        if kind.lower() != b"basic":
            return None
        with contextlib.suppress(ValueError):
            user, _, password = base64.b64decode(said.strip(), validate=True).partition(b":")
            way = self._known.get(user.decode("ascii"))
            if way is not None and hmac.compare_digest(way.password.encode(), password):
                return way
        return None

    def handle_error(self, _request: object, _address: object) -> None:
        """A fault of ours is logged; it ends that connection only."""
        log.exception("the guarded way out is in trouble", extra={"action": "guardproxy_failed"})


class _Refused(Exception):
    """The answer that a client gets instead of what it asked for."""

    def __init__(self, status: int, reason: str, text: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(text)
        self.status, self.reason, self.text, self.headers = status, reason, text, list(headers)


class _Client(socketserver.BaseRequestHandler):
    """One connection of a library's: one request, or one tunnel."""

    server: _Ways
    request: socket.socket

    def handle(self) -> None:
        """Serve it, and close it. Where either end is gone or silent for too long, the library sees it closed."""
        near = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        with contextlib.suppress(OSError):
            try:
                self._served(near, _request(near, self.request))
            except h11.ProtocolError as error:
                self._answered(near, _Refused(502, "Bad Gateway", f"One end speaks no HTTP: {error}."))
            except _Refused as refused:
                self._answered(near, refused)
            _ended(self.request)

    def _served(self, near: h11.Connection, asked: h11.Request) -> None:
        way = self.server.way_of(_only(asked, b"proxy-authorization"))
        if way is None:
            asking = [("Proxy-Authenticate", 'Basic realm="framemill"')]
            raise _Refused(407, "Proxy Authentication Required", "This proxy is not for everybody.", asking)
        try:
            far = connected(*_place(asked), way.reach, _CONNECT_SECONDS, web=True)
        except AddressRefused as refused:
            way.refused = refused.message
            told = refused.message.encode("ascii", "replace").decode("ascii")
            raise _Refused(403, REASON, refused.message, [(MARK, told)]) from None
        except OSError as error:
            raise _Refused(502, "Bad Gateway", f"It does not take a connection: {error}.") from None
        with far:
            for one in (self.request, far):
                one.settimeout(_IDLE_SECONDS)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if asked.method == b"CONNECT":
                if not isinstance(near.next_event(), h11.EndOfMessage):
                    raise _Refused(400, "Bad Request", "A tunnel is asked for without a body.")
                self.request.sendall(near.send(h11.Response(status_code=200, reason=b"OK", headers=[])) or b"")
                far.sendall(near.trailing_data[0])
                _tunnelled(self.request, far)
            else:
                _forwarded(near, self.request, _rewritten(asked), far)

    def _answered(self, near: h11.Connection, refused: _Refused) -> None:
        """What is refused before anything was answered."""
        if near.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        text = refused.text.encode()
        told = [*refused.headers, ("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))]
        response = h11.Response(
            status_code=refused.status, reason=refused.reason.encode(), headers=[*told, ("Connection", "close")]
        )
        for event in (response, h11.Data(data=text), h11.EndOfMessage()):
            self.request.sendall(near.send(event) or b"")


def _request(near: h11.Connection, client: socket.socket) -> h11.Request:
    """The head of what is asked for. Raises `ProtocolError`, and OSError where it does not come in time."""
    until = time.monotonic() + _HEAD_SECONDS
    while (event := near.next_event()) is h11.NEED_DATA:
        client.settimeout(max(0.001, until - time.monotonic()))
        near.receive_data(client.recv(_HEAD_BYTES // 4))
    if not isinstance(event, h11.Request):
        raise ConnectionError("nothing was asked for")
    return event


def _ended(client: socket.socket) -> None:
    """Let it read the answer to its end: what it still sends would make a reset of it."""
    client.shutdown(socket.SHUT_WR)
    client.settimeout(_LINGER_SECONDS)
    until = time.monotonic() + _LINGER_SECONDS
    while client.recv(_BLOCK) and time.monotonic() < until:
        pass


def _only(asked: h11.Request, name: bytes) -> bytes:
    found = [value for key, value in asked.headers if key == name]
    return found[0] if len(found) == 1 else b""


def _place(asked: h11.Request) -> tuple[str, int]:
    """Where to connect: of a tunnel `host:port`, else a whole URL."""
    url = asked.target.decode("ascii")
    if asked.method == b"CONNECT":
        host, _, port = url.rpartition(":")
        if not port.isdigit() or not 0 < int(port) <= _LAST_PORT:
            raise _Refused(400, "Bad Request", "A tunnel is asked for as host:port.")
        return host, int(port)
    if not url.startswith("http://"):
        raise _Refused(400, "Bad Request", "A proxy is asked for a whole http:// URL.")
    try:
        return place_of(url)
    except WrongUse as error:
        raise AddressRefused(error.message) from None


def _tunnelled(near: socket.socket, far: socket.socket) -> None:
    """Bytes to and fro, until both are through or nothing has come for too long."""
    with selectors.DefaultSelector() as ready:
        ready.register(near, selectors.EVENT_READ, far)
        ready.register(far, selectors.EVENT_READ, near)
        while ready.get_map() and (found := ready.select(_IDLE_SECONDS)):
            for key, _ in found:
                here, there = cast(socket.socket, key.fileobj), key.data
                block = here.recv(_BLOCK)
                if block:
                    there.sendall(block)
                else:
                    ready.unregister(here)
                    there.shutdown(socket.SHUT_WR)


def _forwarded(near: h11.Connection, client: socket.socket, asked: h11.Request, far: socket.socket) -> None:
    """One request and its answer; both are under way at once, since an answer may come early. A second request on the
    same connection is not read."""
    upstream = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)
    far.sendall(upstream.send(asked) or b"")
    _passed_on(near, upstream, far)  # what came with the head
    with selectors.DefaultSelector() as ready:
        ready.register(far, selectors.EVENT_READ)
        ready.register(client, selectors.EVENT_READ)
        while near.our_state in {h11.SEND_RESPONSE, h11.SEND_BODY}:
            if upstream.our_state is not h11.SEND_BODY and client in _sockets(ready):
                ready.unregister(client)
            found = [key.fileobj for key, _ in ready.select(_IDLE_SECONDS)]
            if not found:
                raise TimeoutError
            if far in found:
                upstream.receive_data(far.recv(_BLOCK))
                _passed_back(upstream, near, client)
            elif client in found:
                near.receive_data(client.recv(_BLOCK))
                _passed_on(near, upstream, far)


def _sockets(ready: selectors.BaseSelector) -> list[object]:
    return [key.fileobj for key in ready.get_map().values()]


def _passed_on(near: h11.Connection, upstream: h11.Connection, far: socket.socket) -> None:
    while upstream.our_state is h11.SEND_BODY:
        event = near.next_event()
        if not isinstance(event, h11.Data | h11.EndOfMessage):
            return
        try:
            far.sendall(upstream.send(event) or b"")
        except ConnectionError:  # it takes no more; perhaps it has said why
            upstream.send_failed()


def _passed_back(upstream: h11.Connection, near: h11.Connection, client: socket.socket) -> None:
    while near.our_state in {h11.SEND_RESPONSE, h11.SEND_BODY}:
        event = upstream.next_event()
        if isinstance(event, h11.InformationalResponse):
            event = h11.InformationalResponse(status_code=event.status_code, headers=_kept(event.headers))
        elif isinstance(event, h11.Response):
            headers = [*_kept(event.headers), (b"connection", b"close")]
            event = h11.Response(status_code=event.status_code, reason=event.reason, headers=headers)
        elif not isinstance(event, h11.Data | h11.EndOfMessage):
            return
        client.sendall(near.send(event) or b"")


def _rewritten(asked: h11.Request) -> h11.Request:
    """The request as the server is to see it: its path, no word between neighbours, one host, and how long it is."""
    url = asked.target.decode("ascii")
    parts = urlsplit(url)
    host = _only(asked, b"host").decode("ascii", "replace")
    if _plain(host) != _plain(parts.netloc.rpartition("@")[2]):
        raise _Refused(400, "Bad Request", "The Host header and the URL name different hosts.")
    chunked = any(name == b"transfer-encoding" for name, _ in asked.headers)
    if chunked and any(name == b"content-length" for name, _ in asked.headers):
        raise _Refused(400, "Bad Request", "A body is either of a length or in chunks.")
    headers = [*_kept(asked.headers), (b"connection", b"close")]
    if chunked:
        headers.append((b"transfer-encoding", b"chunked"))
    target = (parts.path or "/") + (f"?{parts.query}" if "?" in url else "")
    return h11.Request(method=asked.method, target=target.encode("ascii"), headers=headers)


def _kept(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Those that are for the other end; never without how long it is, and of whom it is."""
    pairs = list(headers)
    named = {one.strip().lower() for name, value in pairs if name == b"connection" for one in value.split(b",")}
    return [(name, value) for name, value in pairs if name not in _HOP_BY_HOP | (named - _ENDS)]


def _plain(authority: str) -> str:
    return authority.lower().removesuffix(":80")
