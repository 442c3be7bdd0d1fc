"""Requests that carry an `Idempotency-Key`: who is at each, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, update

from framemill.store.account_tables import idempotency as table
from framemill.store.rows import dialect_insert


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A request, and how far it is."""

    account: str
    key: str
    request_hash: str
    holder: str | None
    held_at: datetime
    made_id: str
    status: int | None = None
    headers: Sequence[Sequence[str]] = ()
    """Names and values."""
    body: bytes | None = None
    created_at: datetime


def load_claim(conn: Connection, account: str, key: str) -> Claim | None:
    """What is known of that key; none: nothing."""
    row = conn.execute(select(table).where(_mine(account, key))).mappings().first()
    return None if row is None else Claim(**row)


def claim(conn: Connection, fresh: Claim, *, forgotten_before: datetime, given_up_before: datetime) -> Claim:
    """The request as it stands now; `fresh.holder` holds it where nobody has answered it and nobody is at it.

    `forgotten_before`: older ones count as never made. `given_up_before`: whoever is at it since before is gone.
    """
    conn.execute(delete(table).where(_mine(fresh.account, fresh.key), table.c.created_at < forgotten_before))
    row = {name: getattr(fresh, name) for name in Claim.__slots__} | {"headers": []}
    conn.execute(dialect_insert(conn, table).values(row).on_conflict_do_nothing())
    idle = or_(table.c.holder.is_(None), table.c.held_at < given_up_before)
    same = and_(table.c.request_hash == fresh.request_hash, table.c.status.is_(None), idle)
    over = update(table).where(_mine(fresh.account, fresh.key), same)
    conn.execute(over.values(holder=fresh.holder, held_at=fresh.held_at))
    return load_claim(conn, fresh.account, fresh.key) or fresh


def answered(conn: Connection, mine: Claim, status: int, headers: Sequence[Sequence[str]], body: bytes) -> bool:
    """Keep the answer; False, and nothing kept, where somebody else has it by now."""
    held = and_(_mine(mine.account, mine.key), table.c.holder == mine.holder, table.c.status.is_(None))
    kept = update(table).where(held).values(status=status, headers=[list(pair) for pair in headers], body=body)
    return conn.execute(kept).rowcount == 1


def hold_on(conn: Connection, mine: Claim, now: datetime) -> None:
    """Its holder is still at it; nothing changes where somebody else has it by now."""
    held = and_(_mine(mine.account, mine.key), table.c.holder == mine.holder, table.c.status.is_(None))
    conn.execute(update(table).where(held).values(held_at=now))


def let_go(conn: Connection, mine: Claim) -> None:
    """There is no answer to be kept: whoever comes next tries at once, under the same id."""
    held = and_(_mine(mine.account, mine.key), table.c.holder == mine.holder, table.c.status.is_(None))
    conn.execute(update(table).where(held).values(holder=None))


def _mine(account: str, key: str) -> ColumnElement[bool]:
    return and_(table.c.account == account, table.c.key == key)
