"""Files of this machine, as a store."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from framemill.errors import (
    StorageBroken,
    StorageExists,
    StorageFull,
    StorageMissing,
    StorageRefused,
    StorageUnreachable,
)
from framemill.storage.access import Access
from framemill.storage.address import Address
from framemill.storage.base import OnBytes, Sending, Stat
from framemill.storage.guard import Reach
from framemill.storage.opening import Patience

_BLOCK = 4 << 20


def opened(address: Address, access: Access | None, reach: Reach | None, patience: Patience) -> "FileStore":
    """All files of the machine: who may name which of them was judged before."""
    return FileStore()


class FileStore:
    """Files by their absolute path."""

    def stat(self, path: str) -> Stat:
        """Of a file."""
        with _explained(path):
            found = _file(path).stat()
        return Stat(path=path, size=found.st_size, modified=datetime.fromtimestamp(found.st_mtime, UTC))

    def read(self, path: str, start: int, end: int) -> bytes:
        """Some of its bytes."""
        with _explained(path), _file(path).open("rb") as file:
            file.seek(start)
            return file.read(max(0, end - start))

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Its bytes, in blocks."""
        with _explained(path), _file(path).open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(start)
            while block := file.read(_BLOCK):
                yield block
            if file.tell() < size:
                raise StorageBroken(f"{path} became shorter while it was read: read it anew.")

    def write(self, path: str, source: Path, sending: Sending, on_bytes: OnBytes | None = None) -> Stat:
        """Copy it beside its place and rename it: it appears whole, and is on the disk by then."""
        target = Path(path)
        if sending.acl:
            raise StorageRefused(f"{path}: a file has no ACL; leave it away.")
        with _explained(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = target.with_name(f".{target.name[:200]}.{os.getpid()}-{os.urandom(4).hex()}")
            try:
                _copy(source, beside, on_bytes)
                if sending.if_exists == "fail":
                    os.link(beside, target)  # unlike a rename it replaces nothing
                else:
                    beside.replace(target)
            finally:
                beside.unlink(missing_ok=True)
        return self.stat(path)

    def list(self, prefix: str) -> Iterator[Stat]:
        """All files below a folder; links to folders are not followed, which could lead anywhere, and round."""
        root = Path(prefix or "/")
        with _explained(prefix):
            if not root.is_dir():
                raise FileNotFoundError(errno.ENOENT, "no folder", prefix)
            yield from self._below(root)

    def delete(self, path: str) -> None:
        """Remove a file."""
        with _explained(path):
            Path(path).unlink(missing_ok=True)

    def presign(self, path: str, method: Literal["GET", "PUT"], seconds: int) -> str | None:
        """Nobody else can reach it."""
        return None

    def close(self) -> None:
        """Nothing is open."""

    def _below(self, folder: Path) -> Iterator[Stat]:
        # A folder stands where its name with a slash would: so whole paths are in order.
        entries = sorted(os.scandir(folder), key=lambda one: one.name + "/" * one.is_dir(follow_symlinks=False))
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from self._below(Path(entry.path))
            elif entry.is_file():
                yield self.stat(entry.path)


def _file(path: str) -> Path:
    """Raises `StorageRefused` for what is no file: a pipe would be waited for, a device read for ever."""
    found = Path(path)
    if found.exists() and not found.is_file():
        raise StorageRefused(f"{path} is no file.")
    return found


def _copy(source: Path, target: Path, on_bytes: OnBytes | None) -> None:
    size = source.stat().st_size
    done = 0
    with source.open("rb", buffering=0) as file, target.open("xb") as copy:
        while block := file.read(_BLOCK):
            copy.write(block)
            done += len(block)
            if on_bytes is not None:
                on_bytes(done, size)
        copy.flush()
        os.fsync(copy.fileno())


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise StorageMissing(f"{path}: there is no such file or folder on the farm's machine. Check it.") from None
    except FileExistsError:
        raise StorageExists(f"{path}: there is one already. Name another, or have it replaced.") from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise StorageFull(f"{path}: there is no room on the disk ({why}). Free some.") from None
        if error.errno in {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EREMOTEIO}:
            raise StorageUnreachable(f"{path}: the disk or its server does not answer ({why}). Look at it.") from None
        raise StorageRefused(f"{path}: the farm may not do that there ({why}). Check the permissions.") from None
