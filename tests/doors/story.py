"""A client's story, told once for every API of the farm: whoever builds another door adds a `Teller`.

A teller speaks an API as its clients do, over HTTP, and puts what is told into the same few words.
"""

import atexit
import json
import shutil
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias
from urllib.parse import unquote, urlsplit

import httpx
from doors.around import Customer, awaited

State: TypeAlias = Literal["waiting", "working", "done", "failed", "cancelled"]
ENDED: frozenset[State] = frozenset({"done", "failed", "cancelled"})


class Told(NamedTuple):
    """What an API tells of a job."""

    state: State
    percent: float | None = None
    why: str = ""
    """Of one that failed: the sentence for people."""
    links: Sequence[str] = ()
    """Of one that is done: where its films are."""


class Teller(Protocol):
    """One customer's client of an API."""

    def submit(self, source: str) -> str:
        """Have the film at a URL encoded; the id by which it is spoken of."""
        ...

    def look(self, job_id: str) -> Told:
        """How it stands."""
        ...

    def cancel(self, job_id: str) -> None:
        """End it: afterwards it is told to be cancelled, also where the API only deletes."""
        ...

    def status_of(self, job_id: str) -> int:
        """The HTTP status of the answer to who looks at it."""
        ...

    def unknown(self) -> str:
        """An id as they are written there, of nothing."""
        ...


class Native:
    """Framemill's own API."""

    def __init__(self, http: httpx.Client, customer: Customer) -> None:
        self._ask = asking(http, "/framemill/v1", customer.bearer)

    def submit(self, source: str) -> str:
        settings = {"encoder_preset": "medium", "crf": 27}
        asked = {
            "inputs": [{"uri": source}],
            "outputs": [{"name": "film.mp4", "settings": settings}],
            "run": {"chunk_frames": 60},
        }
        return str(self._ask("POST", "/jobs", json=asked).json()["id"])

    def look(self, job_id: str) -> Told:
        job = self._ask("GET", f"/jobs/{job_id}").json()
        state: State = {"completed": "done", "failed": "failed", "cancelled": "cancelled", "queued": "waiting"}.get(
            job["state"],  # type: ignore[assignment]  # the rest are steps of the work
            "working",
        )
        links = []
        if state == "done":
            links = [self._ask("GET", f"/outputs/{one['id']}").json()["url"] for one in job["outputs"]]
        planned = job["progress"]["frames_planned"]
        return Told(state, 100 * job["progress"]["frames"] / planned if planned else None, job["message"] or "", links)

    def cancel(self, job_id: str) -> None:
        self._ask("POST", f"/jobs/{job_id}/cancel")

    def status_of(self, job_id: str) -> int:
        return self._ask("GET", f"/jobs/{job_id}", refused=True).status_code

    def unknown(self) -> str:
        return str(uuid.uuid4())


class Convertrilo:
    """On demand, as its SDK's `onDemandEncodeAndWait` does it."""

    _STATES: dict[str, State] = {  # noqa: RUF012 - nobody changes it
        "created": "waiting", "queued": "waiting", "running": "working",
        "success": "done", "failed": "failed", "canceled": "cancelled",
    }  # fmt: skip

    def __init__(self, http: httpx.Client, customer: Customer) -> None:
        self._ask = asking(http, "/convertrilo", {"X-API-Key": customer.key})

    def submit(self, source: str) -> str:
        return str(self._ask("POST", "/ondemand/encode", json={"sourceUrl": source, "quality": "best"}).json()["jobId"])

    def look(self, job_id: str) -> Told:
        told = self._ask("GET", f"/ondemand/status/{job_id}").json()
        links = [told["downloadUrl"]] if told.get("downloadUrl") else []
        return Told(self._STATES[told["status"]], told["progress"], told.get("failureMessage") or "", links)

    def cancel(self, job_id: str) -> None:
        assert self._ask("DELETE", f"/ondemand/{job_id}").json()["ok"] is True

    def status_of(self, job_id: str) -> int:
        return self._ask("GET", f"/ondemand/status/{job_id}", refused=True).status_code

    def unknown(self) -> str:
        return str(uuid.uuid4())


class DevStreamCore:
    """A video from a URL; who deletes one that is under way cancels it."""

    def __init__(self, http: httpx.Client, customer: Customer) -> None:
        self._ask = asking(http, "/devstreamcore/v1", customer.bearer)
        self._deleted: set[str] = set()

    def submit(self, source: str) -> str:
        return str(self._ask("POST", "/videos", json={"input": [{"url": source}]}).json()["id"])

    def look(self, job_id: str) -> Told:
        if job_id in self._deleted and self.status_of(job_id) == httpx.codes.NOT_FOUND:
            return Told("cancelled")
        video = self._ask("GET", f"/videos/{job_id}").json()
        working: State = "working" if video["progress"] else "waiting"
        state: State = {"ready": "done", "errored": "failed"}.get(video["status"], working)  # type: ignore[assignment]
        why = " ".join(message for error in video["errors"] for message in error["messages"])
        return Told(state, video["progress"], why, [one["url"] for one in video["playback"]["mp4"]])

    def cancel(self, job_id: str) -> None:
        assert self._ask("DELETE", f"/videos/{job_id}").status_code == httpx.codes.NO_CONTENT
        self._deleted.add(job_id)

    def status_of(self, job_id: str) -> int:
        return self._ask("GET", f"/videos/{job_id}", refused=True).status_code

    def unknown(self) -> str:
        return f"vid_{uuid.uuid4().hex[:20]}"


class OnlineConvert:
    """online-convert's flow of a URL; the key goes in the header that all of its present clients send."""

    _STATES: dict[str, State] = {  # noqa: RUF012 - nobody changes it
        "incomplete": "waiting", "ready": "waiting", "queued": "waiting", "pending": "waiting",
        "downloading": "working", "processing": "working",
        "completed": "done", "failed": "failed", "canceled": "cancelled",
    }  # fmt: skip

    def __init__(self, http: httpx.Client, customer: Customer) -> None:
        self._ask = asking(http, "/v2", {"X-Api2convert-Api-Key": customer.key})

    def submit(self, source: str) -> str:
        asked = {"input": [{"type": "remote", "source": source}], "conversion": [{"target": "mp4"}]}
        return str(self._ask("POST", "/jobs", json=asked).json()["id"])

    def look(self, job_id: str) -> Told:
        job = self._ask("GET", f"/jobs/{job_id}").json()
        why = " ".join(error["message"] for error in job["errors"])
        return Told(self._STATES[job["status"]["code"]], None, why, [one["uri"] for one in job["output"]])

    def cancel(self, job_id: str) -> None:
        assert self._ask("DELETE", f"/jobs/{job_id}").status_code == httpx.codes.NO_CONTENT

    def status_of(self, job_id: str) -> int:
        return self._ask("GET", f"/jobs/{job_id}", refused=True).status_code

    def unknown(self) -> str:
        return str(uuid.uuid4())


class OpenEncoder:
    """Open Encoder's jobs, by a preset of the customer's own; they end in a folder of the farm's machine."""

    _STATES: dict[str, State] = {  # noqa: RUF012 - nobody changes it
        "queued": "waiting", "restarting": "waiting",
        "downloading": "working", "probing": "working", "encoding": "working", "uploading": "working",
        "completed": "done", "error": "failed", "cancelled": "cancelled",
    }  # fmt: skip
    _NAME = "medium.mp4"

    def __init__(self, http: httpx.Client, customer: Customer) -> None:
        self._ask = asking(http, "/api", customer.bearer)
        self._folder = Path(tempfile.mkdtemp())
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        self._made = 0

    def submit(self, source: str) -> str:
        if not self._made:
            data = json.dumps({"raw": ["-c:v libx264", "-preset medium", "-crf 27"]})
            said = {"name": "medium", "description": "", "data": data, "output": self._NAME, "active": True}
            self._ask("POST", "/presets", json=said)
        self._made += 1
        dest = f"{(self._folder / str(self._made)).as_uri()}/"
        asked = {"preset": "medium", "source": source, "dest": dest}
        return str(self._ask("POST", "/jobs", json=asked).json()["job"]["id"])

    def look(self, job_id: str) -> Told:
        job = self._ask("GET", f"/jobs/{job_id}").json()["job"]
        state = self._STATES[job["status"]]
        return Told(
            state, job["progress"], job["error"] or "", [f"{job['destination']}{self._NAME}"] * (state == "done")
        )

    def cancel(self, job_id: str) -> None:
        assert self._ask("POST", f"/jobs/{job_id}/cancel").json() == {"status": 200}

    def status_of(self, job_id: str) -> int:
        return self._ask("GET", f"/jobs/{job_id}", refused=True).status_code

    def unknown(self) -> str:
        return "999999999"


TELLERS: tuple[Callable[[httpx.Client, Customer], Teller], ...] = (
    Native,
    Convertrilo,
    DevStreamCore,
    OnlineConvert,
    OpenEncoder,
)


def asking(http: httpx.Client, base: str, headers: dict[str, str]) -> Callable[..., httpx.Response]:
    """Asks the API there; a refusal ends the test, unless it is `refused`."""

    def ask(method: str, path: str, *, refused: bool = False, **more: Any) -> httpx.Response:
        answer = http.request(method, f"{base}{path}", headers=headers, **more)
        assert refused or answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    return ask


def seen(teller: Teller, job_id: str, *states: State, seconds: float = 240.0) -> list[Told]:
    """Everything that was told until one of the states was; another end than these ends the test."""
    all_told: list[Told] = []

    def look() -> bool:
        all_told.append(told := teller.look(job_id))
        assert told.state in states or told.state not in ENDED, told
        return told.state in states

    awaited(look, f"{' or '.join(states)} of {job_id}", seconds)
    return all_told


def fetched(http: httpx.Client, link: str) -> bytes:
    """What is at a link, or where it leads to: it carries its own permission. Of a door that delivers, the file."""
    assert urlsplit(link).scheme, f"{link} is not absolute"
    if link.startswith("file:"):
        return Path(unquote(urlsplit(link).path)).read_bytes()
    answer = http.get(link, follow_redirects=True)
    assert answer.is_success, f"{link}: {answer.status_code} {answer.text}"
    return answer.content
