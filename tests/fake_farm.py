"""A farm without Ray and ffmpeg: a real coordinator over a real store, and workers that keep their word on a clock that
nobody waits for.

Everything runs on one event loop. A coordinator can be killed between any two writes, a worker at any time.
"""

import asyncio
import contextlib
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fake_hands import FakeHands
from mortal import Fate, Killed, MortalDatabase, play
from sqlalchemy import Connection, bindparam, select

from framemill.farm.coordination import TICK_SECONDS, Coordination
from framemill.farm.orders import (
    Order,
    Result,
)
from framemill.jobs import lifecycle
from framemill.jobs.model import ChunkRow, Delivery, Input, Job, Output, Target
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.jobs.states import ChunkState, InputState, JobEvent, JobState
from framemill.policy.admission import Limits
from framemill.policy.fleet import Report
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
REPORT_SECONDS = 2.0


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
        made_of: Sequence[Sequence[int]] = (),
        run: dict[str, Any] | None = None,
        **fields: Any,
    ) -> str:
        """Write a job: forty frames, a chunk every ten. Its id. `made_of`: the inputs of each output, else all."""
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
                targets=() if target is None else (Target(uri=target),),
                input_ids=tuple(f"{name}-i{number}" for number in (made_of[position] if made_of else ())),
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
