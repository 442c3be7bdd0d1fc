"""Which queued jobs begin.

Priority is strict: while a job of a higher one may begin, none of a lower one does, however long that waits. Among jobs
of one priority those begin first whose deadline is near (or past), the most urgent of them before all. The rest share
alike: the account with the fewest running jobs goes first, and of its jobs those of the fairness key with the fewest
running. Where these are equal, accounts (and keys) take turns, so nobody's thousand jobs starve another's one; whoever
began last is behind all others, those too who came later. The jobs of one key begin in the order they were made.

The jobs of a door with a limit of its own wait in one queue, as if one account had them; each of their accounts' keys
is a key of its own there. They count for their accounts' limits as all others do: a job begins where both have room.

A deadline that is far away counts for nothing: else whoever names one would always be before whoever does not.
"""

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple, TypeAlias, TypeVar

from pydantic import Field

from framemill.jobs.settings import Value

Rank: TypeAlias = tuple[float | str, ...]
"""Low goes first."""

Counted = TypeVar("Counted")

_REMEMBERED = 1000  # accounts of which it is known whose turn was last
_SLACK = 64  # entries out of date that a heap may hold beside as many as there are members


class Queued(NamedTuple):
    """A job that waits for admission."""

    id: str
    """Ids sort by the time they were made."""
    account: str
    fairness_key: str = ""
    priority: int = 0
    """Higher goes first, always."""
    deadline: float | None = None
    """Seconds since the epoch."""
    door: str = ""
    """The API that it came through."""


class Limits(Value):
    """How many jobs are worked on at once."""

    active_jobs: int = Field(default=64, ge=1)
    jobs_per_account: int | None = Field(default=None, ge=1)
    """None: as many as there may be at all."""
    jobs_per_door: Mapping[str, Annotated[int, Field(ge=1)]] = {}
    """By the API that they came through; of one that is not named: as many as there may be at all. Beside what their
    accounts may have."""
    urgent_seconds: float = Field(default=3600.0, ge=0)
    """How long before its deadline a job becomes urgent."""


class WaitingRoom:
    """The queued jobs and the running ones. Each call costs the logarithm of what waits; nothing is ever searched."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._doors = {_queue_of_door(name): most for name, most in limits.jobs_per_door.items()}
        self._limits_of: Mapping[str, int] = {}
        self._turns = itertools.count()
        self._waiting: dict[str, Queued] = {}
        self._running: dict[str, Queued] = {}
        self._running_of: Counter[str] = Counter()  # by account
        self._running_in: Counter[str] = Counter()  # by queue
        self._running_of_flow: Counter[tuple[str, str]] = Counter()
        self._queues: dict[str, _Queue] = {}
        """Of each account, and of each door that has a limit."""
        self._order = _Order()  # of the queues of which a job may begin
        self._urgent: set[str] = set()
        self._until_urgent = _Order()  # of the jobs that are not yet, by when they will be
        self._last = ""  # queue of which a job began last
        self._last_of: dict[str, str] = {}  # and fairness key, by queue

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def __contains__(self, job_id: str) -> bool:
        """Whether that job waits."""
        return job_id in self._waiting

    @property
    def running(self) -> int:
        """How many are worked on."""
        return len(self._running)

    def running_of(self, account: str) -> int:
        """How many of the account are worked on."""
        return self._running_of[account]

    def limit_accounts(self, most: Mapping[str, int]) -> None:
        """How many jobs of each of these accounts may be worked on at once; of others, as many as of any."""
        before, self._limits_of = self._limits_of, dict(most)
        for account in {*before, *most}:
            if before.get(account) != most.get(account):
                self._renew_account(account)

    def add(self, job: Queued) -> bool:
        """One more that waits, or one that waits already and was changed.

        False, and nothing happens, while that very job is worked on: add it again when it has ended.
        """
        if job.id in self._running:
            return False
        self.remove(job.id)
        self._waiting[job.id] = job
        if job.deadline is not None:
            self._until_urgent.put(job.id, (job.deadline - self._limits.urgent_seconds,))
        name, key = self._flow(job)
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = _Queue(next(self._turns))
        line = queue.lines.get(key)
        if line is None:
            line = queue.lines[key] = _Line(job.account, next(self._turns))
        self._place(job, line)
        return True

    def remove(self, job_id: str) -> None:
        """It waits no longer: cancelled, held again, or gone. One that does not wait is passed over."""
        job = self._waiting.pop(job_id, None)
        if job is None:
            return
        self._urgent.discard(job_id)
        self._until_urgent.drop(job_id)
        name, key = self._flow(job)
        self._queues[name].lines[key].jobs.drop(job_id)
        self._renew(name, key)

    def began(self, job: Queued) -> None:
        """It is worked on, whoever admitted it: a coordinator that takes over finds such jobs."""
        self.remove(job.id)
        if job.id not in self._running:
            self._running[job.id] = job
            self._counted(job, 1)

    def ended(self, job_id: str) -> None:
        """It is worked on no longer. One that was not is passed over."""
        job = self._running.pop(job_id, None)
        if job is not None:
            self._counted(job, -1)

    def admit(self, now: float, trouble: str | None = None) -> list[str]:
        """The jobs that begin now, in order; they count as running from here on.

        `now`: seconds since the epoch. `trouble`: why the farm begins nothing (paused, disk full…).
        """
        self._note_urgent(now)
        admitted: list[str] = []
        while trouble is None and len(self._running) < self._limits.active_jobs:
            job = self._first()
            if job is None:
                break
            name, key = self._flow(job)
            queue = self._queues[name]
            queue.turn = queue.lines[key].turn = next(self._turns)
            before = self._last, self._last_of.pop(name, "")
            self._last, self._last_of[name] = name, key
            while len(self._last_of) > _REMEMBERED:
                del self._last_of[next(iter(self._last_of))]
            self.began(job)
            self._renew(name, before[1])
            self._renew_queue(before[0])
            admitted.append(job.id)
        return admitted

    def held_back(self, job_id: str) -> Literal["account_limit", "door_limit", "farm_limit"] | None:
        """The limit that a waiting job waits for; None: it may begin, or does not wait."""
        job = self._waiting.get(job_id)
        if job is None:
            return None
        if self._at_limit(job.account):
            return "account_limit"
        if self._full(self._flow(job)[0]):
            return "door_limit"
        return "farm_limit" if len(self._running) >= self._limits.active_jobs else None

    def _flow(self, job: Queued) -> tuple[str, str]:
        """The name of the queue in which it waits, and its key there."""
        of_door = _queue_of_door(job.door)
        if of_door in self._doors:
            return of_door, f"{job.account} {job.fairness_key}"
        return job.account, job.fairness_key

    def _first(self) -> Queued | None:
        served = self._order.first()
        if served is None:
            return None
        queue = self._queues[served[1]]
        account = queue.accounts.first()
        key = None if account is None else queue.keys[account[1]].first()
        job = None if key is None else queue.lines[key[1]].jobs.first()
        return None if job is None else self._waiting[job[1]]

    def _at_limit(self, account: str) -> bool:
        limits = (self._limits.jobs_per_account, self._limits_of.get(account))
        return any(most is not None and self._running_of[account] >= most for most in limits)

    def _full(self, name: str) -> bool:
        """Whether no more jobs may begin of a queue, whosever they are."""
        most = self._doors.get(name)
        return most is not None and self._running_in[name] >= most

    def _note_urgent(self, now: float) -> None:
        while (due := self._until_urgent.first()) is not None and due[0] <= (now,):
            job_id = due[1]
            job = self._waiting[job_id]
            self._until_urgent.drop(job_id)
            self._urgent.add(job_id)
            name, key = self._flow(job)
            self._place(job, self._queues[name].lines[key])

    def _place(self, job: Queued, line: "_Line") -> None:
        urgency = job.deadline if job.id in self._urgent and job.deadline is not None else math.inf
        line.jobs.put(job.id, (-job.priority, urgency, job.id))
        self._renew(*self._flow(job))

    def _counted(self, job: Queued, change: int) -> None:
        name, key = self._flow(job)
        _count(self._running_of, job.account, change)
        _count(self._running_in, name, change)
        _count(self._running_of_flow, (name, key), change)
        self._renew(name, key)
        self._renew_account(job.account)

    def _renew(self, name: str, key: str) -> None:
        """That key, its account and its queue stand elsewhere in their orders now."""
        queue = self._queues.get(name)
        line = None if queue is None else queue.lines.get(key)
        if queue is not None and line is not None:
            best = line.jobs.first()
            if best is None:
                queue.drop(key)
            else:
                running, last = self._running_of_flow[name, key], self._last_of.get(name) == key
                queue.put(key, (*best[0][:2], running, last, line.turn))
            self._renew_in(name, line.account)
        self._renew_queue(name)

    def _renew_account(self, account: str) -> None:
        """It may have begun or ended to be at its limit, in every queue."""
        for name in (account, *self._doors):
            if name in self._queues:
                self._renew_in(name, account)
                self._renew_queue(name)

    def _renew_in(self, name: str, account: str) -> None:
        queue = self._queues[name]
        best = queue.keys[account].first() if account in queue.keys else None
        if best is None or self._at_limit(account):
            queue.accounts.drop(account)
        else:
            queue.accounts.put(account, best[0])

    def _renew_queue(self, name: str) -> None:
        queue = self._queues.get(name)
        if queue is None:
            return
        best = queue.accounts.first()
        if best is None or self._full(name):
            self._order.drop(name)
        else:
            self._order.put(name, (*best[0][:2], self._running_in[name], self._last == name, queue.turn))
        if not queue.lines:
            del self._queues[name]


def _count(running: Counter[Counted], what: Counted, change: int) -> None:
    running[what] += change
    if not running[what]:  # whoever has come and gone leaves nothing behind
        del running[what]


def _queue_of_door(door: str) -> str:
    """What no account is called."""
    return f" {door}"


class _Order:
    """Members in the order of their ranks, which may change at any time."""

    def __init__(self) -> None:
        self._ranks: dict[str, Rank] = {}
        self._heap: list[tuple[Rank, str]] = []  # with ranks that members had before: they are passed over

    def put(self, member: str, rank: Rank) -> None:
        """It has that rank from here on."""
        if self._ranks.get(member) == rank:
            return
        self._ranks[member] = rank
        if len(self._heap) > 2 * len(self._ranks) + _SLACK:
            self._heap = [(each, name) for name, each in self._ranks.items()]
            heapq.heapify(self._heap)
        else:
            heapq.heappush(self._heap, (rank, member))

    def drop(self, member: str) -> None:
        """It is no member any more, if it was."""
        self._ranks.pop(member, None)

    def first(self) -> tuple[Rank, str] | None:
        """The lowest rank, and whose it is; None: there are no members."""
        while self._heap:
            rank, member = self._heap[0]
            if self._ranks.get(member) == rank:
                return self._heap[0]
            heapq.heappop(self._heap)
        return None


class _Line:
    """The jobs of one fairness key of a queue; they are one account's."""

    def __init__(self, account: str, turn: int) -> None:
        self.account = account
        self.jobs = _Order()
        self.turn = turn
        """When it was last served, or began to wait."""


class _Queue:
    """What an account, or all accounts of a door with a limit, have waiting."""

    def __init__(self, turn: int) -> None:
        self.lines: dict[str, _Line] = {}
        """By fairness key."""
        self.keys: dict[str, _Order] = {}
        """Of each account."""
        self.accounts = _Order()
        """Those below their limits, each where the first of its keys stands."""
        self.turn = turn
        """When it was last served, or began to wait."""

    def put(self, key: str, rank: Rank) -> None:
        """A key has that rank among its account's from here on."""
        self.keys.setdefault(self.lines[key].account, _Order()).put(key, rank)

    def drop(self, key: str) -> None:
        """Nothing of that key waits any more."""
        account = self.lines.pop(key).account
        self.keys[account].drop(key)
        if self.keys[account].first() is None:
            del self.keys[account]
