"""Jobs with their inputs and outputs."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, case, insert, or_, select, text, update

from framemill.errors import StaleWrite
from framemill.jobs.model import Event, Input, Job, Output, Waiting
from framemill.jobs.states import ENDED_JOB, JobState
from framemill.jobs.usage import Usage
from framemill.store.endings import settle_end
from framemill.store.epochs import in_epoch, require_epoch
from framemill.store.events import add_event
from framemill.store.prepared import Prepared
from framemill.store.rows import from_row, to_row, upsert
from framemill.store.schema import inputs, jobs, outputs


def add_job(conn: Connection, job: Job, its_inputs: Iterable[Input], its_outputs: Iterable[Output]) -> Event:
    """Write a new job with its parts, and its first event, `created`."""
    conn.execute(_NEW_JOB, to_row(job, jobs))
    for fresh, table, parts in ((_NEW_INPUT, inputs, its_inputs), (_NEW_OUTPUT, outputs, its_outputs)):
        if rows := [to_row(one, table) for one in parts]:
            conn.execute(fresh, rows)
    return add_event(conn, job.id, "created", {"state": job.state.value, "attempt": job.attempt}, job.created_at)


_NEW_JOB, _NEW_INPUT, _NEW_OUTPUT = insert(jobs), insert(inputs), insert(outputs)


def load_job(conn: Connection, job_id: str) -> tuple[Job, list[Input], list[Output]] | None:
    """A job with its inputs and outputs in their order; none when there is no such job."""
    job = load_bare_job(conn, job_id)
    if job is None:
        return None
    mine = {"of_job": job_id}
    return (
        job,
        [from_row(Input, row) for row in conn.execute(_INPUTS, mine).mappings()],
        [from_row(Output, row) for row in conn.execute(_OUTPUTS, mine).mappings()],
    )


def load_bare_job(conn: Connection, job_id: str) -> Job | None:
    """A job without its parts; none when there is no such job."""
    row = conn.execute(_JOB, {"of_job": job_id}).mappings().first()
    return None if row is None else from_row(Job, row)


# What every step of every job asks, built once: building a statement takes longer than executing it.
_OF_JOB: BindParameter[str] = bindparam("of_job")
_JOB = select(jobs).where(jobs.c.id == _OF_JOB)
_STATE = select(jobs.c.state).where(jobs.c.id == _OF_JOB)
_INPUTS, _OUTPUTS = (
    select(table).where(table.c.job_id == _OF_JOB).order_by(table.c.position, table.c.id) for table in (inputs, outputs)
)


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
    # Of a job that ended before, only its owner's words change.
    ends = job.state in ENDED_JOB and conn.execute(_STATE, {"of_job": job.id}).scalar() not in ENDED_JOB
    written = {f"new_{name}": value for name, value in to_row(job, jobs).items()}
    if conn.execute(_SAVE, {**written, "of_job": job.id, "of_version": expected_version}).rowcount != 1:
        raise StaleWrite(f"Job {job.id} is not at version {expected_version} any more: read it again.")
    if job.state is JobState.QUEUED and job.attempt > 1:  # a new attempt has spent nothing yet
        conn.execute(update(outputs).where(outputs.c.job_id == job.id).values(charged=None))
    if ends:
        settle_end(conn, job, now)
    return add_event(conn, job.id, event_kind, data, now)


_NEW: dict[str, BindParameter[Any]] = {
    column.name: bindparam(f"new_{column.name}", type_=column.type) for column in jobs.columns
}
# `add_usage` counts without a new version: what was counted since the job was read stays counted.
_SAVE = (
    update(jobs)
    .where(jobs.c.id == _OF_JOB, jobs.c.version == bindparam("of_version"), jobs.c.version < _NEW["version"])
    .values({**_NEW, "usage": case((jobs.c.attempt == _NEW["attempt"], jobs.c.usage), else_=_NEW["usage"])})
)


def add_usage(conn: Connection, job_id: str, stage: str, usage: Usage, epoch: int) -> None:
    """Count what processes used for a stage of a job. No version grows and nobody is told: it changes no decision.

    Raises `StaleWrite` when the epoch is over.
    """
    used = {"seconds": usage.seconds, "cpu_seconds": usage.cpu_seconds, "peak_bytes": usage.peak_bytes}
    counted = _COUNT[conn.dialect.name].run(conn, {"of_job": job_id, "stage": stage, "in_epoch": epoch, **used})
    if counted.rowcount != 1:
        require_epoch(conn, epoch)


# Asked for every chunk, hence one statement, built once. Numbers of a stage that was not counted yet are missing.
_COUNT = {
    dialect: Prepared(update(jobs).where(jobs.c.id == _OF_JOB, in_epoch(bindparam("in_epoch"))).values(usage=counted))
    for dialect, counted in {
        "sqlite": text(
            "json_set(usage, '$.' || :stage, json_object("
            "'seconds', coalesce(json_extract(usage, '$.' || :stage || '.seconds'), 0.0) + :seconds,"
            " 'cpu_seconds', coalesce(json_extract(usage, '$.' || :stage || '.cpu_seconds'), 0.0) + :cpu_seconds,"
            " 'peak_bytes', max(coalesce(json_extract(usage, '$.' || :stage || '.peak_bytes'), 0), :peak_bytes)))"
        ),
        "postgresql": text(
            "usage || jsonb_build_object(CAST(:stage AS text), jsonb_build_object("
            "'seconds', coalesce(CAST(usage -> CAST(:stage AS text) ->> 'seconds' AS float8), 0) + :seconds,"
            " 'cpu_seconds', coalesce(CAST(usage -> CAST(:stage AS text) ->> 'cpu_seconds' AS float8), 0)"
            " + :cpu_seconds, 'peak_bytes', greatest(coalesce(CAST(usage -> CAST(:stage AS text) ->> 'peak_bytes'"
            " AS int8), 0), CAST(:peak_bytes AS int8))))"
        ),
    }.items()
}


def note_waiting(conn: Connection, job_id: str, waiting: Waiting | None, epoch: int) -> None:
    """Say why a job does not move, or that it does. No version grows and nobody is told.

    Raises `StaleWrite` when the epoch is over.
    """
    require_epoch(conn, epoch)
    told = None if waiting is None else waiting.model_dump(mode="json")
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(waiting=told))


def charge_output(  # noqa: PLR0917
    conn: Connection, job_id: str, output_id: str, amount: int, cap: int | None, epoch: int
) -> bool:
    """Charge a job for an output, once; False, and nothing charged, when it would exceed the cap (none: no limit).

    `amount` and `cap` are thousandths of a credit; reaching the cap is allowed. Whoever comes first is served first:
    what an output is charged does not change by asking again. The job's version grows, since what it has spent is
    written with it. Raises `StaleWrite` when the epoch is over.
    """
    require_epoch(conn, epoch)
    mine = outputs.c.id == output_id, outputs.c.job_id == job_id
    if conn.execute(select(outputs.c.charged).where(*mine).with_for_update()).scalar_one() is not None:
        return True
    spend = update(jobs).where(jobs.c.id == job_id)
    if cap is not None:
        spend = spend.where(jobs.c.spent + amount <= cap)
    spent = conn.execute(spend.values(spent=jobs.c.spent + amount, version=jobs.c.version + 1)).rowcount == 1
    if spent:
        conn.execute(update(outputs).where(*mine).values(charged=amount))
    return spent


def list_jobs(
    conn: Connection,
    account: str | None = None,
    states: Collection[JobState] | None = None,
    before: str | None = None,
    limit: int = 100,
) -> list[Job]:
    """Jobs, newest first: of an account (none: all), in those states (none: any), made before the job of that id."""
    page = select(jobs).order_by(jobs.c.id.desc()).limit(limit)
    if account is not None:
        page = page.where(jobs.c.account == account)
    if before is not None:
        page = page.where(jobs.c.id < before)
    # State by state: an index has each in order, but not the jobs of several, which would all be read and sorted.
    pages = [page] if states is None else [page.where(jobs.c.state == state) for state in sorted(states)]
    rows = [row for each in pages for row in conn.execute(each).mappings()]
    newest = sorted(rows, key=itemgetter("id"), reverse=True)[:limit]
    return [from_row(Job, row) for row in newest]


def lock_state(conn: Connection, job_id: str) -> JobState | None:
    """A job's state, which nobody else changes until this transaction has ended; None: there is no such job."""
    state = conn.execute(select(jobs.c.state).where(jobs.c.id == job_id).with_for_update()).scalar()
    return None if state is None else JobState(state)


def save_input(conn: Connection, its_input: Input) -> None:
    """Write an input, new or changed."""
    upsert(conn, inputs, [its_input])


FOUND = (
    *("state", "blob", "size", "sha256", "content_type", "fingerprint", "facts", "index_key", "zero"),
    *("reason", "message"),
)
"""Columns of an input that say what the farm has found of it; all others are its owner's words."""


def change_input(conn: Connection, its_input: Input) -> None:
    """Write what was found of an input: its owner may have edited it since it was read. One that was removed from its
    job meanwhile stays removed."""
    row = to_row(its_input, inputs)
    conn.execute(update(inputs).where(inputs.c.id == its_input.id).values({name: row[name] for name in FOUND}))


def save_output(conn: Connection, output: Output) -> None:
    """Write an output, new or changed; `count_download` and `charge_output` alone change what they count."""
    upsert(conn, outputs, [output], keep=("download_count", "charged"))


def count_download(conn: Connection, output_id: str) -> bool:
    """Count one download; False, and nothing counted, when the output's limit is reached or there is none such."""
    allowed = or_(outputs.c.download_limit.is_(None), outputs.c.download_count < outputs.c.download_limit)
    counted = update(outputs).where(outputs.c.id == output_id, allowed)
    return conn.execute(counted.values(download_count=outputs.c.download_count + 1)).rowcount == 1
