"""Who goes next: tasks of many jobs, taken so that no slot idles, accounts share alike, and no long task comes last.

Tasks that open up others (`turn` below 0: read a source, plan) go before all else; they are short. Then jobs stand in
flows, one for each account and fairness key. Of the flows that have work, the one goes next whose next job has the
highest priority; among equals the account with the fewest slots in use, then the most urgent deadline, then the flow
with the fewest slots, then the oldest job. Inside a job turn decides, then length with what comes behind it (longest
first: a long task that starts last would end last, alone).

That alone would still leave the long tasks of the last job for the end, and the join of the longest title behind them.
So when what waits would keep the slots busy for no longer than `TAIL` of its longest chains (a task and what its job
still needs behind it), these decide over all jobs of the highest priority: everything starts soon anyway. Even then
what is awaited (the head of a package, which can be played early) goes before the long ones.
"""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from framemill.policy.tasks import Standing, Task

TAIL = 1.0
"""Rounds of work that are taken by the length of the chain alone (`benchmarks/scale.py` has what it brings)."""

_SLACK = 64  # stale entries that a heap may hold beside as many as there are live ones

Flow: TypeAlias = tuple[str, str]
"""An account and a fairness key."""

_FlowKey: TypeAlias = tuple[int, int, float, int, str]
_Place: TypeAlias = tuple[int, float, int, Task]


class _Entry(NamedTuple):
    """A task as it stands in its job's heap."""

    turn: int
    shortness: float
    rank: int
    task: Task


@dataclass(slots=True)
class _Line:
    """What waits of a job."""

    entries: list[_Entry] = field(default_factory=list)
    waiting: int = 0
    """Entries that are not stale."""


@dataclass(slots=True)
class _Lines:
    """The jobs of a flow of which something waits."""

    jobs: list[tuple[int, float, Standing]] = field(default_factory=list)
    """With some of which nothing waits any more: they are passed over."""
    waiting: int = 0


class Shares:
    """Slots in use, by account and by flow."""

    def __init__(self) -> None:
        self.by_account: dict[str, int] = defaultdict(int)
        self.by_flow: dict[Flow, int] = defaultdict(int)

    def count(self, standing: Standing, change: int) -> None:
        """A task of that job has got a slot, or given it back; who has none is forgotten."""
        flow = standing.account, standing.fairness_key
        self.by_account[standing.account] += change
        self.by_flow[flow] += change
        if not self.by_flow[flow]:
            del self.by_flow[flow]
        if not self.by_account[standing.account]:
            del self.by_account[standing.account]


class WorkQueue:
    """Waiting tasks of one kind. Each call costs the logarithm of what waits; nothing is ever searched.

    Whoever counts a slot in the shared `Shares` calls `renew` of every queue that shares them.
    """

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._rank = itertools.count()
        self._waiting: dict[str, Task] = {}
        self._by_job: dict[Standing, _Line] = {}
        self._by_flow: dict[Flow, _Lines] = {}
        self._flows_of: dict[str, set[Flow]] = defaultdict(set)
        self._flows: list[tuple[_FlowKey, Flow]] = []
        self._longest: list[_Place] = []
        self._openers: list[_Place] = []
        self._awaited: list[_Place] = []
        self._effort = 0.0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def __contains__(self, task_id: str) -> bool:
        """Whether that task waits."""
        return task_id in self._waiting

    def __iter__(self) -> Iterator[Task]:
        """What waits, in the order it came."""
        return iter(self._waiting.values())

    @property
    def effort(self) -> float:
        """Of all that waits."""
        return self._effort

    def add(self, task: Task) -> None:
        """One more; a task that waits already is not added twice."""
        if task.id in self._waiting:
            return
        self._waiting[task.id] = task
        self._effort += task.effort
        rank = next(self._rank)
        standing = task.standing
        if task.turn < 0:
            self._trim(self._openers)
            heapq.heappush(self._openers, (-standing.priority, standing.deadline, rank, task))
            return
        shortness = -task.chain  # once: there may be a hundred thousand of them
        if task.awaited:
            self._trim(self._awaited)
            heapq.heappush(self._awaited, (-standing.priority, task.turn, rank, task))
        else:
            self._trim(self._longest)
            heapq.heappush(self._longest, (-standing.priority, shortness, rank, task))
        line = self._by_job.get(standing)
        if line is None:
            line = self._by_job[standing] = _Line()
            self._join_flow(standing)
        line.waiting += 1
        heapq.heappush(line.entries, _Entry(task.turn, shortness, rank, task))

    def remove(self, task_id: str) -> Task | None:
        """Take one out of its turn; None when it does not wait."""
        task = self._waiting.pop(task_id, None)
        if task is None:
            return None
        # What is added and taken away leaves a little of itself behind.
        self._effort = self._effort - task.effort if self._waiting else 0.0
        for heap in (self._openers, self._longest, self._awaited):
            self._trim(heap)
        if task.turn < 0:
            return task
        line = self._by_job[task.standing]
        line.waiting -= 1
        if not line.waiting:
            del self._by_job[task.standing]
            self._leave_flow(task.standing)
        elif len(line.entries) > 2 * line.waiting + _SLACK:
            line.entries = [entry for entry in line.entries if self._waits(entry.task)]
            heapq.heapify(line.entries)
        return task

    def take(self, slots: int) -> Task | None:
        """The next one, which waits no more; `slots`: how many there are in all."""
        task = self._first(self._openers)
        if task is None:
            longest = self._first(self._longest)
            at_the_end = longest is not None and self._effort <= TAIL * longest.chain * slots
            task = self._last(longest) if at_the_end else self._in_turn()
        if task is not None:
            self.remove(task.id)
        return task

    def renew(self, account: str) -> None:
        """The account has more slots in use, or fewer: its flows stand elsewhere."""
        for flow in self._flows_of.get(account, ()):
            self._place(flow)

    def _last(self, longest: Task | None) -> Task | None:
        """Of the last tasks of all the one with the longest chain, or one that is awaited."""
        awaited = self._first(self._awaited)
        if awaited is None or longest is None or awaited.standing.priority < longest.standing.priority:
            return longest
        return awaited

    def _waits(self, task: Task) -> bool:
        return self._waiting.get(task.id) is task

    def _first(self, heap: list[_Place]) -> Task | None:
        """The first of the heap that still waits; those before it are dropped."""
        while heap and not self._waits(heap[0][-1]):
            heapq.heappop(heap)
        return heap[0][-1] if heap else None

    def _trim(self, heap: list[_Place]) -> None:
        """Drop what is stale, where that is most of it."""
        if len(heap) > 2 * len(self._waiting) + _SLACK:
            heap[:] = [place for place in heap if self._waits(place[-1])]
            heapq.heapify(heap)

    def _in_turn(self) -> Task | None:
        while self._flows:
            key, flow = self._flows[0]
            if key != self._key(flow):  # another key of this flow is in the heap, or it has nothing left
                heapq.heappop(self._flows)
                continue
            entries = self._by_job[self._by_flow[flow].jobs[0][2]].entries
            while not self._waits(entries[0].task):
                heapq.heappop(entries)
            return entries[0].task
        return None

    # Flows

    def _join_flow(self, standing: Standing) -> None:
        """A job has something to do."""
        flow = standing.account, standing.fairness_key
        lines = self._by_flow.get(flow)
        if lines is None:
            lines = self._by_flow[flow] = _Lines()
            self._flows_of[standing.account].add(flow)
        lines.waiting += 1
        if len(lines.jobs) > 2 * lines.waiting + _SLACK:
            lines.jobs = [job for job in set(lines.jobs) if job[2] in self._by_job]
            heapq.heapify(lines.jobs)
        heapq.heappush(lines.jobs, (-standing.priority, standing.deadline, standing))
        self._place(flow)

    def _leave_flow(self, standing: Standing) -> None:
        """Nothing of a job waits any more."""
        flow = standing.account, standing.fairness_key
        lines = self._by_flow[flow]
        lines.waiting -= 1
        if lines.waiting:
            self._place(flow)
            return
        del self._by_flow[flow]
        self._flows_of[standing.account].discard(flow)
        if not self._flows_of[standing.account]:
            del self._flows_of[standing.account]

    def _place(self, flow: Flow) -> None:
        """The flow has another key, perhaps: the one that it had is passed over when its turn comes."""
        if len(self._flows) > 2 * len(self._by_flow) + _SLACK:
            self._flows = [(key, each) for each in self._by_flow if (key := self._key(each)) is not None]
            heapq.heapify(self._flows)
            return
        key = self._key(flow)
        if key is not None:
            heapq.heappush(self._flows, (key, flow))

    def _key(self, flow: Flow) -> _FlowKey | None:
        lines = self._by_flow.get(flow)
        if lines is None:
            return None
        while lines.jobs[0][2] not in self._by_job:
            heapq.heappop(lines.jobs)
        priority, deadline, standing = lines.jobs[0]
        return (
            priority,
            self._shares.by_account.get(flow[0], 0),
            deadline,
            self._shares.by_flow.get(flow, 0),
            standing.job,
        )
