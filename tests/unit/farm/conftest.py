"""A job in a real store, a title without a film, and a crew that keeps its word without ffmpeg."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Literal

import pytest

from framemill.farm.crew import Crew
from framemill.farm.driver import Driver
from framemill.farm.encoding import chunk_blob, facts_blob
from framemill.farm.orders import (
    ChunkPlace,
    Encoded,
    EncodedChunk,
    ExtraOrder,
    GroupOrder,
    Planned,
    PlanOrder,
    Progress,
    Stitched,
    StitchOrder,
    WrittenFile,
)
from framemill.farm.titles import load_title
from framemill.jobs.model import ChunkRow, Delivery, Input, Job, Output
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.jobs.states import InputState, JobEvent, JobState
from framemill.jobs.usage import Usage
from framemill.media.chunkfile import ChunkFacts
from framemill.media.index import FirstFrame, FrameIndex, SeekPoint
from framemill.media.inspect import Inspection, Packets
from framemill.media.source import Source
from framemill.media.title import Title, plan_title
from framemill.storage.local import LocalBlobs
from framemill.store import chunks as chunk_rows
from framemill.store.database import Database
from framemill.store.deliveries import load_deliveries
from framemill.store.epochs import take_epoch
from framemill.store.jobs import add_job, load_job

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
TICK = Fraction(1, 25)

Answer = Callable[[GroupOrder | ExtraOrder], Awaitable[Encoded | None]]
"""Instead of the work: a result, an error, or None: do the work after all."""


async def nothing(_: GroupOrder | ExtraOrder) -> Encoded | None:
    """Nothing stands in the way of the work."""
    return None


class FakeCrew:
    """Plans forty frames by keyframes every ten; "encodes" by writing the blob and the facts; joins them in order."""

    def __init__(self, blobs: LocalBlobs) -> None:
        self.blobs = blobs
        self.answer: Answer = nothing
        self.finished: list[Stitched] = []
        """What the next joins answer instead of the work."""
        self.plans: list[PlanOrder] = []
        self.orders: list[GroupOrder | ExtraOrder] = []
        self.joins: list[StitchOrder] = []
        self.under_way = 0

    async def plan(self, order: PlanOrder) -> Planned:
        self.plans.append(order)
        title = make_title(order)
        self.blobs.write(order.title_key, title.model_dump_json().encode())
        film = title.pictured
        return Planned(
            chunks=tuple(
                ChunkPlace(
                    rendition=0,
                    number=chunk.number,
                    group=group.number,
                    key=title.chunk_key(0, chunk),
                    first=chunk.first,
                    end=chunk.end,
                )
                for group in film.plan.groups
                for chunk in film.plan.group_chunks(group)
            )
        )

    async def encode(self, order: GroupOrder | ExtraOrder) -> Encoded:
        self.orders.append(order)
        self.under_way += 1
        try:
            return await self.answer(order) or self._encoded(order)
        finally:
            self.under_way -= 1

    async def finish(self, order: StitchOrder) -> Stitched:
        self.joins.append(order)
        if self.finished:
            return self.finished.pop(0)
        title = load_title(self.blobs, order.title_key)
        keys = [title.chunk_key(0, chunk) for chunk in title.pictured.plan.chunks]
        data = b"".join(self.blobs.read(chunk_blob(key)) for key in keys)
        (Path(order.folder) / order.name).write_bytes(data)
        return Stitched(
            files=(WrittenFile(path=order.name, size=len(data), sha256="5" * 64, md5="5" * 32),),
            proof={"frames": title.pictured.plan.chunks[-1].end},
        )

    async def progress(self) -> list[Progress]:
        return []

    @property
    def groups(self) -> list[int]:
        """Numbers of the groups that were asked for."""
        return [order.group for order in self.orders if isinstance(order, GroupOrder)]

    def _encoded(self, order: GroupOrder | ExtraOrder) -> Encoded:
        if isinstance(order, ExtraOrder):
            self.blobs.write(order.key, order.kind.encode())
            return Encoded(usage=Usage(seconds=0.5))
        title = load_title(self.blobs, order.title_key)
        done = []
        for chunk in title.pictured.plan.group_chunks(title.pictured.plan.groups[order.group]):
            key, data = title.chunk_key(0, chunk), f"[{chunk.first},{chunk.end})".encode()
            facts = ChunkFacts(frames=chunk.frames, size=len(data), sha256="5" * 64, parameter_sets="5" * 64, reorder=0)
            self.blobs.write(facts_blob(key), facts.model_dump_json().encode())
            self.blobs.write(chunk_blob(key), data)
            done.append(EncodedChunk(number=chunk.number, key=key, blob=chunk_blob(key), facts=facts))
        return Encoded(chunks=tuple(done), usage=Usage(seconds=0.5))


def make_title(order: PlanOrder) -> Title:
    """Forty frames with sound and a text track. An index by decode has other frames than the packets promised."""
    facts = {
        "format": {"format_name": "mov,mp4"},
        "streams": [
            {"index": 0, "codec_type": "video", "codec_name": "h264"},
            {"index": 1, "codec_type": "audio", "codec_name": "aac", "channels": 2, "sample_rate": "48000"},
            {"index": 2, "codec_type": "subtitle", "codec_name": "mov_text"},
        ],
    }
    inspection = Inspection(facts=facts, video=0, audio=1, packets=Packets(), sha256=order.source_key)
    source = Source(
        path="/in.mp4",
        name="in.mp4",
        inspection=inspection,
        first_picture=FirstFrame(time_base=TICK, pts=0, width=64, height=48, sample_aspect_ratio="1/1"),
        first_sound=FirstFrame(time_base=Fraction(1, 48000), pts=0),
    )
    count = 39 if order.decode else 40
    keys = () if order.linear else range(0, count, 10)
    index = FrameIndex(
        time_base=TICK,
        pts=tuple(range(count)),
        last_duration=1,
        seek_points=tuple(SeekPoint(pts=key, frame=key, clean=True) for key in keys),
        hashes=tuple(map(str, range(count))) if order.decode else (),
        source="decode" if order.decode else "packets",
        why="",
    )
    return plan_title(source, index, order.settings, order.run, "build")


class Farm:
    """One job, its store, and the drivers that one after another drive it."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database
        self.blobs = LocalBlobs(folder / "blobs")
        self.crew = FakeCrew(self.blobs)
        self.target = folder / "out.mp4"

    def submit(
        self,
        *,
        input_state: InputState = InputState.READY,
        outputs: int = 1,
        on_damage: Literal["refuse", "keep"] = "refuse",
    ) -> None:
        """Write the job: forty frames, a chunk every ten."""
        run = RunSettings(chunk_frames=10, on_damage=on_damage)
        job = Job(id="j", account="a", door="cli", created_at=NOON, run=run)
        source = Input(id="i", job_id="j", uri="/in.mp4", state=input_state, index_key="source")
        targets = [self.target, *(self.folder / f"out-{number}.mkv" for number in range(1, outputs))]
        asked = [
            Output(
                id=f"o{position}",
                job_id="j",
                position=position,
                name=target.name,
                settings=OutputSettings(container="mkv" if position else "mp4"),
                target=str(target),
            )
            for position, target in enumerate(targets)
        ]
        with self.database.writing() as conn:
            add_job(conn, job, [source], asked)

    def driver(self, kind: type[Driver] = Driver, database: Database | None = None) -> Driver:
        """A coordinator's driver that has just taken over."""
        with self.database.writing() as conn:
            epoch = take_epoch(conn)
        crew: Crew = self.crew
        return kind(
            "j",
            database=database or self.database,
            blobs=self.blobs,
            crew=crew,
            epoch=epoch,
            work=self.folder / "work",
        )

    def run(self) -> Job:
        """Drive the job to its end."""
        return asyncio.run(self.driver().run())

    @property
    def job(self) -> Job:
        with self.database.reading() as conn:
            found = load_job(conn, "j")
        assert found is not None
        return found[0]

    @property
    def chunks(self) -> list[ChunkRow]:
        with self.database.reading() as conn:
            return chunk_rows.load_chunks(conn, "j", 1)

    @property
    def deliveries(self) -> list[Delivery]:
        with self.database.reading() as conn:
            return load_deliveries(conn, "j")


class Halt(BaseException):
    """The coordinator is gone."""


class DoomedDriver(Driver):
    """Dies as it enters a state (`before`), or when its work there is done and nobody knows of it yet (`after`)."""

    before: JobState | None = None
    after: JobState | None = None

    async def _perform(self, job: Job) -> JobEvent:
        if job.state is self.before:
            raise Halt
        event = await super()._perform(job)
        if job.state is self.after:
            raise Halt
        return event


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    """A farm whose only job is not submitted yet."""
    database = Database(f"sqlite:///{tmp_path / 'farm.db'}")
    database.create()
    yield Farm(tmp_path, database)
    database.close()


@pytest.fixture
def run_until(farm: Farm) -> Callable[..., None]:
    """Let a driver die `before` or `after` its work in a state."""

    def run(*, before: JobState | None = None, after: JobState | None = None) -> None:
        driver = farm.driver(DoomedDriver)
        assert isinstance(driver, DoomedDriver)
        driver.before, driver.after = before, after
        with pytest.raises(Halt):
            asyncio.run(driver.run())

    return run
