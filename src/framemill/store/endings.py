"""What the end of a job's attempt does to its account, in the very transaction that ends it: so exactly once."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from framemill.jobs.model import Job
from framemill.jobs.states import JobState
from framemill.policy.quotas import day_of
from framemill.store import ledger
from framemill.store.schema import outputs
from framemill.store.usage import add_used


def settle_end(conn: Connection, job: Job, now: datetime) -> None:
    """Release what is still reserved for the job, give back what it was charged unless it has completed, count it."""
    ledger.release(conn, job.account, job.id, now=now)
    if job.state is not JobState.COMPLETED:
        mine = outputs.c.job_id == job.id
        paid = conn.execute(select(func.sum(outputs.c.charged)).where(mine)).scalar()
        if paid is not None:
            ledger.refund(conn, job.account, job.id, int(paid), now=now)
            conn.execute(update(outputs).where(mine).values(charged=None))
    add_used(conn, job.account, day_of(now), _used(job))


def _used(job: Job) -> dict[str, int]:
    cpu = sum(usage.cpu_seconds for usage in job.usage.values())
    used = {f"jobs_{job.state.value}": 1, "cpu_milliseconds": round(1000 * cpu), "credits": job.spent}
    if job.state is not JobState.COMPLETED or job.report is None:
        return used
    made: list[Mapping[str, Any]] = job.report.get("outputs", [])
    seconds = float(job.report.get("source", {}).get("format", {}).get("duration", 0.0))
    return used | {
        "outputs": len(made),
        "output_milliseconds": round(1000 * seconds) * len(made),
        "output_bytes": sum(file.get("size", 0) for one in made for file in one.get("files", [])),
    }
