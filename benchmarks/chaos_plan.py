"""Which faults a schedule has: drawn from its seed, and the same whenever it is drawn."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

HEAD = frozenset({"raylet", "gcs_server", "head"})
"""Roles whose loss is that of Ray's head, and so of everything that runs on it."""
DOOR = frozenset({"replica", "proxy"})
ROLES = ("worker", "ffmpeg", "coordinator", "stitcher", "replica", "proxy", "raylet", "gcs_server", "head")
_SEVERAL = (
    "worker+coordinator",
    "worker+stitcher",
    "coordinator+replica",
    "ffmpeg+coordinator",
    "worker+ffmpeg+coordinator+stitcher",
    "replica+proxy",
    "worker+raylet",
    "coordinator+gcs_server",
)
CHUNKS = ("chunk:cut", "chunk:flip", "chunk:gone", "chunk:twice")
CLOCKS = ("clock:ahead", "clock:back")
KINDS = (
    *(f"{how}:{role}" for role in ROLES for how in ("kill", "stop", "late")),
    *(f"kill:{roles}" for roles in _SEVERAL),
    *CHUNKS,
    "disk:full",
    "farm:pause",
    "farm:usurp",
)
"""All but the clock's, which take a library that the farm's processes see another clock by.

`kill` is SIGKILL, `stop` is SIGSTOP, `late` is SIGSTOP and SIGCONT some seconds later.
"""


@dataclass(frozen=True)
class Fault:
    """Something that is done to the farm."""

    kind: str
    at: float
    """Seconds after encoding began."""
    lasts: float = 0.0
    """Seconds until it is undone, where it is."""
    which: float = 0.0
    """Which of several it hits, 0 to 1."""

    @property
    def roles(self) -> tuple[str, ...]:
        """Whose processes it hits."""
        how, _, what = self.kind.partition(":")
        return tuple(what.split("+")) if how in {"kill", "stop", "late"} else ()

    @property
    def loses_head(self) -> bool:
        """Whether everything has to be started again."""
        return bool(HEAD & set(self.roles))

    def may_lose(self, slots: int) -> int:
        """Chunks under way that may have to be encoded again for it."""
        roles = set(self.roles)
        if roles & (HEAD | {"worker", "coordinator"}) or self.kind in {"disk:full", "farm:usurp"}:
            return slots
        return 1 if "ffmpeg" in roles or self.kind in CHUNKS[:3] else 0


@dataclass(frozen=True)
class Schedule:
    """What is done to one job."""

    number: int
    package: bool
    """Whether the job also makes a package."""
    faults: tuple[Fault, ...]


def chosen(patterns: Iterable[str], clock: bool = False) -> list[str]:
    """The kinds of faults that these patterns name; none: all. Raises `ValueError` for a pattern that names none."""
    known = [*KINDS, *(CLOCKS if clock else ())]
    wanted = list(patterns)
    for pattern in wanted:
        if not any(fnmatch(kind, pattern) for kind in known):
            raise ValueError(f"There is no fault {pattern!r}; there are {', '.join(known)}.")
    return [kind for kind in known if not wanted or any(fnmatch(kind, pattern) for pattern in wanted)]


def draw(seed: str, number: int, kinds: Sequence[str], seconds: float) -> Schedule:
    """A schedule, the same whenever it is drawn. `seconds`: how long encoding takes without faults.

    The first fault goes through all kinds in turn, so that as many schedules as there are kinds know each.
    """
    turns = list(kinds)
    random.Random(seed).shuffle(turns)  # noqa: S311 - no secret
    rng = random.Random(f"{seed}/{number}")  # noqa: S311
    first = turns[number % len(turns)]
    more = [rng.choice(turns) for _ in range(rng.choice((0, 0, 1, 1, 2)))]
    faults = [_fault(rng, kind, seconds) for kind in (first, *more)]
    # One disk, one operator, one clock: what lasts is done once.
    once = {fault.kind: fault for fault in faults}
    package = rng.random() < 0.35
    return Schedule(number, package, tuple(sorted(once.values(), key=lambda fault: fault.at)))


def _fault(rng: random.Random, kind: str, seconds: float) -> Fault:
    lasts = {"late": rng.uniform(3, 20), "disk": rng.uniform(4, 12), "farm": rng.uniform(1, 5), "clock": 8.0}
    return Fault(
        kind=kind,
        at=round(rng.uniform(0.3, 0.85 * seconds), 2),
        lasts=round(lasts.get(kind.partition(":")[0], 0.0), 2),
        which=rng.randrange(10_000) / 10_000,
    )
