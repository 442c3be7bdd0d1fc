"""What must stay of a farm's files: asked of the store for what lies there, never for all that there ever was."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Connection, or_, select

from framemill.farm.collecting import InUse
from framemill.farm.titles import extras_of, load_title
from framemill.jobs.states import ACTIVE_JOB, ENDED_JOB
from framemill.storage.blobs import WORK, Blobs
from framemill.storage.local import names_in
from framemill.store import queue as queue_rows
from framemill.store.queue import WorkingJob
from framemill.store.schema import chunks, inputs, jobs, outputs
from framemill.store.video_tables import videos

_AT_ONCE = 500
_ID = 36


def in_use(conn: Connection, blobs: Blobs, work: Path) -> InUse:
    """What jobs that have not ended use, and where outputs lie that stay here.

    First what lies there is looked at, then the store: a job is written before anything of it lies anywhere.
    """
    titles = sorted(name for name in blobs.names("titles") if name.endswith(".json"))
    lying = {name[:_ID] for name in (*titles, *blobs.names("results"))}
    folders = {*names_in(work), *blobs.names(WORK)}
    fetched = blobs.names("fetched")
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


def _extra_keys(blobs: Blobs, title_key: str) -> Iterator[str]:
    try:
        title = load_title(blobs, title_key)
    except (OSError, ValidationError, json.JSONDecodeError):
        return
    yield from (order.key for order in extras_of(title, title_key))


def _kept_here(conn: Connection, ids: Iterable[str]) -> Iterator[str]:
    """Jobs with an output that stays where it was written, not withdrawn by its owner, and its time not over."""
    kept = or_(outputs.c.expires_at.is_(None), outputs.c.expires_at > datetime.now(UTC))
    for some in _batches(sorted(ids)):
        there = (outputs.c.stays, outputs.c.withdrawn_at.is_(None), kept)
        yield from conn.execute(select(outputs.c.job_id).where(outputs.c.job_id.in_(some), *there)).scalars()


def _inputs_wanted(conn: Connection, ids: Iterable[str]) -> Iterator[str]:
    """Sources of jobs that have not ended, and the originals of videos, which can be had as long as these."""
    for some in _batches(sorted(ids)):
        rows = conn.execute(select(inputs.c.id, inputs.c.job_id).where(inputs.c.id.in_(some))).all()
        named = {row.job_id for row in rows}
        wanted = {job.id for job in _those(conn, named) if job.state not in ENDED_JOB}
        live = select(videos.c.job_id).where(videos.c.job_id.in_(sorted(named)), videos.c.withdrawn_at.is_(None))
        wanted |= set(conn.execute(live).scalars())
        yield from (row.id for row in rows if row.job_id in wanted)


def _batches(ids: list[str]) -> Iterator[list[str]]:
    return (ids[first : first + _AT_ONCE] for first in range(0, len(ids), _AT_ONCE))
