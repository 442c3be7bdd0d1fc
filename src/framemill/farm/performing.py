"""What a worker or a stitcher does with an order of each kind. Nothing that was foreseen is raised."""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from framemill.errors import FramemillError
from framemill.farm.encoding import encode_extra, encode_group, try_frames
from framemill.farm.finishing import finish
from framemill.farm.growing import grow_package
from framemill.farm.orders import (
    ExtraOrder,
    GroupOrder,
    GrowOrder,
    IngestOrder,
    Order,
    Planned,
    PlanOrder,
    ProbeOrder,
    Result,
    SourceRead,
    StitchOrder,
    TrialOrder,
)
from framemill.farm.probing import probe
from framemill.farm.titles import ingest, plan
from framemill.jobs.reasons import Reason, reason_of
from framemill.storage.http import fetch, is_remote
from framemill.storage.local import LocalBlobs

log = logging.getLogger(__name__)


async def perform(order: Order, on_share: Callable[[float], None], blobs: LocalBlobs) -> Result:
    """Carry it out; `on_share` hears how much is done, where that is known."""
    try:
        result = await _performed(order, on_share, blobs)
    except OSError:
        if blobs.root.is_dir():
            raise
        return _AWAY
    return _AWAY if result.reason is not None and not blobs.root.is_dir() else result


#: Whatever failed, it was not the order's fault.
_AWAY = Result(reason=Reason.DISK_FULL, message="The farm's folder is away: bring it back.")


async def _performed(  # noqa: PLR0911 - one for each kind of order
    order: Order, on_share: Callable[[float], None], blobs: LocalBlobs
) -> Result:
    match order:
        case GroupOrder():
            return await encode_group(order, blobs, on_share)
        case ExtraOrder():
            return await encode_extra(order, blobs)
        case StitchOrder():
            return await finish(order, blobs)
        case GrowOrder():
            on_share(1.0)  # it takes no slot: whoever counts what is under way shall not count it
            return await grow_package(order, blobs)
        case TrialOrder():
            return await try_frames(order, blobs)
        case PlanOrder():
            return await _planned(order, blobs)
        case IngestOrder():
            return await _read(order, on_share, blobs)
        case ProbeOrder():
            return await probe(order, blobs)


async def _planned(order: PlanOrder, blobs: LocalBlobs) -> Planned:
    try:
        return await plan(order, blobs)
    except (FramemillError, OSError, MemoryError) as error:
        return Planned(reason=reason_of(error), message=_said(error))


async def _read(order: IngestOrder, on_share: Callable[[float], None], blobs: LocalBlobs) -> SourceRead:
    def fetched(done: int, total: int | None) -> None:
        if total:
            on_share(done / total)

    try:
        path = order.uri
        if is_remote(order.uri):
            local = Path(order.folder) / (Path(urlsplit(order.uri).path).name or "source")
            local.parent.mkdir(parents=True, exist_ok=True)
            await fetch(order.uri, local, fetched)
            path = str(local)
        found = await ingest(path, order.name, blobs, order.sha256)
    except (FramemillError, OSError, MemoryError) as error:
        return SourceRead(reason=reason_of(error), message=_said(error))
    inspection = found.source.inspection
    return SourceRead(
        usage=found.usage,
        source_key=found.key,
        path=found.source.path,
        size=await asyncio.to_thread(os.path.getsize, found.source.path),
        sha256=inspection.sha256,
        facts=inspection.facts,
    )


def _said(error: BaseException) -> str:
    return error.message if isinstance(error, FramemillError) else str(error)
