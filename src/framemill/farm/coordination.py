"""Owns the jobs of a farm: admits them, drives each, and begins again from the store whenever it is started.

Nothing is known here that is not in the store or told by the workers within seconds. Wishes from outside (a new job, a
cancellation, a pause) are written to the store by whoever has them; `wake` only makes this quicker than the next look.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from framemill.errors import EpochOver, FarmError, InvalidTransition
from framemill.farm.dispatcher import Dispatcher
from framemill.farm.driver import Driver
from framemill.farm.errands import Question
from framemill.farm.hands import Hands
from framemill.farm.job import OneJob
from framemill.farm.jobstore import JobStore
from framemill.farm.orders import Probed, ProbeOrder
from framemill.farm.stages.encode import TOO_LONG
from framemill.jobs.model import Job, Waiting
from framemill.jobs.reasons import Reason
from framemill.jobs.states import ENDED_JOB, Failed, JobEvent, JobState
from framemill.policy.admission import Limits, Queued, WaitingRoom
from framemill.policy.dispatch import Dispatch
from framemill.policy.fleet import Report
from framemill.policy.tasks import Standing
from framemill.policy.waiting import Code
from framemill.storage.blobs import Blobs
from framemill.store import chunks as chunk_rows
from framemill.store import deliveries as delivery_rows
from framemill.store import doors
from framemill.store import farm as farm_rows
from framemill.store import jobs as job_rows
from framemill.store import queue as queue_rows
from framemill.store.accounts import limited_accounts
from framemill.store.database import Database
from framemill.store.epochs import current_epoch, take_epoch
from framemill.store.queue import WorkingJob
from framemill.store.writer import Writer

log = logging.getLogger(__name__)

Result = TypeVar("Result")

TICK_SECONDS = 1.0
_ENCODED = frozenset({"stitching", "packaging", "delivering", "completed"})
"""States in which all is encoded."""
_AT_ONCE = 1000  # SQLite takes 32,766 values in one statement
PROBE_SECONDS = 45.0
"""How long somebody is made to wait who asks what is in a source."""
LOOK_SECONDS = 5.0
"""How often the store is asked for what nobody has told."""


@dataclass(slots=True)
class _Driven:
    driver: Driver
    task: "asyncio.Task[Job]"
    frames: int = 0
    """The most that were told to be encoded."""


class Coordination:
    """One per farm; a second one takes its epoch away."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: Blobs,
        work: Path,
        hands: Hands,
        limits: Limits,
        patient: bool,
        inline: bool = False,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._work = work
        self._hands = hands
        self._patient = patient
        self._room = WaitingRoom(limits)
        self._driven: dict[str, _Driven] = {}
        self._ends: dict[str, asyncio.Future[None]] = {}
        self._again: set[str] = set()
        """Jobs that are to be looked at once more, since something went wrong with them."""
        self._late: set[str] = set()
        """Jobs that are driven anew, to go on with what is encoded."""
        self._woken: set[str] = set()
        """Jobs that are said to have changed, and were not looked at since."""
        self._wakes = self._wakes_seen = 0
        self._looking = asyncio.Lock()
        self._seq = 0
        self._looked = 0.0
        self.stale = asyncio.Event()
        """Set when another coordinator has taken over: this one has to end."""
        self.paused = False
        """By the operator."""
        self.trouble = ""
        """Why no job is begun: paused, disk, store_away."""
        self.store_away = False
        self.on_event: Callable[[], None] = lambda: None
        """Hears that there may be something to tell to the world; set before `start`."""
        self._closing = False
        self._writer = Writer(database, patient=patient, on_trouble=self._on_trouble, inline=inline)

    async def start(self) -> None:
        """Take the epoch, and take up every job that was under way."""
        self._epoch = await self._writer.write(take_epoch)
        zero = datetime.now(UTC) - timedelta(seconds=asyncio.get_running_loop().time())
        self.dispatcher = Dispatcher(
            Dispatch(self._epoch, zero), self._hands, patient=self._patient, on_stale=self._taken_over
        )
        self._seq, held, waiting, working, limits = await asyncio.to_thread(self._all)
        self._room.limit_accounts(limits)
        log.info("epoch %d: %d jobs under way, %d queued", self._epoch, len(working), len(waiting))
        for job in working:
            self._room.began(_queued(job))
            self._drive(job)
        for row in waiting:
            self._room.add(_queued(row))
        await self._wake([row.id for row in held])

    async def close(self) -> None:
        """Let go of everything: what runs goes on for the next coordinator."""
        self._closing = True
        self.dispatcher.let_go()
        tasks = [driven.task for driven in self._driven.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.dispatcher.close()
        await asyncio.to_thread(self._writer.close)

    # What happens

    def heard(self, report: Report) -> None:
        """A worker reports."""
        self.dispatcher.heard(report)

    async def wake(self, job_ids: Collection[str]) -> None:
        """Those jobs have changed, or the operator's wishes have. Who comes during a look shares the next one."""
        self.on_event()
        self._woken.update(job_ids)
        self._wakes += 1
        mine = self._wakes
        async with self._looking:
            if self._wakes_seen < mine:
                self._wakes_seen, woken, self._woken = self._wakes, self._woken, set()
                await self._wake(woken)

    async def _wake(self, job_ids: Collection[str]) -> None:
        self.paused, rows, gone = await asyncio.to_thread(self._news, list(job_ids))
        self.dispatcher.pause(self.paused)
        for job_id in gone:  # cancelled and removed before anybody looked
            self._room.remove(job_id)
        await self._react(rows)
        self._admit()

    async def tick(self) -> None:
        """A second has passed."""
        now = asyncio.get_running_loop().time()
        self.dispatcher.tick()
        for job_id, driven in list(self._driven.items()):
            if driven.driver.overdue(now) and not (driven.driver.stopping or driven.task.cancelling()):
                if not driven.driver.keeps_what_is_done():
                    await self._end(job_id, Failed(Reason.TIMED_OUT, TOO_LONG))
                elif driven.driver.encoding:
                    self._late.add(job_id)
                    driven.task.cancel()  # its end has it driven anew
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            seq, changed, epoch, limits = await asyncio.to_thread(self._changed)
            self._room.limit_accounts(limits)
            if epoch != self._epoch:  # nothing that is under way may ever say so
                self._taken_over()
                return
            again = frozenset(self._again)
            if changed:
                self.on_event()
            await self._wake({*changed, *again})
            self._seq, self._again = seq, self._again - again

    async def ended(self, job_id: str) -> Job:
        """Wait for the end of a job, and return it. Raises `FarmError` where there is none."""
        while True:
            future = self._ends.setdefault(job_id, asyncio.get_running_loop().create_future())
            job = await self.job(job_id)
            if job is None:
                raise FarmError(f"There is no job {job_id}.")
            if job.state in ENDED_JOB and job_id not in self._driven:
                self._tell(job_id)
                return job
            await asyncio.wait([future])  # others wait for it, too

    async def job(self, job_id: str) -> Job | None:
        """The job as the store has it."""

        def read() -> Job | None:
            with self._database.reading() as conn:
                found = job_rows.load_job(conn, job_id)
            return found[0] if found else None

        return await asyncio.to_thread(read)

    async def apply(self, job_id: str, event: JobEvent) -> Job:
        """Move a job by an event from outside. Raises `InvalidTransition`."""
        return await self._store(job_id).apply(event)

    async def progress(self, job_id: str) -> dict[str, Any]:
        """The job's state, frames that are encoded, and how many there are, over all renditions; bytes, while its
        sources are fetched or its outputs are delivered."""

        def read() -> tuple[str, int, int, tuple[int, int]]:
            with self._database.reading() as conn:
                found = queue_rows.those(conn, [job_id])
                if not found:
                    return "", 0, 0, (0, 0)
                row = found[0]
                sizes = (0, 0)
                if row.state is JobState.DELIVERING:
                    sizes = delivery_rows.bytes_of(conn, job_id, row.attempt)
                return row.state.value, *chunk_rows.frames_of(conn, job_id, row.attempt), sizes

        state, done, planned, (there, in_all) = await asyncio.to_thread(read)
        frames = self._frames(job_id, done, planned)
        share = 1.0 if state in _ENCODED else self.dispatcher.share_of(job_id)
        told = {"state": state, "frames": frames, "frames_planned": planned, "share": share}
        fetched, to_fetch = self.dispatcher.fetched_under_way(job_id)
        if to_fetch:
            told |= {"bytes": fetched, "bytes_planned": to_fetch}
        if in_all:
            there = min(in_all, there + self.dispatcher.bytes_under_way(job_id))
            told |= {"bytes_delivered": there, "bytes_to_deliver": in_all}
        return told

    async def progress_of(self, job_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """Frames encoded and to encode of several jobs, with those under way, and how much of all is done; one of which
        nothing is known is not in it."""

        def read() -> dict[str, tuple[int, int]]:
            with self._database.reading() as conn:
                return doors.frames_of_jobs(conn, sorted(job_ids)[:_AT_ONCE])

        counted = await asyncio.to_thread(read)
        told: dict[str, dict[str, Any]] = {}
        for job_id in sorted(job_ids)[:_AT_ONCE]:
            done, planned = counted.get(job_id, (0, 0))
            share = self.dispatcher.share_of(job_id)
            fetched, to_fetch = self.dispatcher.fetched_under_way(job_id)
            if planned or to_fetch or share is not None:
                frames = self._frames(job_id, done, planned)
                told[job_id] = {"frames": frames, "frames_planned": planned, "share": share}
                if to_fetch:
                    told[job_id] |= {"bytes": fetched, "bytes_planned": to_fetch}
        return told

    def _frames(self, job_id: str, done: int, planned: int) -> int:
        """Those that are committed and those under way; never fewer than were told before, though a chunk is neither
        while it is committed, and one whose worker was lost is begun again."""
        frames = done + self.dispatcher.frames_under_way(job_id)
        driven = self._driven.get(job_id)
        if driven is not None:
            driven.frames = frames = max(frames, driven.frames)
        return min(frames, planned)

    async def probe(self, order: ProbeOrder) -> Probed:
        """What is in a source. Raises `FarmError` where nobody has looked into it in good time."""
        question = Question(order)
        try:
            async with (
                asyncio.timeout(PROBE_SECONDS),
                contextlib.aclosing(self.dispatcher.answers(question, [question.task])) as answers,
            ):
                async for _, result, _ in answers:
                    if isinstance(result, Probed):
                        return result
                    return Probed(reason=result.reason, message=result.message)
        except TimeoutError:
            pass
        raise FarmError(
            f"{order.name} could not be looked into within {PROBE_SECONDS:.0f} s: it is too large or too far away, or "
            "the farm is paused. Submit a job with start: held, which reads it without haste."
        )

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        """Write something of the farm's own."""
        return await self._writer.write(change)

    async def note_waiting(self, job_id: str, waiting: Waiting | None) -> None:
        """Say why a job does not move."""
        await self.write(lambda conn: job_rows.note_waiting(conn, job_id, waiting, self._epoch))

    @property
    def epoch(self) -> int:
        """This coordinator's."""
        return self._epoch

    @property
    def driven(self) -> list[str]:
        """Jobs that are worked on."""
        return list(self._driven)

    @property
    def queued(self) -> int:
        """Jobs that wait for admission."""
        return len(self._room)

    # How

    def _all(self) -> tuple[int, list[Any], list[Any], list[WorkingJob], dict[str, int]]:
        with self._database.reading() as conn:
            return (
                queue_rows.newest_seq(conn),
                queue_rows.queued(conn, states=[JobState.HELD]),
                queue_rows.queued(conn),
                queue_rows.working(conn),
                limited_accounts(conn),
            )

    def _those(self, ids: Sequence[str]) -> list[WorkingJob]:
        with self._database.reading() as conn:
            return queue_rows.those(conn, ids)

    def _news(self, ids: Sequence[str]) -> tuple[bool, list[WorkingJob], set[str]]:
        """Whether the operator has paused the farm, those of the jobs that something may have to be done about (a held
        one waits for its owner once its inputs were read and he was told), and those that are not there any more."""
        with self._database.reading() as conn:
            rows = queue_rows.those(conn, ids)
            held = [row.id for row in rows if row.state is JobState.HELD and row.id not in self._driven]
            idle = set(held) - queue_rows.unread(conn, held)
            idle -= queue_rows.untold_prepared(conn, idle)
            gone = set(ids) - {row.id for row in rows}
            return farm_rows.read_paused(conn), [row for row in rows if row.id not in idle], gone

    def _changed(self) -> tuple[int, list[str], int, dict[str, int]]:
        with self._database.reading() as conn:
            return *queue_rows.changed_since(conn, self._seq), current_epoch(conn), limited_accounts(conn)

    def in_trouble(self, code: str) -> None:
        """Begin no job while the code is not empty; what is begun goes on."""
        if code != self.trouble:
            log.warning("no job is begun: %s" if code else "jobs are begun again%s", code, extra={"action": "intake"})
            self.trouble = code
            self._admit()

    def _on_trouble(self, error: BaseException | None) -> None:
        """The store is away, or there again; heard in the thread that writes."""
        self.store_away = error is not None
        log.warning("the store is away: %s" if error else "the store is there again%s", error or "")

    async def _react(self, rows: Sequence[WorkingJob]) -> None:
        for row in rows:
            driven = self._driven.get(row.id)
            if driven is not None:
                await self._changed_under_way(row, driven)
            elif row.state is JobState.QUEUED:
                self._room.add(_queued(row))
            elif row.state is JobState.HELD:
                self._drive(row)
            elif row.state in ENDED_JOB:
                self._room.remove(row.id)
                self._tell(row.id)
            else:
                self._room.began(_queued(row))
                self._drive(row)

    async def _changed_under_way(self, row: WorkingJob, driven: _Driven) -> None:
        self.dispatcher.restand(_standing(row))
        driven.driver.heard()
        over = row.state is JobState.CANCELLING or row.state in ENDED_JOB
        if over and not driven.task.cancelling() and not driven.driver.stopping:
            driven.task.cancel()  # its end looks again, and drives the cancellation

    def _admit(self) -> None:
        if self.stale.is_set():
            return
        trouble = Code.PAUSED if self.paused else self.trouble or self.dispatcher.dispatch.held
        admitted = self._room.admit(datetime.now(UTC).timestamp(), trouble or None)
        if admitted:
            asyncio.ensure_future(self._begin(admitted)).add_done_callback(_logged)

    async def _begin(self, ids: Sequence[str]) -> None:
        try:
            rows = {row.id: row for row in await asyncio.to_thread(self._those, ids)}
        except Exception:
            log.exception("admitted jobs cannot be read; they are looked at again")
            rows = {}
            self._again.update(ids)
        freed = False
        for job_id in ids:
            row = rows.get(job_id)
            if row is not None and row.state is JobState.QUEUED and job_id not in self._driven:
                self._drive(row)
            else:  # cancelled a moment ago, or gone
                self._room.ended(job_id)
                freed = freed or job_id not in self._again
        if freed:
            self._admit()  # there is room for others

    def _store(self, job_id: str) -> JobStore:
        return JobStore(job_id, self._database, self._writer, self._epoch, self.on_event)

    def _drive(self, row: WorkingJob) -> None:
        store = self._store(row.id)
        one = OneJob(store, self._blobs, self.dispatcher, self._work, self._patient)
        if row.id in self._late:
            self._late.discard(row.id)
            one.late.set()
        driver = Driver(one)
        task = asyncio.ensure_future(driver.run())
        self._driven[row.id] = _Driven(driver, task)
        task.add_done_callback(lambda _: asyncio.ensure_future(self._over(row.id, task)))

    async def _end(self, job_id: str, event: Failed) -> None:
        """End a job from outside its own work."""
        driven = self._driven[job_id]
        with contextlib.suppress(InvalidTransition):
            await driven.driver.apply(event)
        driven.task.cancel()

    async def _over(self, job_id: str, task: "asyncio.Task[Job]") -> None:
        """Nobody drives the job any more: it has ended, is held, or was cut off by a wish that changes its way."""
        if self._driven.get(job_id) is None or self._driven[job_id].task is not task:
            return
        del self._driven[job_id]
        self._room.ended(job_id)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, EpochOver):
            self._taken_over()
        if self._closing or self.stale.is_set():
            return
        try:
            if error is not None:
                raise error
            await self._let_go(job_id, cut_off=task.cancelled())
        except Exception:  # a fault of ours, or the store's: the job is taken up again, as after a restart
            log.exception("the driver of %s failed", job_id, extra={"action": "driver_failed"})
            self._again.add(job_id)

    async def _let_go(self, job_id: str, *, cut_off: bool) -> None:
        rows = await asyncio.to_thread(self._those, [job_id])
        if cut_off and rows and rows[0].state is JobState.FAILED:
            self._drive(rows[0])  # it was failed from outside: what it has left is cleared away
            return
        await self._react([row for row in rows if row.state is not JobState.HELD])
        self._tell(job_id)
        self._admit()

    def _taken_over(self) -> None:
        """Another coordinator has the farm: this one stops nothing that may be its."""
        if not self.stale.is_set():
            log.warning("epoch %d is over: another coordinator has taken over", self._epoch)
        self.stale.set()
        self.dispatcher.let_go()

    def _tell(self, job_id: str) -> None:
        future = self._ends.pop(job_id, None)
        if future is not None:
            future.set_result(None)


def _queued(row: Any) -> Queued:
    deadline = None if row.deadline is None else row.deadline.timestamp()
    return Queued(row.id, row.account, row.fairness_key, row.priority, deadline, row.door)


def _standing(row: WorkingJob) -> Standing:
    deadline = float("inf") if row.deadline is None else row.deadline.timestamp()
    return Standing(row.id, row.account, row.fairness_key, row.priority, deadline)


def _logged(task: "asyncio.Future[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("unforeseen", exc_info=task.exception())
