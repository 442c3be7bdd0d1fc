"""What any front door may ask of the farm as a whole. Truth is in the store, so this works without a coordinator."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from framemill.jobs.model import Waiting
from framemill.jobs.states import ACTIVE_JOB, JobState
from framemill.services.jobs import Nudge
from framemill.services.waiting import farm_now, farm_waiting
from framemill.store import doors
from framemill.store.database import Database
from framemill.store.farm import set_paused
from framemill.store.listing import JobFilter, count_ended, find_jobs


@dataclass(frozen=True, slots=True)
class Standing:
    """How the farm stands, as the store knows it."""

    paused: bool
    """The operator's wish: what runs goes on, nothing more is started."""
    waiting: Waiting | None
    """Why no further job begins; none: the next one may."""
    condition: Mapping[str, Any]
    """What the coordinator last said of the farm; empty where none has said anything."""
    jobs: Mapping[str, int]
    """How many jobs are in each state that is no end."""


def standing(database: Database, now: datetime) -> Standing:
    """How the farm stands."""
    with database.reading() as conn:
        farm, jobs = farm_now(conn, now), doors.count_active(conn)
    return Standing(farm.paused, farm_waiting(farm), farm.condition, jobs)


@dataclass(frozen=True, slots=True)
class Counted:
    """How many jobs there are, and were."""

    at: datetime
    paused: bool
    jobs: Mapping[str, int]
    """In each state that is no end."""
    last_hour: Mapping[str, int]
    """Of those that were made in the last hour, in each state that is one."""
    last_day: Mapping[str, int]


def counted(database: Database, account: str | None, now: datetime) -> Counted:
    """How many jobs an account (none: all) has, and had in the last day: a question that grows with a day's jobs."""
    with database.reading() as conn:
        paused, _ = doors.farm_told(conn)
        return Counted(
            now,
            paused,
            doors.count_active(conn, account),
            count_ended(conn, account, now - timedelta(hours=1)),
            count_ended(conn, account, now - timedelta(days=1)),
        )


class Backlog(NamedTuple):
    """Jobs that nobody works on at the moment, though they could be."""

    jobs: int
    oldest_seconds: float
    """How long the one that has waited longest has been in its state; 0 where there is none."""


def backlog(database: Database, worked_on: Collection[str], now: datetime) -> Backlog:
    """What waits; `worked_on`: the jobs of which something is carried out."""
    with database.reading() as conn:
        counts = doors.count_active(conn)
        wanted = JobFilter(states=_COULD_BE_WORKED_ON, oldest_first=True)
        oldest = find_jobs(conn, wanted, limit=len(worked_on) + 1).jobs
    waiting = sum(counts.get(state, 0) for state in _COULD_BE_WORKED_ON) - len(worked_on)
    since = min((job.entered_at for job in oldest if job.id not in worked_on), default=now)
    return Backlog(max(0, waiting), max(0.0, (now - since).total_seconds()))


_COULD_BE_WORKED_ON = ACTIVE_JOB - {JobState.HELD, JobState.CANCELLING}


def pause(database: Database, nudge: Nudge, *, paused: bool) -> None:
    """Pause the farm, or let it go on; harmless when it is so already."""
    with database.writing() as conn:
        set_paused(conn, paused)
    nudge(())
