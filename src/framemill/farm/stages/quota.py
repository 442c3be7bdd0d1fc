"""Whether a job's account may have its sources encoded, asked as soon as it is known how long they are."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from framemill.errors import QuotaExceeded
from framemill.farm.job import OneJob
from framemill.jobs.facts import seconds_of
from framemill.jobs.model import Input, Job
from framemill.jobs.reasons import Reason
from framemill.jobs.states import Failed, InputState, JobState
from framemill.policy.quotas import allow_material, limits_material
from framemill.store.accounts import load_account
from framemill.store.material import material_so_far


async def within_quotas(one: OneJob) -> Failed | None:
    """The failure of a job whose sources are longer than its account's quotas leave; none: it goes on, or is held."""
    job, inputs, _ = await one.store.load()
    if job.state is JobState.HELD:
        return None
    failure: Failed | None = await one.store.read(lambda conn: over_quota(conn, job, inputs))
    return failure


def over_quota(conn: Connection, job: Job, inputs: Sequence[Input]) -> Failed | None:
    """The same; none where the account has no such quota."""
    account = load_account(conn, job.account)
    if account is None or not limits_material(account.quotas):
        return None
    seconds = sum(seconds_of(source.facts) or 0.0 for source in inputs if source.state is InputState.READY)
    try:
        allow_material(account.quotas, material_so_far(conn, job.account, datetime.now(UTC), job.id), seconds)
    except QuotaExceeded as error:
        return Failed(Reason.QUOTA_EXCEEDED, error.message)
    return None
