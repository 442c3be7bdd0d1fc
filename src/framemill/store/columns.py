"""What columns are made of, on both databases; and the one collection that all tables are in."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import JSONB

# A later migration can only change what has a name.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time: text in UTC in SQLite (which has no zones), `timestamptz` in PostgreSQL."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; a time without a zone is refused, since nobody knows what it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Back, with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
# SQLite counts rows by itself only in a column that is declared INTEGER.
Sequence = BigInteger().with_variant(Integer, "sqlite")


def id_column(name: str = "id") -> Column[Any]:
    """A UUID that is the row's key."""
    return Column(name, String(36), primary_key=True)


def job_id_column(**more: Any) -> Column[Any]:
    """The job that the row belongs to, and goes with."""
    return Column("job_id", String(36), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, **more)


def explained_columns() -> tuple[Column[Any], Column[Any]]:
    """Why something is as it is: a reason, and a sentence."""
    return Column("reason", String(40)), Column("message", Text)
