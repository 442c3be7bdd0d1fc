"""A farm without Ray and ffmpeg: a real coordinator over a real store, and workers that keep their word on a clock that
nobody waits for.

Everything runs on one event loop. A coordinator can be killed between any two writes, a worker at any time.
"""

import asyncio
import contextlib
import hashlib
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.scale_clock import VirtualLoop
from sqlalchemy import Connection, bindparam, select

from framemill.errors import WorkerLost
from framemill.farm.bench import Bench, Share
from framemill.farm.coordination import TICK_SECONDS, Coordination
from framemill.farm.growing import next_request
from framemill.farm.intact import chunk_blob, facts_blob, intact_chunk, note_extra
from framemill.farm.orders import (
    Encoded,
    EncodedChunk,
    ExtraOrder,
    GroupOrder,
    Grown,
    GrowOrder,
    IngestOrder,
    Order,
    Planned,
    PlanOrder,
    Probed,
    ProbeOrder,
    Result,
    SourceRead,
    Stitched,
    StitchOrder,
    TrialOrder,
    Tried,
    WrittenFile,
)
from framemill.farm.titles import load_title, places_of
from framemill.jobs import lifecycle
from framemill.jobs.model import ChunkRow, Delivery, Input, Job, Output
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.jobs.states import ChunkState, InputState, JobEvent, JobState
from framemill.jobs.usage import Usage
from framemill.media.chunkfile import ChunkFacts
from framemill.media.damage import Complaints
from framemill.media.growing import Growth, read_growth
from framemill.media.index import FirstFrame, FrameIndex, SeekPoint
from framemill.media.inspect import Inspection, Packets
from framemill.media.source import Source
from framemill.media.title import Title, plan_title
from framemill.policy.admission import Limits
from framemill.policy.fleet import Report
from framemill.policy.tasks import ENCODE, STITCH, Lane
from framemill.storage.local import LocalBlobs
from framemill.store import chunks as chunk_rows
from framemill.store import farm as farm_rows
from framemill.store import jobs as job_rows
from framemill.store.database import Database
from framemill.store.deliveries import load_deliveries
from framemill.store.jobs import add_job, load_job
from framemill.store.prepared import Prepared
from framemill.store.schema import jobs

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
TICK = Fraction(1, 25)
REPORT_SECONDS = 2.0
SECONDS = 1.0
"""What an encode takes, if nothing else is said."""
MOST_SECONDS = 900.0
"""Of the virtual clock: longer than that no test waits for anything."""

T = TypeVar("T")

Answer = Callable[[Order], Awaitable[Result | None]]
"""Instead of the work: a result, an error, or None: do the work after all."""


async def nothing(_: Order) -> Result | None:
    """Nothing stands in the way of the work."""
    return None


async def for_ever(_: Order) -> Result | None:
    """No end comes of it."""
    await asyncio.Event().wait()
    return None


def play(scene: Coroutine[Any, Any, T]) -> T:
    """Run a scene on a clock of its own; whatever it leaves behind ends with it."""

    async def timed() -> T:
        async with asyncio.timeout(MOST_SECONDS):
            return await scene

    unforeseen: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: unforeseen.append(context))
        result = runner.run(timed())
    # What a dead coordinator still says is of no interest.
    assert [told for told in unforeseen if not isinstance(told.get("exception"), Killed)] == []
    return result


# Workers


class FakeWorker:
    """A worker or stitcher: a real bench in a process that can die, and be stopped for a while."""

    restart_seconds = 2.0

    def __init__(self, hands: "FakeHands", name: str, machine: str, lane: Lane, slots: int) -> None:
        self.name, self.machine, self.lane, self.slots = name, machine, lane, slots
        self._hands = hands
        self.stays_dead = False
        self.deaths = 0
        self.start()

    def start(self) -> None:
        """Begin as a process that knows of nothing."""
        self.up = True
        self.dead = asyncio.Event()
        self.awake = asyncio.Event()
        self.awake.set()
        self.doing: set[asyncio.Task[Any]] = set()
        self.bench = Bench(self.name, self.machine, self.lane, self.slots, self._perform)

    def die(self) -> None:
        """Like SIGKILL: its children end with it, and Ray starts another one, which takes a while."""
        if not self.up:
            return
        self.up = False
        self.deaths += 1
        self.dead.set()
        for doing in self.doing:
            doing.cancel()
        if not self.stays_dead:
            asyncio.get_running_loop().call_later(self.restart_seconds, self.start)

    def stop(self) -> None:
        """Like SIGSTOP."""
        self.awake.clear()

    def go_on(self) -> None:
        """Like SIGCONT."""
        self.awake.set()

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of a call. Raises `WorkerLost` when the process dies before it answers."""
        if not self.up:
            work.close()
            raise WorkerLost(f"{self.name} was lost.")
        dead = asyncio.ensure_future(self.dead.wait())
        calling = asyncio.ensure_future(self._while_awake(work))
        calling.add_done_callback(lambda call: call.cancelled() or call.exception())  # nobody may ask for it any more
        try:
            await asyncio.wait([dead, calling], return_when=asyncio.FIRST_COMPLETED)
            if not calling.done():
                raise WorkerLost(f"{self.name} was lost.")
            return calling.result()
        finally:
            dead.cancel()
            calling.cancel()

    async def _while_awake(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            await self.awake.wait()
        except asyncio.CancelledError:
            work.close()
            raise
        result = await work
        await self.awake.wait()
        return result

    async def _perform(self, order: Order, on_share: Share) -> Result:
        mine = asyncio.current_task()
        assert mine is not None
        self.doing.add(mine)
        try:
            return await self._hands.perform(self, order, on_share)
        finally:
            self.doing.discard(mine)


class FakeHands:
    """Plans forty frames by keyframes every ten; "encodes" by writing the blob and the facts; joins them in order."""

    def __init__(self, blobs: LocalBlobs) -> None:
        self.blobs = blobs
        self.workers: dict[str, FakeWorker] = {}
        self.answer: Answer = nothing
        self.seconds: Callable[[Order], float] = lambda _: SECONDS
        """What an order takes."""
        self.finished: list[Stitched] = []
        """What the next joins answer instead of the work."""
        self.complaints = Complaints()
        """Of the decoder, about the sound."""
        self.orders: list[Order] = []
        """All that was begun, in order."""
        self.at: list[str] = []
        """By whom."""
        self.under_way = 0

    def hire(self, machine: str = "m1", slots: int = 4) -> None:
        """A machine with a worker and a stitcher. Its loop has to run."""
        for lane, name in ((ENCODE, f"worker-{machine}"), (STITCH, f"stitcher-{machine}")):
            self.workers[name] = FakeWorker(self, name, machine, lane, slots)

    # What a coordinator asks

    async def do(self, worker: str, task: str, order: Order, epoch: int) -> Result:
        there = self.workers[worker]
        return await there.call(there.bench.do(task, order, epoch))

    async def stop(self, worker: str, task: str, epoch: int) -> None:
        there = self.workers[worker]
        await there.call(there.bench.stop(task, epoch))

    async def renew(self, report: Report) -> None:
        there = self.workers[report.worker]
        if there.up and there.bench.report().incarnation == report.incarnation:
            there.die()

    def reports(self) -> list[Report]:
        """Of those that can say anything."""
        return [each.bench.report() for each in self.workers.values() if each.up and each.awake.is_set()]

    # What was done

    def of(self, kind: type[T]) -> list[T]:
        """The orders of one kind that were begun."""
        return [order for order in self.orders if isinstance(order, kind)]

    @property
    def plans(self) -> list[PlanOrder]:
        return self.of(PlanOrder)

    @property
    def joins(self) -> list[StitchOrder]:
        return self.of(StitchOrder)

    @property
    def groups(self) -> list[int]:
        """Numbers of the groups that were begun."""
        return [order.group for order in self.of(GroupOrder)]

    @property
    def extras(self) -> list[tuple[str, int]]:
        return [(order.kind, order.rank) for order in self.of(ExtraOrder)]

    # The work

    async def perform(self, worker: FakeWorker, order: Order, on_share: Share) -> Result:
        self.orders.append(order)
        self.at.append(worker.name)
        self.under_way += 1
        try:
            answered = await self.answer(order)
            if answered is not None:
                return answered
            if isinstance(order, GroupOrder):
                await self._pass(self.seconds(order), on_share)
            await worker.awake.wait()
            return self._done(order)
        finally:
            self.under_way -= 1

    async def _pass(self, seconds: float, on_share: Share) -> None:
        for part in range(1, 5):
            await asyncio.sleep(seconds / 4)
            on_share(part / 4)

    def _done(self, order: Order) -> Result:  # noqa: PLR0911 - one for each kind of order
        match order:
            case IngestOrder():
                return self._read(order)
            case PlanOrder():
                return self._plan(order)
            case GroupOrder() | ExtraOrder():
                return self._encode(order)
            case StitchOrder():
                return self._join(order)
            case GrowOrder():
                return self._grow(order)
            case TrialOrder():
                return Tried(usage=Usage(seconds=0.25))
            case ProbeOrder():
                return Probed(size=7, facts={"format": {"filename": order.name}})

    def _read(self, order: IngestOrder) -> Result:
        self.blobs.write(f"sources/{_sha256(order.uri.encode())}.json", order.uri.encode())
        key = f"sources/{_sha256(order.uri.encode())}.json"
        return SourceRead(
            source_key=key, path=order.uri, size=7, sha256=_sha256(order.uri.encode()), usage=Usage(seconds=0.125)
        )

    def _plan(self, order: PlanOrder) -> Result:
        title = make_title(order)
        self.blobs.write(order.title_key, title.model_dump_json().encode())
        return Planned(chunks=tuple(places_of(title)))

    def _encode(self, order: GroupOrder | ExtraOrder) -> Result:
        if isinstance(order, ExtraOrder):
            draft = self.blobs.draft(order.key)
            draft.write_bytes(order.kind.encode())
            said = self.complaints if order.kind == "sound" else Complaints()
            note_extra(self.blobs, draft, order.key, said)
            self.blobs.keep(draft, order.key)
            return Encoded(usage=Usage(seconds=0.5), complaints=said)
        title = load_title(self.blobs, order.title_key)
        done = []
        for chunk in title.pictured.plan.group_chunks(title.pictured.plan.groups[order.group]):
            key, data = title.chunk_key(order.rendition, chunk), f"[{chunk.first},{chunk.end})".encode()
            facts = ChunkFacts(
                frames=chunk.frames, size=len(data), sha256=_sha256(data), parameter_sets="5" * 64, reorder=0
            )
            self.blobs.write(facts_blob(key), facts.model_dump_json().encode())
            self.blobs.write(chunk_blob(key), data)
            done.append(EncodedChunk(number=chunk.number, key=key, blob=chunk_blob(key), facts=facts))
        return Encoded(chunks=tuple(done), usage=Usage(seconds=0.5))

    def _grow(self, order: GrowOrder) -> Result:
        title, folder = load_title(self.blobs, order.title_key), Path(order.folder)
        total = len(title.pictured.plan.segments)
        have = read_growth(folder, order.title_key)
        request = next_request(title, order, self.blobs, have)
        if request is not None:
            have = Growth(plan=order.title_key, spans=have.spans + request.spans)
            (folder / "master.m3u8").write_text(str(have.spans))
            (folder / ".state.json").write_text(have.model_dump_json())
        return Grown(spans=have.spans, total=total, unheard=request is None and have.spans < total)

    def _join(self, order: StitchOrder) -> Result:
        if self.finished:
            return self.finished.pop(0)
        title = load_title(self.blobs, order.title_key)
        keys = [title.chunk_key(0, chunk) for chunk in title.pictured.plan.chunks]
        damaged = tuple(chunk_blob(key) for key in keys if intact_chunk(self.blobs, key) is None)
        if damaged:
            said = "Bytes on the disk have changed."
            return Stitched(reason=Reason.CHUNK_MISMATCH, message=said, damaged=damaged)
        data = b"".join(self.blobs.read(chunk_blob(key)) for key in keys)
        Path(order.folder).mkdir(exist_ok=True)
        (Path(order.folder) / order.name).write_bytes(data)
        return Stitched(
            files=(WrittenFile(path=order.name, size=len(data), sha256="5" * 64, md5="5" * 32),),
            proof={"frames": title.pictured.plan.chunks[-1].end},
            stages={"join": Usage(seconds=0.125)},
        )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


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


# Coordinators


class Killed(Exception):
    """This coordinator is dead: it reads nothing and writes nothing any more."""


Fate = Callable[[Connection | None], bool]
"""Whether it dies now: inside a transaction that is about to be committed, or (none) after one was."""


class MortalDatabase(Database):
    """A store that is lost to its coordinator in the moment that its fate says."""

    def __init__(self, like: Database) -> None:
        self.url, self._write, self._read = like.url, like._write, like._read
        self.death = asyncio.Event()
        self.fate: Fate = lambda _: False
        self.writes = 0

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        self._live()
        with super().writing() as conn:
            yield conn
            self._meet(conn)
        self.writes += 1
        self._meet(None)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        self._live()
        with super().reading() as conn:
            yield conn

    @property
    def dead(self) -> bool:
        return self.death.is_set()

    def _live(self) -> None:
        if self.dead:
            raise Killed

    def _meet(self, conn: Connection | None) -> None:
        if not self.dead and self.fate(conn):
            self.death.set()
        self._live()


class _Link:
    """What a coordinator says to the workers, and they to it, as long as it lives."""

    def __init__(self, hands: FakeHands, database: MortalDatabase) -> None:
        self._hands, self._database = hands, database

    async def do(self, worker: str, task: str, order: Order, epoch: int) -> Result:
        await self._alive()
        try:
            return await self._hands.do(worker, task, order, epoch)
        finally:
            await self._alive()

    async def stop(self, worker: str, task: str, epoch: int) -> None:
        await self._alive()
        await self._hands.stop(worker, task, epoch)

    async def renew(self, report: Report) -> None:
        await self._alive()
        await self._hands.renew(report)

    async def _alive(self) -> None:
        if self._database.dead:
            await asyncio.Event().wait()


class Coordinator:
    """A `Coordination` that ticks and hears the workers, as the actor does it."""

    def __init__(self, farm: "Farm", *, database: MortalDatabase | None = None, inline: bool = True) -> None:
        self.database = database or MortalDatabase(farm.database)
        self._hands = farm.hands
        self.jobs = Coordination(
            database=self.database,
            blobs=farm.blobs,
            work=farm.work,
            hands=_Link(farm.hands, self.database),
            limits=farm.limits,
            patient=farm.patient,
            inline=inline,
        )
        self._beside: list[asyncio.Task[None]] = []
        self.troubles: list[BaseException] = []
        """What its looks at the farm have raised."""

    async def start(self) -> None:
        try:
            await self.jobs.start()
        except Killed:
            return
        self._beside = [asyncio.ensure_future(self._tick()), asyncio.ensure_future(self._hear())]

    def kill(self) -> None:
        """Like SIGKILL: what it was about to do does not happen."""
        self.database.death.set()
        for task in self._beside:
            task.cancel()

    async def close(self) -> None:
        for task in self._beside:
            task.cancel()
        await self.jobs.close()

    async def died(self) -> None:
        """Wait until its fate has met it."""
        await self.database.death.wait()
        self.kill()

    async def _tick(self) -> None:
        while not self.jobs.stale.is_set():
            try:
                await self.jobs.tick()
            except Exception as error:  # noqa: BLE001 - as the actor does
                self.troubles.append(error)
            await asyncio.sleep(TICK_SECONDS)

    async def _hear(self) -> None:
        while not self.database.dead:
            for report in self._hands.reports():
                self.jobs.heard(report)
            await asyncio.sleep(REPORT_SECONDS)


# The farm


@dataclass
class Farm:
    """Jobs in a store, and whoever works on them."""

    folder: Path
    database: Database
    machines: dict[str, int] = field(default_factory=lambda: {"m1": 4})
    """Slots by machine."""
    limits: Limits = field(default_factory=Limits)
    patient: bool = True

    def __post_init__(self) -> None:
        self.blobs = LocalBlobs(self.folder / "blobs")
        self.blobs.root.mkdir()
        self.work = self.folder / "work"
        self.hands = FakeHands(self.blobs)
        self.target = self.folder / "out.mp4"
        self._made: list[Coordinator] = []
        """A process that was killed leaves nothing behind; here its tasks do, and somebody has to hold them."""

    def submit(
        self,
        name: str = "j",
        *,
        input_state: InputState = InputState.READY,
        inputs: Sequence[str] = ("/in.mp4",),
        outputs: int = 1,
        targets: Sequence[str | None] | None = None,
        settings: OutputSettings | None = None,
        run: dict[str, Any] | None = None,
        **fields: Any,
    ) -> str:
        """Write a job: forty frames, a chunk every ten. Its id."""
        job = Job(
            **{
                **{"id": name, "account": "a", "door": "cli", "created_at": NOON},
                **{"run": RunSettings(**{"chunk_frames": 10, **(run or {})})},
                **fields,
            }
        )
        sources = [
            Input(
                id=f"{name}-i{position}",
                job_id=name,
                position=position,
                uri=uri,
                state=input_state,
                index_key=None if input_state is InputState.WAITING else f"source {uri}",
            )
            for position, uri in enumerate(inputs)
        ]
        if targets is None:
            first = self.target if name == "j" else self.folder / f"{name}.mp4"
            others = [first.with_name(f"{first.stem}-{number}.mkv") for number in range(1, outputs)]
            targets = [str(first), *map(str, others)]
        asked = [
            Output(
                id=f"{name}-o{position}",
                job_id=name,
                position=position,
                name=f"out{position}" if target is None else Path(target).name,
                settings=settings or OutputSettings(container="mkv" if position else "mp4"),
                target=target,
            )
            for position, target in enumerate(targets)
        ]
        with self.database.writing() as conn:
            add_job(conn, job, sources, asked)
        return name

    def coordinator(self) -> Coordinator:
        """One that is not started yet."""
        made = Coordinator(self)
        self._made.append(made)
        return made

    @contextlib.asynccontextmanager
    async def running(self) -> Any:
        """A coordinator and its workers."""
        self.hire()
        coordinator = self.coordinator()
        await coordinator.start()
        try:
            yield coordinator
        finally:
            await coordinator.close()

    def hire(self) -> None:
        """Workers on every machine that has none."""
        for machine, slots in self.machines.items():
            self.hands.hire(machine, slots)

    def run(self, name: str = "j") -> Job:
        """A coordinator takes the job to its end."""

        async def scene() -> Job:
            async with self.running() as coordinator:
                job: Job = await coordinator.jobs.ended(name)
                return job

        return play(scene())

    def run_through(self, fate: Fate, name: str = "j") -> Job:
        """A coordinator until its fate meets it, and then another one to the job's end; the workers live on."""

        async def scene() -> Job:
            self.hire()
            first = self.coordinator()
            first.database.fate = fate
            await first.start()
            await first.died()
            second = self.coordinator()
            await second.start()
            job = await second.jobs.ended(name)
            await second.close()
            return job

        return play(scene())

    def entering(self, state: JobState, name: str = "j") -> Fate:
        """Death as soon as the job has entered a state, before anything is done there."""
        return lambda conn: conn is None and self.state_of(name) is state

    def leaving(self, state: JobState, name: str = "j") -> Fate:
        """Death when the work of a state is done, and nobody knows of it yet."""
        return lambda conn: conn is not None and self.state_of(name) is state is not self.state_of(name, conn)

    def wish(self, wish: JobEvent, name: str = "j") -> Job:
        """What a front door does: a guarded write. Raises `InvalidTransition`."""
        with self.database.writing() as conn:
            found = load_job(conn, name)
            assert found is not None
            moved, (notice, *_) = lifecycle.handle(found[0], wish, datetime.now(UTC))
            assert isinstance(notice, lifecycle.Notify)
            job_rows.save_job(conn, moved, found[0].version, notice.kind, notice.data, now=datetime.now(UTC))
        return moved

    def edit(self, name: str = "j", **changes: Any) -> Job:
        """Change a job as its owner may."""
        with self.database.writing() as conn:
            found = load_job(conn, name)
            assert found is not None
            job = lifecycle.amend(found[0], **changes)
            job_rows.save_job(conn, job, found[0].version, "edited", {}, now=datetime.now(UTC))
        return job

    def replace_input(self, source: Input) -> None:
        """Write an input as it shall be."""
        with self.database.writing() as conn:
            job_rows.save_input(conn, source)

    def replace_output(self, output: Output) -> None:
        """Write an output as it shall be."""
        with self.database.writing() as conn:
            job_rows.save_output(conn, output)

    def take_store_away(self) -> Callable[[], None]:
        """As if its folder was unmounted; what this returns brings it back."""
        return _taken_away(Path(self.database.name).parent)

    def take_blobs_away(self) -> Callable[[], None]:
        """The same for the blobs. What was written there meanwhile is lost."""
        return _taken_away(self.blobs.root)

    def pause(self, paused: bool = True) -> None:
        """The operator's wish."""
        with self.database.writing() as conn:
            farm_rows.set_paused(conn, paused)

    # What there is

    def state_of(self, name: str = "j", conn: Connection | None = None) -> JobState:
        """As committed, or as that transaction sees it."""
        if conn is not None:
            return JobState(_STATE.run(conn, {"of_job": name}).scalar_one())
        with self.database.reading() as reading:
            return JobState(_STATE.run(reading, {"of_job": name}).scalar_one())

    def job_of(self, name: str) -> Job:
        return self._loaded(name)[0]

    @property
    def job(self) -> Job:
        return self.job_of("j")

    def inputs_of(self, name: str = "j") -> list[Input]:
        return self._loaded(name)[1]

    def outputs_of(self, name: str = "j") -> list[Output]:
        return self._loaded(name)[2]

    def _loaded(self, name: str) -> tuple[Job, list[Input], list[Output]]:
        with self.database.reading() as conn:
            found = load_job(conn, name)
        assert found is not None
        return found

    def chunks_of(self, name: str = "j", attempt: int = 1) -> list[ChunkRow]:
        with self.database.reading() as conn:
            return chunk_rows.load_chunks(conn, name, attempt)

    @property
    def chunks(self) -> list[ChunkRow]:
        return self.chunks_of()

    def states_of(self, name: str, attempt: int = 1) -> Counter[ChunkState]:
        return Counter(row.state for row in self.chunks_of(name, attempt))

    @property
    def states(self) -> Counter[ChunkState]:
        return self.states_of("j")

    def deliveries_of(self, name: str) -> list[Delivery]:
        with self.database.reading() as conn:
            return load_deliveries(conn, name)

    @property
    def deliveries(self) -> list[Delivery]:
        return self.deliveries_of("j")

    async def until(self, holds: Callable[[], bool]) -> None:
        """Let the others go on until that holds."""
        while not holds():  # noqa: ASYNC110 - a store tells nobody that it was written to
            await asyncio.sleep(0.05)


_STATE = Prepared(select(jobs.c.state).where(jobs.c.id == bindparam("of_job")))  # asked again and again


def _taken_away(folder: Path) -> Callable[[], None]:
    away = folder.rename(folder.with_name(f"{folder.name} away"))

    def bring_back() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        away.rename(folder)

    return bring_back
