"""pyftpdlib in a thread of its own, well-behaved or not."""

import contextlib
import errno
import logging
import socket
import ssl
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
import trustme

pytest.importorskip("pyftpdlib", reason="package missing: pip install pyftpdlib")

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it stands on asyncore, which has left Python since
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.filesystems import AbstractedFS
    from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

USER, PASSWORD = "ada", "o-so/secret:1"


@dataclass
class Manners:
    """How the server behaves."""

    tls: bool = False
    without: frozenset[str] = frozenset()
    """Commands that it does not know."""
    breaks: list[int] = field(default_factory=list)
    """Of the next downloads, after how many bytes each is cut off."""
    says_whole: bool = False
    """Whether it says of those that they were complete."""
    cuts: list[int] = field(default_factory=list)
    """Of the next uploads, after how many bytes each loses its connections, of commands and of data."""
    on_cut: Callable[[tuple[int, int]], None] | None = None
    """Hears just before from which port the commands come, and to which."""
    room: int | None = None
    """Bytes that fit in."""
    loses_the_rest: bool = False
    """Whether what does not fit in is lost without a word."""
    full_answer: str | None = None
    """What it says of every upload then, instead of beginning it."""
    renames_over: bool = True
    named_address: str | None = None
    """Which it names for data connections, though it listens elsewhere."""
    logins: int = 0
    """How many there were."""


@dataclass(frozen=True)
class FtpServer:
    port: int
    root: Path
    manners: Manners
    tls: ssl.SSLContext | None
    """Whose certificate the server has."""


class _Breaking:
    """A data connection that is cut off when so much has gone out."""

    manners: ClassVar[Manners]
    receive: bool
    tot_bytes_sent: int
    tot_bytes_received: int
    cmd_channel: Any

    def __init__(self, *given: Any, **named: Any) -> None:
        self._limit: int | None = None
        super().__init__(*given, **named)

    def push_with_producer(self, producer: Any) -> None:
        """Every download begins here."""
        breaks = self.manners.breaks
        self._limit = breaks.pop(0) if breaks and hasattr(producer, "file") else None
        super().push_with_producer(producer)  # type: ignore[misc]

    def send(self, data: bytes) -> int:
        if self._limit is None:
            return super().send(data)  # type: ignore[misc,no-any-return]
        left = self._limit - self.tot_bytes_sent
        if left > 0:
            return super().send(data[:left])  # type: ignore[misc,no-any-return]
        said = "226 Transfer complete." if self.manners.says_whole else "426 Connection closed; transfer aborted."
        self._resp = (said, logging.getLogger(__name__).debug)
        self.close()  # type: ignore[attr-defined]
        return 0

    def recv(self, size: int) -> bytes:
        block: bytes = super().recv(size)  # type: ignore[misc]
        cuts = self.manners.cuts
        if self.receive and cuts and self.tot_bytes_received + len(block) > cuts[0]:
            cuts.pop(0)
            if self.manners.on_cut is not None:
                ours: socket.socket = self.cmd_channel.socket
                self.manners.on_cut((ours.getpeername()[1], ours.getsockname()[1]))
            self.cmd_channel.close()  # and with it this one
            return b""
        return block

    def handle_error(self) -> None:
        """It would say `426 None` where a file cannot be written."""
        cause = getattr(sys.exc_info()[1], "__cause__", None)
        if isinstance(cause, OSError):
            self._resp = (f"426 {cause.strerror}; transfer aborted.", logging.getLogger(__name__).debug)
            self.close()  # type: ignore[attr-defined]
        else:
            super().handle_error()  # type: ignore[misc]


class _Bounded:
    """A file that there is only so much room for."""

    def __init__(self, file: Any, room: int, *, silent: bool) -> None:
        self._file, self._room, self._silent = file, room, silent

    def write(self, block: bytes) -> int:
        self._room -= len(block)
        if self._room < 0 and self._silent:
            return len(block)
        if self._room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return int(self._file.write(block))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _file_system(manners: Manners) -> type[AbstractedFS]:
    class FileSystem(AbstractedFS):  # type: ignore[misc]
        def open(self, filename: str, mode: str) -> Any:
            file = super().open(filename, mode)
            bounded = manners.room is not None and ("w" in mode or "a" in mode)
            return _Bounded(file, manners.room or 0, silent=manners.loses_the_rest) if bounded else file

        def rename(self, src: str, dst: str) -> None:
            if not manners.renames_over and Path(dst).exists():
                raise OSError(errno.EEXIST, "File exists")
            super().rename(src, dst)

    return FileSystem


def _handler(root: Path, manners: Manners, pem: Path | None) -> type[FTPHandler]:
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(root), perm="elradfmwMT")
    if (root / "pub").is_dir():
        authorizer.add_anonymous(str(root / "pub"))
    base: Any = FTPHandler if pem is None else TLS_FTPHandler
    channel: Any = DTPHandler if pem is None else TLS_DTPHandler

    def on_login(self: Any, username: str) -> None:
        manners.logins += 1

    def ftp_stor(self: Any, file: str, mode: str = "w") -> Any:
        if manners.full_answer is not None:
            self.respond(manners.full_answer)
            return None
        return base.ftp_STOR(self, file, mode)

    named = {
        "authorizer": authorizer,
        "abstracted_fs": _file_system(manners),
        "dtp_handler": type("Channel", (_Breaking, channel), {"manners": manners}),
        "masquerade_address": manners.named_address,
        "proto_cmds": {name: told for name, told in base.proto_cmds.items() if name not in manners.without},
        "use_sendfile": False,
        "auth_failed_timeout": 0,
        "on_login": on_login,
        "ftp_STOR": ftp_stor,
    }
    if pem is not None:
        named |= {"certfile": str(pem), "tls_control_required": True, "tls_data_required": True, "ssl_context": None}
    return types.new_class("Handler", (base,), exec_body=lambda body: body.update(named))


@contextlib.contextmanager
def ftp_server(root: Path, manners: Manners | None = None) -> Iterator[FtpServer]:
    """One that serves the folder `root` until the block ends; to anybody its folder `pub`."""
    manners = manners or Manners()
    logging.getLogger("pyftpdlib").addHandler(logging.NullHandler())  # else it makes one of its own
    logging.getLogger("pyftpdlib").propagate = False
    context = pem = None
    if manners.tls:
        authority = trustme.CA()
        pem = root.parent / f"{root.name}.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
        context = ssl.create_default_context()
        authority.configure_trust(context)
    loop = IOLoop()
    server = FTPServer(("127.0.0.1", 0), _handler(root, manners, pem), ioloop=loop)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            loop.loop(0.02, blocking=False)
        server.close_all()

    thread = threading.Thread(target=serve, name="ftp-server", daemon=True)
    thread.start()
    try:
        yield FtpServer(server.address[1], root, manners, context)
    finally:
        over.set()
        thread.join(10)
