"""Brings what a client has named to this machine's disk: within the limits, or with the reason why it did not come."""

import asyncio
import contextlib
import hashlib
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from framemill.errors import (
    DiskFull,
    SourceTooLarge,
    StorageBroken,
    StorageError,
    StorageUnreachable,
)
from framemill.farm.gathering import Gathering, begins_playlist, is_playlist
from framemill.media.multiplex import multiplexed
from framemill.storage.address import name_of
from framemill.storage.base import OnBytes, Stat
from framemill.storage.blame import as_source
from framemill.storage.keyring import Entrance, Keyring, Way
from framemill.storage.opening import Patience, opened
from framemill.storage.roots import refuse_moved

Done = TypeVar("Done")

_STOP_SECONDS = 1.5
_LONGEST_NAME = 200
_SLOW_SECONDS = 300.0
_LEAST_BYTES = 64 << 10
"""In so long: some stores hand over 8 MB at once, which at 28 kB/s takes as long."""


class _Stopped(Exception):
    """Ends a transfer from inside."""


class Bounds(NamedTuple):
    """How a source may be fetched."""

    most_bytes: int | None = None
    once: str = ""
    """Name of this reading of a source that can be read once only, in order; empty: it can be read again."""
    slow_seconds: float = _SLOW_SECONDS
    """After so long with next to nothing it is given up."""


class Fetched(NamedTuple):
    """A source that is here."""

    path: str
    sha256: str = ""
    """Hexadecimal; empty where nobody has read all of it yet."""


async def fetched(
    way: Way,
    keyring: Keyring,
    folder: Path,
    on_bytes: OnBytes = lambda done, total: None,
    bounds: Bounds = Bounds(),  # noqa: B008 (immutable)
) -> Fetched:
    """The source in a file: where it lies, if it is on this machine, else in `folder`, which is made.

    Raises `SourceError`'s kinds, `DiskFull` where there is no room for it, and OSError.
    """
    with as_source(way, keyring):
        entrance = keyring.entrance(way)
        reach = None if way.trusted else keyring.reach
        heard = _Heard(on_bytes, folder, bounds)
        if entrance.address.remote:
            path = folder / _name(name_of(str(entrance.address)))
            here = await _paced(lambda: _brought(entrance, path, heard, bounds), heard)
        elif reach is not None:  # what a client names on this machine is that file, and nothing that it names in turn
            await asyncio.to_thread(refuse_moved, entrance.address.path)
            return Fetched(entrance.address.path)
        else:
            here = Fetched(entrance.address.path)
        if not await asyncio.to_thread(is_playlist, Path(here.path)):
            return here
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        gathering = Gathering(entrance, reach, heard.more, heard.shares)
        tracks = await _paced(lambda: gathering.tracks(folder), heard)
        if not tracks.sounds:
            return Fetched(str(tracks.picture))
        whole = await multiplexed(tracks.picture, tracks.sounds, folder / "recording", way.uri)
        for one in (tracks.picture, *tracks.sounds):
            await asyncio.to_thread(one.unlink)
        return Fetched(str(whole))


def _name(name: str) -> str:
    """What the file here is called: as there, where that is a name at all."""
    fits = name.isprintable() and name not in {"", ".", ".."} and not name.startswith(_MARK)
    return name if fits and len(name.encode()) <= _LONGEST_NAME else "source"


_MARK = ".read-"
"""Stands in the folder of a source that can be read once only, from the moment it is begun to be read."""


def _brought(entrance: Entrance, path: Path, heard: "_Heard", bounds: Bounds) -> Fetched:
    path.parent.mkdir(parents=True, exist_ok=True)
    patience = Patience(retries=0) if bounds.once else Patience()
    with contextlib.closing(opened(entrance.address, entrance.access, entrance.reach, patience)) as storage:
        there = entrance.address.path
        # Whoever makes it on demand would begin to do so for a look at it.
        stat = Stat(path=there) if bounds.once else storage.stat(there)
        _refuse_size(stat.size, path.parent, bounds)
        if bounds.once:
            _note_begun(path.parent / f"{_MARK}{bounds.once}")
        digest, done, whole = hashlib.sha256(), 0, stat.size
        try:
            with path.open("wb") as file:
                for block in storage.stream(there):
                    if done == 0:  # of a playlist nearly nothing is here when all of it is
                        whole = None if begins_playlist(block) else stat.size
                    file.write(block)
                    digest.update(block)
                    done += len(block)
                    _refuse_size(done if done > (stat.size or 0) else None, path.parent, bounds)
                    heard.so_far(done, whole)
            if stat.size is not None and done != stat.size:
                raise StorageBroken(f"{done} of its {stat.size} bytes came: it has changed meanwhile.")
        except BaseException as error:
            path.unlink(missing_ok=True)
            if bounds.once and isinstance(error, StorageError):
                raise StorageError(f"{error.message} It can be read once only, so it is not tried again.") from None
            raise
    return Fetched(str(path), digest.hexdigest())


def _note_begun(mark: Path) -> None:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        raise StorageError("It can be read once only, and an earlier try was cut off: submit it again.") from None


def _refuse_size(size: int | None, folder: Path, bounds: Bounds) -> None:
    if size is None:
        return
    if bounds.most_bytes is not None and size > bounds.most_bytes:
        raise SourceTooLarge(f"The source has {size} bytes or more, and may have {bounds.most_bytes}.")
    disk = shutil.disk_usage(folder)
    if size > disk.total:
        raise SourceTooLarge(f"The source has {size} bytes, and the farm's disk {disk.total}.")
    if size > disk.free:
        raise DiskFull(f"The source has {size} bytes, and there is room for {disk.free}: free some.")


class _Heard:
    """Hears what comes in a thread, and tells that thread when nobody wants it any more."""

    def __init__(self, on_bytes: OnBytes, folder: Path, bounds: Bounds) -> None:
        self._on_bytes = on_bytes
        self._folder = folder
        self.bounds = bounds
        self.done = 0
        self.stop = threading.Event()

    def so_far(self, done: int, total: int | None) -> None:
        """So many bytes are here."""
        if self.stop.is_set():
            raise _Stopped
        self.done = done
        self._on_bytes(done, total)

    def shares(self, share: float) -> None:
        """So much of what nobody knows the bytes of is here: as many as there will be, if it goes on so."""
        self.so_far(self.done, round(self.done / share))

    def more(self, size: int) -> None:
        """So many more, of nobody knows how many. Raises `SourceTooLarge` and `DiskFull`."""
        self.so_far(self.done + size, None)
        _refuse_size(self.done, self._folder, self.bounds)


async def _paced(work: Callable[[], Done], heard: _Heard) -> Done:
    """What comes of it, in a thread of its own; one that hangs in a store keeps nobody else waiting.

    Cancelled, it is told to stop, and waited for a moment: stores may be slow. Raises `StorageUnreachable` where next
    to nothing comes for long: a server that sends a byte now and then is never silent, and never done.
    """
    with contextlib.closing(_Thread("fetch")) as thread:
        working = asyncio.get_running_loop().run_in_executor(thread.pool, work)
        try:
            while True:
                before = heard.done
                await asyncio.wait({working}, timeout=heard.bounds.slow_seconds)
                if working.done():
                    return await working
                if heard.done - before < _LEAST_BYTES:
                    limit = f"{heard.bounds.slow_seconds:g} s"
                    raise StorageUnreachable(f"It has sent less than {_LEAST_BYTES} bytes in {limit}. Try again later.")
        finally:
            if not working.done():
                heard.stop.set()
                working.add_done_callback(lambda done: done.cancelled() or done.exception())  # whatever it says by then
                await asyncio.wait({working}, timeout=_STOP_SECONDS)


class _Thread:
    """A thread that nobody waits for in the end."""

    def __init__(self, name: str) -> None:
        self.pool = ThreadPoolExecutor(1, name)

    def close(self) -> None:
        """It ends with what it does."""
        self.pool.shutdown(wait=False)
