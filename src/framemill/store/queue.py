"""Which jobs wait and which are worked on, over all accounts: the coordinator's view, without the jobs' JSON.

None of these looks at a job that has ended, however many there are.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select

from framemill.jobs.states import ACTIVE_JOB, JobState
from framemill.store.rows import PER_QUERY
from framemill.store.schema import events, jobs

WAITING_JOB = frozenset({JobState.HELD, JobState.QUEUED})
WORKING_JOB = ACTIVE_JOB - WAITING_JOB


class QueuedJob(NamedTuple):
    """What admission needs to know of a job that waits."""

    id: str
    account: str
    fairness_key: str
    priority: int
    deadline: datetime | None
    created_at: datetime
    state: JobState


class WorkingJob(NamedTuple):
    """What is to be known of a job that is worked on."""

    id: str
    account: str
    fairness_key: str
    priority: int
    deadline: datetime | None
    created_at: datetime
    state: JobState
    attempt: int
    started_at: datetime | None


def queued(
    conn: Connection, after: str | None = None, states: Collection[JobState] = (JobState.QUEUED,)
) -> list[QueuedJob]:
    """Jobs in those states, oldest first; of those with a greater id than `after` (none: all)."""
    query = select(*(jobs.c[name] for name in QueuedJob._fields)).where(jobs.c.state.in_(sorted(states)))
    if after is not None:
        query = query.where(jobs.c.id > after)
    # The index has them state by state; within each they are in order, so this has little to do.
    return sorted((QueuedJob(*row)._replace(state=JobState(row.state)) for row in conn.execute(query)), key=_by_id)


def working(conn: Connection) -> list[WorkingJob]:
    """Jobs that were admitted and have not ended, oldest first."""
    return sorted(_found(conn, jobs.c.state.in_(sorted(WORKING_JOB))), key=_by_id)


def those(conn: Connection, ids: Collection[str]) -> list[WorkingJob]:
    """The jobs of these ids that there are, whatever their states, oldest first."""
    wanted = list(ids)
    slices = [wanted[start : start + PER_QUERY] for start in range(0, len(wanted), PER_QUERY)]
    return sorted((job for some in slices for job in _found(conn, jobs.c.id.in_(some))), key=_by_id)


def newest_seq(conn: Connection) -> int:
    """The number of the newest event; 0 when there is none. Read it before the jobs, then `changed_since` from it."""
    newest: int = conn.execute(select(func.coalesce(func.max(events.c.seq), 0))).scalar_one()
    return newest


def changed_since(conn: Connection, seq: int) -> tuple[int, list[str]]:
    """The jobs with an event after that number, each once, first changed first; and where to go on."""
    newer = select(events.c.seq, events.c.job_id).where(events.c.seq > seq).order_by(events.c.seq)
    rows = conn.execute(newer).all()
    return rows[-1].seq if rows else seq, list(dict.fromkeys(row.job_id for row in rows))


def _found(conn: Connection, which: ColumnElement[bool]) -> Iterator[WorkingJob]:
    query = select(*(jobs.c[name] for name in WorkingJob._fields)).where(which)
    return (WorkingJob(*row)._replace(state=JobState(row.state)) for row in conn.execute(query))


_by_id = attrgetter("id")
