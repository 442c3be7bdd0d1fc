"""The farm's own blobs: what its machines leave for each other, under keys that are relative paths.

A farm of one machine keeps them in a folder (`local.LocalBlobs`). Several machines share a bucket (`s3blobs.S3Blobs`):
there the bucket is the truth, and each machine's folder holds what it has written or was brought, and may be thrown
away at any time. What a machine is still writing lies in its folder alone, in either case.
"""

import functools
import importlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from framemill.jobs.settings import Value
from framemill.storage.access import S3Access

WORK = "work"
"""Kind of verified outputs, where machines share them."""


class BucketAt(Value):
    """A bucket of the farm's own, named by its operator."""

    name: str
    prefix: str = ""
    """What every key of the farm begins with; empty, or ends with a slash."""
    access: S3Access
    """Without a key: what the machine itself has (`AWS_…`, a profile, its role)."""

    def __str__(self) -> str:
        """Its URI, and where that is; nothing of it is secret."""
        at = f" at {self.access.endpoint}" if self.access.endpoint else ""
        return f"s3://{self.name}/{self.prefix}{at}"


class Held(NamedTuple):
    """Something that machines share."""

    key: str
    size: int
    """Bytes."""
    modified: datetime
    sha256: str = ""
    """As it was put; empty: not known, or not asked for."""


class Home(Value):
    """Where a farm's blobs are."""

    root: Path
    """This machine's folder of them."""
    work: Path
    """This machine's folder of outputs, which are blobs, too, once they are verified: `work/…`."""
    bucket: BucketAt | None = None
    """What all machines share; none: the folder is all there is."""


class SentPart(NamedTuple):
    """A part of an upload that is not put together yet."""

    number: int
    etag: str
    size: int
    sent_at: datetime


class Straight(Protocol):
    """What machines share, as clients may reach it: by links that are signed, without the farm between."""

    def head(self, key: str) -> Held | None:
        """What is known of it; None: there is no such thing."""
        ...

    def link(self, key: str, seconds: int, *, content_type: str, disposition: str, cache_control: str) -> str:
        """A URL by which anybody may fetch it, as long as it is good."""
        ...

    def put_link(self, key: str, seconds: int, size: int | None) -> str:
        """A URL by which anybody may put it, of that many bytes where that is said."""
        ...

    def begin_parts(self, key: str, content_type: str | None) -> str:
        """Begin an upload in parts; its name there."""
        ...

    def part_link(self, key: str, upload: str, number: int, seconds: int) -> str:
        """A URL by which anybody may send that part."""
        ...

    def parts(self, key: str, upload: str) -> list[SentPart]:
        """The parts that have come, in order; none where the upload is not there any more."""
        ...

    def end_parts(self, key: str, upload: str, parts: Sequence[SentPart]) -> None:
        """Put those parts together."""
        ...

    def drop_parts(self, key: str, upload: str) -> None:
        """Throw away what has come."""
        ...


class Blobs(Protocol):
    """Blobs by key. A blob is never changed once it is there, but for a few small ones that are written as a whole.

    All of it blocks. What speaks to a bucket raises `BlobsAway` while that cannot be used.
    """

    root: Path
    """This machine's folder."""
    shared: bool
    """Whether other machines see them: then what is needed has to be brought."""

    @property
    def straight(self) -> Straight | None:
        """Where clients can be sent to; None: bytes come and go through the farm alone."""
        ...

    def __hash__(self) -> int:
        """One for each home, and the same one for the process's life: what was read of it may be remembered."""
        ...

    def path(self, key: str) -> Path:
        """Where the blob is on this machine, or would be."""
        ...

    def has(self, key: str) -> bool:
        """Whether it is on this machine."""
        ...

    def read(self, key: str) -> bytes:
        """Its bytes, wherever they are. Raises `FileNotFoundError`."""
        ...

    def write(self, key: str, data: bytes) -> None:
        """Keep these bytes under the key, for everybody."""
        ...

    def draft(self, key: str) -> Path:
        """A path on this machine to write to before `commit`; of this process alone."""
        ...

    def commit(self, part: Path, key: str, facts_key: str, facts: bytes) -> bytes:
        """Make a finished draft the blob, and keep what is known of it beside it; the facts of what is kept then.

        `facts`: JSON with `size` and `sha256`. Of two that write the same key the first one's stays, where its facts
        hold; the draft is gone in either case.
        """
        ...

    def remove(self, key: str) -> None:
        """Remove a blob, if it is there, for everybody."""
        ...

    def clear(self) -> None:
        """Empty this machine's folder."""
        ...

    def names(self, kind: str, begin: str = "") -> list[str]:
        """Names of all blobs and folders of that kind (the first part of a key) that begin so, wherever they are."""
        ...

    def held(self, kind: str) -> Iterator[Held]:
        """All that machines share of that kind; of a farm on one machine nothing."""
        ...

    def forget(self, keys: Iterable[str]) -> None:
        """Take them from what machines share. What lies here is for the caller to remove."""
        ...

    def bring(self, keys: Iterable[str]) -> None:
        """Have them on this machine, those that are anywhere; each is compared with the hash that it was put by."""
        ...

    def lost(self, keys: Sequence[str]) -> list[str]:
        """Those that are nowhere."""
        ...

    def same(self, key: str, size: int, sha256: str) -> bool:
        """Whether the blob is there and has these bytes. A copy that was brought, and is not, is thrown away."""
        ...

    def share(self, *paths: Path) -> None:
        """Let everybody have these files, or all files of a folder, which lie in this machine's folders."""
        ...

    def bring_files(self, *paths: Path, sha256: str = "") -> None:
        """The other way: have them here. A folder is given as one, and all of it is brought. Others' files stay.

        `sha256`: what a file has to be, where that is known; another one is not taken.
        """
        ...

    def size_of(self, path: Path) -> int | None:
        """Bytes of a file that is here, or can be brought; None: it is neither."""
        ...

    def unshare(self, folder: Path, *, but: Path | None = None) -> None:
        """Forget, for everybody else, what lies below one of this machine's folders; `but`: what is below that stays.

        What lies here is for the caller to remove.
        """
        ...

    def check(self) -> None:
        """See that they can be kept there at all. Raises `FarmError` with the reason."""
        ...

    def away(self) -> str:
        """Why they cannot be used at the moment; empty: they can."""
        ...


@functools.lru_cache(maxsize=8)
def blobs_at(home: Home) -> Blobs:
    """The blobs there. What speaks to buckets is loaded for those who have one: it takes long, and much memory."""
    if home.bucket is None:
        return cast("Blobs", importlib.import_module("framemill.storage.local").LocalBlobs(home.root))
    return cast("Blobs", importlib.import_module("framemill.storage.s3blobs").S3Blobs(home))
