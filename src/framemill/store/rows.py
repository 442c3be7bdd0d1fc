"""Between values and rows: strict in writing, lenient in reading."""

import functools
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Insert, RowMapping, Table
from sqlalchemy.dialects import postgresql, sqlite

from framemill.jobs.settings import Value
from framemill.store.columns import UtcDateTime

V = TypeVar("V", bound=Value)

PER_QUERY = 1000
"""Values of one statement; SQLite takes 32,766."""


def to_row(value: Value, table: Table) -> dict[str, Any]:
    """The value as a row of the table; raises pydantic's error for a value that was bent after it was made."""
    checked = type(value).model_validate(dict(value))
    written = checked.model_dump(mode="json")
    return {
        # The driver writes times; everything else is what JSON makes of it, nested or not.
        column.name: getattr(checked, column.name) if isinstance(column.type, UtcDateTime) else written[column.name]
        for column in table.columns
        if column.name in written
    }


def from_row(kind: type[V], row: RowMapping) -> V:
    """The row as a value; fields that a newer writer added, in columns or in JSON, are passed over."""
    return kind.model_validate(dict(row), extra="ignore")


def upsert(conn: Connection, table: Table, values: Iterable[Value], keep: Sequence[str] = ()) -> None:
    """Write the values by primary key, over what stands there; the columns in `keep` stay as they stand."""
    rows = [to_row(value, table) for value in values]
    if rows:
        conn.execute(_upserting(conn.dialect.name, table, tuple(rows[0]), tuple(keep)), rows)


@functools.cache  # building it takes longer than executing it
def _upserting(dialect: str, table: Table, names: tuple[str, ...], keep: tuple[str, ...]) -> Insert:
    statement = _insert(dialect, table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in names if name not in keys and name not in keep}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def dialect_insert(conn: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT; both databases write it alike."""
    return _insert(conn.dialect.name, table)


def _insert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
