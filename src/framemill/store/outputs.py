"""Outputs one by one, for who asks for their files: as little of their jobs as that takes."""

from typing import NamedTuple

from sqlalchemy import Connection, select

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
    """A file of an output, as the last attempt has published it that has published any."""
    mine = select(deliveries).where(deliveries.c.output_id == output_id, deliveries.c.path == path)
    done = mine.where(deliveries.c.state == DeliveryState.COMPLETED).order_by(deliveries.c.attempt.desc()).limit(1)
    row = conn.execute(done).mappings().first()
    return None if row is None else from_row(Delivery, row)


def published_files(conn: Connection, output_id: str) -> list[Delivery]:
    """All files of an output, of the last attempt that has published any."""
    query = select(deliveries).where(deliveries.c.output_id == output_id).order_by(deliveries.c.path)
    done = query.where(deliveries.c.state == DeliveryState.COMPLETED)
    rows = [from_row(Delivery, row) for row in conn.execute(done).mappings()]
    last = max((row.attempt for row in rows), default=0)
    return [row for row in rows if row.attempt == last]
