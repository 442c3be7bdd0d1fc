"""One supervisor a data folder: an advisory lock, which the kernel lets go when its holder ends, however it ends."""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from framemill.errors import FarmLocked, OutputError

_LOOK_SECONDS = 0.05


@contextlib.contextmanager
def farm_lock(path: Path, *, patience_seconds: float = 0.5) -> Iterator[None]:
    """Hold the lock while the block runs. Raises `FarmLocked`, which names the holder, and `OutputError`.

    A moment's patience: whoever asks `is_locked` holds it for an instant.
    """
    descriptor = _open(path)
    try:
        until = time.monotonic() + patience_seconds
        while not _try(descriptor):
            if time.monotonic() > until:
                raise FarmLocked(_held_by(path))
            time.sleep(_LOOK_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)  # and with it the lock; the file stays, so that two never lock two files of one name


def is_locked(path: Path) -> bool:
    """Whether a supervisor holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _try(descriptor)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OutputError(
            f"The data folder {path.parent} cannot be used: {error.strerror}. Name another with --data-dir."
        ) from None


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            return False
        raise
    return True


def _held_by(path: Path) -> str:
    holder = path.read_text("ascii", errors="replace").strip()
    return (
        f"A farm runs in {path.parent} already{f' (process {holder})' if holder.isdecimal() else ''}. "
        f"See `framemill status`, or end it with `framemill down`."
    )
