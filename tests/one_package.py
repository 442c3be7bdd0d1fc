"""A package planned, encoded and finished by the very orders that workers carry out, without a farm."""

from dataclasses import dataclass
from pathlib import Path

from framemill.farm.growing import growing_sound
from framemill.farm.orders import (
    Encoded,
    ExtraOrder,
    GroupOrder,
    Grown,
    GrowOrder,
    Order,
    Planned,
    PlanOrder,
    Result,
    Stitched,
    StitchOrder,
)
from framemill.farm.performing import perform
from framemill.farm.titles import extras_of, ingest, load_title
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.media.soundfile import fragments, read_head
from framemill.media.title import Title
from framemill.storage.local import LocalBlobs

TITLE = "titles/t.json"
FAST = {"container": "package", "segment_seconds": 1, "encoder_preset": "ultrafast"}


@dataclass
class Film:
    """A planned package, whose orders are carried out one by one."""

    folder: Path
    blobs: LocalBlobs

    @property
    def title(self) -> Title:
        return load_title(self.blobs, TITLE)

    @property
    def growing(self) -> Path:
        return self.folder / ".live"

    @property
    def finished(self) -> Path:
        return self.folder / "output"

    async def do(self, order: Order) -> Result:
        result = await perform(order, lambda *_: None, self.blobs)
        assert result.reason is None, result.message
        return result

    async def plan(self, source: Path, run: RunSettings, **settings: object) -> None:
        found = await ingest(str(source), source.name, self.blobs)
        wanted = OutputSettings.model_validate(FAST | settings)
        order = PlanOrder(title_key=TITLE, source_key=found.key, settings=wanted, run=run, decode=False, linear=False)
        assert isinstance(await self.do(order), Planned)
        self.growing.mkdir()

    async def encode(self, group: int) -> None:
        for rendition, _ in enumerate(self.title.pictured.pictures):
            assert isinstance(await self.do(GroupOrder(title_key=TITLE, renditions=(rendition,), group=group)), Encoded)

    async def sound(self) -> None:
        for order in extras_of(self.title, TITLE):
            assert isinstance(order, ExtraOrder)
            await self.do(order)

    async def grow(self) -> Grown:
        grown = await self.do(GrowOrder(title_key=TITLE, folder=str(self.growing)))
        assert isinstance(grown, Grown)
        return grown

    async def grow_all(self) -> Grown:
        while (grown := await self.grow()).more:
            pass
        return grown

    async def finish(self) -> None:
        order = StitchOrder(title_key=TITLE, folder=str(self.finished), name="video")
        assert isinstance(await self.do(order), Stitched)

    async def make(self, source: Path, run: RunSettings | None = None, **settings: object) -> Path:
        """Everything at once: the finished package's folder."""
        await self.plan(source, run or RunSettings(), **settings)
        if self.title.film is not None:
            for group in range(len(self.title.film.plan.groups)):
                await self.encode(group)
        await self.sound()
        await self.finish()
        return self.finished

    def hide_sound(self, seconds: float) -> None:
        """As if its encoder had come no further than that; `show_sound` ends it."""
        whole = self.blobs.path(f"sounds/{self.title.sound_keys[0]}")
        head = read_head(whole)
        assert head is not None
        there = [fragment for fragment in fragments(whole, head) if fragment.tick < seconds * head.scale]
        draft = self.blobs.draft(growing_sound(self.title.sound_keys[0]))
        torn = whole.read_bytes()[: there[-1].end + 100]  # and a bit of the next fragment
        draft.write_bytes(torn)
        whole.rename(whole.with_name("hidden"))

    def show_sound(self) -> None:
        whole = self.blobs.path(f"sounds/{self.title.sound_keys[0]}")
        whole.with_name("hidden").rename(whole)
