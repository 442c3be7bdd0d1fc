"""Carries out what `policy.dispatch` decides: sends orders, takes results, stops what nobody wants."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol, TypeAlias

from framemill.errors import EpochOver, FramemillError, StaleOrder, WorkerLost
from framemill.farm.hands import Hands
from framemill.farm.orders import Order, Result
from framemill.jobs.model import Failure
from framemill.jobs.reasons import Reason, reason_of
from framemill.policy.dispatch import Dispatch
from framemill.policy.fleet import Report
from framemill.policy.instructions import (
    Done,
    Ended,
    Failed,
    Instruction,
    Release,
    Renew,
    Send,
    Settle,
    Stop,
    Unknown,
)
from framemill.policy.retry import KINDS, Kind, digest
from framemill.policy.tasks import Lane, Standing, Task

log = logging.getLogger(__name__)

_STOP_SECONDS = 10.0
_TELLING_EFFORT = 0.5  # seconds, roughly
_LEAST_EFFORT = 1e-6  # what takes no time still is to be done


class Errands(Protocol):
    """A job that has tasks: what its orders are, and what is written when they begin and end."""

    @property
    def standing(self) -> Standing:
        """The job among the others."""
        ...

    def order(self, task: Task) -> Order:
        """What is sent for a task."""
        ...

    def frames(self, task: Task) -> int:
        """Frames of the job's chunks that a task encodes."""
        ...

    def bytes(self, task: Task) -> int:
        """Bytes that a task moves over the network."""
        ...

    @property
    def behind(self) -> float | None:
        """Effort that was done of it before; none: these tasks are not what the job's share is told of."""
        ...

    async def begun(self, task: Task, token: str, worker: str) -> None:
        """A worker has it, under that token."""
        ...

    async def done(self, task: Task, token: str, worker: str, result: Result, *, pays: bool) -> None:
        """It was done; `pays`: for this job, and not for another one that shares it."""
        ...

    async def undone(self, task: Task, token: str, failure: Failure | None) -> None:
        """It came to nothing; perhaps it is tried again."""
        ...


Answered: TypeAlias = tuple[Task, Result, bool]
"""A task, what came of it, and whether it was quarantined."""


@dataclass(slots=True, eq=False)
class _Call:
    """Tasks that a job has asked for at once. It may ask for others while it waits for these."""

    errands: Errands
    left: set[str]
    """Ids of those that it waits for."""
    efforts: Mapping[str, float] = field(default_factory=dict)
    """Of all of them, by id."""
    answers: "asyncio.Queue[Answered]" = field(default_factory=asyncio.Queue)


class Dispatcher:
    """The shell around `Dispatch`: one per coordinator, on its event loop."""

    def __init__(
        self, dispatch: Dispatch, hands: Hands, *, patient: bool, on_stale: Callable[[], None] = lambda: None
    ) -> None:
        """`on_stale`: told when another coordinator has taken over."""
        self.dispatch = dispatch
        self._hands = hands
        self._patient = patient
        self._on_stale = on_stale
        self._calls: dict[str, list[_Call]] = {}
        self._letting_go = False
        self._doing: set[asyncio.Task[None]] = set()
        self.rates: dict[str, float] = {}
        """Seconds that a unit of effort takes, by worker, from the tasks that it has done lately."""

    @property
    def now(self) -> float:
        """Seconds of a clock that nobody sets."""
        return asyncio.get_running_loop().time()

    async def answers(
        self,
        errands: Errands,
        tasks: Sequence[Task],
        holders: Mapping[str, str] | None = None,
        failures: Mapping[str, Sequence[Failure]] | None = None,
    ) -> AsyncGenerator[Answered, None]:
        """Have the tasks done; each answer as it comes. Leaving early withdraws what is left, and waits until it has
        ended."""
        job = errands.standing.job
        efforts = {task.id: max(task.effort, _LEAST_EFFORT) for task in tasks}
        call = _Call(errands, set(efforts), efforts)
        self._calls.setdefault(job, []).append(call)
        try:
            self._perform(self.dispatch.submit(tasks, self.now, holders=dict(holders or {}), failures=failures))
            while call.left:
                answered = await call.answers.get()
                if answered[0].id in call.left:
                    call.left.discard(answered[0].id)
                    yield answered
        finally:
            self._calls[job].remove(call)
            if not self._calls[job]:
                del self._calls[job]
            if not self._letting_go:
                await self._stopped(self.dispatch.withdraw(job, self.now, call.left))

    def drop(self, job: str, tasks: Collection[str]) -> None:
        """The job does not want those tasks any more, and waits for them no longer."""
        for call in self._calls.get(job, ()):
            call.left.difference_update(tasks)
        self._perform(self.dispatch.withdraw(job, self.now, tasks))

    async def aside(self, lane: Lane, task_id: str, order: Order) -> Result:
        """Have something small done by anybody of that lane, in no slot; never more than once at a time.

        A failure is a result: whoever asks does without it, or asks again. Cancelled, it has ended when this returns.
        """
        members = self.dispatch.members.items()
        worker = next((name for name, member in members if member.report.lane == lane and not member.mute), None)
        if worker is None:
            return Result(reason=Reason.WORKER_LOST, message="Nobody is there to do it.")
        try:
            return await self._hands.do(worker, task_id, order, self.dispatch.epoch)
        except asyncio.CancelledError:
            if not self._letting_go:
                await self._stop(worker, task_id)
            raise
        except (WorkerLost, StaleOrder) as error:
            return Result(reason=Reason.WORKER_LOST, message=error.message)

    def frames_under_way(self, job: str) -> int:
        """Frames of the job that workers are past, and that are not committed yet."""
        return sum(
            round(share * errands.frames(own))
            for task_id, share in self._shares(job).items()
            for errands, own in self._wanting(task_id)
            if own.job == job
        )

    def bytes_under_way(self, job: str) -> int:
        """Bytes that workers have moved for the job, with tasks that are not done yet."""
        return sum(
            round(share * errands.bytes(own))
            for task_id, share in self._shares(job).items()
            for errands, own in self._wanting(task_id)
            if own.job == job
        )

    def fetched_under_way(self, job: str) -> tuple[int, int]:
        """Bytes that workers have fetched of the job's sources, and how many these have; those that are done, and those
        that nobody has begun, are not in it."""
        fetched = {
            task.id: (round((copy.share or 0.0) * copy.size), copy.size)
            for _, task, copy, _ in self.dispatch.copies()
            if copy.size and job in self.dispatch.jobs_of(task.id)
        }
        return sum(done for done, _ in fetched.values()), sum(size for _, size in fetched.values())

    def share_of(self, job: str) -> float | None:
        """How much of what the job has asked for is done, 0 to 1, by the effort that it takes; none: it waits for
        nothing that takes any."""
        calls = [call for call in self._calls.get(job, ()) if call.errands.behind is not None]
        if not calls:
            return None
        shares = self._shares(job)
        total = sum((call.errands.behind or 0.0) + sum(call.efforts.values()) for call in calls)
        left = sum(call.efforts[task] * (1 - shares.get(task, 0.0)) for call in calls for task in call.left)
        return max(0.0, 1 - left / total) if total else None

    def _shares(self, job: str) -> dict[str, float]:
        """How much is done of each task of the job that runs."""
        shares: dict[str, float] = {}
        for _, task, copy, _ in self.dispatch.copies():
            if copy.share and job in self.dispatch.jobs_of(task.id):
                shares[task.id] = max(min(copy.share, 1.0), shares.get(task.id, 0.0))
        return shares

    def heard(self, report: Report) -> None:
        """A worker reports."""
        self._perform(self.dispatch.heard(report, self.now))

    def tick(self) -> None:
        """Time has passed."""
        self._perform(self.dispatch.tick(self.now))

    def copy(self, copies: Iterable[tuple[str, str]]) -> None:
        """Run tasks a second time: (token, worker)."""
        for token, worker in copies:
            self._perform(self.dispatch.copy(token, worker, self.now))

    def hold(self, why: str) -> None:
        """Begin nothing new while `why` is not empty."""
        if why != self.dispatch.trouble:
            log.warning("held: %s" if why else "goes on%s", why, extra={"action": "held" if why else "resumed"})
            self._perform(self.dispatch.hold(why, self.now))

    def pause(self, paused: bool) -> None:
        """Begin nothing new while the operator wants it so."""
        if paused != self.dispatch.paused:
            log.warning("paused" if paused else "resumed", extra={"action": "paused" if paused else "resumed"})
            self._perform(self.dispatch.pause(paused, self.now))

    def bar(self, machine: str, barred: bool) -> None:
        """Give a machine nothing more, or work again."""
        self._perform(self.dispatch.bar(machine, barred, self.now))

    def let_go(self) -> None:
        """Stop nothing from here on: what runs goes on for the next coordinator."""
        self._letting_go = True

    async def close(self) -> None:
        """Wait for nobody any more."""
        self.let_go()
        for doing in self._doing:
            doing.cancel()
        await asyncio.gather(*self._doing, return_exceptions=True)

    def _perform(self, instructions: Iterable[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case Send():
                    self._in_background(self._send(instruction))
                case Settle(tasks, ended, quarantined):
                    for call, task in self._calling(tasks):
                        call.answers.put_nowait((task, _result(ended), quarantined))
                case Release(token, tasks, failure):
                    wanting = [(call.errands, task) for call, task in self._calling(tasks)]
                    self._in_background(self._undone(wanting, token, failure))
                case Stop(worker, task_id):
                    self._in_background(self._stop(worker, task_id))
                case Renew(report):
                    log.warning(
                        "%s does not answer; it is started anew", report.worker, extra={"action": "worker_lost"}
                    )
                    self._in_background(self._hands.renew(report))

    async def _stopped(self, instructions: Sequence[Instruction]) -> None:
        """Perform, and wait for what is stopped."""
        stops = [self._stop(one.worker, one.task) for one in instructions if isinstance(one, Stop)]
        self._perform(one for one in instructions if not isinstance(one, Stop))
        await asyncio.gather(*stops)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        doing = asyncio.ensure_future(work)
        self._doing.add(doing)
        doing.add_done_callback(self._over)

    def _over(self, doing: "asyncio.Task[None]") -> None:
        self._doing.discard(doing)
        error = None if doing.cancelled() else doing.exception()
        if isinstance(error, EpochOver):
            self._on_stale()
        elif error is not None:
            log.error("unforeseen", exc_info=error, extra={"action": "dispatch_failed"})

    async def _stop(self, worker: str, task: str) -> None:
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._hands.stop(worker, task, self.dispatch.epoch)
        except (WorkerLost, StaleOrder, TimeoutError) as error:
            log.warning("%s could not be stopped: %s", task, error, extra={"action": "stop_failed"})

    async def _send(self, send: Send) -> None:
        token, task, worker = send
        member = self.dispatch.members.get(worker)
        machine = member.machine if member is not None else worker
        try:
            ended = await self._carried_out(send, machine)
            if ended is None:
                return
            if not isinstance(ended, Done):
                await self._undone(self._wanting(task.id), token, ended.failure)
        except EpochOver:
            raise
        except Exception as error:  # a fault of ours: nobody shall wait for ever
            log.exception("unforeseen", extra={"action": "order_failed", "task": task.id})
            ended = Failed(Result(reason=reason_of(error), message=f"{type(error).__name__}: {error}"))
        self._perform(self.dispatch.ended(token, task.id, ended, self.now))

    async def _carried_out(self, send: Send, machine: str) -> Ended | None:
        """What came of it, which is written down where it was done; none: nobody wanted it any more."""
        token, task, worker = send
        wanting = self._wanting(task.id)
        if not wanting:
            return None
        errands, own = wanting[0]
        began = self.now
        try:
            await errands.begun(own, token, worker)
            if not self.dispatch.holds(token):
                return None
            result = await self._hands.do(worker, task.id, errands.order(own), self.dispatch.epoch)
            ended = self._judged(result, machine)
            if isinstance(ended, Done):
                self._note_rate(worker, task, self.now - began)
                self._perform(self.dispatch.answered(token, self.now))
                await self._done(send, result)
            return ended
        except EpochOver:
            raise
        except (WorkerLost, StaleOrder) as error:  # nor does an order that was stopped tell anything of the task
            result = Result(reason=Reason.WORKER_LOST, message=error.message)
            return Unknown(self._failure(machine, Reason.WORKER_LOST, ""), result)
        except (FramemillError, OSError, MemoryError) as error:
            return self._judged(Result(reason=reason_of(error), message=str(error)), machine)

    async def _done(self, send: Send, result: Result) -> None:
        """Everybody who wants it writes it down, also who comes to want it meanwhile. The first one pays for it."""
        told: list[Errands] = []
        while fresh := [(errands, own) for errands, own in self._wanting(send.task.id) if errands not in told]:
            for errands, own in fresh:
                told.append(errands)
                await errands.done(own, send.token, send.worker, result, pays=len(told) == 1)

    async def _undone(self, wanting: Sequence[tuple[Errands, Task]], token: str, failure: Failure | None) -> None:
        for errands, own in wanting:
            await errands.undone(own, token, failure)

    def _note_rate(self, worker: str, task: Task, seconds: float) -> None:
        """The last tasks count most; what takes no time tells nothing."""
        if task.effort > _TELLING_EFFORT:
            rate = seconds / task.effort
            self.rates[worker] = (self.rates.get(worker, rate) * 3 + rate) / 4

    def _wanting(self, task_id: str) -> list[tuple[Errands, Task]]:
        """Who wants it, each with the task as it has asked for it."""
        return [(call.errands, task) for call, task in self._calling(self.dispatch.asked(task_id))]

    def _calling(self, tasks: Iterable[Task]) -> Iterator[tuple[_Call, Task]]:
        for task in tasks:
            for call in self._calls.get(task.job, ()):
                if task.id in call.left:
                    yield call, task

    def _judged(self, result: Result, machine: str) -> Ended:
        """What the result says of the task."""
        if result.reason is None:
            return Done(result)
        kind = KINDS[result.reason]
        if kind is Kind.FINAL or (kind is Kind.FARM and not self._patient):
            return Failed(result)
        return Failed(result, self._failure(machine, result.reason, digest(result.message)))

    def _failure(self, machine: str, reason: Reason, said: str) -> Failure:
        at = self.dispatch.zero + timedelta(seconds=self.now)
        return Failure(machine=machine, reason=reason, digest=said, at=at)

    def restand(self, standing: Standing) -> None:
        """The job has another standing among the others."""
        self.dispatch.restand(standing)


def _result(ended: Ended) -> Result:
    if ended.result is None:  # lost in silence
        return Result(reason=Reason.WORKER_LOST, message="Every worker that had it was lost.")
    result: Result = ended.result
    return result
