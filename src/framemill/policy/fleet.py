"""The workers as they last reported themselves."""

from dataclasses import dataclass, field
from typing import NamedTuple

from framemill.policy.tasks import ENCODE, Lane

LOST_SECONDS = 8.0
"""Silence after which a worker's leases end. It reports every two seconds: a busy machine may miss two."""


class Running(NamedTuple):
    """An order that a worker carries out."""

    task: str
    share: float | None = None
    """Of it done, 0 to 1; none: it does not say."""
    since: float = 0.0
    """Seconds that it has been running."""
    size: int = 0
    """Bytes that it moves in all, where nobody knew that beforehand."""


class Report(NamedTuple):
    """What a worker says of itself, every two seconds."""

    worker: str
    """Its name in the farm: that of its actor."""
    incarnation: str
    """New with every start of its process."""
    machine: str
    slots: int
    memory: int = 0
    """Bytes of its machine; 0: it does not say."""
    lane: Lane = ENCODE
    encoders: frozenset[str] = frozenset()
    """Those that not every machine has."""
    running: tuple[Running, ...] = ()
    pid: int = 0
    started: float = 0.0
    """When its process started, in seconds since the epoch: a pid alone may be somebody else's by now."""
    canary: str = ""
    """SHA-256 of a small encode that must be the same everywhere; empty: not encoded yet."""
    build: str = ""
    """The ffmpeg build and architecture that it encodes with."""


@dataclass(slots=True)
class Member:
    """A worker of the fleet, and what it was given."""

    report: Report
    heard: float
    """When it last reported."""
    tokens: dict[str, float] = field(default_factory=dict)
    """What it was given, and when."""
    unseen: set[str] = field(default_factory=set)
    """Tokens that its last report did not list."""
    alone: bool = False
    """It carries out something beside which nothing else may run."""
    barred: bool = False
    """Its machine is quarantined: it gets nothing more."""
    mute: bool = False
    """Somebody could not reach it: it gets nothing more until it reports again."""
    strays: dict[str, bool] = field(default_factory=dict)
    """What else it carries out, that nobody here has given it, and whether that takes a slot."""

    @property
    def busy(self) -> int:
        """Slots that are taken."""
        return len(self.tokens) + (sum(self.strays.values()) if self.strays else 0)

    @property
    def free(self) -> int:
        """Slots that can be given work."""
        return 0 if self.alone or self.barred or self.mute else self.report.slots - self.busy

    @property
    def machine(self) -> str:
        """The computer it runs on."""
        return self.report.machine

    def lost(self, now: float) -> bool:
        """Whether it has been silent for too long."""
        return now - self.heard > LOST_SECONDS
