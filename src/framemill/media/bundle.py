"""Several files as one: a stored zip whose bytes depend on nothing but names and contents."""

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that zip can say
_MODE = 0o644 << 16


def pack(files: Sequence[Path], path: Path, folder: Path | None = None) -> None:
    """Put these files, in this order, into a zip at `path`: under their own names, or their paths in that folder.

    Films and pictures are packed already: they are stored.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.name if folder is None else file.relative_to(folder).as_posix(), _EPOCH)
            entry.external_attr = _MODE
            entry.file_size = file.stat().st_size  # says whether 32 bits hold it
            with file.open("rb") as source, archive.open(entry, "w") as kept:
                shutil.copyfileobj(source, kept)


def unpack(path: Path, folder: Path) -> None:
    """Put the files of such a zip into a folder."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
