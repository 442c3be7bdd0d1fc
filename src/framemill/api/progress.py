"""How far a job was told to be: it does not go back from there, also where it is planned anew."""

import threading

from framemill.jobs.model import Job
from framemill.jobs.states import ENDED_JOB

_MOST_KNOWN = 10_000
_lock = threading.Lock()
_told: dict[tuple[str, int], float] = {}
"""Per cent of jobs that run, by id and attempt, the latest last: each replica's own."""


def highest(job: Job, done: float) -> float:
    """So many per cent, or as many as were told before."""
    key = (job.id, job.attempt)
    with _lock:
        known = max(done, _told.pop(key, 0))
        if job.state not in ENDED_JOB:
            _told[key] = known
            while len(_told) > _MOST_KNOWN:
                _told.pop(next(iter(_told)), None)
    return known
