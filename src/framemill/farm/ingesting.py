"""A source from wherever it is: brought here, and read."""

import asyncio
import os
from pathlib import Path

from framemill.errors import FramemillError
from framemill.farm.fetching import Bounds, fetched
from framemill.farm.orders import IngestOrder, OnShare, SourceRead
from framemill.farm.titles import ingest
from framemill.jobs.reasons import reason_of
from framemill.storage.blobs import Blobs
from framemill.storage.keyring import Keyring

_NEARLY = 0.99
"""What is expected and no more: it may go on."""


async def ingest_source(order: IngestOrder, on_share: OnShare, blobs: Blobs, keyring: Keyring) -> SourceRead:
    """What is in it; `reason` says why nobody knows. `on_share` hears how much of it is here."""

    def heard(done: int, total: int | None) -> None:
        if total:
            on_share(min(1.0, done / total), total)
        elif order.about_bytes:
            on_share(min(_NEARLY, done / order.about_bytes), order.about_bytes)

    try:
        bounds = Bounds(order.most_bytes, order.once)
        here = await fetched(order, keyring, Path(order.folder), heard, bounds)
        found = await ingest(here.path, order.name, blobs, order.sha256 or here.sha256)
    except (FramemillError, OSError, MemoryError) as error:
        said = error.message if isinstance(error, FramemillError) else str(error)
        return SourceRead(reason=reason_of(error), message=said)
    inspection = found.source.inspection
    return SourceRead(
        usage=found.usage,
        source_key=found.key,
        path=found.source.path,
        size=await asyncio.to_thread(os.path.getsize, found.source.path),
        sha256=inspection.sha256,
        facts=inspection.facts,
    )
