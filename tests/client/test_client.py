"""The client against a real server on loopback, and what it does while nobody answers."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from front_door import KEY, FrontDoor, served, wanted
from made_store import made_store

from framemill.api.app import create_app
from framemill.api.native.schemas import Job, NewInput, NewJob, NewOutput
from framemill.client import Framemill
from framemill.errors import (
    Conflict,
    FarmError,
    FramemillError,
    InvalidSetting,
    KeyRefused,
    NotFound,
    SourceMissing,
    UnknownPreset,
    WrongUse,
)
from framemill.jobs.settings import RunSettings
from framemill.jobs.states import (
    CancelAsked,
    ChunksCommitted,
    Delivered,
    InputsReady,
    Packaged,
    Planned,
    Started,
    Stitched,
    WorkStopped,
)
from framemill.storage.http import is_loopback

COMPLETING = (InputsReady(), Planned(), ChunksCommitted(), Stitched(), Packaged({"source": {}}), Delivered())


@pytest.fixture
def door(tmp_path: Path) -> Iterator[FrontDoor]:
    database = made_store(tmp_path / "farm.db")
    yield FrontDoor(database)
    database.close()


@pytest.fixture
def farm(door: FrontDoor) -> Iterator[Framemill]:
    with served(door) as url, Framemill(url, KEY) as client:
        yield client


def test_a_job_from_its_first_to_its_last_hour(farm: Framemill, door: FrontDoor) -> None:
    new = NewJob(
        inputs=(NewInput(uri="https://example.org/in.mov"),),
        outputs=(NewOutput(target="/out/a.mp4", settings={"crf": 20}),),
        run=RunSettings(chunks=3),
        start="held",
    )

    job = farm.submit(new)

    assert (job.state, job.run["chunks"], job.outputs[0].settings["crf"]) == ("held", 3, 20)
    assert farm.get(job.id) == job
    assert farm.edit(job.id, {"priority": 4}).priority == 4
    assert farm.start(job.id).state == "queued"
    assert [each.id for each in farm.list().data] == [job.id]
    assert farm.list(states=("completed", "failed")).data == ()
    assert farm.why(job.id).waiting is None
    with pytest.raises(NotFound, match="no report yet"):
        farm.report(job.id)
    door.moved(job.id, Started(), *COMPLETING)
    assert farm.get(job.id).ended
    assert farm.report(job.id) == {"source": {}, "warnings": []}
    assert [one.uri for one in farm.inputs(job.id).data] == ["https://example.org/in.mov"]
    assert [one.name for one in farm.outputs(job.id).data] == ["a.mp4"]
    first, *rest = farm.events(job.id)
    assert (first.kind, rest[-1].kind) == ("created", "completed")
    assert list(farm.events(job.id, after=first.seq)) == rest
    assert farm.retry(job.id).attempt == 2
    assert farm.cancel(job.id).state == "cancelled"
    farm.remove(job.id)
    with pytest.raises(NotFound):
        farm.get(job.id)


def test_the_farm_itself(farm: Framemill, door: FrontDoor) -> None:
    assert (farm.farm().live, farm.farm().jobs) == (True, {})
    assert (farm.farm().model_extra or {})["slots"] == 4
    assert farm.pause().paused is True
    assert farm.resume().paused is False
    assert farm.gc(dry_run=True) == {"bytes": 12, "dry_run": True}
    assert farm.drain(3) == {"drained": True}
    assert door.farm.asked == [("gc", True), ("drain", 3.0)]


@pytest.mark.parametrize(
    ("body", "kind", "param"),
    [
        (wanted("/nowhere/in.mov"), SourceMissing, "inputs.0.uri"),
        (wanted(outputs=[{"preset": "h246"}]), UnknownPreset, "outputs.0.preset"),
        (wanted(outputs=[{"settings": {"crf": 99}}]), InvalidSetting, "outputs.0.settings.crf"),
        (wanted(priority="high"), WrongUse, "priority"),
    ],
)
def test_a_refusal_is_the_error_it_is(
    body: dict[str, Any], kind: type[FramemillError], param: str, farm: Framemill
) -> None:
    with pytest.raises(kind) as refused:
        farm.submit(body)
    assert type(refused.value) is kind
    assert refused.value.param == param


def test_conflicts_keys_and_strangers(farm: Framemill, door: FrontDoor) -> None:
    job = farm.submit(wanted())
    with pytest.raises(Conflict, match="only a job that is held is started"):
        farm.start(job.id)
    for odd in ("no such job", "../farm", "a/b", "%2e"):
        with pytest.raises(NotFound):
            farm.get(odd)
    for key in (None, "wrong"):
        with Framemill(farm.url, key) as other, pytest.raises(KeyRefused):
            other.get(job.id)
    door.farm.silent = True
    with pytest.raises(FarmError, match="The coordinator is away"):
        farm.gc()


def test_an_id_may_be_cut_short(farm: Framemill) -> None:
    first = farm.submit(wanted())
    second = farm.submit(wanted())

    assert farm.find(first.id) == first
    assert farm.find(first.id[:-1].upper()).id == first.id
    with pytest.raises(Conflict, match="may be any of") as several:
        farm.find(first.id[:8])
    assert first.id in several.value.message
    assert second.id in several.value.message
    with pytest.raises(WrongUse, match="at least 8 characters"):
        farm.find(first.id[:7])
    for stranger in ("00000000", "no-such-job"):
        with pytest.raises(NotFound):
            farm.find(stranger)


def test_waiting_tells_of_progress_and_ends_with_the_job(farm: Framemill, door: FrontDoor) -> None:
    job_id = farm.submit(wanted()).id
    told: list[str] = []
    steps = iter([(Started(),), COMPLETING])

    def on_progress(job: Job) -> None:
        told.append(job.state)
        if (events := next(steps, None)) is not None:
            door.moved(job_id, *events)

    ended = farm.wait(job_id, on_progress, poll_seconds=0.01)

    assert told == ["queued", "ingesting", "completed"]
    assert (ended.state, ended.progress.share) == ("completed", 1.0)


def test_waiting_for_a_cancelled_job_takes_until_nobody_works_on_it(farm: Framemill, door: FrontDoor) -> None:
    job_id = farm.submit(wanted()).id
    door.moved(job_id, Started(), CancelAsked())
    told: list[str] = []

    def on_progress(job: Job) -> None:
        told.append(job.state)
        if job.state == "cancelling":
            door.moved(job_id, WorkStopped())

    assert farm.wait(job_id, on_progress, poll_seconds=0.01).state == "cancelled"
    assert told == ["cancelling", "cancelled"]


# While nobody answers


class Line:
    """A line to the farm that breaks as often as it is told to; time passes only when somebody sleeps."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.slept: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, content=answer.content, request=request)

    def client(self, **more: Any) -> Framemill:
        return Framemill(
            "http://127.0.0.1:9", KEY, transport=httpx.MockTransport(self), sleep=self.slept.append, **more
        )


FARM = {"live": True, "paused": False, "jobs": {}}
REFUSED = httpx.ConnectError("[Errno 111] Connection refused")


@pytest.mark.parametrize(
    "trouble", [REFUSED, httpx.RemoteProtocolError("Server disconnected"), httpx.Response(502), httpx.Response(503)]
)
def test_reading_is_tried_again_while_the_farm_restarts(trouble: Any) -> None:
    line = Line(trouble, trouble, httpx.Response(200, json=FARM))
    assert line.client().farm().live is True
    assert line.slept == [0.1, 0.2]


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (
            REFUSED,
            "No farm answers at http://127.0.0.1:9: [Errno 111] Connection refused. Start one with `framemill up`",
        ),
        (httpx.Response(502, html="<p>"), "http://127.0.0.1:9 answered 502 Bad Gateway: is a farm behind it?"),
        (httpx.Response(200, html="<p>"), "http://127.0.0.1:9 answers, but is no farm of Framemill"),
        (httpx.ReadTimeout("timed out"), "was asked and has not answered in time"),
    ],
)
def test_a_farm_that_does_not_answer_is_an_error_that_says_what_to_do(trouble: Any, message: str) -> None:
    line = Line(trouble)
    with pytest.raises(FarmError) as lost:
        line.client(patience_seconds=0).farm()
    assert message in lost.value.message
    assert line.asked == 1


def test_what_changes_something_is_asked_once() -> None:
    for ask in (
        Framemill.pause,
        Framemill.gc,
        lambda client: client.cancel("x"),
    ):
        line = Line(REFUSED)
        with pytest.raises(FarmError):
            ask(line.client())
        assert (line.asked, line.slept) == (1, [])


def test_waiting_outlives_a_restart_but_not_for_ever(farm: Framemill) -> None:
    queued = farm.submit(wanted())
    ended = httpx.Response(200, content=queued.model_copy(update={"state": "completed"}).model_dump_json())
    asked: Callable[[httpx.Response | Exception], Line] = lambda last: Line(REFUSED, REFUSED, REFUSED, last)  # noqa: E731

    assert asked(ended).client(patience_seconds=0).wait(queued.id).state == "completed"
    with pytest.raises(FarmError):
        asked(REFUSED).client(patience_seconds=0).wait(queued.id, patience_seconds=0)


def test_a_farm_is_spoken_to_where_another_api_is_at_the_root(door: FrontDoor, tmp_path: Path) -> None:
    door.app = create_app(dataclasses.replace(door.parts, hosts={"*": "devstreamcore"}))
    film = tmp_path / "film.bin"
    film.write_bytes(b"film")
    with served(door) as url, Framemill(url, KEY) as client:
        assert httpx.get(f"{url}/v1/jobs", headers={"X-API-Key": KEY}).status_code == 404
        upload = client.upload(film)
        assert client.submit({**wanted(), "inputs": [{"upload_id": upload.id}]}).state == "queued"


def test_an_address_that_is_none_is_refused() -> None:
    with Framemill("ftp://x.example", KEY) as client, pytest.raises(FarmError, match=r"ftp://x\.example"):
        client.farm()


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost/", True),
        ("http://[::1]:8000", True),
        ("https://farm.example", False),
        ("http://10.0.0.1", False),
        ("http://127.example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("http://[", False),
    ],
)
def test_the_farm_of_this_machine_is_known(url: str, here: bool) -> None:
    assert is_loopback(url) is here
