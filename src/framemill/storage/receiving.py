"""Writes what a client sends to the disk: counted and hashed on its way, in blocks, and never held as a whole.

Everything here blocks: call it in a thread. Whoever has a draft ends it, by one of its last four calls.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from framemill.errors import Conflict, DiskFull, OutputError, TooLarge

_LOOK_BYTES = 64 << 20  # how often the room on the disk is looked at
_COPY_BYTES = 64 << 20
_MOST_VECTORS = 512  # of one writev; Linux takes 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may come."""

    most_bytes: int | None = None
    """None: any number."""
    why: str = "This server takes no more."
    """What whoever sends more is told beside the limit."""
    min_free_bytes: int = 0
    """Left free on the disk."""


@dataclass(frozen=True, slots=True)
class Received:
    """What has come."""

    path: Path
    size: int
    """Bytes, of this body alone."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Hexadecimal, by the name of the hash."""


class Draft:
    """A file on its way: a new one, or one that is gone on with."""

    def __init__(self, path: Path, bounds: Bounds, hashes: Collection[str] = ("sha256",), *, at: int | None = None):
        """`at`: go on with a file that has so many bytes; else it is made anew.

        Raises `DiskFull` where there is no room, and `Conflict` where the file has another size, or somebody else is
        writing to it.
        """
        self.path = path
        self.size = 0
        self._bounds = bounds
        self._begin = at or 0
        self._looked = 0
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in hashes}
        require_room(path.parent, bounds.min_free_bytes)
        with _disk_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            _lock(self._file)
            if at is None:
                os.ftruncate(self._file, 0)
            elif os.lseek(self._file, 0, os.SEEK_END) != at:
                there = os.lseek(self._file, 0, os.SEEK_CUR)
                raise Conflict(f"{there} bytes have come, so what follows does not begin at {at}: ask for the offset.")
        except BaseException:
            os.close(self._file)
            raise

    def write(self, blocks: Sequence[bytes]) -> None:
        """Append these. Raises `TooLarge` or `DiskFull`, having written nothing of them or a part."""
        coming = sum(map(len, blocks))
        most = self._bounds.most_bytes
        if most is not None and self.size + coming > most:
            raise TooLarge(f"The body is larger than {most} bytes. {self._bounds.why}")
        self._looked += coming
        if self._looked >= _LOOK_BYTES:
            self._looked = 0
            require_room(self.path.parent, self._bounds.min_free_bytes)
        for block in blocks:
            for hashed in self._hashes.values():
                hashed.update(block)
        with _disk_errors():
            for first in range(0, len(blocks), _MOST_VECTORS):
                _write_all(self._file, blocks[first : first + _MOST_VECTORS])
        self.size += coming

    def finished(self) -> Received:
        """The bytes are on the disk to stay."""
        try:
            with _disk_errors():
                os.fsync(self._file)
        finally:
            os.close(self._file)
        return Received(self.path, self.size, self.digests())

    def digests(self) -> dict[str, str]:
        """Of what has come so far, hexadecimal, by the name of the hash."""
        return {name: hashed.hexdigest() for name, hashed in self._hashes.items()}

    def taken_back(self) -> None:
        """As if nothing of this body had come; what stood there before stays."""
        try:
            os.ftruncate(self._file, self._begin)
        finally:
            os.close(self._file)

    def kept(self) -> None:
        """What has come of it stays, to be gone on with."""
        os.close(self._file)

    def dropped(self) -> None:
        """The file goes."""
        self.path.unlink(missing_ok=True)
        os.close(self._file)


def join(parts: Sequence[Path], target: Path, min_free_bytes: int = 0) -> int:
    """Copy the parts one behind the other into `target`, inside the kernel where it can; the bytes of all.

    Raises `DiskFull`; the target is gone then.
    """
    with _disk_errors():
        sizes = [part.stat().st_size for part in parts]
    require_room(target.parent, min_free_bytes + sum(sizes))
    try:
        with _disk_errors():
            if len(parts) == 1:
                target.hardlink_to(parts[0])
                return sizes[0]
            with target.open("xb") as whole:
                for part in parts:
                    with part.open("rb") as file:
                        _copy(file.fileno(), whole.fileno())
                os.fsync(whole.fileno())
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return sum(sizes)


def require_room(folder: Path, wanted_bytes: int) -> None:
    """Raise `DiskFull` where the disk of that folder has less free."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free
    if free < wanted_bytes:
        raise DiskFull(
            f"The disk has {free >> 20} MiB free, and {wanted_bytes >> 20} are needed: free some, let `framemill gc` "
            "do it, or lower FRAMEMILL_MIN_FREE_BYTES; then send it again."
        )


def _copy(source: int, target: int) -> None:
    copying = getattr(os, "copy_file_range", None)
    while copying is not None:
        try:
            if not copying(source, target, _COPY_BYTES):
                return
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}:
                raise
            copying = None
    while block := os.read(source, 1 << 20):  # where it left off
        _write_all(target, [block])


def _write_all(file: int, blocks: Sequence[bytes]) -> None:
    left = [memoryview(block) for block in blocks if block]
    while left:
        written = os.writev(file, left)
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if written:
            left[0] = left[0][written:]


def _lock(file: int) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Conflict("Somebody else is sending to this upload: wait until they have ended.") from None


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull("The disk is full: free some room, and send it again.") from None
        if error.errno == errno.ENOENT:
            raise Conflict("It was given up meanwhile, or a part was replaced: look at it, and try again.") from None
        raise OutputError(f"What comes cannot be kept: {error.strerror or error}.") from None
