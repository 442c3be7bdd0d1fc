"""Blobs in a local folder: a file appears whole or not at all."""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from framemill.storage.blobs import Held


class LocalBlobs:
    """Blobs by key in one folder. A key is a relative path; a blob is never changed once it is there."""

    shared = False

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def straight(self) -> None:
        """Bytes come and go through the farm."""

    def path(self, key: str) -> Path:
        """Where the blob is, or would be."""
        return self.root / key

    def has(self, key: str) -> bool:
        """Whether it is there."""
        return self.path(key).is_file()

    def read(self, key: str) -> bytes:
        """Its bytes. Raises `FileNotFoundError`."""
        return self.path(key).read_bytes()

    def write(self, key: str, data: bytes) -> None:
        """Keep these bytes under the key."""
        part = self.draft(key)
        part.write_bytes(data)
        self.keep(part, key)

    def draft(self, key: str) -> Path:
        """A path beside the blob's to write to before `keep`; of this process alone."""
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.with_name(f".{os.getpid()}-{os.urandom(4).hex()}-{target.name}")

    def keep(self, part: Path, key: str) -> None:
        """Make a finished draft the blob: its bytes are on the disk before its name is."""
        with part.open("rb") as file:
            os.fsync(file.fileno())
        self.path(key).parent.mkdir(parents=True, exist_ok=True)
        part.replace(self.path(key))

    def commit(self, part: Path, key: str, facts_key: str, facts: bytes) -> bytes:
        """Make a finished draft the blob, once what is known of it lies beside it; the facts."""
        self.write(facts_key, facts)
        self.keep(part, key)
        return facts

    def remove(self, key: str) -> None:
        """Remove a blob, if it is there."""
        self.path(key).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove every blob."""
        shutil.rmtree(self.root, ignore_errors=True)

    def names(self, kind: str, begin: str = "") -> list[str]:
        """Names of all blobs and folders of that kind that begin so; of drafts, which are hidden, none."""
        return names_in(self.path(kind), begin)

    def held(self, kind: str) -> Iterator[Held]:
        """There is nobody else."""
        return iter(())

    def forget(self, keys: Iterable[str]) -> None:
        """There is nobody else."""

    def bring(self, keys: Iterable[str]) -> None:
        """All there are are here."""

    def lost(self, keys: Sequence[str]) -> list[str]:
        """Those that are not there."""
        return [key for key in keys if not self.has(key)]

    def same(self, key: str, size: int, sha256: str) -> bool:
        """Whether the blob is there and has these bytes."""
        return is_same(self.path(key), size, sha256)

    def share(self, *paths: Path) -> None:
        """There is nobody else."""

    def bring_files(self, *paths: Path, sha256: str = "") -> None:
        """All there are are here."""

    def size_of(self, path: Path) -> int | None:
        """Bytes of a file; None: it is not there."""
        return path.stat().st_size if path.is_file() else None

    def unshare(self, folder: Path, *, but: Path | None = None) -> None:
        """There is nobody else."""

    def check(self) -> None:
        """A folder will do."""

    def away(self) -> str:
        """Why they cannot be used at the moment; empty: they can."""
        return "" if self.root.is_dir() else f"The farm's folder {self.root} is away: bring it back."


def names_in(folder: Path, begin: str = "") -> list[str]:
    """Names of what is in a folder, begins so, and is not hidden; none where there is no such folder."""
    found = os.listdir(folder) if folder.is_dir() else []
    return [name for name in found if name.startswith(begin) and not name.startswith(".")]


def is_same(path: Path, size: int, sha256: str) -> bool:
    """Whether a file is there and has these bytes."""
    try:
        return path.stat().st_size == size and sha256_of(path) == sha256
    except OSError:
        return False


def sha256_of(path: Path) -> str:
    """Hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
