"""Puts a verified output where it was asked for on this machine: it appears whole, or not at all."""

import errno
import os
import shutil
from pathlib import Path
from typing import Literal

from framemill.errors import DiskFull, OutputError
from framemill.storage.putting import in_turns, path_numbered

_MOST_NAMES = 1000


def deliver(folder: Path, target: str, package: bool, if_exists: Literal["replace", "fail"] = "replace") -> None:
    """Move the file in `folder` to `target`, or the whole folder of a package.

    An earlier file of that name is replaced in one step; an earlier package gets its master playlist last, so that a
    player never reads a list of segments that are not there. Raises `OutputError`.
    """
    path = Path(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not package and if_exists == "fail":
            _linked(_only_file(folder), path)
        elif not package:
            _move(_only_file(folder), path)
        elif not path.exists():
            _move(folder, path)
        elif if_exists == "fail":
            raise FileExistsError(errno.EEXIST, "File exists")
        else:
            files = [str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()]
            for file in (file for turn in in_turns(files) for file in turn):
                place = path / file
                place.parent.mkdir(parents=True, exist_ok=True)
                _move(folder / file, place)
    except FileExistsError:
        if if_exists == "fail":
            raise there_already(target) from None
        raise OutputError(f"The output could not be put at {target}: File exists.") from None
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(f"The disk is full: there is no room at {target}. Free some.") from None
        raise OutputError(f"The output could not be put at {target}: {error.strerror or error}.") from None


def refuse_place(target: str, package: bool) -> None:
    """Raise `OutputError` where it is plain that the output can never be put there."""
    path = Path(target)
    try:
        if path.exists() and path.is_dir() is not package:
            kind = "no folder" if package else "a folder"
            raise OutputError(f"The output could not be put at {target}: there is {kind} of that name; name another.")
        above = next((one for one in path.parents if one.exists()), Path("/"))
        there = path if path.is_dir() else above
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise OutputError(f"The output could not be put at {target}: the farm may not write to {there}.")
    except OSError as error:
        raise OutputError(f"The output could not be put at {target}: {error.strerror or error}.") from None


def free_number(target: str, package: bool) -> int:
    """Of the first name that nothing has: 2 for `film (2).mp4`. Raises `OutputError` for a thousand."""
    for number in range(1, _MOST_NAMES + 1):
        if not os.path.lexists(path_numbered(target, number, folder=package)):
            return number
    raise OutputError(f"There are {_MOST_NAMES} things called {target} already; name another one.")


def there_already(target: str) -> OutputError:
    """What is said where something is that was not to be replaced."""
    return OutputError(
        f"{target} is there already, and was not to be replaced: remove it, name another target, or set if_exists to"
        " replace or rename."
    )


def same_disk(folder: Path, target: str) -> bool:
    """Whether a rename is enough to bring it there."""
    above = next((one for one in Path(target).parents if one.exists()), Path("/"))
    return folder.stat().st_dev == above.stat().st_dev


def _only_file(folder: Path) -> Path:
    files = list(folder.iterdir())
    if len(files) != 1:
        raise OutputError(f"The output holds {len(files)} files where one was expected; encode it again.")
    return files[0]


def _linked(source: Path, target: Path) -> None:
    """Rename where nothing is; as one step, whoever else comes."""
    if not (target.exists() and target.samefile(source)):  # else the process died between these two
        target.hardlink_to(source)
    source.unlink()


def _move(source: Path, target: Path) -> None:
    """Rename, or copy beside the target and rename where that is on another file system."""
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            if source.is_dir():
                shutil.copytree(source, beside)
            else:
                shutil.copyfile(source, beside)
            beside.replace(target)
        finally:
            if beside.is_dir():
                shutil.rmtree(beside, ignore_errors=True)
            else:
                beside.unlink(missing_ok=True)
