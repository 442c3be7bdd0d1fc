"""Takes what was made of a job away from everybody, and leaves the job."""

from collections.abc import Callable
from datetime import UTC, datetime

from framemill.errors import Conflict, NotFound
from framemill.jobs.states import ENDED_JOB, DeliveryState
from framemill.services.jobs import Jobs
from framemill.store import jobs as job_rows
from framemill.store.database import Database
from framemill.store.deliveries import load_deliveries


def withdrawn(
    database: Database, jobs: Jobs, job_id: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> int:
    """Nobody gets the outputs any more that stay here; the farm collects their files when it tidies up. How many.

    What was put into targets stays there. Raises `NotFound`, and `Conflict` for a job that has not ended.
    """
    jobs.shown(job_id)  # whose it is
    with database.writing() as conn:
        found = job_rows.load_job(conn, job_id)
        if found is None:
            raise NotFound(f"There is no job {job_id!r}.")
        job, _, outputs = found
        if job.state not in ENDED_JOB:
            raise Conflict(f"Job {job_id} is {job.state}: its files can be deleted when it has ended. Cancel it first.")
        here = [output for output in outputs if output.stays and output.withdrawn_at is None]
        ids, now = {output.id for output in here}, clock()
        for output in here:
            job_rows.save_output(conn, output.model_copy(update={"withdrawn_at": now}))
        files = [row for row in load_deliveries(conn, job_id) if row.output_id in ids and row.target is None]
    return len({(row.output_id, row.path) for row in files if row.state is DeliveryState.COMPLETED})
