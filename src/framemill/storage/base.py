"""What every store can do, whatever it is made of. All of it blocks: call it in a thread."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from framemill.jobs.settings import Value

OnBytes: TypeAlias = Callable[[int, int | None], None]
"""Hears (bytes so far, bytes in all if known). What it raises ends the transfer; what was half sent is taken back."""


class Stat(Value):
    """A thing in a store."""

    path: str
    size: int | None = None
    """Bytes; none: the store does not say (a web server that makes it as it sends it)."""
    etag: str | None = None
    modified: datetime | None = None
    content_type: str | None = None
    md5: str | None = None
    """Hexadecimal, where the store has worked it out itself."""


class Sending(Value):
    """How a thing is put into a store."""

    if_exists: Literal["replace", "fail"] = "replace"
    content_type: str | None = None
    acl: str | None = None
    """A canned one, as the store names it (`public-read`). Raises `StorageRefused` where the store has none."""
    md5: str | None = None
    """Hexadecimal: what it hashes to. Where the store can, it checks that itself; else the caller reads it back."""


class Storage(Protocol):
    """A bucket, a container, or a server, with what it took to get in. Paths are as in `Address.path`.

    Everything raises `StorageMissing`, `StorageRefused`, `StorageUnreachable`, and `StorageBroken` for an answer that
    cannot be. No message holds a secret.
    """

    def stat(self, path: str) -> Stat:
        """What is known of it."""
        ...

    def read(self, path: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end` (half open), fewer at its end."""
        ...

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Its bytes from there on, in blocks. Raises `StorageBroken` where it ends before all of it has come."""
        ...

    def write(self, path: str, source: Path, sending: Sending, on_bytes: OnBytes | None = None) -> Stat:
        """Put a local file there; it appears whole or not at all, where the store can. What is there then.

        Raises `StorageExists` where something is there that is not to be replaced, `StorageFull` where there is no
        room.
        """
        ...

    def list(self, prefix: str) -> Iterator[Stat]:
        """Everything below a folder (`prefix` ends with a slash or is empty), in the order of their paths."""
        ...

    def delete(self, path: str) -> None:
        """Remove it; what is not there is removed already."""
        ...

    def presign(self, path: str, method: Literal["GET", "PUT"], seconds: int) -> str | None:
        """A URL that does that without credentials for so long; none: the store cannot."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...
