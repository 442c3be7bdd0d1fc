"""Jobs as online-convert's clients make them, and what a farm would do with these."""

from typing import Any

import httpx
from doors.conftest import AskedDoor
from front_door import FACTS, KEY, FrontDoor, laid_down

from framemill.jobs.model import Input, Job, Output
from framemill.jobs.states import (
    ChunksCommitted,
    Delivered,
    InputsReady,
    InputState,
    JobState,
    Packaged,
    Planned,
    StartAsked,
    Started,
    Stitched,
)
from framemill.policy.callbacks import PREPARED
from framemill.store.deliveries import save_deliveries
from framemill.store.events import add_event
from framemill.store.jobs import load_job, save_input

V2 = "/v2"
SRC = "https://films.example/in.mov"
REMOTE = {"type": "remote", "source": SRC}
MP4 = {"target": "mp4", "category": "video"}
KEYED = {"X-Api2convert-Api-Key": KEY}


class Client:
    """A client that shows its key as the vendor's own do, or the token of a job."""

    def __init__(self, door: AskedDoor, headers: dict[str, str] | None = None) -> None:
        self.door = door
        self._headers = KEYED if headers is None else headers

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = {**self._headers, **more.pop("headers", {})}
        return self.door.ask(method, f"{V2}{path}", body, key=None, headers=headers, **more)

    def get(self, path: str, **more: Any) -> Any:
        return told(self.ask("GET", path, **more))

    def post(self, path: str, body: Any, **more: Any) -> Any:
        return told(self.ask("POST", path, body, **more), 201)

    def patch(self, path: str, body: Any, **more: Any) -> Any:
        return told(self.ask("PATCH", path, body, **more))

    def by_token(self, job: dict[str, Any]) -> "Client":
        """Whoever has that job's token alone."""
        return Client(self.door, {"X-Oc-Token": job["token"]})


def told(answer: httpx.Response, status: int = 200) -> Any:
    """The answer as a client reads it."""
    assert answer.status_code == status, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    """A refusal: a message, the status and the fields that are meant."""
    said: dict[str, Any] = told(answer, status)
    assert said.keys() == {"message", "code", "errors"}
    assert said["message"]
    assert said["code"] == status
    return said


def parts_of(door: FrontDoor, job_id: str) -> tuple[Job, list[Input], list[Output]]:
    """The farm's own rows."""
    with door.database.reading() as conn:
        found = load_job(conn, job_id)
    assert found is not None
    return found


def was_read(door: FrontDoor, job_id: str) -> None:
    """What a farm writes that has fetched and read a job's inputs."""
    job, inputs, _ = parts_of(door, job_id)
    with door.database.writing() as conn:
        for source in inputs:
            if source.state is not InputState.FAILED:
                here = {"state": InputState.READY, "facts": FACTS, "size": 5, "index_key": "k"}
                save_input(conn, source.model_copy(update=here))
        if job.state is JobState.HELD:
            data = {"state": job.state.value, "attempt": job.attempt}
            add_event(conn, job_id, PREPARED, data, job.created_at)


def done(door: FrontDoor, job_id: str, body: bytes = b"a film") -> None:
    """What a farm writes that has done a job; each of its outputs that stays here is that film."""
    job, _, outputs = parts_of(door, job_id)
    was_read(door, job_id)
    if job.state is JobState.HELD:
        door.moved(job_id, StartAsked())
    rows = [laid_down(door, output, f"output.{output.settings.container}", body) for output in outputs if output.stays]
    with door.database.writing() as conn:
        save_deliveries(conn, rows)
    door.moved(job_id, Started(), InputsReady(), Planned(), ChunksCommitted(), Stitched(), Packaged(), Delivered())
