"""Chunks: the plan as rows, who has which under a lease, and what came out.

Every change is one guarded UPDATE. It names the epoch of the coordinator that asks, and changes nothing once another
one has taken over; where a lease is at stake it names the lease's token, too. A lease outlives its coordinator: the
next one accepts what the worker brings. A copy of a slow chunk runs under the token of the first, so either may commit.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Update, case, delete, func, insert, select, update

from framemill.jobs.model import ChunkRow
from framemill.jobs.reasons import Reason
from framemill.jobs.states import ChunkState
from framemill.store.epochs import in_epoch, require_epoch
from framemill.store.rows import from_row, to_row
from framemill.store.schema import chunks

# SQLite takes 32,766 values in one statement.
_PER_QUERY = 1000
_PLAN = {"job_id", "attempt", "output_id", "rendition", "number", "group_number", "key", "first_frame", "end_frame"}
_NO_LEASE: dict[str, Any] = {"lease_token": None, "worker": None, "leased_at": None, "epoch": None}
_NO_RESULT: dict[str, Any] = {
    **{"frames_done": 0, "blob": None, "size": None, "sha256": None},
    **{"seconds": None, "cpu_seconds": None, "committed_at": None},
}


def replace_chunks(
    conn: Connection, job_id: str, attempt: int, rows: Iterable[ChunkRow], *, epoch: int | None = None
) -> None:
    """Write the plan of an attempt in place of the one before; what has the same key stays leased, committed or aside.

    Raises `StaleWrite` when the epoch is over, and `ValueError` for a row of another job or attempt.
    """
    if epoch is not None:
        require_epoch(conn, epoch)
    planned = list(rows)
    if any((row.job_id, row.attempt) != (job_id, attempt) for row in planned):
        raise ValueError(f"a plan of job {job_id}, attempt {attempt}, holds chunks of another one")
    kept = {row.key: row for row in load_chunks(conn, job_id, attempt) if row.state is not ChunkState.WAITING}
    merged = [
        kept[row.key].model_copy(update={name: getattr(row, name) for name in _PLAN}) if row.key in kept else row
        for row in planned
    ]
    conn.execute(delete(chunks).where(chunks.c.job_id == job_id, chunks.c.attempt == attempt))
    if merged:
        conn.execute(insert(chunks), [to_row(row, chunks) for row in merged])


def load_chunks(conn: Connection, job_id: str, attempt: int) -> list[ChunkRow]:
    """The chunks of an attempt in the order of its outputs, renditions and frames."""
    mine = select(chunks).where(chunks.c.job_id == job_id, chunks.c.attempt == attempt)
    ordered = mine.order_by(chunks.c.output_id, chunks.c.rendition, chunks.c.number)
    return [from_row(ChunkRow, row) for row in conn.execute(ordered).mappings()]


def committed_chunks(conn: Connection, keys: Collection[str]) -> dict[str, ChunkRow]:
    """What any job has committed under those keys; whoever plans with it looks first whether the blob is there."""
    wanted = list(keys)
    found: dict[str, ChunkRow] = {}
    for start in range(0, len(wanted), _PER_QUERY):
        some = chunks.c.key.in_(wanted[start : start + _PER_QUERY])
        query = select(chunks).where(some, chunks.c.state == ChunkState.COMMITTED)
        found |= {row["key"]: from_row(ChunkRow, row) for row in conn.execute(query).mappings()}
    return found


def frames_of(conn: Connection, job_id: str, attempt: int) -> tuple[int, int]:
    """How many frames of an attempt's chunks are encoded, and how many there are."""
    mine = select(
        func.coalesce(func.sum(chunks.c.frames_done), 0),
        func.coalesce(func.sum(chunks.c.end_frame - chunks.c.first_frame), 0),
    ).where(chunks.c.job_id == job_id, chunks.c.attempt == attempt)
    done, planned = conn.execute(mine).one()
    return int(done), int(planned)


def lease_chunks(
    conn: Connection,
    job_id: str,
    attempt: int,
    keys: Collection[str],
    *,
    token: str,
    worker: str,
    epoch: int,
    now: datetime,
) -> bool:
    """Give all those chunks to a worker under one token; False, and nothing given, unless all are waiting."""
    mine = (chunks.c.job_id == job_id, chunks.c.attempt == attempt, chunks.c.key.in_(keys))
    found = conn.execute(select(chunks.c.key, chunks.c.state).where(*mine).with_for_update()).all()
    if {key for key, _ in found} != set(keys) or any(state != ChunkState.WAITING for _, state in found):
        return False
    lease = {"lease_token": token, "worker": worker, "leased_at": now, "epoch": epoch, "frames_done": 0}
    leased = update(chunks).where(*mine, chunks.c.state == ChunkState.WAITING, in_epoch(epoch))
    return conn.execute(leased.values(state=ChunkState.LEASED, **lease)).rowcount > 0


def report_progress(conn: Connection, key: str, token: str, epoch: int, frames_done: int) -> bool:
    """Note how far a chunk is, never backwards; False when nobody waits for it any more: the worker may drop it."""
    further = case((chunks.c.frames_done < frames_done, frames_done), else_=chunks.c.frames_done)
    return conn.execute(_leased(token, epoch, [key]).values(frames_done=further)).rowcount > 0


def commit_chunk(
    conn: Connection,
    key: str,
    token: str,
    epoch: int,
    *,
    blob: str,
    size: int,
    sha256: str,
    seconds: float,
    cpu_seconds: float | None = None,
    now: datetime,
) -> bool:
    """Take a chunk's result (`size` in bytes, wall and CPU time in seconds); False when it changed nothing.

    That is so under a foreign token, in an old epoch, and when the chunk was committed before. The blob may well be
    in use then: blobs go by key, so this is no reason to delete it.
    """
    result = {"blob": blob, "size": size, "sha256": sha256, "seconds": seconds, "cpu_seconds": cpu_seconds}
    committed = _leased(token, epoch, [key]).values(
        state=ChunkState.COMMITTED,
        committed_at=now,
        frames_done=chunks.c.end_frame - chunks.c.first_frame,
        **result,
        **_NO_LEASE,
    )
    return conn.execute(committed).rowcount > 0


def release_chunks(conn: Connection, token: str, epoch: int, keys: Collection[str] | None = None) -> int:
    """Let the chunks of a lease (none: all) wait again, with one try more; how many there were."""
    released = _leased(token, epoch, keys).values(
        state=ChunkState.WAITING, tries=chunks.c.tries + 1, frames_done=0, **_NO_LEASE
    )
    return conn.execute(released).rowcount


def quarantine_chunk(conn: Connection, key: str, token: str, epoch: int, *, reason: Reason, message: str) -> bool:
    """Put a chunk aside that fails wherever it runs; the message says how to see it fail."""
    aside = _leased(token, epoch, [key]).values(
        state=ChunkState.QUARANTINED, tries=chunks.c.tries + 1, reason=reason, message=message, **_NO_LEASE
    )
    return conn.execute(aside).rowcount > 0


def return_chunks(conn: Connection, job_id: str, attempt: int, keys: Collection[str], epoch: int) -> int:
    """Let committed chunks wait again, whose blobs are gone, damaged or not good enough; how many there were."""
    returned = update(chunks).where(
        chunks.c.job_id == job_id,
        chunks.c.attempt == attempt,
        chunks.c.key.in_(keys),
        chunks.c.state == ChunkState.COMMITTED,
        in_epoch(epoch),
    )
    return conn.execute(returned.values(state=ChunkState.WAITING, **_NO_RESULT)).rowcount


def _leased(token: str, epoch: int, keys: Collection[str] | None) -> Update:
    """An UPDATE of the chunks under that token, in that epoch."""
    held = update(chunks).where(chunks.c.lease_token == token, chunks.c.state == ChunkState.LEASED, in_epoch(epoch))
    return held if keys is None else held.where(chunks.c.key.in_(keys))
