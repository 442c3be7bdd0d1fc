"""Blobs in a local folder: a file appears whole or not at all."""

import os
import shutil
from pathlib import Path


class LocalBlobs:
    """Blobs by key in one folder. A key is a relative path; a blob is never changed once it is there."""

    def __init__(self, root: Path) -> None:
        self.root = root

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

    def remove(self, key: str) -> None:
        """Remove a blob, if it is there."""
        self.path(key).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove every blob."""
        shutil.rmtree(self.root, ignore_errors=True)
