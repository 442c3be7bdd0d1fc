"""What front doors ask of jobs: pages with their parts, parts replaced, jobs removed."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, and_, delete, func, select

from framemill.jobs.model import Input, Output
from framemill.jobs.states import ACTIVE_JOB, ChunkState
from framemill.store.jobs import FOUND
from framemill.store.queue import WORKING_JOB
from framemill.store.rows import from_row, upsert
from framemill.store.schema import chunks, farm, inputs, jobs, outputs

Part = TypeVar("Part", Input, Output)


def inputs_of_jobs(conn: Connection, job_ids: Sequence[str]) -> Mapping[str, list[Input]]:
    """The inputs of those jobs, by job, in their order."""
    query = select(inputs).where(inputs.c.job_id.in_(job_ids)).order_by(inputs.c.position, inputs.c.id)
    return _by_job(from_row(Input, row) for row in conn.execute(query).mappings())


def outputs_of_jobs(conn: Connection, job_ids: Sequence[str]) -> Mapping[str, list[Output]]:
    """The outputs of those jobs, by job, in their order."""
    query = select(outputs).where(outputs.c.job_id.in_(job_ids)).order_by(outputs.c.position, outputs.c.id)
    return _by_job(from_row(Output, row) for row in conn.execute(query).mappings())


def frames_of_jobs(conn: Connection, job_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Frames encoded and frames to encode of those jobs' last attempts; a job without a plan is not in it."""
    this_attempt = and_(chunks.c.job_id == jobs.c.id, chunks.c.attempt == jobs.c.attempt)
    counted = (
        select(jobs.c.id, func.sum(chunks.c.frames_done), func.sum(chunks.c.end_frame - chunks.c.first_frame))
        .join(chunks, this_attempt)
        .where(jobs.c.id.in_(job_ids))
        .group_by(jobs.c.id)
    )
    return {job_id: (int(done), int(planned)) for job_id, done, planned in conn.execute(counted)}


def reused_of_jobs(conn: Connection, job_ids: Sequence[str]) -> dict[str, int]:
    """How many frames of those jobs' last attempts another job had encoded, or an attempt before: their chunks took no
    time. A job without such is not in it."""
    this_attempt = and_(chunks.c.job_id == jobs.c.id, chunks.c.attempt == jobs.c.attempt)
    counted = (
        select(jobs.c.id, func.sum(chunks.c.frames_done))
        .join(chunks, this_attempt)
        .where(jobs.c.id.in_(job_ids), chunks.c.state == ChunkState.COMMITTED, func.coalesce(chunks.c.seconds, 0) == 0)
        .group_by(jobs.c.id)
    )
    return {job_id: int(frames) for job_id, frames in conn.execute(counted)}


def count_active(conn: Connection, account: str | None = None) -> dict[str, int]:
    """How many jobs are in each state that is no end; states without jobs are left out."""
    query = select(jobs.c.state, func.count()).where(jobs.c.state.in_(sorted(ACTIVE_JOB))).group_by(jobs.c.state)
    if account is not None:
        query = query.where(jobs.c.account == account)
    return {state: int(count) for state, count in conn.execute(query)}


_TOLD = select(farm.c.paused, farm.c.condition)


def farm_told(conn: Connection) -> tuple[bool, dict[str, Any]]:
    """Whether the operator has paused the farm, and what the coordinator last said of it, at one go."""
    paused, condition = conn.execute(_TOLD).one()
    return paused, condition


def count_working(conn: Connection) -> dict[str, int]:
    """How many jobs of each account are worked on; accounts without any are left out."""
    query = select(jobs.c.account, func.count()).where(jobs.c.state.in_(sorted(WORKING_JOB))).group_by(jobs.c.account)
    return {account: int(count) for account, count in conn.execute(query)}


def replace_inputs(conn: Connection, job_id: str, kept: Collection[Input]) -> None:
    """Write these inputs of a job, and drop its others; what the farm has found of those that were there stays: it may
    have come since they were read."""
    conn.execute(delete(inputs).where(inputs.c.job_id == job_id, inputs.c.id.not_in([one.id for one in kept])))
    upsert(conn, inputs, kept, keep=FOUND)


def replace_outputs(conn: Connection, job_id: str, kept: Collection[Output]) -> None:
    """Write these outputs of a job, and drop its others; what is counted of them stays."""
    conn.execute(delete(outputs).where(outputs.c.job_id == job_id, outputs.c.id.not_in([one.id for one in kept])))
    upsert(conn, outputs, kept, keep=("download_count", "charged"))


def remove_job(conn: Connection, job_id: str, expected_version: int) -> bool:
    """Delete a job at that version with all its rows; False when it has another one by now, or is gone."""
    mine = delete(jobs).where(jobs.c.id == job_id, jobs.c.version == expected_version)
    return conn.execute(mine).rowcount == 1


def _by_job(parts: Iterable[Part]) -> Mapping[str, list[Part]]:
    found: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        found[part.job_id].append(part)
    return found
