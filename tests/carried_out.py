"""An output made by the very orders that a farm sends, carried out one after the other in this process."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framemill.farm.orders import (
    GroupOrder,
    IngestOrder,
    Order,
    Planned,
    PlanOrder,
    Result,
    SourceRead,
    Stitched,
    StitchOrder,
)
from framemill.farm.performing import perform
from framemill.farm.titles import extras_of, read_title
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.media.title import Title
from framemill.storage.local import LocalBlobs


@dataclass(frozen=True)
class Made:
    """What came of it."""

    folder: Path
    stitched: Stitched
    title: Title

    @property
    def file(self) -> Path:
        """The only file."""
        (found,) = self.files
        return found

    @property
    def files(self) -> list[Path]:
        """All of them, by name."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    @property
    def proof(self) -> dict[str, Any]:
        """What the gate found."""
        return dict(self.stitched.proof)


class Refused(Exception):
    """An order came to nothing, and said why."""

    def __init__(self, result: Result) -> None:
        super().__init__(f"{result.reason}: {result.message} {result.command}")
        self.result = result


def carried_out(source: Path, settings: dict[str, Any], folder: Path, **run: Any) -> Made:
    """That output of that file in a new folder below `folder`. Raises `Refused`."""
    return asyncio.run(_carried_out(source, OutputSettings.model_validate(settings), folder, RunSettings(**run)))


async def _carried_out(source: Path, settings: OutputSettings, folder: Path, run: RunSettings) -> Made:
    blobs = LocalBlobs(folder / "blobs")
    blobs.root.mkdir(parents=True, exist_ok=True)

    async def done(order: Order) -> Any:
        result = await perform(order, lambda *_: None, blobs)
        if result.reason is not None:
            raise Refused(result)
        return result

    read: SourceRead = await done(IngestOrder(uri=str(source), name=source.name, folder=str(folder)))
    key, out = "titles/one.json", folder / "out"
    planned: Planned = await done(
        PlanOrder(title_key=key, source_key=read.source_key, settings=settings, run=run, decode=False, linear=False)
    )
    title = read_title(blobs, key)
    for rendition, group in sorted({(place.rendition, place.group) for place in planned.chunks}):
        await done(GroupOrder(title_key=key, renditions=(rendition,), group=group))
    for extra in extras_of(title, key):
        await done(extra)
    name = "video" if settings.container == "package" else f"output.{settings.container}"
    return Made(out, await done(StitchOrder(title_key=key, folder=str(out), name=name, verify="full")), title)
