"""Jobs with their inputs and outputs."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, insert, or_, select, update

from framemill.errors import StaleWrite
from framemill.jobs.model import Event, Input, Job, Output
from framemill.jobs.states import JobState
from framemill.jobs.usage import Usage
from framemill.store.epochs import require_epoch
from framemill.store.events import add_event
from framemill.store.rows import V, from_row, to_row, upsert
from framemill.store.schema import inputs, jobs, outputs


def add_job(conn: Connection, job: Job, its_inputs: Iterable[Input], its_outputs: Iterable[Output]) -> Event:
    """Write a new job with its parts, and its first event, `created`."""
    conn.execute(insert(jobs).values(to_row(job, jobs)))
    upsert(conn, inputs, its_inputs)
    upsert(conn, outputs, its_outputs)
    return add_event(conn, job.id, "created", {"state": job.state.value, "attempt": job.attempt}, job.created_at)


def load_job(conn: Connection, job_id: str) -> tuple[Job, list[Input], list[Output]] | None:
    """A job with its inputs and outputs in their order; none when there is no such job."""
    row = conn.execute(select(jobs).where(jobs.c.id == job_id)).mappings().first()
    if row is None:
        return None
    return from_row(Job, row), _parts(conn, Input, inputs, job_id), _parts(conn, Output, outputs, job_id)


def save_job(
    conn: Connection,
    job: Job,
    expected_version: int,
    event_kind: str,
    data: Mapping[str, Any],
    *,
    now: datetime,
    epoch: int | None = None,
) -> Event:
    """Write a job over its expected version, and the event and the notice of what happened with it.

    Raises `StaleWrite`, and has written nothing, when the job has another version by now or the epoch is over
    (none: the writer is no coordinator).
    """
    if epoch is not None:
        require_epoch(conn, epoch)
    guarded = update(jobs).where(jobs.c.id == job.id, jobs.c.version == expected_version, jobs.c.version < job.version)
    if conn.execute(guarded.values(to_row(job, jobs))).rowcount != 1:
        raise StaleWrite(f"Job {job.id} is not at version {expected_version} any more: read it again.")
    return add_event(conn, job.id, event_kind, data, now)


def add_usage(conn: Connection, job_id: str, stage: str, usage: Usage, epoch: int) -> None:
    """Count what processes used for a stage of a job. No version grows and nobody is told: it changes no decision.

    Raises `StaleWrite` when the epoch is over.
    """
    require_epoch(conn, epoch)
    mine = jobs.c.id == job_id
    known = conn.execute(select(jobs.c.usage).where(mine).with_for_update()).scalar_one()
    sum_ = Usage.model_validate(known.get(stage, {})) + usage
    conn.execute(update(jobs).where(mine).values(usage={**known, stage: sum_.model_dump()}))


def list_jobs(
    conn: Connection,
    account: str | None = None,
    states: Collection[JobState] | None = None,
    before: str | None = None,
    limit: int = 100,
) -> list[Job]:
    """Jobs, newest first: of an account (none: all), in those states (none: any), made before the job of that id."""
    query = select(jobs).order_by(jobs.c.id.desc()).limit(limit)
    if account is not None:
        query = query.where(jobs.c.account == account)
    if states is not None:
        query = query.where(jobs.c.state.in_(sorted(states)))
    if before is not None:
        query = query.where(jobs.c.id < before)
    return [from_row(Job, row) for row in conn.execute(query).mappings()]


def save_input(conn: Connection, its_input: Input) -> None:
    """Write an input, new or changed."""
    upsert(conn, inputs, [its_input])


def save_output(conn: Connection, output: Output) -> None:
    """Write an output, new or changed; its downloads are counted by `count_download` alone."""
    upsert(conn, outputs, [output], keep=("download_count",))


def count_download(conn: Connection, output_id: str) -> bool:
    """Count one download; False, and nothing counted, when the output's limit is reached or there is none such."""
    allowed = or_(outputs.c.download_limit.is_(None), outputs.c.download_count < outputs.c.download_limit)
    counted = update(outputs).where(outputs.c.id == output_id, allowed)
    return conn.execute(counted.values(download_count=outputs.c.download_count + 1)).rowcount == 1


def _parts(conn: Connection, kind: type[V], table: Table, job_id: str) -> list[V]:
    query = select(table).where(table.c.job_id == job_id).order_by(table.c.position, table.c.id)
    return [from_row(kind, row) for row in conn.execute(query).mappings()]
