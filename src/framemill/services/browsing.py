"""What is in a folder of a store, without what is in the folders in it: for people who look for a source."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from framemill.services.callers import Caller
from framemill.services.desk import Desk, Opener, way_of
from framemill.services.paths import open_source
from framemill.storage.base import Stat, Storage
from framemill.storage.blame import as_source
from framemill.storage.opening import Patience, opened

MOST = 5000
"""Folders and files that are told of."""
_MOST_SEEN = 100_000
"""Files that are looked through where a store knows no folders."""
_PATIENCE = Patience(silence_seconds=10.0, retries=1)


class Level(NamedTuple):
    """What is in a folder, by paths in its store."""

    folders: Sequence[str]
    """Each ends with a slash."""
    files: Sequence[Stat]


@runtime_checkable
class _Levelled(Protocol):
    """A store that can tell what is in a folder without walking through all below it."""

    def level(self, prefix: str) -> Iterator[Stat]:
        """What is directly in it; the paths of folders end with a slash."""
        ...


def level_of(uri: str, opener: Opener | None, caller: Caller, desk: Desk, most: int = MOST) -> Level:
    """What is in the folder that a URI names: so much of it at most, in the order of the paths. It blocks.

    Raises `WrongUse` for a URI that is closed to them or does not fit what opens it, and `SourceError`'s kinds.
    """
    way = way_of(open_source(uri, caller, desk), opener, caller.account, desk)
    with as_source(way, desk.keyring):
        entrance = desk.keyring.entrance(way)
        storage = opened(entrance.address, entrance.access, entrance.reach, _PATIENCE)
        with contextlib.closing(storage):
            return _level(storage, entrance.address.path, most)


def _level(storage: Storage, prefix: str, most: int) -> Level:
    found = storage.level(prefix) if isinstance(storage, _Levelled) else _grouped(storage, prefix)
    seen = [one for one in itertools.islice(found, most) if one.path != prefix]
    folders = sorted(one.path for one in seen if one.path.endswith("/"))
    files = sorted((one for one in seen if not one.path.endswith("/")), key=lambda one: one.path)
    return Level(folders, files)


def _grouped(storage: Storage, prefix: str) -> Iterator[Stat]:
    told = set()
    for one in itertools.islice(storage.list(prefix), _MOST_SEEN):
        name, slash, _ = one.path.removeprefix(prefix).partition("/")
        if not slash:
            yield one
        elif name not in told:
            told.add(name)
            yield Stat(path=f"{prefix}{name}/")
