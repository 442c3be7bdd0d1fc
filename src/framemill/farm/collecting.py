"""Throws away what nobody needs: chunks nobody has used for long, plans of jobs that have ended, drafts of the dead."""

import logging
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from framemill.jobs.settings import Value
from framemill.policy.retention import CacheLimits, Entry, expendable
from framemill.storage.local import LocalBlobs

log = logging.getLogger(__name__)

#: What any later job may use again, as long as there is room.
_CACHE = ("chunks", "sounds", "texts", "remuxes")
#: What one job has written for itself.
_OF_JOBS = ("titles", "results")
DRAFT_SECONDS = 24 * 3600.0
"""A draft so old is of a process that died; the plan of a job that failed so long ago explains nothing any more."""


class Collected(Value):
    """What was thrown away, or would be."""

    files: int
    bytes: int
    kept_files: int
    kept_bytes: int


class InUse(Value):
    """What must stay: known to whoever knows the jobs."""

    jobs: frozenset[str]
    """Ids of those that are kept and not ended, or whose outputs lie here."""
    keys: frozenset[str]
    """Of the chunks that those plan, and blobs of their extras."""
    inputs: frozenset[str]
    """Ids of their inputs."""


def collect(
    blobs: LocalBlobs, work: Path, limits: CacheLimits, in_use: InUse, *, wanted_bytes: int = 0, dry_run: bool = False
) -> Collected:
    """Throw it away (`dry_run`: only count). `wanted_bytes`: to be freed at least, as far as that goes."""
    now = time.time()
    entries = list(_entries(blobs.root, in_use))
    doomed = set(expendable(entries, limits, now, wanted_bytes=wanted_bytes))
    paths = [blobs.root / entry.key for entry in entries if entry.key in doomed]
    gone = [*paths, *_leftovers(blobs.root, work, in_use, now)]
    sizes = [_size(path) for path in gone]
    if not dry_run:
        for path in gone:
            _remove(path)
    kept = [entry for entry in entries if entry.key not in doomed]
    return Collected(
        files=len(gone), bytes=sum(sizes), kept_files=len(kept), kept_bytes=sum(entry.size for entry in kept)
    )


def _entries(root: Path, in_use: InUse) -> Iterator[Entry]:
    for kind in _CACHE:
        for file in _files(root / kind):
            key = f"{kind}/{file.name}"
            plain = file.name.removesuffix(".json").removesuffix(".mp4")
            used = plain in in_use.keys or f"{kind}/{plain}" in in_use.keys
            yield Entry(key, file.stat().st_size, file.stat().st_mtime, used)


def _leftovers(root: Path, work: Path, in_use: InUse, now: float) -> Iterator[Path]:
    for kind in _OF_JOBS:
        for file in _files(root / kind):
            if file.name[:_ID] not in in_use.jobs and now - file.stat().st_mtime > DRAFT_SECONDS:
                yield Path(file)
    for folder in _folders(root / "fetched"):
        if folder.name not in in_use.inputs:
            yield Path(folder)
    for folder in _folders(work):
        if folder.name not in in_use.jobs:
            yield Path(folder)
    for kind in (*_CACHE, *_OF_JOBS, "sources", "witnesses", "trials"):
        for file in _files(root / kind, hidden=True):
            if now - file.stat().st_mtime > DRAFT_SECONDS:
                yield Path(file)


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
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
