"""A warm Python process that forks a child for each request: fresh memory each time, without the time of imports.

One server for each process that asks. Whoever asks hands over three file descriptors: the *channel* (request in,
answer out), the *life* (the server writes there how the child ended; closed for writing, it has the child killed), and
the child's stderr. The server and its children end with the process that asks.
"""

import asyncio
import contextlib
import importlib
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, NamedTuple

from framemill.errors import ChildFailed
from framemill.jobs.usage import Usage
from framemill.media import process
from framemill.media.process import Finished

_MEMORY_BYTES = 8 << 30  # address space, not resident: libav maps generously
_DESCRIPTORS = 3
_STDERR_BYTES = 4096  # of the end; a traceback
_GRACE_SECONDS = 5.0


class _Server(NamedTuple):
    control: socket.socket
    """Our end of what it is asked by; closed, it ends."""
    process: "subprocess.Popen[bytes]"


@dataclass(slots=True)
class ForkServer:
    """The asking side. May be used from several event loops; a server that is gone is started again."""

    handler: str
    """`module:name` of what a child calls: it reads descriptor 0, writes to 1 and returns the exit status."""
    preload: tuple[str, ...]
    """Modules that every child finds imported."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: "_Server | None" = None

    def warm(self) -> None:
        """Start the server now, so that the first request does not wait for it."""
        with self._lock:
            self._started()

    def close(self) -> None:
        """End the server, and every child that is left."""
        with self._lock:
            self._end()

    async def run(self, request: bytes, timeout: float | None) -> Finished:
        """Have one child handle a request; `stdout` is its answer. Cancelling kills the child.

        Raises `TimeoutError` (the child is dead by then), `ChildFailed` when the server is lost twice.
        """
        for left in (1, 0):
            finished = await self._run(request, timeout)
            if finished is not None:
                process.account(finished.usage)
                return finished
            if not left:
                raise ChildFailed("The process that reads media is lost each time it is started; see its stderr.")
        raise AssertionError("unreachable")

    async def _run(self, request: bytes, timeout: float | None) -> Finished | None:
        began = time.monotonic()
        with tempfile.TemporaryFile() as stderr:
            channel, life, server = self._submitted(stderr)
            with channel, life:
                told, answer = await self._talked(channel, life, request, timeout)
            if not told:
                await asyncio.to_thread(self._lost, server)
                return None
            stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - _STDERR_BYTES))
            words = stderr.read().decode(errors="replace")
        status, used = json.loads(told)
        usage = Usage.model_validate(used).model_copy(update={"seconds": time.monotonic() - began})
        return Finished(status, answer, words, usage)

    @staticmethod
    async def _talked(
        channel: socket.socket, life: socket.socket, request: bytes, timeout: float | None
    ) -> tuple[bytes, bytes]:
        """How the child ended (empty: the server is lost), and its answer."""
        reader, writer = await asyncio.open_connection(sock=channel)
        ended, killer = await asyncio.open_connection(sock=life)
        told = b""
        try:
            async with asyncio.timeout(timeout):
                with contextlib.suppress(ConnectionError):  # it died without reading: its status tells
                    writer.write(request)
                    writer.write_eof()
                    await writer.drain()
                answer = await _all_of(reader)
                told = await _all_of(ended)
        finally:
            if not told:
                with contextlib.suppress(OSError, TimeoutError):
                    killer.write_eof()
                    async with asyncio.timeout(_GRACE_SECONDS):
                        await _all_of(ended)
            writer.close()
            killer.close()
        return told, answer

    def _submitted(self, stderr: IO[bytes]) -> "tuple[socket.socket, socket.socket, _Server]":
        """Ask for a child: our ends of its channel and of its life, and the server that has it."""
        channel, theirs = socket.socketpair()
        life, their_life = socket.socketpair()
        with theirs, their_life, self._lock:
            descriptors = [theirs.fileno(), their_life.fileno(), stderr.fileno()]
            server = self._started()
            try:
                socket.send_fds(server.control, [b"f"], descriptors)
            except OSError:  # it ended since it was last used, with the thread that had started it
                self._end()
                server = self._started()
                socket.send_fds(server.control, [b"f"], descriptors)
        return channel, life, server

    def _started(self) -> "_Server":
        if self._server is None or self._server.process.poll() is not None:
            self._end()
            control, theirs = socket.socketpair()
            with theirs:
                argv = [sys.executable, "-m", "framemill.media.forkserver", self.handler, *self.preload]
                self._server = _Server(control, process.start(argv, theirs, subprocess.DEVNULL, None))
        return self._server

    def _lost(self, server: "_Server") -> None:
        """Ask it nothing more: its sockets close a moment before it can be seen to have ended."""
        with self._lock:
            if self._server is server:
                self._end()

    def _end(self) -> None:
        if self._server is not None:
            self._server.control.close()
            self._server.process.wait()
        self._server = None


async def _all_of(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


# The server's side


def serve(control: socket.socket, handler: Callable[[], int]) -> None:
    """Fork a child for each request until whoever asks is gone."""
    lives: dict[int, socket.socket] = {}
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is control:
                    asked, descriptors, _, _ = socket.recv_fds(control, 1, _DESCRIPTORS)
                    if not asked:
                        return
                    channel, life, stderr = descriptors
                    pid = _forked(channel, stderr, handler)
                    lives[pid] = socket.socket(fileno=life)
                    selector.register(lives[pid], selectors.EVENT_READ, pid)
                elif key.fileobj == woken:
                    os.read(woken, 1 << 12)
                    _reap(lives, selector)
                else:  # nobody waits for this one any more
                    selector.unregister(key.fileobj)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(key.data, signal.SIGKILL)


def _reap(lives: dict[int, socket.socket], selector: selectors.BaseSelector) -> None:
    while lives:
        pid, wait_status, usage = os.wait4(-1, os.WNOHANG)
        if not pid:
            return
        with lives.pop(pid) as life:
            with contextlib.suppress(KeyError):
                selector.unregister(life)
            told = [os.waitstatus_to_exitcode(wait_status), process.used_by(usage).model_dump()]
            with contextlib.suppress(OSError):
                life.sendall(json.dumps(told).encode())


def _forked(channel: int, stderr: int, handler: Callable[[], int]) -> int:
    """A child that handles the request on that channel; in the server, its pid."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        os.close(channel)
        os.close(stderr)
        return pid
    status = 1
    try:
        process.die_with(parent)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor, place in ((channel, 0), (channel, 1), (stderr, 2)):
            os.dup2(descriptor, place)
        os.closerange(_DESCRIPTORS, os.sysconf("SC_OPEN_MAX"))
        if sys.platform == "linux":  # macOS knows no such limit
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        status = handler()
    except BaseException:  # noqa: BLE001 - a child of a fork must never return into the server's loop
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(status)


def main(handler: str, *preload: str) -> None:
    """Import what children need, and serve on the socket at stdin."""
    for name in preload:
        importlib.import_module(name)
    module, _, function = handler.partition(":")
    with socket.socket(fileno=os.dup(0)) as control:
        serve(control, getattr(importlib.import_module(module), function))


if __name__ == "__main__":
    main(*sys.argv[1:])
