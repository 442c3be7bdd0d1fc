"""Blobs in a bucket, with a folder of each machine as a cache of it.

What is in the folder under a plain name is in the bucket, too: it goes there first. So the folder may be thrown away
at any time. Drafts, whose names are hidden, are of one machine alone.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from framemill.storage.blobs import WORK, Held, Home, Straight
from framemill.storage.bucket import Bucket
from framemill.storage.local import LocalBlobs, is_same, names_in, sha256_of

_AT_ONCE = 8  # requests
_REWRITTEN = ("sources/", "titles/", "results/")
"""Small ones that are written again as a whole, by whoever reads or plans the same once more. What of them lies here
may be old, so others' are asked for; and a plan whose files were made anew names those."""

Given = TypeVar("Given")
Found = TypeVar("Found")


class S3Blobs:
    """See `storage.blobs.Blobs`."""

    shared = True

    def __init__(self, home: Home) -> None:
        if home.bucket is None:
            raise ValueError("a bucket is what this is about")
        self.root = home.root
        self.bucket = Bucket(home.bucket)
        self._work = home.work
        self._local = LocalBlobs(home.root)

    @property
    def straight(self) -> Straight:
        """Where clients can be sent to."""
        return self.bucket

    # One blob

    def path(self, key: str) -> Path:
        """Where the blob is on this machine, or would be; outputs lie in a folder of their own."""
        kind, _, rest = key.partition("/")
        return self._work / rest if kind == WORK else self._local.path(key)

    def has(self, key: str) -> bool:
        """Whether it is on this machine."""
        return self.path(key).is_file()

    def read(self, key: str) -> bytes:
        """Its bytes, from here or from the bucket. Raises `FileNotFoundError`."""
        if not key.startswith(_REWRITTEN):
            with contextlib.suppress(FileNotFoundError):
                return self._local.read(key)
        data = self.bucket.get_bytes(key)
        if data is None:
            raise FileNotFoundError(f"{key} is neither here nor in {self.bucket.at}")
        return data

    def write(self, key: str, data: bytes) -> None:
        """Keep these bytes under the key, for everybody."""
        self.bucket.put_bytes(key, data)
        self._local.write(key, data)

    def draft(self, key: str) -> Path:
        """A path on this machine to write to before `commit`."""
        return self._local.draft(key)

    def commit(self, part: Path, key: str, facts_key: str, facts: bytes) -> bytes:
        """Put it there where nobody has; the facts of what is kept."""
        if not self.bucket.put(key, part, _hash_in(facts), only_new=True):
            theirs = self._theirs(key, facts_key)
            if theirs is not None:
                part.unlink(missing_ok=True)
                self._local.write(facts_key, theirs)
                return theirs
            self.bucket.put(key, part, _hash_in(facts))
        self.bucket.put_bytes(facts_key, facts)
        return self._local.commit(part, key, facts_key, facts)

    def _theirs(self, key: str, facts_key: str) -> bytes | None:
        """The facts of what somebody else has put there, where they are there, too, and hold."""
        there, facts = self.bucket.head(key), self.bucket.get_bytes(facts_key)
        holds = there is not None and facts is not None and there.sha256 == _hash_in(facts) != ""
        return facts if holds else None

    def remove(self, key: str) -> None:
        """Remove a blob, if it is there, for everybody."""
        self.bucket.remove([key])
        self.path(key).unlink(missing_ok=True)

    def clear(self) -> None:
        """Empty this machine's folder."""
        self._local.clear()

    # Many

    def names(self, kind: str, begin: str = "") -> list[str]:
        """Names of all blobs and folders of that kind that begin so, here or in the bucket."""
        return sorted({*names_in(self.path(f"{kind}/"), begin), *self.bucket.names(f"{kind}/", begin)})

    def held(self, kind: str) -> Iterator[Held]:
        """All that the bucket has of that kind."""
        return self.bucket.below(f"{kind}/")

    def forget(self, keys: Iterable[str]) -> None:
        """Remove them from the bucket."""
        self.bucket.remove(keys)

    def bring(self, keys: Iterable[str]) -> None:
        """Have them here, those that are anywhere."""
        _each(self._bring, [key for key in dict.fromkeys(keys) if not self.has(key)])

    def lost(self, keys: Sequence[str]) -> list[str]:
        """Those that are nowhere."""
        absent = [key for key in keys if not self.has(key)]
        heads = _each(self.bucket.head, absent)
        return [key for key, head in zip(absent, heads, strict=True) if head is None]

    def same(self, key: str, size: int, sha256: str) -> bool:
        """Whether the blob is there and has these bytes. A copy here that is not is thrown away."""
        if self.has(key):
            if is_same(self.path(key), size, sha256):
                return True
            self.path(key).unlink(missing_ok=True)
        there = self.bucket.head(key)
        return there is not None and (there.size, there.sha256) == (size, sha256)

    # Files that lie in this machine's folders

    def share(self, *paths: Path) -> None:
        """Let everybody have these files, or all files of a folder."""
        files = [file for path in paths for file in _files_of(path)]
        _each(self._share, files)

    def bring_files(self, *paths: Path, sha256: str = "") -> None:
        """Have them here: a file, or all that the bucket has below a folder."""
        keys = [key for path in paths if (key := self._key(path)) is not None and not path.is_file()]
        for key in keys:
            below = [] if sha256 else self._below(key)
            if below:
                self.bring(below)
            else:
                self._bring(key, sha256)

    def size_of(self, path: Path) -> int | None:
        """Bytes of a file that is here, or can be brought."""
        if path.is_file():
            return path.stat().st_size
        key = self._key(path)
        there = None if key is None else self.bucket.head(key)
        return None if there is None else there.size

    def unshare(self, folder: Path, *, but: Path | None = None) -> None:
        """Forget, in the bucket, what is below a folder, but for what is below `but`."""
        key, kept = self._key(folder), None if but is None else self._key(but)
        if key is not None:
            self.bucket.remove(one for one in self._below(key) if kept is None or not one.startswith(f"{kept}/"))

    def check(self) -> None:
        """See that the bucket will do. Raises `FarmError` with the reason."""
        self.bucket.check()

    def away(self) -> str:
        """Why they cannot be used at the moment; empty: they can."""
        self.root.mkdir(parents=True, exist_ok=True)
        return self.bucket.answers()

    # How

    def _bring(self, key: str, sha256: str = "") -> None:
        part = self.draft(key) if not key.startswith(f"{WORK}/") else _beside(self.path(key))
        try:
            if self.bucket.get(key, part, sha256):
                part.replace(self.path(key))
        finally:
            part.unlink(missing_ok=True)

    def _share(self, path: Path) -> None:
        key = self._key(path)
        if key is None:
            return
        there = self.bucket.head(key)
        # What a client has put there by a link has no hash that anybody knows.
        known = there is not None and there.size == path.stat().st_size
        if there is None or not known or (there.sha256 and there.sha256 != sha256_of(path)):
            self.bucket.put(key, path, sha256_of(path))

    def _below(self, key: str) -> list[str]:
        return [held.key for held in self.bucket.below(f"{key}/")]

    def key_of(self, path: Path) -> str | None:
        """The key of a file or folder of this machine's; None: it is the operator's or somebody else's."""
        return self._key(path)

    def _key(self, path: Path) -> str | None:
        if path.is_relative_to(self.root):
            return str(path.relative_to(self.root))
        return f"{WORK}/{path.relative_to(self._work)}" if path.is_relative_to(self._work) else None


def _hash_in(facts: bytes) -> str:
    return str(json.loads(facts)["sha256"])


def _files_of(path: Path) -> list[Path]:
    """The file, or those of the folder; drafts and what grows are nobody else's."""
    if not path.is_dir():
        return [path]
    files = [file for file in path.rglob("*") if file.is_file()]
    return [file for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts)]


def _beside(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{os.getpid()}-{os.urandom(4).hex()}-{path.name}")


def _each(call: Callable[[Given], Found], many: Sequence[Given]) -> list[Found]:
    """Of each what the call gives, a few at a time. Raises what the first of them raises."""
    if not many:
        return []
    with ThreadPoolExecutor(min(_AT_ONCE, len(many)), thread_name_prefix="blobs") as threads:
        return list(threads.map(call, many))
