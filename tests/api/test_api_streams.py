"""What happens, streamed over real connections; and what it costs the store."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from front_door import KEY, served

from framemill.api.native import streams, telling
from framemill.jobs.states import (
    CancelAsked,
    ChunksCommitted,
    Delivered,
    InputsReady,
    Packaged,
    Planned,
    RetryAsked,
    Started,
    Stitched,
)
from framemill.services.feed import Feed

COMPLETING = (ChunksCommitted(), Stitched(), Packaged({}), Delivered())
TICK = 0.02


class Stream:
    """Events as a browser would read them."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.comments = 0
        self._lines = answer.iter_lines()

    def next(self, *, but: str = "progress") -> tuple[str, str | None, Any]:
        """Name, id and data of the next event that is not called so."""
        while True:
            name, event_id, data = self._event()
            if name != but:
                return name, event_id, data

    def names(self) -> list[str]:
        """Of all events but progress, to the end of the stream."""
        found = []
        with contextlib.suppress(StopIteration):
            while True:
                found.append(self.next()[0])
        return found

    def line(self) -> str:
        """The next one, as it comes."""
        return next(self._lines)

    def _event(self) -> tuple[str, str | None, Any]:
        fields: dict[str, str] = {}
        while True:
            line = next(self._lines)
            if line.startswith(":"):
                self.comments += 1
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                return fields["event"], fields.get("id"), json.loads(fields["data"])
            else:
                fields = {}


@pytest.fixture
def feed(door: Any) -> Feed:
    made = Feed(door.database, telling.body, door.farm.progress_of, tick_seconds=TICK)
    door.app.state.feed = made
    return made


@pytest.fixture
def url(door: Any, feed: Feed) -> Iterator[str]:
    with served(door) as found:
        yield found


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=20) as made:
        yield made


@contextlib.contextmanager
def streaming(client: httpx.Client, path: str, **headers: str) -> Iterator[Stream]:
    with client.stream("GET", path, headers={"Accept": "text/event-stream", **headers}) as answer:
        yield Stream(answer)


def until(true: Callable[[], bool]) -> None:
    """Wait for it."""
    for _ in range(1000):
        if true():
            return
        threading.Event().wait(0.01)
    pytest.fail("it did not come about")


def test_a_list_is_the_usual_answer(door: Any, client: httpx.Client, feed: Feed) -> None:
    job_id = door.submitted()
    answer = client.get(f"/v1/jobs/{job_id}/events")
    assert [one["kind"] for one in answer.json()["data"]] == ["created"]
    listed = client.get("/v1/events").json()
    assert [(one["job_id"], one["kind"]) for one in listed["data"]] == [(job_id, "created")]
    assert client.get(f"/v1/events?after={listed['next_after']}").json()["data"] == []
    assert feed.looks == 0


def test_a_jobs_stream_begins_with_its_story_and_ends_with_the_job(door: Any, client: httpx.Client) -> None:
    job_id = door.submitted()
    with streaming(client, f"/v1/jobs/{job_id}/events") as stream:
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        assert stream.answer.headers["x-accel-buffering"] == "no"
        assert stream.answer.headers["cache-control"] == "no-cache"
        name, first, data = stream.next()
        assert (name, data["kind"], data["seq"]) == ("job.created", "created", int(first or 0))
        door.moved(job_id, Started(), InputsReady(), Planned())
        assert [stream.next()[0] for _ in range(3)] == ["job.ingesting", "job.planning", "job.encoding"]
        door.moved(job_id, *COMPLETING)
        assert stream.names() == ["job.stitching", "job.packaging", "job.delivering", "job.completed"]


def test_who_comes_back_goes_on_where_they_stopped(door: Any, client: httpx.Client) -> None:
    job_id = door.submitted()
    door.moved(job_id, Started())
    events = client.get(f"/v1/jobs/{job_id}/events").json()["data"]
    door.moved(job_id, InputsReady(), Planned(), *COMPLETING)
    rest = ["job.planning", "job.encoding", "job.stitching", "job.packaging", "job.delivering", "job.completed"]
    path = f"/v1/jobs/{job_id}/events"
    with streaming(client, f"{path}?after={events[-1]['seq']}") as stream:
        assert stream.names() == rest
    with streaming(client, f"{path}?after=0", **{"Last-Event-ID": str(events[-1]["seq"])}) as stream:
        assert stream.names() == rest
    last = client.get(path).json()["data"][-1]["seq"]
    assert client.get(f"{path}?stream=true&after={last}").status_code == 204
    door.moved(job_id, RetryAsked(), CancelAsked())
    with streaming(client, f"{path}?stream=true&after={last}") as stream:
        assert stream.names() == ["job.queued", "job.cancelled"]


def test_progress_is_told_while_the_job_is_worked_on(door: Any, client: httpx.Client, feed: Feed) -> None:
    job_id = door.submitted()
    door.farm.progress_told = {"frames": 25, "frames_planned": 100}
    with streaming(client, f"/v1/jobs/{job_id}/events") as stream:
        assert stream.next()[0] == "job.created"
        door.moved(job_id, Started(), InputsReady(), Planned())
        found = stream.next(but="")
        while found[0] != "progress":
            found = stream.next(but="")
        assert found[1] is None
        assert (found[2]["frames"], found[2]["frames_planned"], found[2]["share"]) == (25, 100, 0.25)
        door.moved(job_id, *COMPLETING)
        assert stream.names()[-1] == "job.completed"
    assert ("progress_of", [job_id]) in door.farm.asked


def test_a_coordinator_that_is_away_holds_up_no_event(door: Any, client: httpx.Client) -> None:
    door.farm.silent = True
    job_id = door.submitted()
    with streaming(client, f"/v1/jobs/{job_id}/events") as stream:
        door.moved(job_id, Started(), InputsReady(), Planned(), *COMPLETING)
        assert stream.names()[-1] == "job.completed"


def test_who_goes_away_is_gone_at_once_and_nothing_is_asked_any_more(
    door: Any, client: httpx.Client, feed: Feed
) -> None:
    job_id = door.submitted()
    with streaming(client, f"/v1/jobs/{job_id}/events") as stream:
        stream.next()
        until(lambda: len(feed._listeners) == 1)
    until(lambda: not feed._listeners)
    until(lambda: feed._reading is not None and feed._reading.done())
    looks = feed.looks
    threading.Event().wait(10 * TICK)
    assert feed.looks == looks


def test_many_streams_cost_the_store_what_one_does(door: Any, client: httpx.Client, feed: Feed) -> None:
    job_id = door.submitted()

    def looks_a_second(streams: int) -> float:
        with contextlib.ExitStack() as stack:
            for _ in range(streams):
                stack.enter_context(streaming(client, f"/v1/jobs/{job_id}/events")).next()
            began, before = time.monotonic(), feed.looks
            threading.Event().wait(0.5)  # or longer: this thread may be late where the feed's is not
            until(lambda: feed.looks > before)
            looks = feed.looks - before
            return looks / (time.monotonic() - began)

    assert looks_a_second(20) <= 1.1 / TICK
    assert looks_a_second(1) > 0


def test_a_silent_stream_gives_signs_of_life(door: Any, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "ALIVE_SECONDS", 0.05)
    job_id = door.submitted()
    with streaming(client, f"/v1/jobs/{job_id}/events") as stream:
        stream.next()
        assert stream.line() in {"", ": alive"}
        assert ": alive" in {stream.line() for _ in range(3)}


def test_an_accounts_stream_tells_what_a_webhook_is_told(door: Any, client: httpx.Client, feed: Feed) -> None:
    account = door.post("/v1/accounts", {"name": "other"}).json()["id"]
    key = door.post("/v1/keys", {"name": "k", "account": account}).json()["key"]
    mine = door.submitted()
    with (
        streaming(client, "/v1/events?after=0") as everything,
        streaming(client, "/v1/events", Authorization=f"Bearer {key}") as theirs,
    ):
        name, first, body = everything.next()
        assert (name, body["type"], body["data"]["id"]) == ("job.created", "job.created", mine)
        until(lambda: len(feed._listeners) == 2)
        door.moved(mine, Started())
        their_job = door.post(
            "/v1/jobs", {"inputs": [{"uri": "https://example.org/in.mov"}], "outputs": [{}]}, key=key
        ).json()["id"]
        assert [everything.next()[0], everything.next()[2]["data"]["id"]] == ["job.ingesting", their_job]
        assert theirs.next()[2]["data"]["id"] == their_job
    with streaming(client, "/v1/events", **{"Last-Event-ID": first or ""}) as back:
        assert back.next()[2]["data"]["state"] == "ingesting"


def test_another_accounts_job_has_no_stream(door: Any, client: httpx.Client) -> None:
    account = door.post("/v1/accounts", {"name": "other"}).json()["id"]
    key = door.post("/v1/keys", {"name": "k", "account": account}).json()["key"]
    path = f"/v1/jobs/{door.submitted()}/events?stream=true"
    assert client.get(path, headers={"Authorization": f"Bearer {key}"}).status_code == 404
