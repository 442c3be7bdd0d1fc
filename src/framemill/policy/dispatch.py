"""Who does what: events in, instructions out. Nobody acts here, and no clock is read.

A task is wanted by one or more jobs, and waits, is delayed (it failed a moment ago), is reserved (a coordinator before
this one gave it to a worker that has not been heard of yet), or runs as one or more copies. Each copy has a token. Who
carries out the instructions answers each `Send` with `ended`. What comes under a token that is not known any more is
late: a result is a result all the same, a failure changes nothing.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from framemill.jobs.model import Failure
from framemill.jobs.reasons import Reason
from framemill.policy.fleet import Member, Report, Running
from framemill.policy.instructions import Done, Ended, Instruction, Release, Renew, Send, Settle, Stop, Unknown, Work
from framemill.policy.placing import Picky, able, bound, emptiest, suits
from framemill.policy.queue import Shares, WorkQueue
from framemill.policy.retry import Again, Hold, Quarantine, RetryRules, decide
from framemill.policy.tasks import Lane, Standing, Task
from framemill.policy.waiting import Code

MISSING_SECONDS = 6.0
"""A worker that does not list what it was given so long ago never got it, or has ended it unheard."""
RESERVED_SECONDS = 10.0
"""How long a coordinator that has just started waits for a worker to say what became of a lease."""
STRAY_SECONDS = 20.0
"""What a worker carries out and nobody wants is stopped after so long: its job may only not be loaded yet."""


@dataclass(slots=True)
class _Wanted:
    asked: tuple[Task, ...]
    """The task as each job has asked for it, the most urgent one first: what it stands for in the queue."""
    copies: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def task(self) -> Task:
        return self.asked[0]


@dataclass(slots=True)
class Copy:
    """A task under way."""

    task: str
    worker: str
    since: float
    share: float | None = None
    """Of it done, as far as the worker says."""
    moved: float = 0.0
    """When its share last grew."""
    size: int = 0
    """Bytes that it moves, where its worker alone knows."""
    answered: bool = False
    """The worker is done with it, and what came of it is being written."""


@dataclass(slots=True)
class Dispatch:
    """All tasks and workers of a farm. Feed it events; carry out what it returns, in order."""

    epoch: int
    zero: datetime
    """When the clock stood at 0 that `now` counts from: one that nobody sets."""
    rules: RetryRules = field(default_factory=RetryRules)
    trouble: str = ""
    """Nothing new is begun while this says why."""
    paused: bool = False
    """Nothing new is begun, since the operator wants it so."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _wanted: dict[str, _Wanted] = field(default_factory=dict)
    _of_job: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _queues: dict[tuple[Lane, str], WorkQueue] = field(default_factory=dict)
    _shares: dict[Lane, Shares] = field(default_factory=lambda: defaultdict(Shares))
    _slots: dict[Lane, int] = field(default_factory=lambda: defaultdict(int))
    _picky: dict[str, Picky] = field(default_factory=dict)
    _reserved: dict[str, tuple[str, float]] = field(default_factory=dict)
    _copies: dict[str, Copy] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    _barred: set[str] = field(default_factory=set)
    _idle: dict[Lane, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    """Workers that may have a free slot, in turn."""

    # Events

    def submit(
        self, tasks: Iterable[Task], now: float, *, holders: dict[str, str] | None = None, failures: Any = None
    ) -> list[Instruction]:
        """Tasks of a job. `holders`: the worker of a lease that an earlier coordinator gave, by task."""
        instructions: list[Instruction] = []
        strays = {task: member for member in self.members.values() for task in member.strays}
        for task in tasks:
            self._of_job[task.job].add(task.id)
            wanted = self._wanted.get(task.id)
            if wanted is not None:
                others = (other for other in wanted.asked if other.job != task.job)
                self._ask(wanted, (*others, task))
                continue
            wanted = self._wanted[task.id] = _Wanted((task,), failures=tuple((failures or {}).get(task.id, ())))
            holder = (holders or {}).get(task.id)
            if task.id in strays:
                instructions.append(self._adopted(wanted, strays[task.id], now))
            elif holder is not None and holder not in self.members:
                self._reserved[task.id] = holder, now + RESERVED_SECONDS
            else:
                self._queue(task).add(task)
        return instructions + self._assign(now)

    def withdraw(self, job: str, now: float, tasks: Iterable[str] | None = None) -> list[Instruction]:
        """The job does not want those tasks any more (none: nothing at all)."""
        instructions: list[Instruction] = []
        mine = self._of_job.get(job, set())
        for task_id in list(mine if tasks is None else mine.intersection(tasks)):
            self._disown(job, task_id)
            wanted = self._wanted[task_id]
            others = tuple(other for other in wanted.asked if other.job != job)
            if others:
                self._ask(wanted, others)
            else:
                instructions += self._forgotten(task_id)
        return instructions + self._assign(now)

    def restand(self, standing: Standing) -> None:
        """The job has another standing; it counts for what waits."""
        for task_id in self._of_job.get(standing.job, ()):
            wanted = self._wanted[task_id]
            if all(task.job != standing.job or task.standing == standing for task in wanted.asked):
                continue  # most changes of a job are none of its standing
            stood = (task._replace(standing=standing) if task.job == standing.job else task for task in wanted.asked)
            self._ask(wanted, tuple(stood))

    def heard(self, report: Report, now: float) -> list[Instruction]:
        """A worker reports."""
        instructions: list[Instruction] = []
        member = self.members.get(report.worker)
        if member is not None and member.report.incarnation != report.incarnation:
            instructions += self._lose(report.worker, now)
            member = None
        if member is None:
            member = self.members[report.worker] = Member(report, now, barred=report.machine in self._barred)
            self._slots[report.lane] += report.slots
        self._slots[report.lane] += report.slots - member.report.slots
        member.report, member.heard, member.mute = report, now, False
        self._idle[report.lane][report.worker] = None
        instructions += self._compared(report, member, now)
        for task_id in [task for task, (worker, _) in self._reserved.items() if worker == report.worker]:
            self._unreserve(task_id)
        return instructions + self._assign(now)

    def ended(self, token: str, task_id: str, ended: Ended, now: float) -> list[Instruction]:
        """What came of a `Send`. One that comes late, from a worker that was given up, is a result all the same."""
        wanted = self._wanted.get(task_id)
        if token in self._copies:
            copy = self._copies[token]
            if isinstance(ended, Unknown) and not copy.answered:
                self.members[copy.worker].mute = True
            self._free(token)
        elif not isinstance(ended, Done):
            return []
        if wanted is None:
            return []
        return self._concluded(wanted, ended, now) + self._assign(now)

    def answered(self, token: str, now: float) -> list[Instruction]:
        """A worker has done it and has a slot to spare; `ended` follows when the result is written."""
        copy = self._copies.get(token)
        if copy is None or copy.answered:
            return []
        self._vacate(token, copy)
        copy.answered = True
        return self._assign(now)

    def tick(self, now: float) -> list[Instruction]:
        """Time has passed."""
        instructions: list[Instruction] = []
        for name, member in list(self.members.items()):
            if member.lost(now):
                instructions += [*self._lose(name, now), Renew(member.report)]
        for task_id in [task for task, (_, until) in self._reserved.items() if until <= now]:
            self._unreserve(task_id)
        members = self.members.values()
        for picky in [picky for picky in self._picky.values() if picky.due <= now and not bound(picky, members)]:
            del self._picky[picky.task.id]
            self._queue(picky.task).add(picky.task)
        return instructions + self._assign(now)

    def copy(self, token: str, worker: str, now: float) -> list[Instruction]:
        """Give a running task to a second worker, too: the first that is done counts."""
        running, member = self._copies.get(token), self.members.get(worker)
        if running is None or member is None or member.free <= 0:
            return []
        wanted = self._wanted[running.task]
        if any(self._copies[other].worker == worker for other in wanted.copies):
            return []
        return [self._send(wanted, member, now)]

    def bar(self, machine: str, barred: bool, now: float) -> list[Instruction]:
        """Give a machine nothing more, or work again."""
        (self._barred.add if barred else self._barred.discard)(machine)
        for name, member in self.members.items():
            if member.machine == machine:
                member.barred = barred
                self._idle[member.report.lane][name] = None
        return self._assign(now)

    def hold(self, why: str, now: float) -> list[Instruction]:
        """Begin nothing new while `why` is not empty; what runs goes on. A pause of the operator's stays as it is."""
        self.trouble = why
        return self._assign(now)

    def pause(self, paused: bool, now: float) -> list[Instruction]:
        """Begin nothing new while the operator wants it so; what runs goes on."""
        self.paused = paused
        return self._assign(now)

    # What is known

    @property
    def held(self) -> str:
        """Why nothing new is begun; empty: it is."""
        return self.trouble or (Code.PAUSED if self.paused else "")

    @property
    def waiting(self) -> int:
        """Tasks that wait for a slot."""
        return sum(len(queue) for queue in self._queues.values()) + len(self._picky) + len(self._reserved)

    @property
    def backlog(self) -> float:
        """Effort of what waits."""
        return sum(queue.effort for queue in self._queues.values())

    @property
    def running(self) -> int:
        """Copies under way."""
        return len(self._copies)

    def slots(self, lane: Lane) -> int:
        """Slots of the workers of that lane that are heard of."""
        return self._slots[lane]

    def holds(self, token: str) -> bool:
        """Whether somebody still waits for what runs under that token."""
        return token in self._copies

    def copies(self) -> Iterator[tuple[str, Task, Copy, int]]:
        """What workers carry out: token, task, copy, and how many copies of the task there are."""
        for token, copy in self._copies.items():
            if not copy.answered:
                wanted = self._wanted[copy.task]
                yield token, wanted.task, copy, len(wanted.copies)

    def jobs_of(self, task_id: str) -> tuple[str, ...]:
        """The jobs that want it."""
        return tuple(task.job for task in self.asked(task_id))

    def asked(self, task_id: str) -> tuple[Task, ...]:
        """The task as each job that wants it has asked for it, the most urgent one first."""
        wanted = self._wanted.get(task_id)
        return wanted.asked if wanted is not None else ()

    def work_of(self, job: str, now: float) -> Work:
        """What there is of a job, and why it does not run."""
        running = ready = delayed = 0
        due, alone, needs = float("inf"), False, ""
        for task_id in self._of_job.get(job, ()):
            picky = self._picky.get(task_id)
            if self._wanted[task_id].copies:
                running += 1
            elif picky is not None and picky.due > now:
                delayed, due = delayed + 1, min(due, picky.due)
            else:
                ready += 1
                alone = alone or (picky is not None and picky.alone)
                needs = needs or self._wanted[task_id].task.needs
        return Work(running, ready, delayed, max(0.0, due - now) if delayed else 0.0, alone, needs)

    # How

    def _queue(self, task: Task) -> WorkQueue:
        kind = task.lane, task.needs
        if kind not in self._queues:
            self._queues[kind] = WorkQueue(self._shares[task.lane])
        return self._queues[kind]

    def _count(self, task: Task, change: int) -> None:
        """The task has got a slot, or given it back."""
        self._shares[task.lane].count(task.standing, change)
        for (lane, _), queue in self._queues.items():
            if lane == task.lane:
                queue.renew(task.standing.account)

    def _ask(self, wanted: _Wanted, asked: tuple[Task, ...]) -> None:
        """Other jobs want it, or they stand otherwise: it goes as the most urgent of them."""
        before = wanted.task
        wanted.asked = tuple(sorted(asked, key=_urgency))
        if wanted.task == before:
            return
        queue = self._queue(before)
        if queue.remove(before.id) is not None:
            queue.add(wanted.task)
        if before.id in self._picky:
            self._picky[before.id].task = wanted.task
        for _ in (token for token in wanted.copies if not self._copies[token].answered):
            self._count(before, -1)
            self._count(wanted.task, 1)

    def _compared(self, report: Report, member: Member, now: float) -> Iterator[Instruction]:
        """What the worker says it carries out, against what it was given."""
        mine = {self._copies[token].task: token for token in member.tokens}
        listed = set()
        member.strays.clear()
        for running in report.running:
            listed.add(running.task)
            wanted = self._wanted.get(running.task)
            if running.task in mine:
                self._noted(self._copies[mine[running.task]], running, now)
            elif wanted is None:
                member.strays[running.task] = running.share is None or running.share < 1
                if running.since > STRAY_SECONDS:
                    yield Stop(report.worker, running.task)
            elif not any(self._copies[token].answered for token in wanted.copies):
                yield self._adopted(wanted, member, now)
        missing = {
            token for task, token in mine.items() if task not in listed and now - member.tokens[token] > MISSING_SECONDS
        }
        for token in missing & member.unseen:  # in two reports: the answer is not just on its way
            yield from self._given_up(token, member, now)
        member.unseen = missing - member.unseen

    def _noted(self, copy: Copy, running: Running, now: float) -> None:
        if running.share is not None and (copy.share is None or running.share > copy.share):
            copy.share, copy.moved, copy.size = running.share, now, running.size

    def _concluded(self, wanted: _Wanted, ended: Ended, now: float) -> list[Instruction]:
        if isinstance(ended, Done) or (ended.failure is None and not wanted.copies):
            return self._settled(wanted, ended)
        if wanted.copies or ended.failure is None:  # another copy goes on
            return []
        return self._failed(wanted, ended, ended.failure, now)

    def _failed(self, wanted: _Wanted, ended: Ended, failure: Failure, now: float) -> list[Instruction]:
        """No copy is left, and it may be worth another try."""
        trouble = Code(self.trouble) if self.trouble in {Code.DISK, Code.STORE_AWAY} else None
        decision = decide((*wanted.failures, failure), self._machines(wanted.task), self.rules, trouble=trouble)
        if isinstance(decision, Hold):  # not the task's fault
            self.trouble = decision.code
            self._queue(wanted.task).add(wanted.task)
            return []
        wanted.failures = (*wanted.failures, failure)
        if isinstance(decision, Again):
            self._again(wanted.task, decision.after_seconds, decision.avoid, decision.alone, now)
            return []
        return self._settled(wanted, ended, quarantined=isinstance(decision, Quarantine))

    def _machines(self, task: Task) -> dict[str, int]:
        """The machines that may have such work, with their memory."""
        return {member.machine: member.report.memory for member in able(task, self.members.values())}

    def _again(self, task: Task, after: float, avoid: frozenset[str], alone: bool, now: float) -> None:
        picky = Picky(task, now + after, avoid, alone)
        if after <= 0 and not bound(picky, self.members.values()):
            self._queue(task).add(task)
        else:
            self._picky[task.id] = picky

    def _settled(self, wanted: _Wanted, ended: Ended, *, quarantined: bool = False) -> list[Instruction]:
        instructions = self._forgotten(wanted.task.id)
        for task in wanted.asked:
            self._disown(task.job, task.id)
        return [Settle(wanted.asked, ended, quarantined), *instructions]

    def _disown(self, job: str, task_id: str) -> None:
        self._of_job[job].discard(task_id)
        if not self._of_job[job]:
            del self._of_job[job]

    def _forgotten(self, task_id: str) -> list[Instruction]:
        """Nobody wants it: it is taken from wherever it waits, and what runs is stopped."""
        self._unqueue(task_id)
        instructions: list[Instruction] = []
        for token in self._wanted[task_id].copies:
            if not self._copies[token].answered:
                instructions.append(Stop(self._copies[token].worker, task_id))
            self._free(token)
        del self._wanted[task_id]
        return instructions

    def _unqueue(self, task_id: str) -> None:
        self._reserved.pop(task_id, None)
        self._picky.pop(task_id, None)
        self._queue(self._wanted[task_id].task).remove(task_id)

    def _given_up(self, token: str, member: Member, now: float) -> list[Instruction]:
        """Nobody knows what has become of a copy."""
        wanted = self._wanted[self._copies[token].task]
        at = self.zero + timedelta(seconds=now)
        failure = Failure(machine=member.machine, reason=Reason.WORKER_LOST, digest="", at=at)
        release = Release(token, wanted.asked, failure)
        self._free(token)
        return [release, *self._concluded(wanted, Unknown(failure, None), now)]

    def _adopted(self, wanted: _Wanted, member: Member, now: float) -> Send:
        """A worker carries it out already: it was given by a coordinator before this one, or given up too soon."""
        self._unqueue(wanted.task.id)
        member.strays.pop(wanted.task.id, None)
        return self._send(wanted, member, now)

    def _unreserve(self, task_id: str) -> None:
        del self._reserved[task_id]
        task = self._wanted[task_id].task
        self._queue(task).add(task)

    def _lose(self, name: str, now: float) -> list[Instruction]:
        """A worker is gone, with everything that it was given."""
        member = self.members[name]
        instructions: list[Instruction] = []
        for token in list(member.tokens):
            instructions += self._given_up(token, member, now)
        self._slots[member.report.lane] -= member.report.slots
        del self.members[name]
        self._idle[member.report.lane].pop(name, None)
        return instructions

    def _free(self, token: str) -> None:
        copy = self._copies.pop(token)
        wanted = self._wanted[copy.task]
        wanted.copies = tuple(other for other in wanted.copies if other != token)
        if not copy.answered:
            self._vacate(token, copy)

    def _vacate(self, token: str, copy: Copy) -> None:
        """The slot that it had is free."""
        member = self.members[copy.worker]
        member.tokens.pop(token)
        member.unseen.discard(token)
        member.alone = member.alone and bool(member.tokens)
        self._idle[member.report.lane][copy.worker] = None
        self._count(self._wanted[copy.task].task, -1)

    def _send(self, wanted: _Wanted, member: Member, now: float) -> Send:
        token = f"{self.epoch}.{next(self._numbers)}"
        self._copies[token] = Copy(wanted.task.id, member.report.worker, now, moved=now)
        wanted.copies = (*wanted.copies, token)
        member.tokens[token] = now
        self._count(wanted.task, 1)
        return Send(token, wanted.task, member.report.worker)

    def _assign(self, now: float) -> list[Instruction]:
        """Every free slot gets the next task that its worker may carry out; the workers take turns."""
        sends: list[Instruction] = []
        if self.held:
            return sends
        lanes = {lane for (lane, _), queue in self._queues.items() if queue}
        for lane in sorted(lanes.union(picky.task.lane for picky in self._picky.values())):
            sends += self._assign_lane(self._idle[lane], now)
        return sends

    def _assign_lane(self, idle: dict[str, None], now: float) -> Iterator[Instruction]:
        names = list(idle)
        while names:
            took = []
            for name in names:
                member = self.members[name]
                task = self._next_for(member, now) if member.free > 0 else None
                if task is not None:
                    yield self._send(self._wanted[task.id], member, now)
                    took.append(name)
                if member.free <= 0:
                    del idle[name]
            names = [name for name in took if name in idle]

    def _next_for(self, member: Member, now: float) -> Task | None:
        for picky in self._picky.values():
            if picky.due <= now and suits(picky, member, self.members.values()):
                if picky.alone and member.busy:
                    if emptiest(picky, self.members.values()) is member:
                        return None  # it empties itself for this task
                    continue
                del self._picky[picky.task.id]
                member.alone = picky.alone
                return picky.task
        for encoder in (*sorted(member.report.encoders), ""):
            queue = self._queues.get((member.report.lane, encoder))
            task = queue.take(self._slots[member.report.lane]) if queue else None
            if task is not None:
                return task
        return None


def _urgency(task: Task) -> tuple[int, float, str]:
    """Low goes first."""
    return -task.standing.priority, task.standing.deadline, task.job
