"""When nothing waits and slots idle: which running tasks get a copy, and where. The first that is done counts.

A copy costs only what would idle otherwise, but it warms the machine and reads the source, so it has to promise
something: the task has run for longer than the like of it takes, and what is left of it would take longer than all of
it elsewhere. Elsewhere is another machine: on its own one a copy would be as slow. Only a task that stands still may
be tried anew beside itself, for it may be the process that hangs.

The likes of a task are those of the whole farm, not those of its worker: a slow machine's tasks are no slower than is
usual there, and yet they are what everybody waits for at the end.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from pydantic import Field

from framemill.jobs.settings import Value


class SpeculationRules(Value):
    """What makes a task a straggler."""

    slower_than: float = Field(default=1.5, ge=1)
    """Times the usual duration."""
    least_seconds: float = Field(default=5.0, ge=0)
    """Below that, a copy would hardly have begun."""
    still_seconds: float = Field(default=30.0, gt=0)
    """Without progress for that long, a task stands still."""


class InFlight(NamedTuple):
    """A task under way; times in seconds of any clock that `now` is of."""

    token: str
    worker: str
    machine: str
    started_at: float
    effort: float
    """What it takes, in units that are alike over all tasks."""
    share: float | None = None
    """Of it done, 0 to 1; none: it does not say."""
    moved_at: float | None = None
    """When its share last grew; none: it does not say, or it has not begun to."""
    copies: int = 1
    """How many run of the task, this one included."""
    kind: str = ""
    """Only a worker of the same kind brings the same bytes."""
    avoid: frozenset[str] = frozenset()
    """Machines where it failed."""


class Idle(NamedTuple):
    """A worker with free slots."""

    worker: str
    machine: str
    slots: int
    kind: str = ""


def copies_for(
    running: Iterable[InFlight],
    idle: Iterable[Idle],
    rates: Mapping[str, float],
    now: float,
    rules: SpeculationRules = SpeculationRules(),  # noqa: B008 (frozen)
) -> list[tuple[str, str]]:
    """Tokens of tasks that get a copy, each with the worker that it goes to; the slowest task first.

    `rates`: seconds that a unit of effort takes, by worker, from the tasks that it has finished.
    """
    usual = median(rates.values()) if rates else None
    slowest = sorted(
        ((_left(task, now, rules), task) for task in running if _straggles(task, usual, now, rules)),
        key=lambda pair: (-pair[0], pair[1].token),
    )
    # A worker that has finished nothing yet counts as usual.
    quickest = sorted((rates.get(place.worker, usual or 0.0), place.worker, place) for place in idle if place.slots > 0)
    free = {place.worker: place.slots for _, _, place in quickest}
    chosen: list[tuple[str, str]] = []
    for left, task in slowest:
        place = _best(task, left, quickest)
        if place is None:
            continue
        chosen.append((task.token, place.worker))
        free[place.worker] -= 1
        if not free[place.worker]:
            quickest = [offer for offer in quickest if offer[2] is not place]
            if not quickest:
                break
    return chosen


def _best(task: InFlight, left: float, quickest: Sequence[tuple[float, str, Idle]]) -> Idle | None:
    """The quickest place that would be done with all of the task before what is left of it is done."""
    beside = None
    for rate, _, place in quickest:
        if rate * task.effort >= left:
            break
        if place.kind != task.kind or place.machine in task.avoid:
            continue
        if place.machine != task.machine:
            return place
        if math.isinf(left):
            beside = beside or place
    return beside


def _straggles(task: InFlight, usual: float | None, now: float, rules: SpeculationRules) -> bool:
    if task.copies != 1:
        return False
    if usual is None:  # nothing has been finished yet: nobody knows what is slow, but standing still is standing still
        return _stands_still(task, now, rules)
    return now - task.started_at > max(rules.slower_than * usual * task.effort, rules.least_seconds)


def _stands_still(task: InFlight, now: float, rules: SpeculationRules) -> bool:
    return task.moved_at is not None and now - task.moved_at > rules.still_seconds


_FOR_EVER = 1e12  # seconds


def _left(task: InFlight, now: float, rules: SpeculationRules) -> float:
    """Seconds until the task is done at this pace; infinite for one that stands still."""
    if _stands_still(task, now, rules):
        return math.inf
    lasted = now - task.started_at
    if not task.share:
        return lasted  # what has lasted long, and says nothing, may well last as long again
    return min(lasted * (1 - task.share) / task.share, _FOR_EVER)  # slow is not still, however slow
