"""What `policy.dispatch` asks for, and what it is told of the work."""

from typing import Any, NamedTuple, TypeAlias

from framemill.jobs.model import Failure
from framemill.policy.fleet import Report
from framemill.policy.tasks import Task


class Send(NamedTuple):
    """Have the worker carry it out, or join what it carries out already; then `ended`."""

    token: str
    task: Task
    worker: str


class Stop(NamedTuple):
    """Nobody waits for it any more."""

    worker: str
    task: str


class Release(NamedTuple):
    """What went under that token is given up, since its worker is: its lease ends. It is given out again."""

    token: str
    tasks: tuple[Task, ...]
    """The task as each job that wants it has asked for it."""
    failure: Failure


class Settle(NamedTuple):
    """A task has come to its end: tell those who wait for it."""

    tasks: tuple[Task, ...]
    """The task as each of them has asked for it."""
    ended: "Ended"
    quarantined: bool = False


class Renew(NamedTuple):
    """End that worker's process, so that another one starts."""

    report: Report


Instruction: TypeAlias = Send | Stop | Release | Settle | Renew


class Done(NamedTuple):
    """It was carried out."""

    result: Any = None


class Failed(NamedTuple):
    """It was not. `failure` none: it would fail so everywhere, and is not tried again."""

    result: Any
    failure: Failure | None = None


class Unknown(NamedTuple):
    """Whoever carried it out is gone, and nobody knows how far it came."""

    failure: Failure
    result: Any


Ended: TypeAlias = Done | Failed | Unknown


class Work(NamedTuple):
    """Tasks of one job."""

    running: int
    ready: int
    """Those that only wait for a slot."""
    delayed: int
    """Those that failed and are tried again later."""
    delayed_seconds: float
    """Until the first of them is."""
    alone: bool
    """One that is ready has to run with nothing beside it."""
    needs: str
    """An encoder that one that is ready takes, and not every machine has."""
