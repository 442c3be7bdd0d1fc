"""A store with very many jobs: how long a coordinator takes to start on it, to admit jobs, and a front door to list."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.scale_clock import run_virtually
from benchmarks.scale_farm import Asked, Farm, SleepingHands, make_jobs, store_in, submit
from sqlalchemy import Connection, insert

from framemill.jobs.model import ChunkRow, Delivery, Input, Job, Output, new_id
from framemill.jobs.states import ChunkState, DeliveryState, InputState, JobState
from framemill.services.callers import Caller
from framemill.services.jobs import Jobs
from framemill.storage.local import LocalBlobs
from framemill.store.database import Database
from framemill.store.queue import queued
from framemill.store.rows import to_row
from framemill.store.schema import chunks, deliveries, events, inputs, jobs, outputs

MOST_SECONDS = 5.0
#: What may come on top of the time with few ended jobs: pages of the database that lie elsewhere.
MOST_GROWTH, SLACK_SECONDS = 1.5, 0.25

_CHUNKS_OF_ENDED = 4
_EVENTS_OF_ENDED = 8
_AT_ONCE = 2000


def measure(folder: Path, *, queued_jobs: int, active_jobs: int, ended_jobs: Sequence[int], seed: int) -> Rows:
    """The seconds of each question, by how many ended jobs there are beside."""
    asked = make_jobs(100 * active_jobs, seed)[:active_jobs]
    rows: Rows = {}
    with store_in(folder) as (database, blobs):
        submit(database, asked)
        begun = run_virtually(_begin(folder, database, blobs, asked))
        _add(database, [_waiting(number) for number in range(queued_jobs)], {})
        there = 0
        for wanted in ended_jobs:
            _add_ended(database, wanted - there)
            there = wanted
            rows[wanted] = {
                **_listing(database),
                **asyncio.run(_restart(folder, database, blobs, asked, begun)),
            }
    return rows


Rows = dict[int, dict[str, float]]


def slow(rows: Rows) -> list[str]:
    """What takes too long, or longer with more ended jobs."""
    fewest = rows[min(rows)]
    found = []
    for ended, row in rows.items():
        for name, seconds in row.items():
            if seconds >= MOST_SECONDS:
                found.append(f"{name}: {seconds:.2f} s with {ended} ended jobs")
            elif seconds > MOST_GROWTH * fewest[name] + SLACK_SECONDS:
                found.append(f"{name} grows: {fewest[name]:.2f} s, and {seconds:.2f} s with {ended} ended jobs")
    return found


async def _begin(folder: Path, database: Database, blobs: LocalBlobs, asked: Sequence[Asked]) -> int:
    """Have the jobs under way, as a coordinator leaves them that is killed; how many chunks are left."""
    hands = _hands(blobs, asked)
    farm = Farm(folder, database, hands, active_jobs=len(asked), slots=_SLOTS, inline=True)
    await farm.start()
    left = sum(len(one.frames) for one in asked)
    await _until(lambda: _known(farm) >= left, 1.0)
    await farm.close()
    return left


_SLOTS = 500


def _hands(blobs: LocalBlobs, asked: Sequence[Asked]) -> SleepingHands:
    hands = SleepingHands(blobs, asked, machines=20, slots=_SLOTS, stitchers=2, seed=0)
    hands.for_long = True
    return hands


def _known(farm: Farm) -> int:
    return farm.jobs.dispatcher.dispatch.waiting + farm.jobs.dispatcher.dispatch.running


def _listing(database: Database) -> dict[str, float]:
    everyone, one = Jobs(database, lambda _: None), Jobs(database, lambda _: None, caller=Caller(account="account-1"))
    return {
        "list the newest": _timed(everyone.listed),
        "list what is queued": _timed(lambda: everyone.listed([JobState.QUEUED])),
        "list what has ended": _timed(lambda: everyone.listed([JobState.COMPLETED, JobState.FAILED])),
        "list an account's": _timed(lambda: one.listed([JobState.QUEUED, JobState.ENCODING])),
        "count": _timed(lambda: _all_queued(database)),
    }


def _all_queued(database: Database) -> int:
    with database.reading() as conn:
        return len(queued(conn))


def _timed(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


async def _restart(
    folder: Path, database: Database, blobs: LocalBlobs, asked: Sequence[Asked], left: int
) -> dict[str, float]:
    """A coordinator of its own epoch takes up what is under way; another one has room for more jobs, and admits."""
    row = {}
    began = time.monotonic()
    farm = Farm(folder, database, _hands(blobs, asked), active_jobs=len(asked), slots=_SLOTS, inline=False)
    await farm.start()
    row["start"] = time.monotonic() - began
    await _until(lambda: _known(farm) >= left, 0.01)
    row["start, until every chunk is known"] = time.monotonic() - began
    began = time.monotonic()
    await farm.jobs.wake([])
    row["look"] = time.monotonic() - began
    await farm.close()
    return row | await _admission(folder, database, blobs, asked)


async def _admission(folder: Path, database: Database, blobs: LocalBlobs, asked: Sequence[Asked]) -> dict[str, float]:
    hands = _hands(blobs, asked)
    hands.machines.clear()  # so that nothing is begun: an admitted job stays so
    farm = Farm(folder, database, hands, active_jobs=len(asked) + _ADMITTED, slots=_SLOTS, inline=False)
    began = time.monotonic()
    await farm.start()
    await _until(lambda: len(farm.jobs.driven) >= len(asked) + _ADMITTED, 0.01)
    seconds = time.monotonic() - began
    admitted = farm.jobs.driven
    await farm.close()
    with database.writing() as conn:  # so that the next one finds as many waiting
        mine = jobs.c.id.in_(admitted), jobs.c.state.in_([JobState.INGESTING, JobState.PLANNING])
        conn.execute(jobs.update().where(*mine).values(state=JobState.QUEUED))
    return {f"start, and admit {_ADMITTED}": seconds}


_ADMITTED = 64


async def _until(reached: Callable[[], bool], look_seconds: float) -> None:
    while not reached():  # noqa: ASYNC110 (nobody tells)
        await asyncio.sleep(look_seconds)


# Rows by the ten thousand


def _waiting(number: int) -> Job:
    return Job(account=f"account-{number % 7}", fairness_key=str(number % 3), door="cli", created_at=datetime.now(UTC))


def _add(database: Database, some: Sequence[Job], parts: Mapping[Any, list[dict[str, Any]]]) -> None:
    """Write jobs, each with an input and an output, and what else there is of them."""
    template_in = to_row(Input(job_id="-", uri="/in.mp4", state=InputState.READY, index_key="0"), inputs)
    template_out = to_row(Output(job_id="-", name="out.mp4"), outputs)
    with database.writing() as conn:
        _insert(conn, jobs, (to_row(job, jobs) for job in some))
        _insert(conn, inputs, (template_in | {"id": new_id(), "job_id": job.id} for job in some))
        _insert(conn, outputs, (template_out | {"id": job.id, "job_id": job.id} for job in some))
        for table, rows in parts.items():
            _insert(conn, table, iter(rows))


def _add_ended(database: Database, count: int) -> None:
    now = datetime.now(UTC) - timedelta(days=30)
    while count > 0:
        some = [
            _waiting(number).model_copy(
                update={"state": JobState.COMPLETED if number % 10 else JobState.FAILED, "ended_at": now}
            )
            for number in range(min(count, _AT_ONCE))
        ]
        count -= len(some)
        chunk = to_row(
            ChunkRow(job_id="-", output_id="-", number=0, key="-", first_frame=0, end_frame=100,
                     state=ChunkState.COMMITTED, blob="-", size=1, sha256="5" * 64, committed_at=now), chunks,
        )  # fmt: skip
        delivery = to_row(
            Delivery(job_id="-", output_id="-", path="out.mp4", uri="", state=DeliveryState.COMPLETED), deliveries
        )
        _add(database, some, {
            chunks: [
                chunk | {"job_id": job.id, "output_id": job.id, "number": number, "key": f"{job.id}-{number}"}
                for job in some for number in range(_CHUNKS_OF_ENDED)
            ],
            deliveries: [delivery | {"id": job.id, "job_id": job.id, "output_id": job.id} for job in some],
            events: [
                {"job_id": job.id, "at": now, "kind": "encoding", "data": {}}
                for job in some for _ in range(_EVENTS_OF_ENDED)
            ],
        })  # fmt: skip


def _insert(conn: Connection, table: Any, rows: Iterator[dict[str, Any]]) -> None:
    found = list(rows)
    if found:
        conn.execute(insert(table), found)
