"""Puts a verified output where it was asked for: it appears whole, or not at all."""

import errno
import os
import shutil
from pathlib import Path

from framemill.errors import DiskFull, OutputError


def deliver(folder: Path, target: str, package: bool) -> None:
    """Move the file in `folder` to `target`, or the whole folder of a package.

    An earlier file of that name is replaced in one step; an earlier package gets its master playlist last, so that a
    player never reads a list of segments that are not there. Raises `OutputError`.
    """
    path = Path(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not package:
            _move(_only_file(folder), path)
        elif not path.exists():
            _move(folder, path)
        else:
            files = [file for file in folder.rglob("*") if file.is_file()]
            for file in sorted(files, key=lambda file: (file.suffix == ".m3u8", file.parent == folder, file)):
                place = path / file.relative_to(folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                _move(file, place)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(f"The disk is full: there is no room at {target}. Free some.") from None
        raise OutputError(f"The output could not be put at {target}: {error.strerror or error}.") from None


def _only_file(folder: Path) -> Path:
    files = list(folder.iterdir())
    if len(files) != 1:
        raise OutputError(f"The output holds {len(files)} files where one was expected; encode it again.")
    return files[0]


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
