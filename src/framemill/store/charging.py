"""Charging a job for its outputs: within its cap, and from its account, in the order in which they are verified."""

from datetime import datetime

from sqlalchemy import Connection, select

from framemill.jobs.reasons import Reason
from framemill.store import ledger
from framemill.store.jobs import charge_output
from framemill.store.schema import jobs, outputs


def charge(  # noqa: PLR0917
    conn: Connection, job_id: str, output_id: str, amount: int, cap: int | None, epoch: int, now: datetime
) -> Reason | None:
    """Charge a job and its account for an output, once; or why it cannot be, and then nothing is charged.

    Raises `StaleWrite` when the epoch is over.
    """
    account, charged = conn.execute(
        select(jobs.c.account, outputs.c.charged)
        .join(outputs, outputs.c.job_id == jobs.c.id)
        .where(jobs.c.id == job_id, outputs.c.id == output_id)
    ).one()
    # Writers take turns, so what is payable now is payable in a moment.
    if charged is None and not ledger.can_pay(conn, account, job_id, amount):
        return Reason.BALANCE_TOO_LOW
    if not charge_output(conn, job_id, output_id, amount, cap, epoch):
        return Reason.SPEND_CAP_REACHED
    if charged is None:
        ledger.charge(conn, account, job_id, amount, now=now)
    return None
