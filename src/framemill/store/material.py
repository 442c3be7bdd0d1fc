"""How much material accounts have had encoded, keep and show: counted where their quotas ask for it."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Float, and_, cast, exists, func, or_, select

from framemill.jobs.states import ACTIVE_JOB, JobState
from framemill.policy.quotas import MaterialSoFar, day_of, first_of_month
from framemill.store.account_tables import usage
from framemill.store.schema import inputs, jobs, outputs
from framemill.store.usage import add_used

ENCODED = "source_milliseconds"
VIEWS = "views"


def material_so_far(conn: Connection, account: str, now: datetime, job_id: str | None = None) -> MaterialSoFar:
    """What counts against an account's quotas of material.

    `job_id`: a job that asks for itself; it does not count, nor do those that were made after it and are under way: of
    several that do not all fit in, the first do.
    """
    under_way: ColumnElement[bool] = jobs.c.state.in_(sorted(ACTIVE_JOB))
    others = []
    if job_id is not None:
        under_way = and_(under_way, jobs.c.id < job_id)
        others = [jobs.c.id != job_id]
    going = _seconds(conn, jobs.c.account == account, under_way)
    kept = exists().where(
        outputs.c.job_id == jobs.c.id,
        outputs.c.stays.is_(True),
        outputs.c.withdrawn_at.is_(None),
        or_(outputs.c.expires_at.is_(None), outputs.c.expires_at > now),
    )
    done = _seconds(conn, jobs.c.account == account, jobs.c.state == JobState.COMPLETED, kept, *others)
    this_month = select(usage.c.kind, func.sum(usage.c.amount)).where(
        usage.c.account == account,
        usage.c.day >= first_of_month(now).isoformat(),
        usage.c.day <= day_of(now),
        usage.c.kind.in_([ENCODED, VIEWS]),
    )
    month = {kind: int(amount) for kind, amount in conn.execute(this_month.group_by(usage.c.kind))}
    return MaterialSoFar(month.get(ENCODED, 0) / 1000 + going, done + going, month.get(VIEWS, 0))


def count_view(conn: Connection, account: str, now: datetime) -> None:
    """Playing of an output has begun."""
    add_used(conn, account, day_of(now), {VIEWS: 1})


def _seconds(conn: Connection, *conditions: ColumnElement[bool]) -> float:
    """The length of all sources of those jobs, as far as it is known."""
    length = cast(inputs.c.facts[("format", "duration")].as_string(), Float)
    query = select(func.sum(length)).join(jobs, jobs.c.id == inputs.c.job_id).where(*conditions)
    return float(conn.execute(query).scalar() or 0.0)
