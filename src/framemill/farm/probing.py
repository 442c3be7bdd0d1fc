"""Looks into a source for whoever asks what is in it: in the prober's child, on a worker, and nothing is kept."""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

from framemill.errors import FramemillError
from framemill.farm.fetching import fetched
from framemill.farm.orders import Probed, ProbeOrder
from framemill.jobs.reasons import reason_of
from framemill.media.estimate import OutputEstimate, estimated
from framemill.media.inspection import InspectRequest, inspected
from framemill.storage.blobs import Blobs
from framemill.storage.keyring import Keyring

FOLDER = "probing"
"""Under the blobs: where remote sources lie while they are looked into."""


async def probe(
    order: ProbeOrder,
    blobs: Blobs,
    keyring: Keyring = Keyring(),  # noqa: B008 (frozen)
) -> Probed:
    """Facts and estimates; `reason` says why there are none."""
    try:
        folder = blobs.path(FOLDER)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as inside:
            here = await fetched(order, keyring, Path(inside))
            return await _looked_into(order, here.path)
    except (FramemillError, OSError, MemoryError) as error:
        said = error.message if isinstance(error, FramemillError) else str(error)
        return Probed(reason=reason_of(error), message=said)


async def _looked_into(order: ProbeOrder, path: str) -> Probed:
    inspection = await inspected(InspectRequest(path=path, name=order.name, packets=False))
    facts = {**inspection.facts, "format": {**inspection.facts["format"], "filename": order.name}}
    return Probed(
        size=await asyncio.to_thread(os.path.getsize, path),
        facts=facts,
        estimates=tuple(await asyncio.to_thread(_estimates, order, facts)),
    )


def _estimates(order: ProbeOrder, facts: dict[str, Any]) -> list[OutputEstimate]:
    return [estimated(facts, settings, order.run) for settings in order.outputs]
