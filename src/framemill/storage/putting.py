"""Puts files into stores: what arrives is compared with what was sent. And asks, before, whether they will be taken."""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from framemill.errors import StorageBroken, StorageExists, StorageMissing, StorageRefused
from framemill.jobs.settings import Value
from framemill.storage.base import OnBytes, Sending, Stat, Storage

_TRIES = 2
_MOST_NAMES = 1000
_PROBE = ".framemill-probe"
_ENTRIES = {".m3u8", ".mpd"}


class Wanted(Value):
    """What has to be there in the end."""

    size: int
    """Bytes."""
    sha256: str
    md5: str


def put(
    storage: Storage, path: str, source: Path, wanted: Wanted, sending: Sending, *, on_bytes: OnBytes | None = None
) -> None:
    """Write a file and compare what arrived, by the store's own checksum, or by reading it back.

    One that is there already with those very bytes was put there by an earlier try, and stays. Raises what the store
    raises; `StorageBroken` where, twice, something else arrived than was sent: it is gone then.
    """
    try:
        found = storage.write(path, source, sending, on_bytes)
    except StorageExists:
        if is_there(storage, path, wanted, on_bytes):
            return
        raise
    for left in reversed(range(_TRIES)):
        if _arrived(storage, found, path, wanted, on_bytes):
            return
        if left:  # it is ours by now
            found = storage.write(path, source, sending.model_copy(update={"if_exists": "replace"}), on_bytes)
    storage.delete(path)
    raise StorageBroken("What arrived there is not what was sent, and another try did not help.")


def prove(storage: Storage, path: str, acl: str | None = None, *, folder: bool) -> bool | None:
    """Whether something is there already (None: the store does not tell us); raises where nothing can be put there.

    Only a write proves that: a small file is put beside it, and removed. Credentials that may only write leave it.
    """
    there: bool | None
    try:
        there = taken(storage, path, folder=folder)
    except StorageRefused:
        there = None
    above = path if folder else path.rpartition("/")[0]
    beside = f"{above}/{_PROBE}" if above else _PROBE
    with tempfile.NamedTemporaryFile(prefix="framemill-") as file:
        file.write(b"This file may be removed.\n")
        file.flush()
        storage.write(beside, Path(file.name), Sending(content_type="text/plain", acl=acl))
    with contextlib.suppress(StorageRefused):
        storage.delete(beside)
    return there


def is_there(storage: Storage, path: str, wanted: Wanted, on_bytes: OnBytes | None = None) -> bool:
    """Whether those very bytes are there. Raises `StorageMissing` where nothing is."""
    return _arrived(storage, storage.stat(path), path, wanted, on_bytes)


def taken(storage: Storage, path: str, *, folder: bool) -> bool:
    """Whether there is such a file, or anything in such a folder."""
    try:
        if folder:
            return any(not one.path.endswith(_PROBE) for one in storage.list(f"{path}/" if path else ""))
        storage.stat(path)
    except StorageMissing:
        return False
    return True


def free_path(storage: Storage, path: str, *, folder: bool) -> str:
    """The path, or the first with a number behind its name where nothing is. Raises `StorageExists` for a thousand."""
    for number in range(1, _MOST_NAMES + 1):
        numbered = path_numbered(path, number, folder=folder)
        if not taken(storage, numbered, folder=folder):
            return numbered
    raise StorageExists(f"There are {_MOST_NAMES} things of that name already; name another one.")


def path_numbered(path: str, number: int, *, folder: bool) -> str:
    """`film.mp4`, `film (2).mp4`, `film (3).mp4`…"""
    if number == 1:
        return path
    suffix = "" if folder else PurePosixPath(path).suffix
    return f"{path.removesuffix(suffix)} ({number}){suffix}"


def in_turns(paths: Iterable[str]) -> list[list[str]]:
    """The files of a package in the order in which they have to be there: nothing is listed before it is.

    First what is played, then the playlists, then what players open: the manifests beside all others.
    """
    turns: dict[int, list[str]] = {}
    for path in sorted(paths):
        listing = PurePosixPath(path).suffix in _ENTRIES
        turns.setdefault(listing + (listing and "/" not in path), []).append(path)
    return [turns[turn] for turn in sorted(turns)]


def _arrived(storage: Storage, found: Stat, path: str, wanted: Wanted, on_bytes: OnBytes | None) -> bool:
    if found.size is not None and found.size != wanted.size:
        return False
    if found.md5 is not None:
        return found.md5 == wanted.md5
    hashed, size = hashlib.sha256(), 0
    for block in storage.stream(path):
        hashed.update(block)
        size += len(block)
        if on_bytes is not None:  # nothing more is sent, but whoever wants it no more can say so
            on_bytes(wanted.size, wanted.size)
    return (size, hashed.hexdigest()) == (wanted.size, wanted.sha256)
