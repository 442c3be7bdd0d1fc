"""Deliveries: where each file of an output was put."""

from collections.abc import Iterable

from sqlalchemy import Connection, select

from framemill.jobs.model import Delivery
from framemill.store.rows import from_row, upsert
from framemill.store.schema import deliveries


def save_deliveries(conn: Connection, changed: Iterable[Delivery]) -> None:
    """Write deliveries, new or changed."""
    upsert(conn, deliveries, changed)


def load_deliveries(conn: Connection, job_id: str) -> list[Delivery]:
    """A job's deliveries of all its attempts, oldest first."""
    mine = select(deliveries).where(deliveries.c.job_id == job_id).order_by(deliveries.c.id)
    return [from_row(Delivery, row) for row in conn.execute(mine).mappings()]
