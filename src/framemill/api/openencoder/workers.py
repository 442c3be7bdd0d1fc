"""What the farm's coordinator tells of its workers, in this door's words. Pure."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from framemill.api.openencoder.job_mapping import guid_of, note_of
from framemill.jobs.model import Job

JOB_NAME = "encode"
_LANE = "encode"

Live = Mapping[str, Any]
"""What the coordinator tells of itself; empty: it does not answer."""


class Work(NamedTuple):
    """An order that is carried out."""

    worker: str
    """Its place among the slots of its worker."""
    token: str
    job: str
    since: float
    """Seconds since the epoch."""
    share: float | None
    """Of it done; none: nobody says."""


def count(live: Live) -> int:
    """Workers that encode."""
    return sum(not one.get("barred") for one in _encoders(live))


def worked_on(live: Live) -> set[str]:
    """Jobs of which something is carried out, whoever does that."""
    return {work["job"] for one in live.get("workers", ()) for work in one.get("work", ())}


def queue(waiting: int, latency_seconds: float) -> list[dict[str, Any]]:
    """The one queue that there is."""
    return [{"job_name": JOB_NAME, "count": waiting, "latency": int(latency_seconds) if waiting else 0}]


def pools(live: Live, now: datetime) -> list[dict[str, Any]]:
    """A pool for each worker, with a worker for each of its slots."""
    return [
        {
            "worker_pool_id": one["name"],
            "started_at": int(one.get("started", 0.0)),
            "heartbeat_at": int(now.timestamp() - one.get("silent_seconds", 0.0)),
            "job_names": [JOB_NAME],
            "concurrency": one["slots"],
            "host": one["machine"],
            "pid": one["pid"],
            "worker_ids": [_slot(one["name"], number) for number in range(one["slots"])],
        }
        for one in _encoders(live)
    ]


def works(live: Live, now: datetime) -> list[Work]:
    """What those carry out who encode."""
    return [
        Work(
            _slot(one["name"], number), work["token"], work["job"], now.timestamp() - work["seconds"], work.get("share")
        )
        for one in _encoders(live)
        for number, work in enumerate(one.get("work", ()))
    ]


def busy(found: Sequence[Work], seen: Mapping[str, Job], now: datetime) -> list[dict[str, Any]]:
    """Those slots at work; `seen`: the jobs of this door that whoever asks may see, by their ids."""
    return [
        {
            "worker_id": work.worker,
            "is_busy": True,
            "job_name": JOB_NAME,
            "job_id": guid_of(work.job),
            "started_at": int(work.since),
            "args_json": json.dumps(_args(work.job, seen.get(work.job)), ensure_ascii=False),
            "checkin": "" if work.share is None else f"{100 * work.share:.0f} %",
            "checkin_at": 0 if work.share is None else int(now.timestamp()),
        }
        for work in found
    ]


def _args(job_id: str, job: Job | None) -> dict[str, str]:
    guid = {"guid": guid_of(job_id)}
    if job is None:
        return guid
    note = note_of(job)
    return {**guid, "preset": note.preset, "source": note.source, "destination": note.dest}


def _slot(name: str, number: int) -> str:
    return f"{name}-{number}"


def _encoders(live: Live) -> list[Mapping[str, Any]]:
    return [one for one in live.get("workers", ()) if one.get("lane", _LANE) == _LANE]
