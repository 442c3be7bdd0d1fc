"""What any front door may ask of the farm as a whole. Truth is in the store, so this works without a coordinator."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from framemill.jobs.model import Waiting
from framemill.services.jobs import Nudge
from framemill.services.waiting import farm_now, farm_waiting
from framemill.store import doors
from framemill.store.database import Database
from framemill.store.farm import set_paused
from framemill.store.listing import count_ended


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


def pause(database: Database, nudge: Nudge, *, paused: bool) -> None:
    """Pause the farm, or let it go on; harmless when it is so already."""
    with database.writing() as conn:
        set_paused(conn, paused)
    nudge(())
