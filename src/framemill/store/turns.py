"""Processes that write to one SQLite file take turns.

SQLite itself makes a writer look again and again until the file is free, with pauses of up to 100 ms between: with
three busy processes a commit of a millisecond waited for seconds. The kernel wakes whoever waits for this lock at once.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_OWNER_ONLY = 0o600


class Turns:
    """A turn at a time, over all processes; inside a process the caller sees to it that one thread asks at once.

    A process that dies gives its turn back. Where the file system knows no such locks, SQLite's own waiting is left.
    """

    def __init__(self, path: Path) -> None:
        """Nothing is opened yet."""
        self._path = path
        self._descriptor: int | None = None

    @contextmanager
    def mine(self) -> Iterator[None]:
        """Wait for a turn, and have it while the block runs."""
        held = self._take()
        try:
            yield
        finally:
            if held is not None:
                with suppress(OSError):
                    fcntl.flock(held, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _take(self) -> int | None:
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except OSError:
            return None
        return self._descriptor
