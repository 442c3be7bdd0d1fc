"""Throws away what nobody needs: chunks nobody has used for long, plans of jobs that have ended, drafts of the dead."""

import logging
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from framemill.jobs.settings import Value
from framemill.policy.retention import CacheLimits, Entry, expendable
from framemill.storage.blobs import WORK, Blobs, Held

log = logging.getLogger(__name__)

_SOURCES = "sources"
#: What any later job may use again, as long as there is room.
_CACHE = ("chunks", "sounds", "texts", "remuxes", "wholes", "surveys", _SOURCES)
#: What one job has written for itself.
_OF_JOBS = ("titles", "results")
DRAFT_SECONDS = 24 * 3600.0
"""A draft so old is of a process that died; the plan of a job that failed so long ago explains nothing any more."""
_FRESH_SECONDS = 3600.0  # a source that was read a moment ago may not be written down as a job's yet


class Collected(Value):
    """What was thrown away, or would be."""

    files: int
    bytes: int
    kept_files: int
    kept_bytes: int

    def __add__(self, other: "Collected") -> "Collected":
        """Both together."""
        mine, theirs = self.model_dump(), other.model_dump()
        return Collected.model_validate({name: mine[name] + theirs[name] for name in mine})


class InUse(Value):
    """What must stay: known to whoever knows the jobs."""

    jobs: frozenset[str]
    """Ids of those that are kept and not ended, or whose outputs lie here."""
    keys: frozenset[str]
    """Of the chunks that those plan, and blobs of their extras and sources."""
    inputs: frozenset[str]
    """Ids of their inputs."""
    growing: frozenset[str]
    """Ids of jobs that are under way: their packages may be played while they grow."""
    seen: frozenset[str]
    """Ids of all jobs and inputs of which something lay here before anybody was asked: what is newer is not judged."""


def collect(
    blobs: Blobs, work: Path, limits: CacheLimits, in_use: InUse, *, wanted_bytes: int = 0, dry_run: bool = False
) -> Collected:
    """Throw it away (`dry_run`: only count). `wanted_bytes`: to be freed at least, as far as that goes."""
    now = time.time()
    copies = _copies(blobs, work, in_use, now) if blobs.shared else ()
    entries = [*_entries(blobs, in_use, now), *copies]
    doomed = set(expendable(entries, limits, now, wanted_bytes=wanted_bytes))
    paths = [blobs.path(entry.key) for entry in entries if entry.key in doomed]
    gone = [*paths, *_leftovers(blobs.root, work, in_use, now)]
    sizes = [_size(path) for path in gone]
    if not dry_run:
        for path in gone:
            _remove(path)
    kept = [entry for entry in entries if entry.key not in doomed]
    return Collected(
        files=len(gone), bytes=sum(sizes), kept_files=len(kept), kept_bytes=sum(entry.size for entry in kept)
    )


def _entries(blobs: Blobs, in_use: InUse, now: float) -> Iterator[Entry]:
    for kind in _CACHE:
        for file in _files(blobs.path(kind)):
            found = _stat(file)
            if found is None:
                continue
            # A copy of what all machines share may go, unless an order may be at it.
            used = not blobs.shared and _used(kind, file.name, in_use)
            fresh = (blobs.shared or kind == _SOURCES) and now - found.st_mtime < _FRESH_SECONDS
            yield Entry(f"{kind}/{file.name}", found.st_size, found.st_mtime, used or fresh)


def _used(kind: str, name: str, in_use: InUse) -> bool:
    plain = name.removesuffix(".json").removesuffix(".mp4")
    return plain in in_use.keys or f"{kind}/{plain}" in in_use.keys


def _copies(blobs: Blobs, work: Path, in_use: InUse, now: float) -> Iterator[Entry]:
    """Sources and outputs of which everybody has what lies here: they can be brought again."""
    places = [*blobs.path("fetched").glob("*/*"), *blobs.path("uploads").glob("*/body-*")]
    kept = in_use.jobs - in_use.growing
    places += [path for job in kept for path in (work / job).rglob("*") if not path.name.startswith(".")]
    for path in places:
        found = _stat(path)
        if found is not None and stat.S_ISREG(found.st_mode) and now - found.st_mtime > _FRESH_SECONDS:
            base, kind = (work, f"{WORK}/") if path.is_relative_to(work) else (blobs.root, "")
            yield Entry(f"{kind}{path.relative_to(base)}", found.st_size, found.st_mtime)


def collect_shared(
    blobs: Blobs, limits: CacheLimits, in_use: InUse, *, wanted_bytes: int = 0, dry_run: bool = False
) -> Collected:
    """The same of what all machines share, by the same limits. Their own copies are their own affair."""
    now = time.time()
    entries = []
    for kind in _CACHE:
        for held in blobs.held(kind):
            copy = _stat(blobs.path(held.key))  # used here since it was put there
            used_at = max(held.modified.timestamp(), 0.0 if copy is None else copy.st_mtime)
            used = _used(kind, held.key.rpartition("/")[2], in_use) or now - used_at < _FRESH_SECONDS
            entries.append(Entry(held.key, held.size, used_at, used))
    doomed = set(expendable(entries, limits, now, wanted_bytes=wanted_bytes))
    gone = {entry.key: entry.size for entry in entries if entry.key in doomed}
    gone |= {held.key: held.size for held in _shared_leftovers(blobs, in_use, now)}
    if not dry_run:
        blobs.forget(gone)
        for key in gone:
            blobs.path(key).unlink(missing_ok=True)
    kept = [entry for entry in entries if entry.key not in doomed]
    return Collected(
        files=len(gone),
        bytes=sum(gone.values()),
        kept_files=len(kept),
        kept_bytes=sum(entry.size for entry in kept),
    )


def _shared_leftovers(blobs: Blobs, in_use: InUse, now: float) -> Iterator[Held]:
    ended = in_use.seen - in_use.jobs - in_use.inputs
    for kind in _OF_JOBS:
        for held in blobs.held(kind):
            if held.key.removeprefix(f"{kind}/")[:_ID] in ended and now - held.modified.timestamp() > DRAFT_SECONDS:
                yield held
    for kind in ("fetched", WORK):
        for held in blobs.held(kind):
            if held.key.split("/")[1] in ended:
                yield held


def _leftovers(root: Path, work: Path, in_use: InUse, now: float) -> Iterator[Path]:
    ended = in_use.seen - in_use.jobs - in_use.inputs
    for kind in _OF_JOBS:
        for file in _files(root / kind):
            if file.name[:_ID] in ended and _older(file, now):
                yield Path(file)
    for folder in (*_folders(root / "fetched"), *_folders(work)):
        if folder.name in ended:
            yield Path(folder)
    for folder in _folders(work):  # of jobs that are over, and whose outputs stay here
        if folder.name in in_use.seen - in_use.growing - ended:
            yield from Path(folder).glob("*/.live-*")
    for kind in (*_CACHE, *_OF_JOBS, "witnesses", "trials", "growing"):
        yield from (Path(file) for file in _files(root / kind, hidden=True) if _older(file, now))


def _older(file: "os.DirEntry[str]", now: float) -> bool:
    """Whether it is that old, and still there."""
    found = _stat(file)
    return found is not None and now - found.st_mtime > DRAFT_SECONDS


_ID = 36  # characters of an id


def _files(folder: Path, *, hidden: bool = False) -> list["os.DirEntry[str]"]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as found:
        return [file for file in found if file.is_file() and file.name.startswith(".") == hidden]


def _folders(folder: Path) -> list["os.DirEntry[str]"]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as found:
        return [one for one in found if one.is_dir()]


def _size(path: Path) -> int:
    """Of a file, or of all files in a folder."""
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return sum(found.st_size for found in map(_stat, files) if found is not None and stat.S_ISREG(found.st_mode))


def _stat(file: "Path | os.DirEntry[str]") -> os.stat_result | None:
    """What is known of it; none: it is gone, since others work here, too."""
    try:
        return file.stat()
    except FileNotFoundError:
        return None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
