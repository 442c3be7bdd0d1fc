"""Outputs one by one, for who asks for their files: as little of their jobs as that takes."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, or_, select, update

from framemill.jobs.model import Delivery, Output
from framemill.jobs.states import DeliveryState, JobState
from framemill.store.rows import from_row
from framemill.store.schema import deliveries, jobs, outputs


class OwnedOutput(NamedTuple):
    """An output, and what has to be known of its job."""

    output: Output
    account: str
    job_state: JobState
    attempt: int


def load_output(conn: Connection, output_id: str) -> OwnedOutput | None:
    """The output of that id, where there is one."""
    told = (jobs.c.account.label("job_account"), jobs.c.state.label("job_state"), jobs.c.attempt.label("job_attempt"))
    query = select(outputs, *told).join(jobs, jobs.c.id == outputs.c.job_id).where(outputs.c.id == output_id)
    row = conn.execute(query).mappings().first()
    if row is None:
        return None
    state = JobState(row["job_state"])
    return OwnedOutput(from_row(Output, row), row["job_account"], state, row["job_attempt"])


def published_file(conn: Connection, output_id: str, path: str) -> Delivery | None:
    """A file of an output that lies here, as the last attempt has published it that has published any."""
    mine = _HERE.where(deliveries.c.output_id == output_id, deliveries.c.path == path)
    rows = [from_row(Delivery, row) for row in conn.execute(mine).mappings()]
    return next(iter(_of_last(rows)), None)


def published_files(conn: Connection, output_id: str) -> list[Delivery]:
    """All files of an output that lie here, of the last attempt that has published any."""
    query = _HERE.where(deliveries.c.output_id == output_id).order_by(deliveries.c.path)
    return _of_last([from_row(Delivery, row) for row in conn.execute(query).mappings()])


def keep_until(conn: Connection, output_id: str, until: datetime, *, at_least: bool = False) -> None:
    """From now on an output stays until then; `at_least`: or longer, where it does already."""
    kept = update(outputs).where(outputs.c.id == output_id)
    if at_least:
        kept = kept.where(outputs.c.expires_at < until)
    conn.execute(kept.values(expires_at=until))


# What was put on a disk of the farm's machine, or stays with the farm: nothing else can be had from here.
_HERE = select(deliveries).where(
    deliveries.c.state == DeliveryState.COMPLETED,
    or_(deliveries.c.target.is_(None), deliveries.c.uri.startswith("/")),
)


def _of_last(rows: Sequence[Delivery]) -> list[Delivery]:
    """Those of the last attempt, each file once: as it stays here, else at the first of its targets."""
    last = max((row.attempt for row in rows), default=0)
    mine = [row for row in rows if row.attempt == last]
    place = min((-1 if row.target is None else row.target for row in mine), default=None)
    return [row for row in mine if (-1 if row.target is None else row.target) == place]
