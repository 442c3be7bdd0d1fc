"""What accounts used, a day: sums kept up when things happen, since nobody could count ended jobs each time."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from framemill.store.account_tables import usage


class Used(NamedTuple):
    """One sum."""

    account: str
    day: str
    """As 2026-11-21, in UTC."""
    kind: str
    amount: int


def add_used(conn: Connection, account: str, day: str, amounts: Mapping[str, int]) -> None:
    """Add to the sums of that day; what is 0 is left out."""
    rows = [
        {"account": account, "day": day, "kind": kind, "amount": amount} for kind, amount in amounts.items() if amount
    ]
    if rows:
        conn.execute(_ADD[conn.dialect.name], rows)


def _adding(statement: postgresql.Insert | sqlite.Insert) -> postgresql.Insert | sqlite.Insert:
    more = {"amount": usage.c.amount + statement.excluded.amount}
    return statement.on_conflict_do_update(index_elements=["account", "day", "kind"], set_=more)


# Every job asks it: building a statement takes longer than executing it.
_ADD = {"sqlite": _adding(sqlite.insert(usage)), "postgresql": _adding(postgresql.insert(usage))}


def used_on(conn: Connection, account: str, day: str, kind: str) -> int:
    """One sum."""
    mine = select(usage.c.amount).where(usage.c.account == account, usage.c.day == day, usage.c.kind == kind)
    return int(conn.execute(mine).scalar() or 0)


def used_between(conn: Connection, account: str | None, first: date, last: date) -> list[Used]:
    """The sums of those days, both included, of an account (none: of all), by day."""
    query = select(usage).where(usage.c.day >= first.isoformat(), usage.c.day <= last.isoformat())
    if account is not None:
        query = query.where(usage.c.account == account)
    return [Used(*row) for row in conn.execute(query.order_by(usage.c.day, usage.c.account, usage.c.kind))]
