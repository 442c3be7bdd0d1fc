"""The only place that starts processes: ffmpeg, and Python children that read media.

A child belongs to whoever started it: no session of its own (Ray ends a worker's process group), killed by the
kernel when the starting thread ends (Linux), and nice 10, so that encodes never starve the API beside them.
"""

import asyncio
import contextlib
import ctypes
import functools
import hashlib
import logging
import os
import platform
import re
import resource
import shlex
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import imageio_ffmpeg

from framemill.config import ffmpeg_override
from framemill.errors import FfmpegFailed, WrongUse

log = logging.getLogger(__name__)

_STDERR_BYTES = 1 << 18  # of the end; a damaged source makes a decoder write without end
_LINE_BYTES = 1 << 24  # one line of a child's answer; a JSON index of a long title is one line
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

Progress = Callable[[dict[str, str]], None]


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that ended: its exit status and what it wrote (of stderr, the end)."""

    status: int
    stdout: bytes
    stderr: str


def binary() -> str:
    """Path of the ffmpeg in use: `FRAMEMILL_FFMPEG`, else the bundled one. Raises `WrongUse` when there is none."""
    path = ffmpeg_override() or imageio_ffmpeg.get_ffmpeg_exe()
    if not os.access(path, os.X_OK):
        raise WrongUse(f"FRAMEMILL_FFMPEG names {path!r}, which cannot be run; unset it to use the bundled ffmpeg.")
    return path


async def build_id() -> str:
    """Names this ffmpeg build and CPU architecture: inside one such class, equal input gives equal bytes."""
    return await _build_id(binary())


_known_builds: dict[str, str] = {}


async def _build_id(path: str) -> str:
    if path not in _known_builds:
        finished = await run([path, "-version"])
        first, *rest = finished.stdout.decode(errors="replace").splitlines() or ["?"]
        configuration = hashlib.sha256("\n".join(rest).encode()).hexdigest()[:12]
        _known_builds[path] = (
            f"{first.removeprefix('ffmpeg version ').split(' ')[0]}-{configuration}-{platform.machine()}"
        )
    return _known_builds[path]


def quoted(argv: Sequence[str]) -> str:
    """The command as a shell would take it."""
    return shlex.join(argv)


async def run(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    timeout: float | None = None,
    memory_bytes: int | None = None,
    on_progress: Progress | None = None,
) -> Finished:
    """Run one process to its end; never raises for its exit status.

    `on_progress` gets each block of ffmpeg's `-progress pipe:1`, which then is not kept as stdout. Cancelling kills
    the child at once and waits for it. Raises `TimeoutError` after `timeout` seconds (the child is dead by then).
    """
    log.debug("+ %s", quoted(argv), extra={"action": "process_started"})
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
        preexec_fn=functools.partial(_prepare_child, os.getpid(), memory_bytes),
    )
    async with _killed_on_the_way_out(process):
        async with asyncio.timeout(timeout):
            stdout, stderr, _, _ = await asyncio.gather(
                _read_stdout(process, on_progress), _read_stderr(process), _feed(process, stdin), process.wait()
            )
    log.debug("ended with %s after %.2f s", process.returncode, time.monotonic() - started)
    return Finished(process.returncode or 0, stdout, stderr)


async def ffmpeg(args: Sequence[str], *, on_progress: Progress | None = None, timeout: float | None = None) -> Finished:
    """Run ffmpeg with these arguments; raises `FfmpegFailed` with the command and its last words."""
    argv = [binary(), *(("-progress", "pipe:1", "-nostats") if on_progress else ()), *args]
    finished = await run(argv, on_progress=on_progress, timeout=timeout)
    if finished.status != 0:
        words = finished.stderr.strip().splitlines()
        first = plain_words(words[0]) if words else "it said nothing"
        raise FfmpegFailed(
            f"ffmpeg ended with exit status {finished.status}: {first}.", command=quoted(argv), stderr=finished.stderr
        )
    return finished


def plain_words(line: str) -> str:
    """A line of ffmpeg's without the name and address of the part that wrote it, and without its full stop."""
    return re.sub(r"^(\[[^\]]*\] ?)+", "", line).rstrip(". ")


def _prepare_child(parent: int, memory_bytes: int | None) -> None:
    """Runs between fork and exec: only calls that need no lock of this process."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the signal was armed
            os._exit(127)
    os.nice(10)
    if memory_bytes is not None and _libc is not None:  # macOS knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


@contextlib.asynccontextmanager
async def _killed_on_the_way_out(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    try:
        yield
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _feed(process: asyncio.subprocess.Process, data: bytes | None) -> None:
    if data is None or process.stdin is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it ended without reading: its status tells
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _read_stdout(process: asyncio.subprocess.Process, on_progress: Progress | None) -> bytes:
    assert process.stdout is not None  # noqa: S101 - asked for with PIPE
    if on_progress is None:
        return await process.stdout.read()
    block: dict[str, str] = {}
    async for line in process.stdout:
        key, _, value = line.decode(errors="replace").strip().partition("=")
        block[key] = value.strip()
        if key == "progress":  # closes a block: "continue" or "end"
            on_progress(block)
            block = {}
    return b""


async def _read_stderr(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None  # noqa: S101 - asked for with PIPE
    kept = b""
    while chunk := await process.stderr.read(1 << 16):
        kept = (kept + chunk)[-_STDERR_BYTES:]
    return kept.decode(errors="replace")
