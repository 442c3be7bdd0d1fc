"""Which file of an output is served before it is delivered: the finished one, or while it is encoded the growing one.

Both lie under the same paths and hold the same segments, so that a player that began early goes on without noticing.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from framemill.errors import NotFound
from framemill.services.fileplace import FilePlace
from framemill.storage.workplace import growing_folder
from framemill.store.outputs import OwnedOutput


@dataclass(frozen=True, slots=True)
class Playable:
    """A file of an output."""

    path: Path
    growing: bool
    """The output is not finished: its playlists change with every segment, and may not be kept by anybody. Segments
    and init segments are what they will be."""


def still_encoding(place: FilePlace, owned: OwnedOutput, path: str) -> Path | None:
    """What can be played of an output that is not delivered yet; None: there is none such."""
    try:
        return playable_file(place.work, owned.output.job_id, owned.attempt, owned.output.id, path).path
    except NotFound:
        return None


def playable_file(work: Path, job_id: str, attempt: int, output_id: str, path: str) -> Playable:
    """The file that is under this path of an output now; looks at the disk, so call it in a thread.

    `work`: the farm's folder of outputs; `path`: relative, with slashes. The finished output appears as a whole, once
    it is verified, and the growing one goes only after that: who finds a file gone between this and opening it asks
    again. Raises `NotFound` where there is no such file, and for everything that is no plain file of the output: paths
    that lead out of it, hidden files, links.
    """
    parts = _parts(path)
    if not all(_plain(name) for name in (job_id, output_id)):
        raise _none(path)
    folder = work / job_id / str(attempt)
    for root, growing in ((folder / output_id, False), (growing_folder(folder, output_id), True)):
        found = _inside(root, parts)
        if found is not None:
            return Playable(found, growing)
    raise _none(path)


def _parts(path: str) -> tuple[str, ...]:
    """The names on the way. `PurePosixPath` alone would forgive doubled and trailing slashes."""
    parts = PurePosixPath(path).parts
    if "/".join(parts) != path or not parts or not all(_plain(part) for part in parts):
        raise _none(path)
    return parts


def _plain(name: str) -> bool:
    """Whether it names something that lies in its folder, and is not hidden; `.` and `..` are hidden, too."""
    return bool(name) and not name.startswith(".") and not set(name) & {"/", "\\", "\0"}


def _inside(root: Path, parts: tuple[str, ...]) -> Path | None:
    """The plain file there; None where there is none, or where any step is a link."""
    path, mode = root, 0
    for part in ("", *parts):
        path = path / part
        try:
            mode = os.lstat(path).st_mode
        except OSError:  # not there; or a name that no disk takes
            return None
        if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            return None
    return path if stat.S_ISREG(mode) else None


def _none(path: str) -> NotFound:
    return NotFound(f"The output has no file {path!r}.")
