"""A farm with a real coordinator and a real store whose workers only sleep: jobs, plans, machines.

The durations differ from what the coordinator is told to expect, as they do with real encoders.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

from framemill.config import DataFolder
from framemill.errors import WorkerLost
from framemill.farm.coordination import TICK_SECONDS, Coordination
from framemill.farm.intact import chunk_blob
from framemill.farm.orders import (
    ChunkPlace,
    Encoded,
    EncodedChunk,
    GroupOrder,
    IngestOrder,
    Order,
    Planned,
    PlanOrder,
    Result,
    SourceRead,
    Stitched,
    StitchOrder,
    WrittenFile,
)
from framemill.farm.place import Place
from framemill.farm.reporting import REPORT_SECONDS
from framemill.farm.titles import load_title, places_of
from framemill.farm.upkeep import Upkeep
from framemill.jobs.model import Input, Job, Output, Target
from framemill.jobs.settings import OutputSettings, VideoCodec
from framemill.jobs.states import InputState
from framemill.jobs.usage import Usage
from framemill.media.chunkfile import ChunkFacts
from framemill.media.index import FirstFrame, FrameIndex, SeekPoint
from framemill.media.inspection import Inspection, Packets
from framemill.media.ladder import Picture
from framemill.media.plan import Chunk, Group, VideoPlan
from framemill.media.source import Source
from framemill.media.title import Film, Title
from framemill.policy.admission import Limits
from framemill.policy.fleet import Report, Running
from framemill.policy.tasks import ENCODE, STITCH, Lane
from framemill.storage.blobs import Blobs
from framemill.storage.local import LocalBlobs
from framemill.store import jobs as job_rows
from framemill.store.database import Database

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
TICK = Fraction(1, 24)
SHA = "5" * 64
SIZES = ((854, 480), (1280, 720), (1920, 1080))
CODECS: tuple[VideoCodec, ...] = ("h264", "h264", "h264", "av1", "h265")
#: Seconds for a million pixels: what the coordinator takes an encode for (`farm/work.py`), said here once more, since
#: a benchmark that asked the code under test what to expect would find nothing.
MEGAPIXEL_SECONDS = {"h264": 0.03, "h265": 0.1, "av1": 0.07}
FEWEST_FRAMES, MOST_FRAMES = 24, 360
PLAN_SECONDS = 1e-5  # a frame: from its packets
JOIN_SECONDS = 2e-5  # a frame
_LONG_SECONDS = 200.0


@dataclass(frozen=True)
class Asked:
    """A job: how it is cut, and what of."""

    number: int
    account: str
    fairness_key: str
    frames: tuple[int, ...]
    """Of each chunk."""
    width: int
    height: int
    codec: VideoCodec

    def seconds(self, chunk: int) -> float:
        """What the chunk takes on a usual slot."""
        return self.frames[chunk] * self.width * self.height / 1e6 * MEGAPIXEL_SECONDS[self.codec]

    @property
    def sha256(self) -> str:
        """Names its source: no two jobs share one."""
        return hashlib.sha256(f"film {self.number}".encode()).hexdigest()


def make_jobs(chunks: int, seed: int, *, median_chunks: float = 60.0, accounts: int = 5) -> list[Asked]:
    """Jobs with that many chunks in all: sizes, chunk lengths, pictures and codecs differ; a few account have most."""
    dice = random.Random(seed)  # noqa: S311 (no secret)
    jobs: list[Asked] = []
    left = chunks
    while left:
        count = min(left, max(1, round(dice.lognormvariate(math.log(median_chunks), 1.2))))
        usual = dice.lognormvariate(math.log(180), 0.3)
        lengths = (round(dice.lognormvariate(math.log(usual), 0.4)) for _ in range(count))
        width, height = dice.choice(SIZES)
        jobs.append(
            Asked(
                number=len(jobs),
                account=f"account-{min(int(dice.expovariate(0.7)), accounts - 1)}",
                fairness_key=dice.choice(("", "phone", "nightly")),
                frames=tuple(min(MOST_FRAMES, max(FEWEST_FRAMES, length)) for length in lengths),
                width=width,
                height=height,
                codec=dice.choice(CODECS),
            )
        )
        left -= count
    return jobs


def make_title(asked: Asked, settings: OutputSettings) -> Title:
    """The plan that a worker writes for it: every chunk begins at a keyframe, so each is a group of its own."""
    ends = list(_sums(asked.frames))
    starts = [0, *ends[:-1]]
    chunks = tuple(
        Chunk(number=number, first=first, end=end, why="source keyframe", effort=end - first)
        for number, (first, end) in enumerate(zip(starts, ends, strict=True))
    )
    facts = {
        "format": {"format_name": "mov,mp4", "duration": str(float(ends[-1] * TICK))},
        "streams": [{"index": 0, "codec_type": "video", "codec_name": "h264"}],
    }
    index = FrameIndex(
        time_base=TICK,
        pts=tuple(range(ends[-1])),
        last_duration=1,
        seek_points=tuple(SeekPoint(pts=first, frame=first, clean=True) for first in starts),
        source="packets",
        why="",
    )
    groups = tuple(
        Group(number=chunk.number, first_chunk=chunk.number, end_chunk=chunk.number + 1, seek=chunk.first or None,
              decoded=chunk.frames)
        for chunk in chunks
    )  # fmt: skip
    picture = Picture(
        name=f"{asked.height}p",
        width=asked.width,
        height=asked.height,
        steps=(),
        pix_fmts=("yuv420p",),
        sample_aspect_ratio="1/1",
    )
    first_picture = FirstFrame(time_base=TICK, pts=0, width=asked.width, height=asked.height)
    return Title(
        source=Source(
            path="/in.mp4",
            name="in.mp4",
            inspection=Inspection(facts=facts, video=0, audio=None, packets=Packets(), sha256=asked.sha256),
            first_picture=first_picture,
            first_sound=None,
        ),
        settings=settings,
        build="simulated",
        zero=Fraction(0),
        film=Film(index=index, plan=VideoPlan(chunks=chunks, groups=groups, trim_by="pts"), pictures=(picture,)),
        sound=False,
        texts=(),
    )


def _sums(numbers: Sequence[int]) -> Iterator[int]:
    total = 0
    for number in numbers:
        total += number
        yield total


def submit(database: Database, asked: Sequence[Asked], *, target: Path | None = None) -> list[str]:
    """Write the jobs, their sources read already; their ids."""
    ids = []
    with database.writing() as conn:
        for one in asked:
            job = Job(
                account=one.account,
                door="cli",
                fairness_key=one.fairness_key,
                created_at=datetime.now(UTC),
            )
            source = Input(
                job_id=job.id, uri="/in.mp4", state=InputState.READY, blob="/in.mp4", index_key=str(one.number)
            )
            output = Output(
                job_id=job.id,
                name="out.mp4",
                settings=OutputSettings(video_codec=one.codec, audio_codec="none"),
                targets=() if target is None else (Target(uri=str(target / f"{job.id}.mp4")),),
            )
            job_rows.add_job(conn, job, [source], [output])
            ids.append(job.id)
    return ids


@dataclass
class _Machine:
    name: str
    slots: int
    lane: Lane
    running: dict[str, float] = field(default_factory=dict)
    """Tasks, and since when."""
    doing: dict[str, asyncio.Task[Result]] = field(default_factory=dict)


class SleepingHands:
    """Machines that write plans and results, and sleep where real ones would encode."""

    def __init__(
        self, blobs: Blobs, jobs: Sequence[Asked], *, machines: int, slots: int, stitchers: int, seed: int
    ) -> None:
        self._blobs = blobs
        self._jobs = {str(asked.number): asked for asked in jobs}
        self._dice = random.Random(seed)  # noqa: S311 (no secret)
        self._planned: dict[str, Asked] = {}
        """What is under way, by title key."""
        self._keys: dict[str, bytes] = {}
        """Of its chunks, one after the other."""
        self.slots = slots
        share, rest = divmod(slots, machines)
        sizes = [share + (number < rest) for number in range(machines)]
        self.machines = {
            name: _Machine(name, many, lane)
            for lane, name, many in (
                *((ENCODE, f"worker-{number}", many) for number, many in enumerate(sizes) if many),
                *((STITCH, f"stitcher-{number}", 4) for number in range(stitchers)),
            )
        }
        self.spread = 0.2
        """How far a chunk's time lies from what was expected."""
        self.pace = 1.0
        """Seconds of this clock that a second of work takes."""
        self.for_long = False
        """Whatever is encoded takes so long that next to nothing ends."""
        self.cpu_seconds = 0.0
        """Of this process, spent here."""
        self.work_seconds = 0.0
        """Slept, over all slots that encode."""
        self.longest_chain = 0.0
        """Seconds of the plan, the longest chunk and the join, of the job for which these are longest."""
        self._longest: dict[str, float] = {}
        self.plans = 0
        """How many were made."""

    # What the coordinator asks

    async def do(self, worker: str, task: str, order: Order, epoch: int) -> Result:
        """Sleep for as long as it takes, or join it."""
        machine = self.machines.get(worker)
        if machine is None:
            raise WorkerLost(f"{worker} is not there")
        doing = machine.doing.get(task)
        if doing is None:
            doing = machine.doing[task] = asyncio.ensure_future(self._done(machine, task, order))
            machine.running[task] = asyncio.get_running_loop().time()
        return await asyncio.shield(doing)

    async def stop(self, worker: str, task: str, epoch: int) -> None:
        """Have it ended."""
        doing = self.machines[worker].doing.get(task)
        if doing is not None:
            doing.cancel()
            await asyncio.wait([doing])

    async def renew(self, report: Report) -> None:
        """Machines are never lost here."""
        raise AssertionError(f"{report.worker} was given up")

    # What they say of themselves

    def reports(self) -> Iterator[Report]:
        """Of every machine, as it would send it now."""
        now = asyncio.get_running_loop().time()
        for machine in self.machines.values():
            yield self.report(machine, now)

    @staticmethod
    def report(machine: _Machine, now: float) -> Report:
        """What that machine would say."""
        running = tuple(Running(task, None, now - since) for task, since in machine.running.items())
        return Report(machine.name, "1", machine.name, machine.slots, lane=machine.lane, running=running)

    @property
    def idle(self) -> bool:
        """Whether nobody does anything."""
        return not any(machine.running for machine in self.machines.values())

    # How

    async def _done(self, machine: _Machine, task: str, order: Order) -> Result:
        try:
            # To ask what an encode has taken here takes longer than it did.
            with contextlib.nullcontext() if isinstance(order, GroupOrder) else self._mine():
                seconds, result = self.result(order)
            if self.for_long and isinstance(order, GroupOrder):
                seconds = _LONG_SECONDS
            if machine.lane == ENCODE:
                self.work_seconds += seconds
            await asyncio.sleep(seconds * self.pace)
            return result
        finally:
            del machine.running[task], machine.doing[task]

    @contextmanager
    def _mine(self) -> Iterator[None]:
        began = time.thread_time()
        try:
            yield
        finally:
            self.cpu_seconds += time.thread_time() - began

    def result(self, order: Order) -> tuple[float, Result]:
        """What the work would take on a usual slot, and what comes of it."""
        match order:
            case PlanOrder():
                return self._plan(order)
            case GroupOrder():
                return self._encode(order)
            case StitchOrder():
                return self._join(order)
            case IngestOrder():
                return 0.0, SourceRead(source_key=order.uri, path=order.uri, sha256=SHA)
            case _:
                raise AssertionError(f"nobody asks for {type(order).__name__}")

    def _plan(self, order: PlanOrder) -> tuple[float, Result]:
        asked = self._jobs[order.source_key]
        title = make_title(asked, order.settings)
        self._blobs.write(order.title_key, title.model_dump_json().encode())
        places = places_of(title)
        self._planned[order.title_key] = asked
        self._keys[order.title_key] = _packed(places)
        seconds = sum(asked.frames) * PLAN_SECONDS
        self._longest[order.title_key] = 0.0
        self.plans += 1
        return seconds, Planned(chunks=tuple(places), usage=Usage(seconds=seconds, cpu_seconds=seconds))

    def _encode(self, order: GroupOrder) -> tuple[float, Result]:
        asked, keys = self._of(order.title_key)
        seconds = asked.seconds(order.group) * self._dice.uniform(1 - self.spread, 1 + self.spread)
        self._longest[order.title_key] = max(self._longest.get(order.title_key, 0.0), seconds)
        frames, key = asked.frames[order.group], keys[order.group * _KEY : (order.group + 1) * _KEY].hex()
        facts = ChunkFacts(frames=frames, size=1000 * frames, sha256=SHA, parameter_sets=SHA, reorder=2)
        chunk = EncodedChunk(number=order.group, key=key, blob=chunk_blob(key), facts=facts)
        return seconds, Encoded(chunks=(chunk,), usage=Usage(seconds=seconds, cpu_seconds=seconds, peak_bytes=1 << 28))

    def _join(self, order: StitchOrder) -> tuple[float, Result]:
        asked, _ = self._of(order.title_key)
        Path(order.folder).mkdir(exist_ok=True)
        (Path(order.folder) / order.name).write_bytes(b"joined")
        count = sum(asked.frames)
        seconds = count * JOIN_SECONDS
        chain = count * PLAN_SECONDS + self._longest.pop(order.title_key, 0.0) + seconds
        self.longest_chain = max(self.longest_chain, chain)
        del self._planned[order.title_key], self._keys[order.title_key]
        file = WrittenFile(path=order.name, size=len(b"joined"), sha256=SHA, md5="5" * 32)
        stages = {"join": Usage(seconds=seconds), "verify": Usage(seconds=seconds)}
        return seconds, Stitched(files=(file,), proof={"frames": count}, stages=stages)

    def _of(self, title_key: str) -> tuple[Asked, bytes]:
        """What a plan is of; by the blob, where another one of these wrote it."""
        if title_key not in self._planned:
            title = load_title(self._blobs, title_key)
            by_sha = {asked.sha256: asked for asked in self._jobs.values()}
            self._planned[title_key] = by_sha[title.source.sha256]
            self._keys[title_key] = _packed(places_of(title))
        return self._planned[title_key], self._keys[title_key]


_KEY = 32  # bytes


def _packed(places: Sequence[ChunkPlace]) -> bytes:
    """Their keys, in little room: what these machines know is no part of what is measured."""
    return b"".join(bytes.fromhex(place.key) for place in places)


class Farm:
    """A coordinator with all that belongs to it, on the running event loop."""

    def __init__(
        self, folder: Path, database: Database, hands: SleepingHands, *, active_jobs: int, slots: int, inline: bool
    ) -> None:
        place = Place(
            root=folder,
            database=str(database.url),
            slots=slots,
            machine="simulated",
            limits=Limits(active_jobs=active_jobs),
        )
        self.hands = hands
        self.jobs = Coordination(
            database=database,
            blobs=place.blobs,
            work=place.work,
            hands=hands,
            limits=place.limits,
            patient=True,
            inline=inline,
        )
        self.upkeep = Upkeep(self.jobs, database, place)
        self._beside: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin, with every machine reporting and a tick every second, as `farm.coordinator` does."""
        await self.jobs.start()
        for number, machine in enumerate(self.hands.machines.values()):
            phase = number / len(self.hands.machines) * REPORT_SECONDS
            self._beside.append(asyncio.ensure_future(self._report(machine, phase)))
        self._beside.append(asyncio.ensure_future(self._tick()))

    async def close(self) -> None:
        """End it; what the machines do goes on."""
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        await self.jobs.close()

    async def done(self) -> None:
        """Wait until every job has ended."""
        while True:
            await asyncio.sleep(TICK_SECONDS / 4)
            for task in self._beside:
                if task.done():
                    task.result()
            if not self.jobs.driven and not self.jobs.queued:
                return

    async def _report(self, machine: _Machine, phase: float) -> None:
        loop = asyncio.get_running_loop()
        self.jobs.heard(self.hands.report(machine, loop.time()))  # a machine that has just started says so at once
        await asyncio.sleep(phase)
        while True:
            self.jobs.heard(self.hands.report(machine, loop.time()))
            await asyncio.sleep(REPORT_SECONDS)

    async def _tick(self) -> None:
        while True:
            await self.jobs.tick()
            await self.upkeep.tick()
            await asyncio.sleep(TICK_SECONDS)


@contextmanager
def store_in(folder: Path) -> Iterator[tuple[Database, LocalBlobs]]:
    """A new store and its blobs."""
    data = DataFolder(folder)
    data.work.mkdir(parents=True, exist_ok=True)
    data.blobs.mkdir(parents=True, exist_ok=True)
    database = Database(f"sqlite:///{folder / 'framemill.db'}")
    database.create()
    try:
        yield database, LocalBlobs(data.blobs)
    finally:
        database.close()
