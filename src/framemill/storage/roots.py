"""Which paths on the farm's machine clients may name: those below the operator's folders, wherever links lead."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from framemill.errors import PathRefused, WrongUse


@dataclass(frozen=True, slots=True)
class Roots:
    """Folders that are open to clients."""

    folders: tuple[Path, ...] = ()
    closed: tuple[Path, ...] = ()
    """What is shut in any case, whichever folder it lies in: the farm's own things."""

    def resolved(self, path: str) -> str:
        """The path without links. Raises `PathRefused`, whether there is anything or not."""
        real = real_path(path)
        if not _within(real, self.folders) or _within(real, self.closed):
            raise PathRefused(
                f"{path} is in no folder that is open to clients: upload the file, or have the farm's operator open "
                f"its folder (FRAMEMILL_MEDIA_ROOTS={os.path.dirname(path)}, or media_roots in framemill.toml)."
            )
        return real


def real_path(path: str) -> str:
    """The absolute path without links, dots and double slashes. Raises `WrongUse` for what no path can hold."""
    try:
        return os.path.realpath(path)
    except ValueError:
        raise WrongUse("A path cannot hold a null byte.") from None


def refuse_moved(path: str) -> None:
    """Raise `PathRefused` where a path that was resolved leads elsewhere now: somebody has put a link into its way."""
    if real_path(path) != path:
        raise PathRefused(f"{path} leads elsewhere than it did when it was named: a link has been put into its way.")


def _within(real: str, folders: Iterable[Path]) -> bool:
    return any(Path(real).is_relative_to(os.path.realpath(folder)) for folder in folders)
