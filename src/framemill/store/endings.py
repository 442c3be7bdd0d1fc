"""What the end of a job's attempt does to its account, in the very transaction that ends it: so exactly once."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update

from framemill.jobs.facts import seconds_of
from framemill.jobs.model import Job
from framemill.jobs.states import JobState
from framemill.policy.quotas import day_of
from framemill.store import ledger
from framemill.store.deliveries import whole_outputs
from framemill.store.material import ENCODED
from framemill.store.schema import jobs, outputs
from framemill.store.usage import add_used


def settle_end(conn: Connection, job: Job, now: datetime) -> None:
    """Release what is still reserved for the job, give back what was charged for outputs that there are not (all of
    them, unless it has completed), count it.

    An output that lies whole at one of its targets is there, and stays paid: else whoever names a second target that
    takes nothing would have it for nothing.
    """
    ledger.release(conn, job.account, job.id, now=now)
    completed = job.state is JobState.COMPLETED
    mine = outputs.c.job_id == job.id
    nothing = mine & outputs.c.id.not_in(whole_outputs(job.id, job.attempt))
    if completed:
        nothing &= outputs.c.reason.is_not(None)
    unpaid = conn.execute(select(func.sum(outputs.c.charged)).where(nothing)).scalar()
    if unpaid is not None:
        ledger.refund(conn, job.account, job.id, int(unpaid), now=now)
        conn.execute(update(outputs).where(nothing).values(charged=None))
    spent = job.spent - int(unpaid or 0)
    if not completed:  # it says 0 by now
        spent = int(conn.execute(select(func.sum(outputs.c.charged)).where(mine)).scalar() or 0)
    if spent != job.spent:
        conn.execute(update(jobs).where(jobs.c.id == job.id).values(spent=spent))
    if completed:
        _kept(conn, job, now)
    add_used(conn, job.account, day_of(now), _used(job, spent))


def _kept(conn: Connection, job: Job, now: datetime) -> None:
    """From now on it counts how long the outputs stay, and how often each may be fetched."""
    mine, limits = outputs.c.job_id == job.id, job.limits
    if limits.max_kept_seconds is not None:
        until = now + timedelta(seconds=limits.max_kept_seconds)
        conn.execute(update(outputs).where(mine).values(expires_at=until))
    if limits.max_downloads is not None:
        unlimited = outputs.c.download_limit.is_(None)
        conn.execute(update(outputs).where(mine, unlimited).values(download_limit=limits.max_downloads))


def _used(job: Job, spent: int) -> dict[str, int]:
    cpu = sum(usage.cpu_seconds for usage in job.usage.values())
    used = {f"jobs_{job.state.value}": 1, "cpu_milliseconds": round(1000 * cpu), "credits": spent}
    if job.state is not JobState.COMPLETED or job.report is None:
        return used
    made: list[Mapping[str, Any]] = job.report.get("outputs", [])
    seconds = seconds_of(job.report.get("source")) or 0.0
    return used | {
        "outputs": len(made),
        ENCODED: round(1000 * seconds),
        "output_milliseconds": round(1000 * seconds) * len(made),
        "output_bytes": sum(file.get("size", 0) for one in made for file in one.get("files", [])),
    }
