"""Which jobs wait and which are worked on, over all accounts: the coordinator's view, without the jobs' JSON.

None of these looks at a job that has ended, however many there are.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select

from framemill.jobs.states import ACTIVE_JOB, InputState, JobState
from framemill.policy.callbacks import PREPARED, prepared
from framemill.store.rows import PER_QUERY
from framemill.store.schema import events, inputs, jobs

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
    door: str


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
    door: str


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


def unread(conn: Connection, ids: Collection[str]) -> set[str]:
    """Those of these jobs that have an input that is not ready."""
    wanted = list(ids)
    slices = [wanted[start : start + PER_QUERY] for start in range(0, len(wanted), PER_QUERY)]
    query = select(inputs.c.job_id).distinct().where(inputs.c.state != InputState.READY)
    return {job_id for some in slices for job_id in conn.execute(query.where(inputs.c.job_id.in_(some))).scalars()}


def untold_prepared(conn: Connection, ids: Collection[str]) -> set[str]:
    """Those of these held jobs whose inputs are all here, and nobody was told so: whoever wanted to say it has died, or
    the last one that was not here was removed. One without inputs is none of them."""
    wanted = sorted(set(ids) - unread(conn, ids))
    found: set[str] = set()
    for start in range(0, len(wanted), PER_QUERY):
        some = wanted[start : start + PER_QUERY]
        rows = conn.execute(select(jobs.c.id, jobs.c.attempt).where(jobs.c.id.in_(some)))
        attempts = {row.id: row.attempt for row in rows}
        of_job: dict[str, list[str]] = {}
        for job_id, input_id in conn.execute(select(inputs.c.job_id, inputs.c.id).where(inputs.c.job_id.in_(some))):
            of_job.setdefault(job_id, []).append(input_id)
        told = select(events.c.job_id, events.c.data).where(events.c.job_id.in_(some), events.c.kind == PREPARED)
        said: dict[str, list[object]] = {}
        for job_id, data in conn.execute(told):
            said.setdefault(job_id, []).append(data)
        found |= {
            job_id for job_id, own in of_job.items() if prepared(attempts[job_id], own) not in said.get(job_id, [])
        }
    return found


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
