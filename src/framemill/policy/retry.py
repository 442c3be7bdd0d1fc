"""What is done after a task failed: again, and where; aside with it; no more; or wait until the farm is well.

* Something passed by (a child died, hung, ran out of time): again, elsewhere if there is an elsewhere, after a pause
  that doubles. Nobody can tell the fifth time from the first, so then it is given up.
* The worker was lost: that says nothing of the task, so it counts as no try, and there is nothing to wait for. But a
  task that was under way on several lost workers may be what kills them: it runs alone, so that it drags nothing down
  with it, and then is put aside.
* Out of memory: again with nothing beside it, then on a bigger machine, then no more.
* It failed: the same words on two machines, or twice on one, are no accident, and it is put aside.
* The disk is full, or the store away: it is not the task's fault, whatever the task said.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from pydantic import Field

from framemill.jobs.model import Failure
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import Value
from framemill.policy.waiting import Code


class RetryRules(Value):
    """How often, and after how long."""

    most_tries: int = Field(default=5, ge=1)
    """Failures of a task, lost workers apart."""
    first_pause_seconds: float = Field(default=1.0, ge=0)
    longest_pause_seconds: float = Field(default=60.0, ge=0)
    lost_then_alone: int = Field(default=3, ge=1)
    """Lost workers after which a task runs alone."""
    lost_then_aside: int = Field(default=5, ge=1)
    """Lost workers after which a task is quarantined."""


@dataclass(frozen=True)
class Again:
    """Once more."""

    after_seconds: float
    avoid: frozenset[str] = frozenset()
    """Machines that shall not have it while another one could."""
    alone: bool = False
    """With nothing beside it on its machine."""


@dataclass(frozen=True)
class Quarantine:
    """It fails alike wherever it runs."""


@dataclass(frozen=True)
class GiveUp:
    """No further try would help."""

    reason: Reason


@dataclass(frozen=True)
class Hold:
    """The farm begins nothing while this lasts; the task waits, and this was no try."""

    code: Code
    """What the job is told to wait for."""


Decision: TypeAlias = Again | Quarantine | GiveUp | Hold


class Kind(StrEnum):
    """What a failure tells of the task, the machine or the farm."""

    PASSING = "passing"  # something passed by
    LOST = "lost"  # the worker is gone, and nobody knows why
    MEMORY = "memory"  # it takes more room than it had
    REPEATABLE = "repeatable"  # it would fail so again, if it is the input
    MACHINE = "machine"  # that machine cannot do it; another one may
    FARM = "farm"  # nothing can be done at the moment
    FINAL = "final"  # it would fail so everywhere


KINDS: Mapping[Reason, Kind] = {
    Reason.SOURCE_MISSING: Kind.FINAL,
    Reason.SOURCE_REFUSED: Kind.FINAL,
    Reason.SOURCE_UNREACHABLE: Kind.PASSING,
    Reason.UNREADABLE_SOURCE: Kind.FINAL,
    Reason.SOURCE_DAMAGED: Kind.FINAL,
    Reason.SOURCE_ENCRYPTED: Kind.FINAL,
    Reason.SOURCE_TOO_LARGE: Kind.FINAL,
    # One build decodes alike everywhere; hardware encoders are not everywhere.
    Reason.NO_DECODER: Kind.FINAL,
    Reason.WRONG_SETTINGS: Kind.FINAL,
    Reason.NO_ENCODER: Kind.MACHINE,
    Reason.FFMPEG_FAILED: Kind.REPEATABLE,
    Reason.CHILD_FAILED: Kind.PASSING,
    Reason.STALLED: Kind.PASSING,
    Reason.QUARANTINED: Kind.FINAL,
    # No failure of the task: its plan was wrong, and whoever drives the job makes another one.
    Reason.CHUNK_MISMATCH: Kind.FINAL,
    Reason.VERIFICATION_FAILED: Kind.REPEATABLE,
    Reason.OUT_OF_MEMORY: Kind.MEMORY,
    Reason.DISK_FULL: Kind.FARM,
    Reason.TARGET_REFUSED: Kind.FINAL,
    Reason.TARGET_UNREACHABLE: Kind.PASSING,
    Reason.TARGET_FULL: Kind.PASSING,
    Reason.WORKER_LOST: Kind.LOST,
    Reason.TIMED_OUT: Kind.PASSING,
    Reason.SPEND_CAP_REACHED: Kind.FINAL,
    Reason.BALANCE_TOO_LOW: Kind.FINAL,
    Reason.QUOTA_EXCEEDED: Kind.FINAL,
    Reason.NEVER_STARTED: Kind.FINAL,
    Reason.CANCELLED_BY_CLIENT: Kind.FINAL,
    Reason.INTERNAL: Kind.REPEATABLE,
}

_NO_TRY = frozenset({Kind.LOST, Kind.FARM})


def decide(
    failures: Sequence[Failure],
    machines: Mapping[str, int],
    rules: RetryRules = RetryRules(),  # noqa: B008 (frozen)
    *,
    trouble: Code | None = None,
) -> Decision:
    """What is done now that the last of these failures of one task has happened.

    `machines`: those that could have it, with their bytes of memory (0: not known). `trouble`: what is wrong with
    the farm at the moment: it is to blame then, whatever the task says.
    """
    newest = failures[-1]
    kind = KINDS[newest.reason]
    if trouble is not None or kind is Kind.FARM:
        return Hold(trouble or Code.DISK)
    if kind is Kind.FINAL:
        return GiveUp(newest.reason)
    lost = sum(KINDS[failure.reason] is Kind.LOST for failure in failures)
    tries = sum(KINDS[failure.reason] not in _NO_TRY for failure in failures)
    if lost >= rules.lost_then_aside or (kind is Kind.REPEATABLE and _seen_before(failures)):
        return Quarantine()
    if tries >= rules.most_tries:
        return GiveUp(newest.reason)
    short = [failure.machine for failure in failures if KINDS[failure.reason] is Kind.MEMORY]
    unfit = _unfit(failures) | _too_small(short[1:], machines)
    if kind in {Kind.MEMORY, Kind.MACHINE} and unfit and not machines.keys() - unfit:
        return GiveUp(newest.reason)
    pause = 0.0 if kind in {Kind.LOST, Kind.MACHINE} else _pause(tries, rules)
    alone = bool(short) or lost >= rules.lost_then_alone
    return Again(pause, unfit | _elsewhere(failures, machines.keys() - unfit), alone)


def _pause(tries: int, rules: RetryRules) -> float:
    doubled: float = rules.first_pause_seconds * 2.0 ** min(tries - 1, 64)
    return min(rules.longest_pause_seconds, doubled)


def _seen_before(failures: Sequence[Failure]) -> bool:
    *earlier, newest = failures
    return any((failure.reason, failure.digest) == (newest.reason, newest.digest) for failure in earlier)


def _unfit(failures: Sequence[Failure]) -> frozenset[str]:
    return frozenset(failure.machine for failure in failures if KINDS[failure.reason] is Kind.MACHINE)


def _too_small(short: Sequence[str], machines: Mapping[str, int]) -> frozenset[str]:
    """Machines that are no bigger than those where it ran out of memory, alone."""
    if not short:
        return frozenset()
    needed = max(machines.get(name, 0) for name in short)
    return frozenset(short) | {name for name, memory in machines.items() if 0 < memory <= needed}


def _elsewhere(failures: Sequence[Failure], machines: frozenset[str] | set[str]) -> frozenset[str]:
    """Machines to avoid since it failed there; when it failed everywhere, only the last one."""
    at_fault = Counter[str]()
    for failure in failures:
        # One lost worker makes no bad machine: what comes back there is a new one. And memory is a matter of size.
        kind = KINDS[failure.reason]
        at_fault[failure.machine] += 1 if kind is Kind.LOST else 2 * (kind in {Kind.PASSING, Kind.REPEATABLE})
    failed = frozenset(name for name, faults in at_fault.items() if faults > 1)
    if machines - failed:
        return failed
    last = failures[-1].machine
    return failed & {last} if machines - {last} else frozenset()


def digest(message: str) -> str:
    """Names what a failure said; numbers, addresses, paths and case are left out, as they differ from run to run."""
    plain = message[:_MOST_WORDS].lower()
    for pattern, word in _VARIABLE:
        plain = pattern.sub(word, plain)
    return hashlib.sha256(" ".join(plain.split()).encode()).hexdigest()[:16]


_MOST_WORDS = 4000  # characters: whoever wrote the file may have a say in the message, too
_VARIABLE = (
    # In quotes a path may hold spaces.
    (re.compile(r"(['\"])[^'\"\n]*/[^'\"\n]*\1"), "<path>"),
    (re.compile(r"(?:[a-z]:|file:)?[^\s'\":;,=()\[\]<>]*/[^\s'\":;,=()\[\]<>]+"), "<path>"),
    (re.compile(r"\b0x[0-9a-f]+\b"), "<n>"),
    # A content hash, an id, an address without its 0x.
    (re.compile(r"\b(?=[a-f-]*\d)[0-9a-f]{8,}(?:-[0-9a-f]{4,}){0,4}\b"), "<n>"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "<n>"),
)
