"""What must stay of a farm's files: asked of the store for what lies there, never for all that there ever was."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Connection, select

from framemill.farm.collecting import InUse
from framemill.farm.titles import extras_of, load_title
from framemill.jobs.states import ACTIVE_JOB, ENDED_JOB
from framemill.storage.local import LocalBlobs
from framemill.store import queue as queue_rows
from framemill.store.queue import WorkingJob
from framemill.store.schema import chunks, inputs, jobs, outputs

_AT_ONCE = 500
_ID = 36


def in_use(conn: Connection, blobs: LocalBlobs, work: Path) -> InUse:
    """What jobs that have not ended use, and where outputs lie that stay here.

    First what lies there is looked at, then the store: a job is written before anything of it lies anywhere.
    """
    titles = sorted(path.name for path in blobs.path("titles").glob("*.json"))
    lying = {name[:_ID] for name in (*titles, *(path.name for path in blobs.path("results").glob("*.json")))}
    folders = {path.name for path in work.iterdir()} if work.exists() else set()
    fetched = [path.name for path in blobs.path("fetched").iterdir()] if blobs.path("fetched").exists() else []
    known = {job.id: job for job in _those(conn, lying | folders)}
    active = {job.id for job in known.values() if job.state not in ENDED_JOB}
    keys = set(_chunk_keys(conn, [known[job] for job in sorted(active)]))
    for name in titles:
        if name[:_ID] in active:
            keys |= set(_extra_keys(blobs, f"titles/{name}"))
    keys |= set(_source_keys(conn))
    return InUse(
        jobs=frozenset(active | set(_kept_here(conn, folders & known.keys()))),
        keys=frozenset(keys),
        inputs=frozenset(_inputs_wanted(conn, fetched)),
        growing=frozenset(active),
        seen=frozenset({*lying, *folders, *fetched}),
    )


def _those(conn: Connection, ids: Iterable[str]) -> Iterator[WorkingJob]:
    for some in _batches(sorted(ids)):
        yield from queue_rows.those(conn, some)


def _chunk_keys(conn: Connection, jobs: Iterable[WorkingJob]) -> Iterator[str]:
    for job in jobs:
        mine = select(chunks.c.key).where(chunks.c.job_id == job.id, chunks.c.attempt == job.attempt)
        yield from conn.execute(mine).scalars()


def _source_keys(conn: Connection) -> Iterator[str]:
    """Of all jobs that have not ended, whether anything of them lies here yet or not."""
    mine = select(inputs.c.index_key).join(jobs, jobs.c.id == inputs.c.job_id)
    read = conn.execute(mine.where(jobs.c.state.in_(sorted(ACTIVE_JOB)), inputs.c.index_key.is_not(None))).scalars()
    yield from (key.removesuffix(".json") for key in read)


def _extra_keys(blobs: LocalBlobs, title_key: str) -> Iterator[str]:
    try:
        title = load_title(blobs, title_key)
    except (OSError, ValidationError, json.JSONDecodeError):
        return
    yield from (order.key for order in extras_of(title, title_key))


def _kept_here(conn: Connection, ids: Iterable[str]) -> Iterator[str]:
    """Jobs with an output that has no target: it stays where it was written."""
    for some in _batches(sorted(ids)):
        yield from conn.execute(
            select(outputs.c.job_id).where(outputs.c.job_id.in_(some), outputs.c.target.is_(None))
        ).scalars()


def _inputs_wanted(conn: Connection, ids: Iterable[str]) -> Iterator[str]:
    for some in _batches(sorted(ids)):
        rows = conn.execute(select(inputs.c.id, inputs.c.job_id).where(inputs.c.id.in_(some))).all()
        active = {job.id for job in _those(conn, {row.job_id for row in rows}) if job.state not in ENDED_JOB}
        yield from (row.id for row in rows if row.job_id in active)


def _batches(ids: list[str]) -> Iterator[list[str]]:
    return (ids[first : first + _AT_ONCE] for first in range(0, len(ids), _AT_ONCE))
