"""Which queued jobs begin.

Priority is strict: while a job of a higher one may begin, none of a lower one does, however long that waits. Among jobs
of one priority those begin first whose deadline is near (or past), the most urgent of them before all. The rest share
alike: the account with the fewest running jobs goes first, and of its jobs those of the fairness key with the fewest
running. Where these are equal, accounts (and keys) take turns, so nobody's thousand jobs starve another's one. The jobs
of one key begin in the order they were made.

A deadline that is far away counts for nothing: else whoever names one would always be before whoever does not.
"""

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from pydantic import Field

from framemill.jobs.settings import Value

Rank: TypeAlias = tuple[float | str, ...]
"""Low goes first."""

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


class Limits(Value):
    """How many jobs are worked on at once."""

    active_jobs: int = Field(default=64, ge=1)
    jobs_per_account: int | None = Field(default=None, ge=1)
    """None: as many as there may be at all."""
    urgent_seconds: float = Field(default=3600.0, ge=0)
    """How long before its deadline a job becomes urgent."""


class WaitingRoom:
    """The queued jobs and the running ones. Each call costs the logarithm of what waits; nothing is ever searched."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._limits_of: dict[str, int] = {}
        self._turns = itertools.count()
        self._waiting: dict[str, Queued] = {}
        self._running: dict[str, Queued] = {}
        self._running_of: Counter[str] = Counter()
        self._running_of_flow: Counter[tuple[str, str]] = Counter()
        self._accounts: dict[str, _Account] = {}
        self._order = _Order()  # of the accounts that are below their limit
        self._urgent: set[str] = set()
        self._until_urgent = _Order()  # of the jobs that are not yet, by when they will be

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
        changed = [name for name in {*most, *self._limits_of} if most.get(name) != self._limits_of.get(name)]
        self._limits_of = dict(most)
        for name in changed:
            self._renew_account(name)

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
        account = self._accounts.get(job.account)
        if account is None:
            account = self._accounts[job.account] = _Account(next(self._turns))
        line = account.lines.get(job.fairness_key)
        if line is None:
            line = account.lines[job.fairness_key] = _Line(next(self._turns))
        self._place(job, line)
        return True

    def remove(self, job_id: str) -> None:
        """It waits no longer: cancelled, held again, or gone. One that does not wait is passed over."""
        job = self._waiting.pop(job_id, None)
        if job is None:
            return
        self._urgent.discard(job_id)
        self._until_urgent.drop(job_id)
        self._accounts[job.account].lines[job.fairness_key].jobs.drop(job_id)
        self._renew(job)

    def began(self, job: Queued) -> None:
        """It is worked on, whoever admitted it: a coordinator that takes over finds such jobs."""
        self.remove(job.id)
        if job.id not in self._running:
            self._running[job.id] = job
            self._count(job, 1)

    def ended(self, job_id: str) -> None:
        """It is worked on no longer. One that was not is passed over."""
        job = self._running.pop(job_id, None)
        if job is not None:
            self._count(job, -1)

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
            account = self._accounts[job.account]
            account.turn = account.lines[job.fairness_key].turn = next(self._turns)
            self.began(job)
            admitted.append(job.id)
        return admitted

    def held_back(self, job_id: str) -> Literal["account_limit", "farm_limit"] | None:
        """The limit that a waiting job waits for; None: it may begin, or does not wait."""
        job = self._waiting.get(job_id)
        if job is None:
            return None
        if self._at_limit(job.account):
            return "account_limit"
        return "farm_limit" if len(self._running) >= self._limits.active_jobs else None

    def _first(self) -> Queued | None:
        served = self._order.first()
        if served is None:
            return None
        account = self._accounts[served[1]]
        key = account.order.first()
        job = None if key is None else account.lines[key[1]].jobs.first()
        return None if job is None else self._waiting[job[1]]

    def _at_limit(self, account: str) -> bool:
        limits = (self._limits.jobs_per_account, self._limits_of.get(account))
        return any(most is not None and self._running_of[account] >= most for most in limits)

    def _note_urgent(self, now: float) -> None:
        while (due := self._until_urgent.first()) is not None and due[0] <= (now,):
            job_id = due[1]
            job = self._waiting[job_id]
            self._until_urgent.drop(job_id)
            self._urgent.add(job_id)
            self._place(job, self._accounts[job.account].lines[job.fairness_key])

    def _place(self, job: Queued, line: "_Line") -> None:
        urgency = job.deadline if job.id in self._urgent and job.deadline is not None else math.inf
        line.jobs.put(job.id, (-job.priority, urgency, job.id))
        self._renew(job)

    def _count(self, job: Queued, change: int) -> None:
        flow = job.account, job.fairness_key
        self._running_of[job.account] += change
        self._running_of_flow[flow] += change
        if not self._running_of_flow[flow]:  # whoever has come and gone leaves nothing behind
            del self._running_of_flow[flow]
        if not self._running_of[job.account]:
            del self._running_of[job.account]
        self._renew(job)

    def _renew(self, job: Queued) -> None:
        """Its key and its account stand elsewhere in their orders now."""
        account = self._accounts.get(job.account)
        if account is None:
            return
        line = account.lines.get(job.fairness_key)
        if line is not None:
            best = line.jobs.first()
            if best is None:
                del account.lines[job.fairness_key]
                account.order.drop(job.fairness_key)
            else:
                running = self._running_of_flow[job.account, job.fairness_key]
                account.order.put(job.fairness_key, (*best[0][:2], running, line.turn))
        self._renew_account(job.account)

    def _renew_account(self, name: str) -> None:
        account = self._accounts.get(name)
        if account is None:
            return
        best = account.order.first()
        if best is None:
            del self._accounts[name]
            self._order.drop(name)
        elif self._at_limit(name):
            self._order.drop(name)
        else:
            self._order.put(name, (*best[0][:2], self._running_of[name], account.turn))


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
    """The jobs of one fairness key of an account."""

    def __init__(self, turn: int) -> None:
        self.jobs = _Order()
        self.turn = turn
        """When it was last served, or began to wait."""


class _Account:
    """What an account has waiting."""

    def __init__(self, turn: int) -> None:
        self.lines: dict[str, _Line] = {}
        self.order = _Order()
        self.turn = turn
        """When it was last served, or began to wait."""
