"""What is done with targets in stores: they are looked at, written to, and cleared of what is not whole."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TypeVar

from framemill.errors import (
    FramemillError,
    KeyRefused,
    StorageBroken,
    StorageError,
    StorageFull,
    StorageMissing,
    StorageRefused,
    StorageUnreachable,
    WrongUse,
)
from framemill.farm.orders import Delivered, DeliverOrder, Result, TargetOrder, TargetSeen, Withdrawn, WithdrawOrder
from framemill.jobs.reasons import Reason, reason_of
from framemill.secrets import mask
from framemill.storage.base import OnBytes, Sending, Storage
from framemill.storage.content import content_type
from framemill.storage.keyring import Entrance, Keyring, Way
from framemill.storage.opening import Patience, opened
from framemill.storage.putting import free_path, is_there, path_numbered, prove, put, taken
from framemill.storage.roots import refuse_moved

log = logging.getLogger(__name__)

Answer = TypeVar("Answer", bound=Result)

_STOP_SECONDS = 1.0
_THREADS = ThreadPoolExecutor(32, "deliver")  # of their own: one that hangs in a store takes none from the joins
_PATIENCE = Patience(silence_seconds=20.0, retries=2)  # whoever gave the order tries it again, with longer pauses


class _Stopped(Exception):
    """Ends a transfer from inside."""


async def at_target(
    order: TargetOrder | DeliverOrder | WithdrawOrder, on_share: Callable[[float], None], keyring: Keyring
) -> Result:
    """Carry out an order at a target; `on_share` hears how much is sent."""
    match order:
        case TargetOrder():
            return await see_target(order, keyring)
        case DeliverOrder():
            return await deliver_files(order, on_share, keyring)
        case WithdrawOrder():
            return await withdraw_files(order, keyring)


async def see_target(order: TargetOrder, keyring: Keyring) -> TargetSeen:
    """Whether it takes the output, and what is there already."""

    def look(_: threading.Event) -> TargetSeen:
        with _entered(order.way, keyring) as (entrance, storage):
            path = entrance.address.path.rstrip("/")
            if order.rename:
                free = free_path(storage, path, folder=order.folder)
                numbers = (n for n in range(1, _MOST) if path_numbered(path, n, folder=order.folder) == free)
                return TargetSeen(there=free != path, number=next(numbers))
            if not order.prove:
                return TargetSeen(there=taken(storage, path, folder=order.folder))
            return TargetSeen(there=prove(storage, path, order.acl, folder=order.folder) or False)

    return await _in_thread(look, TargetSeen, order.way, keyring)


_MOST = 1002


async def deliver_files(order: DeliverOrder, on_share: Callable[[float], None], keyring: Keyring) -> Delivered:
    """Send them, one after the other; `on_share` hears how much is sent of all their bytes."""

    def send(stop: threading.Event) -> Delivered:
        before, total = 0, sum(file.size for file in order.files) or 1
        with _entered(order.way, keyring) as (entrance, storage):
            for file in order.files:
                path = path_of(entrance.address.path, file.path, order.number, folder=order.folder)
                sending = Sending(
                    if_exists=order.if_exists, content_type=content_type(path), acl=order.acl, md5=file.md5
                )
                heard = _counting(stop, on_share, before, total)
                put(storage, path, Path(order.place, file.path), file, sending, on_bytes=heard)
                before += file.size
        return Delivered()

    return await _in_thread(send, Delivered, order.way, keyring)


async def withdraw_files(order: WithdrawOrder, keyring: Keyring) -> Withdrawn:
    """Remove them, as far as that goes: nobody can help it where the store does not let us."""

    def remove(stop: threading.Event) -> Withdrawn:
        with _entered(order.way, keyring) as (entrance, storage):
            for file in order.files:
                if stop.is_set():
                    break
                path = path_of(entrance.address.path, file.path, order.number, folder=order.folder)
                with contextlib.suppress(StorageRefused, StorageMissing):
                    if is_there(storage, path, file):
                        storage.delete(path)
        return Withdrawn()

    return await _in_thread(remove, Withdrawn, order.way, keyring)


def path_of(target: str, path: str, number: int = 1, *, folder: bool) -> str:
    """Where a file of an output lies in the store: a package's in the target's folder, a file at the target itself."""
    numbered = path_numbered(target.rstrip("/"), number, folder=folder)
    if not folder:
        return numbered
    return f"{numbered}/{path}" if numbered else path


def _counting(stop: threading.Event, on_share: Callable[[float], None], before: int, total: int) -> OnBytes:
    def heard(done: int, _: int | None) -> None:
        if stop.is_set():
            raise _Stopped
        on_share(min(1.0, (before + done) / total))

    return heard


@contextlib.contextmanager
def _entered(way: Way, keyring: Keyring) -> Iterator[tuple[Entrance, Storage]]:
    entrance = keyring.entrance(way)
    if keyring.guarded and not way.trusted and not entrance.address.remote:
        refuse_moved(entrance.address.path)
    with contextlib.closing(opened(entrance.address, entrance.access, entrance.reach, _PATIENCE)) as storage:
        yield entrance, storage


async def _in_thread(
    work: Callable[[threading.Event], Answer], kind: type[Answer], way: Way, keyring: Keyring
) -> Answer:
    """What comes of it. Cancelled, it is told to stop, and waited for a moment: a store may be slow to notice."""
    stop = threading.Event()
    working = asyncio.get_running_loop().run_in_executor(_THREADS, work, stop)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        stop.set()
        working.add_done_callback(lambda done: done.cancelled() or done.exception())  # whatever it says by then
        await asyncio.wait({working}, timeout=_STOP_SECONDS)
        raise
    except (FramemillError, OSError, MemoryError) as error:
        return kind(reason=_reason(error), message=_said(error, way, keyring))


_REASONS: Mapping[type[FramemillError], Reason] = {
    StorageFull: Reason.TARGET_FULL,
    StorageUnreachable: Reason.TARGET_UNREACHABLE,
    StorageBroken: Reason.TARGET_UNREACHABLE,
    StorageError: Reason.TARGET_REFUSED,
    WrongUse: Reason.TARGET_REFUSED,
    KeyRefused: Reason.TARGET_REFUSED,
}


def _reason(error: BaseException) -> Reason:
    found = next((_REASONS[kind] for kind in type(error).__mro__ if kind in _REASONS), None)
    return found or reason_of(error)


def _said(error: BaseException, way: Way, keyring: Keyring) -> str:
    said = error.message if isinstance(error, FramemillError) else str(error)
    try:
        secrets = keyring.entrance(way).secrets
    except FramemillError:
        secrets = frozenset()
    name = PurePosixPath(way.uri.rstrip("/")).name
    return mask(f"{name} could not be put at {way.uri}: {said}", secrets)
