"""How jobs that were asked for on demand are told. Pure."""

from datetime import datetime, timedelta
from typing import Any

from framemill.api.convertrilo.links import output_url
from framemill.api.convertrilo.mapping import STATUSES, course, encoder, file_of, note_of
from framemill.api.convertrilo.ondemand_words import Terms
from framemill.jobs.model import Job
from framemill.jobs.states import JobState
from framemill.sealing import Seals
from framemill.services.jobs import Shown


def terms_of(job: Job) -> Terms:
    """What was asked for beside the encode; of a job that came by `/jobs` what is usual."""
    return Terms.model_validate(note_of(job).on_demand or {})


def good_until(shown: Shown) -> datetime | None:
    """Until when the link to a result is good; none: there is none."""
    job = shown.job
    if job.state is not JobState.COMPLETED or job.ended_at is None or not shown.outputs or not shown.outputs[0].stays:
        return None
    until = job.ended_at + timedelta(seconds=terms_of(job).expiry)
    gone = shown.outputs[0].expires_at
    return until if gone is None else min(until, gone)


def download_url(shown: Shown, seals: Seals, base: str, now: datetime) -> str | None:
    """The link to a result; none: there is none, or its time is over."""
    until = good_until(shown)
    path = file_of(shown.outputs[0], shown.deliveries) if shown.outputs else None
    if until is None or path is None or now >= until or shown.outputs[0].withdrawn_at is not None:
        return None
    return output_url(seals, base, shown.outputs[0], until, path)


def status_of(shown: Shown, done: int, url: str | None, now: datetime) -> dict[str, Any]:
    """A job as `GET /ondemand/status/{id}` tells it; `done`: per cent."""
    job, note = shown.job, note_of(shown.job)
    until = good_until(shown)
    return {
        "jobId": job.id,
        "externalId": note.external_id,
        "metadata": note.metadata,
        "status": STATUSES[job.state],
        "progress": done,
        "encoder": encoder(job),
        "downloadUrl": url,
        "expiresIn": None if until is None else max(0, int((until - now).total_seconds())),
        "destination": terms_of(job).destination.told,
        **course(job, note),
    }
