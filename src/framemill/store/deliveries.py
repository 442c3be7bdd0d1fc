"""Deliveries: where each file of an output was put."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Select, case, delete, func, select

from framemill.jobs.model import Delivery
from framemill.jobs.states import DeliveryState
from framemill.store.rows import from_row, upsert
from framemill.store.schema import deliveries


def save_deliveries(conn: Connection, changed: Iterable[Delivery]) -> None:
    """Write deliveries, new or changed."""
    upsert(conn, deliveries, changed)


def load_deliveries(conn: Connection, job_id: str) -> list[Delivery]:
    """A job's deliveries of all its attempts, oldest first."""
    mine = select(deliveries).where(deliveries.c.job_id == job_id).order_by(deliveries.c.id)
    return [from_row(Delivery, row) for row in conn.execute(mine).mappings()]


def forget_here(conn: Connection, output_ids: Sequence[str]) -> None:
    """Forget what stays here of those outputs: nobody gets it any more. What was put into targets stays known."""
    conn.execute(delete(deliveries).where(deliveries.c.output_id.in_(output_ids), deliveries.c.target.is_(None)))


def bytes_of(conn: Connection, job_id: str, attempt: int) -> tuple[int, int]:
    """Bytes that an attempt has put into targets, and those that it has to put there."""
    there = case((deliveries.c.state == DeliveryState.COMPLETED, deliveries.c.size), else_=0)
    mine = select(func.sum(there), func.sum(deliveries.c.size)).where(
        deliveries.c.job_id == job_id, deliveries.c.attempt == attempt, deliveries.c.target.is_not(None)
    )
    done, in_all = conn.execute(mine).one()
    return int(done or 0), int(in_all or 0)


def whole_outputs(job_id: str, attempt: int) -> Select[tuple[str]]:
    """Asks for the outputs of which an attempt has put every file into one target at least."""
    there = case((deliveries.c.state == DeliveryState.COMPLETED, 1), else_=0)
    mine = (deliveries.c.job_id == job_id, deliveries.c.attempt == attempt, deliveries.c.target.is_not(None))
    by_target = select(deliveries.c.output_id).where(*mine).group_by(deliveries.c.output_id, deliveries.c.target)
    return by_target.having(func.min(there) == 1)
