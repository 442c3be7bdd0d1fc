"""Open Encoder's jobs over a store without a farm: asked for, moved on as a coordinator would, looked at."""

import json
from typing import Any

from front_door import FACTS, FrontDoor

from framemill.api.openencoder.asked import NAME
from framemill.api.openencoder.job_mapping import guid_of
from framemill.api.openencoder.kept_settings import KIND, KeptSettings
from framemill.jobs.states import (
    ChunksCommitted,
    Delivered,
    InputsReady,
    InputState,
    JobEvent,
    Packaged,
    Planned,
    Started,
    Stitched,
)
from framemill.services.callers import Caller
from framemill.services.jobs import Jobs, Shown
from framemill.services.keepsakes import Keepsakes
from framemill.store.jobs import load_job, save_input

JOB = {"preset": "h264_baseline_360p_600", "source": "s3:///src/a.mp4", "dest": "s3:///dst/a/"}
CRF = json.dumps({"raw": ["-c:v libx264", "-crf 23"]})
KEYS = {
    *("id", "guid", "preset", "created_date", "status", "source", "destination", "probe", "options"),
    *("progress", "speed", "fps", "streaming"),
}
"""Of a job, always."""
TO_THE_END: tuple[JobEvent, ...] = (
    *(Started(), InputsReady(), Planned(), ChunksCommitted(), Stitched(), Packaged(), Delivered()),
)


def settle(door: FrontDoor, **said: str) -> None:
    """What the settings of the farm's own account shall say, beside what they say usually."""
    kept = Keepsakes(door.database, door.parts.seals, caller=Caller(), door=NAME, kind=KIND)
    settings = KeptSettings(kept)
    settings.replace({**settings.values(), **said})


def made(door: Any, **more: str) -> dict[str, Any]:
    """A new job."""
    answer = door.post("/api/jobs", {**JOB, **more})
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()["job"]
    return job


def job_of(door: Any, number: int) -> dict[str, Any]:
    """How a job is told."""
    answer = door.get(f"/api/jobs/{number}")
    assert answer.status_code == 200, answer.text
    job: dict[str, Any] = answer.json()["job"]
    return job


def shown(door: FrontDoor, number: int) -> Shown:
    """The farm's own job."""
    return Jobs(door.database, lambda _: None, door=NAME).shown(id_of(door, number))


def id_of(door: FrontDoor, number: int) -> str:
    """The id that a job has in the farm."""
    found = Jobs(door.database, lambda _: None, door=NAME).listed(limit=100).jobs
    return next(one.job.id for one in reversed(found) if job_of(door, number)["guid"] == guid_of(one.job.id))


def read(door: FrontDoor, number: int, facts: dict[str, Any] = FACTS) -> None:
    """Its source was fetched and read."""
    job_id = id_of(door, number)
    with door.database.writing() as conn:
        found = load_job(conn, job_id)
        assert found is not None
        known = {"state": InputState.READY, "facts": facts, "blob": "/in.mp4", "size": 5}
        save_input(conn, found[1][0].model_copy(update=known))
