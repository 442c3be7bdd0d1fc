"""Chunks: the plan as rows, who has which under a lease, and what came out.

Every change is one guarded UPDATE. It names the epoch of the coordinator that asks, and changes nothing once another
one has taken over; where a lease is at stake it names the lease's token, too. A lease outlives its coordinator: the
next one accepts what the worker brings. A copy of a slow chunk runs under the token of the first, so either may commit.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from framemill.jobs.model import ChunkRow, Failure
from framemill.jobs.reasons import Reason
from framemill.jobs.states import ChunkState
from framemill.store.epochs import in_epoch, require_epoch
from framemill.store.prepared import Prepared
from framemill.store.rows import PER_QUERY, from_row, to_row
from framemill.store.schema import chunks

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
    mine = chunks.c.job_id == job_id, chunks.c.attempt == attempt
    begun = conn.execute(select(chunks).where(*mine, chunks.c.state != ChunkState.WAITING)).mappings()
    kept = {row["key"]: from_row(ChunkRow, row) for row in begun}
    merged = [
        kept[row.key].model_copy(update={name: getattr(row, name) for name in _PLAN}) if row.key in kept else row
        for row in planned
    ]
    conn.execute(delete(chunks).where(*mine))
    if merged:
        conn.execute(insert(chunks), [to_row(row, chunks) for row in merged])


def load_chunks(conn: Connection, job_id: str, attempt: int) -> list[ChunkRow]:
    """The chunks of an attempt in the order of its outputs, renditions and frames."""
    mine = select(chunks).where(chunks.c.job_id == job_id, chunks.c.attempt == attempt)
    ordered = mine.order_by(chunks.c.output_id, chunks.c.rendition, chunks.c.number)
    return [from_row(ChunkRow, row) for row in conn.execute(ordered).mappings()]


class UnfinishedChunk(NamedTuple):
    """What encoding needs to know of a chunk; a coordinator holds a hundred thousand of them."""

    output_id: str
    rendition: int
    number: int
    group_number: int
    key: str
    first_frame: int
    end_frame: int
    state: ChunkState
    lease_token: str | None
    worker: str | None
    tries: int


def unfinished_chunks(conn: Connection, job_id: str, attempt: int) -> list[UnfinishedChunk]:
    """The chunks of an attempt that are not committed, in the order of its outputs, renditions and frames."""
    columns = [chunks.c[name] for name in UnfinishedChunk._fields]
    mine = select(*columns).where(
        chunks.c.job_id == job_id, chunks.c.attempt == attempt, chunks.c.state != ChunkState.COMMITTED
    )
    ordered = conn.execute(mine.order_by(chunks.c.output_id, chunks.c.rendition, chunks.c.number))
    # Thousands of rows say the same few words: hold each of them once.
    held: dict[str, str] = {}

    def once(word: str) -> str:
        return held.setdefault(word, word)

    return [
        UnfinishedChunk(*row)._replace(
            output_id=once(row.output_id),
            state=ChunkState(row.state),
            lease_token=row.lease_token and once(row.lease_token),
            worker=row.worker and once(row.worker),
        )
        for row in ordered
    ]


def failures_of(conn: Connection, job_id: str, attempt: int) -> dict[str, tuple[Failure, ...]]:
    """How the chunks of an attempt that are not committed have failed so far, by key; none: it is left out."""
    mine = select(chunks.c.key, chunks.c.failures).where(
        chunks.c.job_id == job_id,
        chunks.c.attempt == attempt,
        chunks.c.state != ChunkState.COMMITTED,
        chunks.c.tries > 0,
    )
    return {
        row.key: tuple(Failure.model_validate(failure) for failure in row.failures)
        for row in conn.execute(mine)
        if row.failures
    }


def lease_tokens(conn: Connection, job_id: str, attempt: int) -> list[str]:
    """The tokens under which chunks of an attempt are leased."""
    mine = (chunks.c.job_id == job_id, chunks.c.attempt == attempt, chunks.c.state == ChunkState.LEASED)
    return list(conn.execute(select(chunks.c.lease_token).distinct().where(*mine)).scalars())


def committed_keys(conn: Connection, job_id: str, attempt: int) -> list[str]:
    """Keys of the chunks of an attempt that are committed."""
    mine = (chunks.c.job_id == job_id, chunks.c.attempt == attempt, chunks.c.state == ChunkState.COMMITTED)
    return list(conn.execute(select(chunks.c.key).where(*mine)).scalars())


def encoded_at(conn: Connection, job_id: str, attempt: int) -> dict[str, datetime]:
    """When the last chunk of each output of an attempt was committed, by the output's id; of those that have chunks."""
    mine = (chunks.c.job_id == job_id, chunks.c.attempt == attempt, chunks.c.committed_at.is_not(None))
    query = select(chunks.c.output_id, func.max(chunks.c.committed_at)).where(*mine).group_by(chunks.c.output_id)
    return {str(output_id): at for output_id, at in conn.execute(query)}


def committed_chunks(conn: Connection, keys: Collection[str]) -> dict[str, ChunkRow]:
    """What any job has committed under those keys; whoever plans with it looks first whether the blob is there."""
    wanted = list(keys)
    found: dict[str, ChunkRow] = {}
    for start in range(0, len(wanted), PER_QUERY):
        some = chunks.c.key.in_(wanted[start : start + PER_QUERY])
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
    lease = {"of_job": job_id, "of_attempt": attempt, "in_epoch": epoch}
    lease |= {"new_token": token, "new_worker": worker, "now": now}
    if len(keys) == 1:  # nearly always
        (key,) = keys
        return _LEASE_ONE.run(conn, {**lease, "of_key": key}).rowcount > 0
    return conn.execute(_LEASE, {**lease, "of_keys": list(keys), "how_many": len(set(keys))}).rowcount > 0


def report_progress(conn: Connection, key: str, token: str, epoch: int, frames_done: int) -> bool:
    """Note how far a chunk is, never backwards; False when nobody waits for it any more: the worker may drop it."""
    held = {"of_token": token, "in_epoch": epoch, "of_key": key}
    return _REPORT.run(conn, {**held, "new_frames": frames_done}).rowcount > 0


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
    held = {"of_token": token, "in_epoch": epoch, "of_key": key}
    result = {"new_blob": blob, "new_size": size, "new_sha256": sha256}
    cost = {"new_seconds": seconds, "new_cpu_seconds": cpu_seconds}
    return _COMMIT.run(conn, {**held, **result, **cost, "now": now}).rowcount > 0


def release_chunks(conn: Connection, token: str, epoch: int, keys: Collection[str] | None = None) -> int:
    """Let the chunks of a lease (none: all) wait again, with one try more; how many there were."""
    held = {"of_token": token, "in_epoch": epoch}
    if keys is None:
        return conn.execute(_RELEASE, held).rowcount
    return conn.execute(_RELEASE_SOME, {**held, "of_keys": list(keys)}).rowcount


def quarantine_chunk(conn: Connection, key: str, token: str, epoch: int, *, reason: Reason, message: str) -> bool:
    """Put a chunk aside that fails wherever it runs; the message says how to see it fail."""
    aside = update(chunks).where(*_held(token, epoch), chunks.c.key == key)
    why = {"reason": reason, "message": message}
    values = {"state": ChunkState.QUARANTINED, "tries": chunks.c.tries + 1, **why, **_NO_LEASE}
    return conn.execute(aside.values(values)).rowcount > 0


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


def note_failure(
    conn: Connection, token: str, epoch: int, failure: Failure, keys: Collection[str] | None = None
) -> int:
    """Add a failure to the chunks of a lease (none: all), before it is released; how many there were."""
    noted = update(chunks).where(*_held(token, epoch))
    if keys is not None:
        noted = noted.where(chunks.c.key.in_(keys))
    return conn.execute(noted.values(failures=_with(conn, failure))).rowcount


def _with(conn: Connection, failure: Failure) -> ColumnElement[Any]:
    """The failures of a chunk and one more, as each database adds to a list."""
    if conn.dialect.name == "postgresql":
        return chunks.c.failures.op("||")(cast([failure.model_dump(mode="json")], chunks.c.failures.type))
    return func.json_insert(chunks.c.failures, "$[#]", func.json(failure.model_dump_json()))


def _held(token: str | BindParameter[str], epoch: int | BindParameter[int]) -> tuple[ColumnElement[bool], ...]:
    """Conditions of an UPDATE: the chunk is leased under that token, and the epoch is the farm's."""
    return chunks.c.lease_token == token, chunks.c.state == ChunkState.LEASED, in_epoch(epoch)


def _mine(table: FromClause) -> tuple[ColumnElement[bool], ...]:
    """Conditions of a query: chunks of one attempt."""
    return table.c.job_id == bindparam("of_job"), table.c.attempt == bindparam("of_attempt")


# What is asked for every chunk, built once: building a statement takes longer than executing it.
_LEASED = _held(bindparam("of_token"), bindparam("in_epoch"))
_KEY: BindParameter[str] = bindparam("of_key")
_KEYS: BindParameter[list[str]] = bindparam("of_keys", expanding=True)
_ALIKE = chunks.alias()
_WAITS = func.count(case((_ALIKE.c.state == ChunkState.WAITING, 1)))
_ALL_WAIT = (
    select(case((func.count() == _WAITS, func.count(_ALIKE.c.key.distinct())), else_=-1))
    .where(*_mine(_ALIKE), _ALIKE.c.key.in_(_KEYS))
    .scalar_subquery()
) == bindparam("how_many")
_ONE_WAITS = ~exists().where(*_mine(_ALIKE), _ALIKE.c.key == _KEY, _ALIKE.c.state != ChunkState.WAITING)
_GIVE = (
    update(chunks)
    .where(*_mine(chunks), in_epoch(bindparam("in_epoch")))
    .values(
        state=ChunkState.LEASED,
        lease_token=bindparam("new_token"),
        worker=bindparam("new_worker"),
        leased_at=bindparam("now"),
        epoch=bindparam("in_epoch"),
        frames_done=0,
    )
)
_LEASE = _GIVE.where(chunks.c.key.in_(_KEYS), _ALL_WAIT)
_LEASE_ONE = Prepared(_GIVE.where(chunks.c.key == _KEY, _ONE_WAITS))
_REPORT = Prepared(
    update(chunks)
    .where(*_LEASED, chunks.c.key == _KEY)
    .values(
        frames_done=case(
            (chunks.c.frames_done < bindparam("new_frames"), bindparam("new_frames")), else_=chunks.c.frames_done
        )
    )
)
_COMMIT = Prepared(
    update(chunks)
    .where(*_LEASED, chunks.c.key == _KEY)
    .values(
        state=ChunkState.COMMITTED,
        committed_at=bindparam("now"),
        frames_done=chunks.c.end_frame - chunks.c.first_frame,
        **{name: bindparam(f"new_{name}") for name in ("blob", "size", "sha256", "seconds", "cpu_seconds")},
        **_NO_LEASE,
    )
)
_RELEASE = (
    update(chunks)
    .where(*_LEASED)
    .values(state=ChunkState.WAITING, tries=chunks.c.tries + 1, frames_done=0, **_NO_LEASE)
)
_RELEASE_SOME = _RELEASE.where(chunks.c.key.in_(_KEYS))
