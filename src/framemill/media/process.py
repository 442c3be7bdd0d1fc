"""The only place that starts processes: ffmpeg, and the Python child that reads media.

A child belongs to whoever started it: no session of its own (Ray ends a worker's process group), killed by the
kernel when the starting thread ends (Linux), and nice 10, so that encodes never starve the API beside them. It reads
what strangers have sent: it knows nothing of our environment, and is confined (see `confine`).
"""

import asyncio
import contextlib
import contextvars
import ctypes
import functools
import logging
import os
import resource
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any, TypeVar

import psutil

from framemill.config import child_environment
from framemill.errors import ChildFailed, ChildStalled
from framemill.jobs.usage import Usage
from framemill.media.confine import Bounds, confine, limit
from framemill.media.watchdog import LOOK_SECONDS, Watchdog, look_at

log = logging.getLogger(__name__)

_STDERR_BYTES = 1 << 18  # of the end; a damaged source makes a decoder write without end
_LINE_BYTES = 1 << 24  # one line of a child's answer; a JSON index of a long title is one line
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_KILLS = {signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT}  # from outside; a crash has other ones
_LEAST_MEMORY = 8 << 30  # bytes; an encode of 8K with its frames ahead takes that much
_BOUNDS = Bounds(
    memory_bytes=max(_LEAST_MEMORY, psutil.virtual_memory().total),  # beyond it the system ends somebody
    cpu_seconds=30 * 24 * 3600,  # a long film in one piece, by the slowest encoder
    descriptors=4096,  # a join of 100 sources takes some hundred
)
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of `ru_maxrss` (getrusage(2))

Progress = Callable[[dict[str, str]], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that ended: its exit status, what it wrote (of stderr, the end), and what it used."""

    status: int
    """Exit status, or the negated number of the signal that ended it."""
    stdout: bytes
    stderr: str
    usage: Usage


class Meter:
    """Sums up what the children use that are started under `metered`."""

    def __init__(self) -> None:
        self._cpu_seconds = 0.0
        self._peak_bytes = 0
        self._since = time.monotonic()

    def add(self, usage: Usage) -> None:
        """Count one process, or work done in this one."""
        self._cpu_seconds += usage.cpu_seconds
        self._peak_bytes = max(self._peak_bytes, usage.peak_bytes)

    @property
    def usage(self) -> Usage:
        """Wall time since the start, and what the children used."""
        elapsed = time.monotonic() - self._since
        return Usage(seconds=elapsed, cpu_seconds=self._cpu_seconds, peak_bytes=self._peak_bytes)


_meters: contextvars.ContextVar[tuple[Meter, ...]] = contextvars.ContextVar("meters", default=())


@contextlib.contextmanager
def metered() -> Iterator[Meter]:
    """Everything that children use, which this block or a task made in it starts, is counted; meters may nest."""
    meter = Meter()
    token = _meters.set((*_meters.get(), meter))
    try:
        yield meter
    finally:
        _meters.reset(token)


_file_bytes: contextvars.ContextVar[int | None] = contextvars.ContextVar("file_bytes", default=None)


@contextlib.contextmanager
def files_of_at_most(most_bytes: int) -> Iterator[None]:
    """No file grows beyond that which a process writes that this block runs, or a task made in it."""
    token = _file_bytes.set(most_bytes)
    try:
        yield
    finally:
        _file_bytes.reset(token)


def account(usage: Usage) -> None:
    """Count it on every meter that runs."""
    for meter in _meters.get():
        meter.add(usage)


def quoted(argv: Sequence[str]) -> str:
    """The command as a shell would take it."""
    return shlex.join(argv)


async def run(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    timeout: float | None = None,
    on_progress: Progress | None = None,
) -> Finished:
    """Run one process to its end; never raises for its exit status.

    Raises `ChildFailed` when somebody has killed it, and its kind `ChildStalled` when it stood still.

    `on_progress` gets each block of ffmpeg's `-progress pipe:1`, which then is not kept as stdout. Cancelling kills
    the child at once and waits for it. Raises `TimeoutError` after `timeout` seconds (the child is dead by then).
    """
    log.debug("+ %s", quoted(argv), extra={"action": "process_started"})
    started = time.monotonic()
    (our_out, out), (our_err, err) = socket.socketpair(), socket.socketpair()
    with our_out, our_err:
        with out, err, _as_file(stdin) as given:
            process = start(argv, given, out, err, _file_bytes.get())
        told = _Told(on_progress)
        async with _reaped_on_the_way_out(process) as ended, _watched(process, told) as verdict:
            async with asyncio.timeout(timeout):
                stdout, stderr, (status, used) = await asyncio.gather(
                    _read(our_out, functools.partial(_all_of, on_progress=on_progress and told)),
                    _read(our_err, _end_of),
                    ended,
                )
    usage = used.model_copy(update={"seconds": time.monotonic() - started})
    account(usage)
    if verdict:
        raise ChildStalled(f"{os.path.basename(argv[0])} {verdict[0]}; it was ended.")
    if -status in _KILLS:
        raise ChildFailed(f"{os.path.basename(argv[0])} was ended by signal {-status}, and not by itself.")
    log.debug("ended with %s after %.2f s", status, usage.seconds)
    return Finished(status, stdout, stderr, usage)


def start(
    argv: Sequence[str], stdin: Any, stdout: Any, stderr: Any, file_bytes: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a child of ours, whose files grow to that size at most; whoever starts it waits for it."""
    bounds = replace(_BOUNDS, file_bytes=file_bytes)
    return subprocess.Popen(
        argv,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=child_environment(),
        preexec_fn=functools.partial(_prepare_child, os.getpid(), bounds),  # noqa: PLW1509 - it makes system calls only
    )


def die_with(parent: int) -> None:
    """Have the kernel end this process when `parent` ends; call it in the child."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the signal was armed
            os._exit(127)


def used_by(usage: resource.struct_rusage) -> Usage:
    """What the kernel counted of one process."""
    return Usage(cpu_seconds=usage.ru_utime + usage.ru_stime, peak_bytes=usage.ru_maxrss * _RSS_UNIT)


def _prepare_child(parent: int, bounds: Bounds) -> None:
    """Runs between fork and exec: only calls that need no lock of this process."""
    die_with(parent)
    os.nice(10)
    limit(bounds)
    confine()


@contextlib.contextmanager
def _as_file(data: bytes | None) -> Iterator[IO[bytes] | int]:
    """What the child reads: a file, so that nobody has to feed it."""
    if data is None:
        yield subprocess.DEVNULL
        return
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file


class _Told:
    """Hears of progress, and remembers the last word."""

    def __init__(self, on_progress: Progress | None) -> None:
        self._on_progress = on_progress
        self.last = ""

    def __call__(self, block: dict[str, str]) -> None:
        self.last = f"{block.get('frame')} {block.get('out_time_us')} {block.get('total_size')}"
        if self._on_progress is not None:
            self._on_progress(block)


@contextlib.asynccontextmanager
async def _watched(process: subprocess.Popen[bytes], told: _Told) -> AsyncIterator[list[str]]:
    """While the block runs a child that stands still is killed; the list then holds the reason."""
    verdict: list[str] = []

    async def watch() -> None:
        try:
            child = psutil.Process(process.pid)
        except psutil.Error:  # it has ended already
            return
        loop = asyncio.get_running_loop()
        look = look_at(child, loop.time(), told.last)
        watchdog = None if look is None else Watchdog(look)
        while look is not None and watchdog is not None:
            await asyncio.sleep(LOOK_SECONDS)
            look = look_at(child, loop.time(), told.last)
            if look is not None and (why := watchdog.sees(look)):
                if process.returncode is not None:  # it has ended meanwhile, and its number may be somebody else's
                    return
                verdict.append(why)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
                return

    watching = asyncio.ensure_future(watch())
    try:
        yield verdict
    finally:
        watching.cancel()
        await asyncio.wait([watching])


@contextlib.asynccontextmanager
async def _reaped_on_the_way_out(
    process: subprocess.Popen[bytes],
) -> AsyncIterator["asyncio.Future[tuple[int, Usage]]"]:
    """The child's end as a future; a thread waits for it, since only `wait4` tells what one child has used."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[tuple[int, Usage]] = loop.create_future()

    def reap() -> None:
        _, wait_status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(wait_status)
        with contextlib.suppress(RuntimeError):  # the loop is closed: whoever waited was interrupted
            loop.call_soon_threadsafe(ended.set_result, (process.returncode, used_by(usage)))

    threading.Thread(target=reap, name=f"reaper-{process.pid}", daemon=True).start()
    try:
        yield asyncio.shield(ended)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        await _whatever_comes(ended)


async def _whatever_comes(ended: "asyncio.Future[tuple[int, Usage]]") -> None:
    """Wait for the end of a child that was killed, however often the waiting is cancelled; then it is."""
    cancelled: asyncio.CancelledError | None = None
    while not ended.done():
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def _read(ours: socket.socket, reading: Callable[[asyncio.StreamReader], Awaitable[T]]) -> T:
    """What comes out of a child. A socket, not a pipe: uvloop closes a pipe that was cancelled while it was connected
    under the hands of the Python object that owns it."""
    reader, writer = await asyncio.open_connection(sock=ours, limit=_LINE_BYTES)
    try:
        return await reading(reader)
    finally:
        writer.close()


async def _all_of(stdout: asyncio.StreamReader, on_progress: Progress | None) -> bytes:
    if on_progress is None:
        return await stdout.read()
    block: dict[str, str] = {}
    async for line in stdout:
        key, _, value = line.decode(errors="replace").strip().partition("=")
        block[key] = value.strip()
        if key == "progress":  # closes a block: "continue" or "end"
            on_progress(block)
            block = {}
    return b""


async def _end_of(stderr: asyncio.StreamReader) -> str:
    kept = b""
    while chunk := await stderr.read(1 << 16):
        kept = (kept + chunk)[-_STDERR_BYTES:]
    return kept.decode(errors="replace")
