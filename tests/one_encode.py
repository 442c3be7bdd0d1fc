"""One output planned and encoded by the very orders that workers get, in a folder and without a farm."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import av

from framemill.farm.intact import chunk_blob
from framemill.farm.orders import GroupOrder, Order, PlanOrder, Result, ShareOrder, SurveyOrder
from framemill.farm.performing import perform
from framemill.farm.surveying import draft_key
from framemill.farm.titles import ingest, load_title
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.media.chunkfile import packets_of
from framemill.media.layout import layout
from framemill.media.title import Title
from framemill.media.twopass import to_share
from framemill.storage.local import LocalBlobs


@dataclasses.dataclass
class Encode:
    """An output in its blobs."""

    blobs: LocalBlobs
    key: str
    seconds: float = 0.0
    """CPU time of all encodes."""

    @property
    def title(self) -> Title:
        return load_title(self.blobs, self.key)

    async def do(self, order: Order) -> Result:
        result = await perform(order, lambda *_: None, self.blobs)
        assert result.reason is None, result.message
        self.seconds += result.usage.cpu_seconds
        return result

    async def plan(self, clip: Path, settings: dict[str, Any], **run: Any) -> None:
        """Plan it, and share out its bits where that is asked for."""
        wanted = OutputSettings.model_validate({"audio_codec": "none"} | settings)
        draft = draft_key(self.key)
        source = (await ingest(str(clip), clip.name, self.blobs)).key
        order = PlanOrder(
            title_key=draft, source_key=source, settings=wanted, run=RunSettings(**run), decode=False, linear=False
        )
        await self.do(order)
        title = load_title(self.blobs, draft)
        for group in title.pictured.plan.groups:
            if renditions := to_share(title):
                await self.do(SurveyOrder(title_key=draft, renditions=renditions, group=group.number))
        await self.do(ShareOrder(title_key=self.key, draft_key=draft))

    async def encode(self) -> None:
        """Every group, as the plan puts its renditions together."""
        film = self.title.pictured
        for group in film.plan.groups:
            for batch in film.batches:
                await self.do(GroupOrder(title_key=self.key, renditions=tuple(batch), group=group.number))

    def files(self, rendition: int = 0) -> list[Path]:
        chunks = self.title.pictured.plan.chunks
        return [self.blobs.path(chunk_blob(self.title.chunk_key(rendition, chunk))) for chunk in chunks]

    def hashes(self, rendition: int = 0) -> list[str]:
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in self.files(rendition)]

    def sizes(self, rendition: int = 0) -> list[int]:
        """Bits of every packet, in decode order."""
        found: list[int] = []
        for path in self.files(rendition):
            with av.open(str(path)) as chunk:
                found += [8 * packet.size for packet in packets_of(chunk)]
        return found

    def bitrate(self, rendition: int = 0) -> float:
        shown = layout(self.title, heard=False)
        seconds = (shown.times[-1] - shown.times[0] + shown.last_duration) * shown.time_base
        return float(sum(self.sizes(rendition)) / seconds)

    def parameter_sets(self, rendition: int = 0) -> set[bytes]:
        found = set()
        for path in self.files(rendition):
            with av.open(str(path)) as chunk:
                found.add(chunk.streams.video[0].codec_context.extradata or b"")
        return found


def made(folder: Path, name: str = "one") -> Encode:
    return Encode(LocalBlobs(folder / "blobs"), f"titles/{name}.json")
