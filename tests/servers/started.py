"""Servers of the tests' own: started on a free port, stopped by their process, dead with whoever started them."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

STOP_SECONDS = 5
START_SECONDS = 180

# Looked up here: between fork and exec no library may be opened beside threads.
_PRCTL = getattr(ctypes.CDLL(None), "prctl", None)


def free_port() -> int:
    """One that nobody listens at, and that nobody else is given.

    It lies where Linux takes the ports of outgoing connections from, and no server gets one that a connection has: so
    it stays bound to the end of this process, with nobody listening.
    """
    with socket.socket() as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: they may listen there all the same
        asked.bind(("127.0.0.1", 0))
        if sys.platform == "linux":  # elsewhere only one may be bound
            os.dup(asked.fileno())
        return int(asked.getsockname()[1])


@contextmanager
def running(
    argv: Sequence[str],
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    ends: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process, with all that it says in a file; stopped in the end, by force where it takes its time."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=cwd,
            env=env,
            preexec_fn=die_with_me,  # noqa: PLW1509 (it only makes a system call)
        )
    try:
        yield process
    finally:
        process.send_signal(ends)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when somebody listens there."""
    pause = threading.Event()
    for _ in range(START_SECONDS * 10):
        assert process.poll() is None, log.read_text()[-2000:]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        pause.wait(0.1)
    raise AssertionError(f"nobody at port {port} after {START_SECONDS} s: {log.read_text()[-2000:]}")


def die_with_me(how: signal.Signals = signal.SIGKILL) -> None:
    """Nothing is left behind by tests that are killed (Linux only)."""
    if _PRCTL is not None:
        _PRCTL(1, how)
