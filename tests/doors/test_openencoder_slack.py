"""What the Slack channel of Open Encoder's settings is told of a job's end."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from doors.openencoder_jobs import JOB, TO_THE_END, id_of, settle, shown
from doors.told import tell
from reached import Answer, Heard, serving

from framemill.jobs.reasons import Reason
from framemill.jobs.states import Failed, Started
from framemill.services.proof import HEADER, proof

pytestmark = pytest.mark.usefixtures("named_store")


@pytest.fixture
def channel(door: Any) -> Iterator[list[Heard]]:
    """Whatever is posted to the channel of the settings."""
    heard: list[Heard] = []

    def answer(said: Heard) -> Answer:
        heard.append(said)
        return Answer(200, body=b"ok")

    with serving(answer) as server:
        settle(door, SLACK_WEBHOOK=f"{server.url}/services/T00/B00/hushhushhush")
        yield heard


def made(door: Any, **more: str) -> dict[str, Any]:
    """A job of somebody on the farm's machine: the channel is there, too."""
    answer = door.post("/api/jobs", {**JOB, **more}, headers={HEADER: proof(door.parts.seals)})
    job: dict[str, Any] = answer.json()["job"]
    return job


def test_it_hears_of_a_job_that_is_done(door: Any, channel: list[Heard]) -> None:
    job = made(door)
    door.moved(id_of(door, 1), *TO_THE_END)
    tell(door)
    (heard,) = channel
    assert (heard.method, heard.path) == ("POST", "/services/T00/B00/hushhushhush")
    assert heard.headers["content-type"] == "application/json"
    told = json.loads(heard.body)
    assert told.keys() == {"text"}
    assert told["text"].startswith("*Encode Successful!*")
    for said in (job["guid"], JOB["preset"], JOB["source"], JOB["dest"]):
        assert said in told["text"]


def test_it_hears_why_one_has_failed_and_nothing_is_a_link_or_a_mention(door: Any, channel: list[Heard]) -> None:
    made(door, source="src/<!channel>&a.mp4")
    door.moved(
        id_of(door, 1),
        Started(),
        Failed(Reason.UNREADABLE_SOURCE, "It is no film: <@U1> & https://u:hush@example.org/."),
    )
    tell(door)
    (heard,) = channel
    text = json.loads(heard.body)["text"]
    assert text.startswith("*Encode Failed!*")
    assert "src/&lt;!channel&gt;&amp;a.mp4" in text
    assert "*Error*: It is no film: &lt;@U1&gt; &amp; https://***@example.org/." in text


def test_it_hears_of_what_could_not_even_begin(door: Any, channel: list[Heard]) -> None:
    made(door, preset="nobody's")
    tell(door)
    assert ["nobody's" in json.loads(one.body)["text"] for one in channel] == [True]


def test_it_hears_nothing_of_what_was_cancelled(door: Any, channel: list[Heard]) -> None:
    made(door)
    assert door.post("/api/jobs/1/cancel").status_code == 200
    tell(door)
    assert channel == []


def test_it_hears_again_of_what_is_done_again(door: Any, channel: list[Heard]) -> None:
    made(door)
    door.moved(id_of(door, 1), *TO_THE_END)
    tell(door)
    headers = {HEADER: proof(door.parts.seals)}
    assert door.post("/api/jobs/1/restart", headers=headers).status_code == 200
    door.moved(id_of(door, 1), *TO_THE_END)
    tell(door)
    assert len(channel) == 2


def test_nobody_is_shown_where_it_is(door: Any, channel: list[Heard]) -> None:
    """Whoever knows the address may post there."""
    made(door)
    found = shown(door, 1)
    assert "hush" not in found.job.model_dump_json()
    native = door.ask("GET", f"/v1/jobs/{found.job.id}")
    assert native.status_code == 200
    assert "hush" not in native.text
    assert channel == []


def test_without_a_channel_nobody_is_told(door: Any) -> None:
    made(door)
    assert shown(door, 1).job.callbacks == ()


def test_a_channel_in_a_private_network_is_an_error_of_the_job(door: Any) -> None:
    settle(door, SLACK_WEBHOOK="http://127.0.0.1:9/services/hushhush")
    answer = door.post("/api/jobs", JOB)
    job = answer.json()["job"]
    assert job["status"] == "error"
    assert "127.0.0.1" in job["error"]
    assert "hush" not in job["error"]
