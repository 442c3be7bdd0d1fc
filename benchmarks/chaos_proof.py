"""What the record of a schedule proves: judged without touching anything."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.chaos_plan import CLOCKS, HEAD, KINDS, Fault, Schedule

NOTICED_SECONDS = 15.0
"""From the loss of a worker until its work is begun again."""
WENT_ON_SECONDS = 60.0
"""From the restart of the head until work goes on."""
STEP_SECONDS = 3600.0
"""How far the farm's clock is set, ahead or back: much longer than a schedule takes."""


@dataclass(frozen=True)
class Order:
    """A line of a worker's log: an order for chunks was begun, done, or ended."""

    at: float
    """Seconds since the epoch."""
    task: str
    what: str
    """`order_begun`, `order_done` or `order_ended`."""
    failed: bool = False


@dataclass
class Done:
    """A fault that was done."""

    fault: Fault
    at: float
    """Seconds since the epoch."""
    pids: dict[int, str] = field(default_factory=dict)
    """Whom it hit, and their roles."""
    before: dict[str, int] = field(default_factory=dict)
    """How many there were of each of these roles."""
    committed: frozenset[str] = frozenset()
    """Tasks whose chunks were all committed by then."""
    damaged: frozenset[str] = frozenset()
    """Tasks whose file it has damaged."""
    undone_at: float | None = None
    restarted_at: float | None = None
    """When the head was started again."""
    back_at: float | None = None
    """When those it hit had successors, or went on."""
    skipped: str = ""
    """Why it was not done."""

    @property
    def counts(self) -> bool:
        """Whether it was done."""
        return not self.skipped

    @property
    def open(self) -> bool:
        """Whether those it hit are still awaited. An ffmpeg is not: they come and go."""
        return self.back_at is None and bool(set(self.before) - {"ffmpeg"})


@dataclass
class Record:
    """All that is known of one schedule."""

    schedule: Schedule
    state: str = ""
    """Of the job, in the end."""
    message: str = ""
    began: float = 0.0
    """When encoding began, in seconds since the epoch."""
    ended: float = 0.0
    seconds: float = 0.0
    """From submission to the end."""
    settled: float = 0.0
    """Seconds until the farm was whole again."""
    faults: list[Done] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    """Files whose bytes are not the reference's."""
    orphans: list[int] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """What else went wrong."""


def by_our_clock(shown: float, now: float) -> float:
    """When that was which the farm wrote down a moment ago, while its clock may have been some steps away from ours.

    All in seconds since the epoch.
    """
    return shown - round((shown - now) / STEP_SECONDS) * STEP_SECONDS


def begun_again(orders: Iterable[Order]) -> Counter[str]:
    """How often each task was begun after its first time."""
    counted = Counter(order.task for order in orders if order.what == "order_begun")
    return Counter({task: times - 1 for task, times in counted.items() if times > 1})


def under_way(orders: Iterable[Order], at: float, committed: Collection[str] = ()) -> set[str]:
    """Tasks that had been begun and had not ended by then."""
    ended = {order.task for order in orders if order.at <= at and order.what != "order_begun"}
    begun = {order.task for order in orders if order.at <= at and order.what == "order_begun"}
    return begun - ended - set(committed)


def noticed_after(record: Record, done: Done) -> float | None:
    """Seconds until work that the fault took away was begun again, or until its worker saw that an ffmpeg was gone,
    whose work then waits for its turn. None where none was lost, or it went on by itself."""
    roles = set(done.fault.roles)
    if not {"worker", "ffmpeg", *HEAD} & roles:
        return None
    lost = under_way(record.orders, done.at, done.committed)
    after = [order for order in record.orders if order.at > done.at and order.task in lost]
    if roles == {"ffmpeg"}:
        seen = [order.at for order in after if order.failed]
    else:
        seen = [order.at for order in after if order.what == "order_begun"]
    return min(seen) - done.at if seen else None


def went_on_after(record: Record, done: Done) -> float | None:
    """Seconds from the restart of the head until an order for chunks was begun or done; None: it was not lost, or
    there was nothing left to encode."""
    if done.restarted_at is None:
        return None
    moved = [order.at for order in record.orders if order.at > done.restarted_at]
    return min(moved) - done.restarted_at if moved else None


def judged(record: Record, slots: int, patience: float = 1.0) -> list[str]:
    """What is wrong with a schedule's record; empty: it is green. `patience`: so many times as long may it take."""
    wrong = list(record.troubles)
    if record.state != "completed":
        wrong.append(f"the job is {record.state or 'lost'}: {record.message}")
    wrong += [f"{name} is not the reference's" for name in record.different]
    wrong += [f"ffmpeg {pid} was left behind" for pid in record.orphans]
    wrong += [f"{name} was left in work/" for name in record.leftovers]
    faults = [done for done in record.faults if done.counts]
    again = begun_again(record.orders)
    allowed = sum(done.fault.may_lose(slots) for done in faults)
    if again.total() > allowed:
        wrong.append(f"{again.total()} encodes were begun again, of {allowed} that may have been lost")
    damaged = frozenset[str]().union(*(done.damaged for done in faults))
    for done in faults:
        since = {order.task for order in record.orders if order.what == "order_begun" and order.at > done.at}
        redone = (since & done.committed) - damaged
        wrong += [f"{task} was committed before {done.fault.kind}, and encoded again" for task in sorted(redone)]
        wrong += _too_late(record, done, patience)
    return wrong


def _too_late(record: Record, done: Done, patience: float) -> list[str]:
    went_on = went_on_after(record, done)
    if went_on is not None and went_on > WENT_ON_SECONDS * patience:
        return [f"work went on {went_on:.1f} s after the restart that followed {done.fault.kind}"]
    noticed = noticed_after(record, done)
    if noticed is None or noticed <= NOTICED_SECONDS * patience or not _by_itself(record, done):
        return []
    return [f"what {done.fault.kind} took away was begun again {noticed:.1f} s later"]


def _by_itself(record: Record, done: Done) -> bool:
    """Whether nothing but this fault may have kept the work from being begun again within the time for that."""
    if done.fault.loses_head or not set(done.fault.roles) <= {"worker", "ffmpeg", "stitcher"}:
        return False
    near = [o for o in record.faults if o.counts and o is not done and abs(o.at - done.at) < 2 * NOTICED_SECONDS]
    return not near


# What is told at the end


@dataclass(frozen=True)
class Line:
    """All schedules in which a kind of fault was done."""

    kind: str
    schedules: int
    equal: int
    noticed: tuple[float, ...]
    again: int
    went_on: tuple[float, ...]
    back: tuple[float, ...]


def lines(records: Sequence[Record]) -> list[Line]:
    """One for each kind, in the order of the kinds. Encodes again are those of schedules with that kind alone."""
    found = []
    for kind in (*KINDS, *CLOCKS):
        those = [(r, d) for r in records for d in r.faults if d.counts and d.fault.kind == kind]
        if those:
            alone = [r for r, _ in those if sum(d.counts for d in r.faults) == 1]
            found.append(
                Line(
                    kind=kind,
                    schedules=len(those),
                    equal=sum(r.state == "completed" and not r.different for r, _ in those),
                    noticed=_known(noticed_after(r, d) for r, d in those),
                    again=sum(begun_again(r.orders).total() for r in alone),
                    went_on=_known(went_on_after(r, d) for r, d in those),
                    back=_known(None if d.back_at is None else d.back_at - d.at for _, d in those),
                )
            )
    return found


def _known(values: Iterable[float | None]) -> tuple[float, ...]:
    return tuple(value for value in values if value is not None)


def spread(values: Sequence[float]) -> str:
    """Median and most; empty where there is nothing."""
    return f"{statistics.median(values):.1f}, {max(values):.1f}" if values else ""
