"""A door's jobs by their place in its list, and how many there are: for clients that turn pages by their number."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Connection, case, func, select

from framemill.jobs.model import Job
from framemill.store.rows import from_row
from framemill.store.schema import jobs


def nth_jobs(conn: Connection, account: str | None, door: str, behind: int, limit: int) -> list[Job]:
    """Jobs of an account (none: of all) that came through that door, newest first, behind so many."""
    page = select(jobs).where(*_of(account, door)).order_by(jobs.c.id.desc()).offset(behind).limit(limit)
    return [from_row(Job, row) for row in conn.execute(page).mappings()]


def tally_jobs(conn: Connection, account: str | None, door: str) -> Mapping[tuple[str, bool], int]:
    """How many there are, by state and whether they are tried again."""
    again = case((jobs.c.attempt > 1, 1), else_=0).label("again")
    counted = select(jobs.c.state, again, func.count()).where(*_of(account, door)).group_by(jobs.c.state, again)
    return {(state, bool(retried)): int(count) for state, retried, count in conn.execute(counted)}


def _of(account: str | None, door: str) -> tuple[ColumnElement[bool], ...]:
    return (jobs.c.door == door, *(() if account is None else (jobs.c.account == account,)))
