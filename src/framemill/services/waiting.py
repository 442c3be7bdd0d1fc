"""Why a job does not move, and what to do about it.

Of the jobs that are worked on the coordinator says so, job by job. Of those that wait to begin, of which there may be
many thousands, it says nothing: that follows from what it says of the farm.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from framemill.jobs.model import Input, Job, Waiting
from framemill.jobs.reasons import Reason
from framemill.jobs.states import ENDED_JOB, InputState, JobState
from framemill.policy.waiting import Code, FarmFacts, JobFacts, farm_facts, next_step
from framemill.policy.waiting import waiting as reckoned
from framemill.secrets import mask_url
from framemill.store import doors

FARM_AWAY = "farm_away"
"""The code of a job that nobody works on, since the coordinator does not answer."""


@dataclass(frozen=True, slots=True)
class FarmNow:
    """What the store knows of the farm at one moment."""

    paused: bool
    """The operator's wish."""
    condition: Mapping[str, Any]
    """What the coordinator last said of the farm; empty where none has said anything."""
    working: Mapping[str, int]
    """How many jobs of each account are worked on; counted only where that is limited."""
    now: datetime

    @property
    def facts(self) -> FarmFacts:
        """The same in the words of those who decide. A pause that is over is over before the coordinator says so."""
        facts = farm_facts(self.condition, self.now)
        return replace(facts, trouble=None) if facts.trouble is Code.PAUSED and not self.paused else facts


@dataclass(frozen=True, slots=True)
class Why:
    """The answer to "why does it not move"."""

    job: Job
    inputs: Sequence[Input]
    waiting: Waiting | None
    """None: nothing holds it up."""
    next: str
    """The next thing to do, or to wait for."""
    facts: dict[str, Any] = field(default_factory=dict)


def farm_now(conn: Connection, now: datetime) -> FarmNow:
    """How the farm is."""
    paused, condition = doors.farm_told(conn)
    limited = condition.get("jobs_per_account") is not None
    return FarmNow(paused, condition, doors.count_working(conn) if limited else {}, now)


def farm_waiting(farm: FarmNow) -> Waiting | None:
    """Why no further job begins, whosever it is; None: the next one may."""
    return _not_begun(JobFacts(state=JobState.QUEUED), farm)


def waiting_of(job: Job, inputs: Sequence[Input], farm: FarmNow) -> Waiting | None:
    """Why that job does not move; None: it does, or has ended."""
    if job.state in ENDED_JOB:
        return None
    if job.state is JobState.HELD:
        missing = tuple(mask_url(one.uri) for one in inputs if one.state is not InputState.READY)
        return job.waiting or reckoned(JobFacts(state=job.state, inputs=len(inputs), missing=missing), farm.facts)
    if job.state is JobState.QUEUED:
        limit = farm.condition.get("jobs_per_account")
        mine = JobFacts(state=job.state, account_jobs=farm.working.get(job.account, 0), account_limit=limit)
        return job.waiting or _not_begun(mine, farm)
    return job.waiting


def explain(job: Job, inputs: Sequence[Input], farm: FarmNow, silence: str | None = None) -> Why:
    """Why that job does not move, and the next thing to do. `silence`: why the coordinator does not answer."""
    facts: dict[str, Any] = {"since": job.entered_at.isoformat(), "attempt": job.attempt, "priority": job.priority}
    if job.reason is not None:
        facts |= {"reason": job.reason.value, "message": job.message, "retryable": job.reason.retryable}
    if job.state in ENDED_JOB:
        return Why(job, inputs, None, _after_end(job), facts)
    facts["farm"] = {"paused": farm.paused, **farm.condition}
    waiting = waiting_of(job, inputs, farm)
    if silence is not None and job.state is not JobState.HELD:
        waiting = farm_away(silence)
    return Why(job, inputs, waiting, _next(job, waiting), facts)


def farm_away(silence: str) -> Waiting:
    """Nobody works on a job while the coordinator does not answer, and that is why."""
    return Waiting(code=FARM_AWAY, sentence=f"Nobody works on it: {silence}")


def _not_begun(job: JobFacts, farm: FarmNow) -> Waiting | None:
    """Why a queued job is not begun with. The operator's wish holds before the coordinator has heard of it."""
    if farm.paused and farm.facts.trouble is None:
        return Waiting(code=Code.PAUSED, sentence="The farm was paused by its operator.")
    return reckoned(job, farm.facts)


def _next(job: Job, waiting: Waiting | None) -> str:
    if waiting is None:
        return "Nothing: its turn comes." if job.state is JobState.QUEUED else "Nothing: it is being worked on."
    if waiting.code == FARM_AWAY:
        return "See `framemill status`; where no farm runs, `framemill up` starts one, and the job goes on."
    if waiting.code == Code.HELD:
        return f"Start it: `framemill jobs start {job.id}`, or POST /v1/jobs/{job.id}/start."
    return re.sub(r"\bJOB\b", job.id, next_step(waiting.code))


def _after_end(job: Job) -> str:
    again = f"framemill jobs retry {job.id}"
    if job.state is JobState.COMPLETED:
        return "Nothing: it is completed."
    if job.state is JobState.CANCELLED:
        return f"Nothing: it was cancelled. To have it after all: {again}"
    if job.reason is not None and job.reason.retryable:
        return f"Try it again: {again}"
    if job.reason is Reason.INTERNAL:
        return f"It is the farm's fault, and its log tells more (`framemill support-bundle`). Try it again: {again}"
    return f"Mend what the message says, then try it again: {again}"
