"""Jobs as Convertrilo's clients make them, and what a farm would do with these."""

import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from doors.conftest import AskedDoor
from front_door import FACTS
from sqlalchemy import update

from framemill.jobs.states import InputState
from framemill.store import jobs as rows
from framemill.store.account_tables import idempotency as claims

BASE = "/convertrilo"
SRC = "https://films.example/in.mp4"
SIX_SECONDS: dict[str, Any] = {
    "format": {"format_name": "mov,mp4", "duration": "6.000000", "bit_rate": "1000000"},
    "streams": [
        {**FACTS["streams"][0], "width": 640, "height": 360, "avg_frame_rate": "30/1"},
        FACTS["streams"][1],
    ],
}


def wanted(**more: Any) -> dict[str, Any]:
    """The body of a job."""
    return {"codec": "h264", "resolution": "480p", "fps": 30, **more}


def made(door: AskedDoor, **more: Any) -> dict[str, Any]:
    """A new job, as its client is told of it."""
    return told(door.post(f"{BASE}/jobs", wanted(**more)))


def told(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    """The answer as a client reads it."""
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(answer: httpx.Response, status: int) -> str:
    """The code of a refusal, which has a message, too."""
    said = told(answer, status)
    assert isinstance(said["message"], str)
    assert said["message"]
    code: str = said["code"]
    return code


def sent(door: AskedDoor, url: str, body: Any = b"some film", **more: Any) -> httpx.Response:
    """What comes of a PUT to a link, without a key."""
    assert urlsplit(url).scheme in {"http", "https"}
    return door.ask("PUT", urlsplit(url).path, key=None, content=body, **more)


def was_read(door: AskedDoor, job_id: str, facts: dict[str, Any] | None = None) -> None:
    """What a farm writes that has read a job's source: six seconds of 640x360."""
    with door.database.writing() as conn:
        found = rows.load_job(conn, job_id)
        assert found is not None
        (source,) = found[1]
        update = {"state": InputState.READY, "facts": facts or SIX_SECONDS, "index_key": "k"}
        rows.save_input(conn, source.model_copy(update=update))


def ready(door: AskedDoor, **more: Any) -> str:
    """The id of a job whose source was read."""
    job_id: str = made(door, sourceUrl=SRC, **more)["jobId"]
    was_read(door, job_id)
    return job_id


def balance(door: AskedDoor, **more: Any) -> dict[str, Any]:
    """What an account has."""
    return told(door.get(f"{BASE}/tokens/balance", **more))


def status(door: AskedDoor, job_id: str) -> dict[str, Any]:
    """How a job stands."""
    return told(door.get(f"{BASE}/jobs/{job_id}/status"))


def account(door: AskedDoor, credits: int | None = None) -> str:
    """A key of a new account; `credits`: thousandths, none: nobody counts."""
    name = uuid.uuid4().hex
    found = door.post("/v1/accounts", {"name": name, "balance": credits}, bearer="an admin's key")
    assert found.status_code == 201, found.text
    key = door.post("/v1/keys", {"name": name, "account": found.json()["id"]}, bearer="an admin's key")
    secret: str = key.json()["key"]
    return secret


def answers_lost(door: AskedDoor) -> None:
    """As if whoever carried the requests with a key out had been killed before they kept what they answered."""
    lost: dict[str, Any] = {"status": None, "body": None, "headers": [], "holder": None}
    with door.database.writing() as conn:
        conn.execute(update(claims).values(**lost))


def now() -> datetime:
    return datetime.now(UTC)
