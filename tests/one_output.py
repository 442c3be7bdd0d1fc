"""An output planned, encoded and finished by the very orders that workers carry out, without a farm."""

import asyncio
from pathlib import Path
from typing import Any

from framemill.farm.orders import ExtraOrder, GroupOrder, Order, PlanOrder, Result, Stitched, StitchOrder
from framemill.farm.performing import perform
from framemill.farm.titles import extras_of, ingest, load_title
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.storage.local import LocalBlobs


def made(source: Path, folder: Path, settings: dict[str, Any], **run: Any) -> tuple[Path, dict[str, Any]]:
    """The output of that file, below `folder`, and what the gate found of it.

    An order that fails is an `AssertionError` with its message.
    """
    return asyncio.run(_made(source, folder, settings, RunSettings(**run)))


async def _made(source: Path, folder: Path, settings: dict[str, Any], run: RunSettings) -> tuple[Path, dict[str, Any]]:
    blobs = LocalBlobs(folder / "blobs")

    async def do(order: Order) -> Result:
        result = await perform(order, lambda *_: None, blobs)
        assert result.reason is None, result.message
        return result

    found = await ingest(str(source), source.name, blobs)
    wanted = OutputSettings.model_validate(settings)
    key = "titles/t.json"
    await do(PlanOrder(title_key=key, source_key=found.key, settings=wanted, run=run, decode=False, linear=False))
    title = load_title(blobs, key)
    if title.film is not None and title.settings.kind in {"file", "package"}:
        for group in range(len(title.film.plan.groups)):
            for batch in title.film.batches:
                await do(GroupOrder(title_key=key, renditions=tuple(batch), group=group))
    for order in extras_of(title, key):
        assert isinstance(order, ExtraOrder)
        await do(order)
    output = folder / "output"
    name = f"out.{wanted.container}" if wanted.container != "package" else "out"
    stitched = await do(StitchOrder(title_key=key, folder=str(output), name=name))
    assert isinstance(stitched, Stitched)
    return output / name, dict(stitched.proof)
