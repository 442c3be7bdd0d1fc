"""What a client of online-convert's API does: makes jobs, sends files, fetches outputs. And what a coordinator would
write, where there is none."""

from collections.abc import Mapping
from typing import Any

import httpx
from front_door import KEY, FrontDoor, laid_down

from framemill.jobs.model import Output
from framemill.jobs.states import (
    ChunksCommitted,
    Delivered,
    InputsReady,
    JobEvent,
    Packaged,
    Planned,
    Started,
    Stitched,
)
from framemill.store.deliveries import save_deliveries
from framemill.store.jobs import load_job

V2 = "/v2"
FILM = b"as it came, " * 1000
MADE = b"as it was made, " * 1000
TO_THE_END: tuple[JobEvent, ...] = (
    *(Started(), InputsReady(), Planned(), ChunksCommitted(), Stitched(), Packaged(), Delivered()),
)


class Client:
    """One account's client; every call says what was answered."""

    def __init__(self, door: FrontDoor, key: str = KEY) -> None:
        self.door: Any = door
        self.key = key

    def ask(self, method: str, path: str, body: Any = None, *, headers: Any = None, **more: Any) -> httpx.Response:
        """With the key, in the header that the SDKs send."""
        shown = {"X-Api2convert-Api-Key": self.key}
        answer: httpx.Response = self.door.ask(
            method, f"{V2}{path}", body, key=None, headers={**shown, **(headers or {})}, **more
        )
        return answer

    def made(self, status: int = 201, **asked: Any) -> dict[str, Any]:
        """A job."""
        answer = self.ask("POST", "/jobs", {"conversion": [{"target": "mp4"}], **asked})
        assert answer.status_code == status, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def job(self, job_id: str) -> dict[str, Any]:
        """It as it is told now."""
        answer = self.ask("GET", f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def sent(
        self,
        job: dict[str, Any],
        body: bytes = FILM,
        *,
        name: str = "film.mov",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """A file of the job, by its token unless `headers` say otherwise."""
        said = {"X-Api2convert-Token": job["token"]} if headers is None else headers
        url = f"{job['server']}/upload-file/{job['id']}".removeprefix("http://farm.example")
        answer: httpx.Response = self.door.ask("POST", url, key=None, headers=said, files={"file": (name, body)})
        return answer

    def fetched(self, uri: str, method: str = "GET", **more: Any) -> httpx.Response:
        """What is at a link, without any key."""
        answer: httpx.Response = self.door.ask(method, uri.removeprefix("http://farm.example"), key=None, **more)
        return answer


def published(door: FrontDoor, job_id: str, body: bytes = MADE) -> Output:
    """The job's only output is there; the job is not told."""
    with door.database.reading() as conn:
        found = load_job(conn, job_id)
    assert found is not None
    (output,) = found[2]
    row = laid_down(door, output, f"output.{output.settings.container}", body)
    with door.database.writing() as conn:
        save_deliveries(conn, [row])
    return output


def completed(door: FrontDoor, job_id: str, body: bytes = MADE) -> Output:
    """The job's only output is there, and the job is done."""
    output = published(door, job_id, body)
    door.moved(job_id, *TO_THE_END)
    return output
