"""Finding jobs, page by page: ids sort by the time they were made, so a page is a walk along one index."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, Select, func, select

from framemill.jobs.model import Job
from framemill.jobs.states import ENDED_JOB, JobState
from framemill.store.rows import from_row
from framemill.store.schema import jobs

LOOKED_AT = 2000
"""Most jobs of each state that are read for a page whose filter no index answers (door, metadata)."""

_ID_MILLISECONDS = 48
"""Bits at the beginning of a UUIDv7 that tell when it was made (RFC 9562)."""
_CLOCKS = timedelta(seconds=2)
"""By how much an id and `created_at` may tell other times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs are meant; all that is said has to hold."""

    account: str | None = None
    """None: of all accounts."""
    states: Collection[JobState] | None = None
    """None: in any state."""
    id_prefix: str = ""
    created_after: datetime | None = None
    created_before: datetime | None = None
    door: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What the jobs' metadata say under these names; numbers and truths count as they are written in JSON."""
    oldest_first: bool = False


class Found(NamedTuple):
    """A page of jobs."""

    jobs: list[Job]
    next_cursor: str | None
    """The id to go on behind; none: there are no more."""


def find_jobs(conn: Connection, wanted: JobFilter, cursor: str | None = None, limit: int = 100) -> Found:
    """Jobs in the order of their ids, behind the one of `cursor`.

    Where door or metadata are asked for, so many jobs are looked at and no more: the page may then have fewer than
    `limit` jobs, or none, and still a cursor.
    """
    sifted = wanted.door is not None or bool(wanted.metadata)
    window = max(LOOKED_AT, limit) if sifted else limit
    page = _page(wanted, cursor, sifted=sifted).limit(window + 1)
    # State by state: an index has each in order, but not the jobs of several, which would all be read and sorted.
    states = [None] if wanted.states is None else sorted(wanted.states)
    pages = [
        conn.execute(page if state is None else page.where(jobs.c.state == state)).mappings().all() for state in states
    ]
    rows = sorted(
        (row for each in pages for row in each[:window]), key=itemgetter("id"), reverse=not wanted.oldest_first
    )
    # Behind the end of a window that was full, jobs of its state may be missing.
    ends = [each[window - 1]["id"] for each in pages if len(each) > window]
    end = None if not ends else (min(ends) if wanted.oldest_first else max(ends))
    known = [row for row in rows if end is None or (row["id"] <= end if wanted.oldest_first else row["id"] >= end)]
    fitting = [row for row in known if not sifted or _fits(row, wanted)]
    more = len(fitting) > limit
    chosen = fitting[:limit]
    next_cursor = chosen[-1]["id"] if more else end
    return Found(_loaded(conn, chosen) if sifted else [from_row(Job, row) for row in chosen], next_cursor)


def nth_page(conn: Connection, wanted: JobFilter, size: int, number: int) -> tuple[list[Job], int]:
    """The page of that number (the first: 1) of jobs whose filter says nothing of metadata, and how many there are in
    all. Unlike a cursor it moves on while jobs come in, so this is for clients that know no other way."""
    if wanted.metadata:
        raise ValueError("pages by their number are made of what SQL can count: leave metadata away")
    page = _page(wanted, None, sifted=False)
    if wanted.states is not None:
        page = page.where(jobs.c.state.in_(sorted(wanted.states)))
    if wanted.door is not None:
        page = page.where(jobs.c.door == wanted.door)
    count = conn.execute(select(func.count()).select_from(page.order_by(None).subquery())).scalar_one()
    rows = conn.execute(page.limit(size).offset((number - 1) * size)).mappings()
    return [from_row(Job, row) for row in rows], int(count)


def count_ended(conn: Connection, account: str | None, since: datetime) -> dict[str, int]:
    """How many jobs of an account (none: all) that were made since then are in each state that is an end."""
    query = (
        select(jobs.c.state, func.count())
        .where(jobs.c.state.in_(sorted(ENDED_JOB)), jobs.c.id >= _id_at(since))
        .group_by(jobs.c.state)
    )
    if account is not None:
        query = query.where(jobs.c.account == account)
    return {state: int(count) for state, count in conn.execute(query)}


def _page(wanted: JobFilter, cursor: str | None, *, sifted: bool) -> Select[Any]:
    columns = (jobs.c.id, jobs.c.door, jobs.c.metadata) if sifted else (jobs,)
    page = select(*columns).order_by(jobs.c.id if wanted.oldest_first else jobs.c.id.desc())
    if wanted.account is not None:
        page = page.where(jobs.c.account == wanted.account)
    if cursor is not None:
        page = page.where(jobs.c.id > cursor if wanted.oldest_first else jobs.c.id < cursor)
    if wanted.id_prefix:
        # Ids are hexadecimal, so `g` is behind whatever follows; a range is what an index can answer.
        page = page.where(jobs.c.id >= wanted.id_prefix, jobs.c.id < wanted.id_prefix + "g")
    if wanted.created_after is not None:
        page = page.where(jobs.c.id >= _id_at(wanted.created_after - _CLOCKS), jobs.c.created_at > wanted.created_after)
    if wanted.created_before is not None:
        page = page.where(
            jobs.c.id < _id_at(wanted.created_before + _CLOCKS), jobs.c.created_at < wanted.created_before
        )
    return page


def _id_at(time: datetime) -> str:
    """What ids of that time begin with."""
    milliseconds = min(max(int(time.timestamp() * 1000), 0), (1 << _ID_MILLISECONDS) - 1)
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def _fits(row: RowMapping, wanted: JobFilter) -> bool:
    if wanted.door is not None and row["door"] != wanted.door:
        return False
    said: Mapping[str, Any] = row["metadata"]
    return all(name in said and _written(said[name]) == value for name, value in wanted.metadata.items())


def _written(value: Any) -> str | None:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            return None


def _loaded(conn: Connection, rows: Sequence[RowMapping]) -> list[Job]:
    if not rows:
        return []
    found = select(jobs).where(jobs.c.id.in_([row["id"] for row in rows]))
    by_id = {row["id"]: from_row(Job, row) for row in conn.execute(found).mappings()}
    return [by_id[row["id"]] for row in rows]
