"""A farm followed as things happen, over connections that are cut; and what is asked once however often."""

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from front_door import KEY, FrontDoor, wanted

from framemill.api.native import telling
from framemill.api.native.schemas import Job
from framemill.client import Framemill, Happened
from framemill.errors import FarmError, NotFound
from framemill.jobs.states import (
    ChunksCommitted,
    Delivered,
    InputsReady,
    Packaged,
    Planned,
    Started,
    Stitched,
)
from framemill.services.feed import Feed

COMPLETING = (InputsReady(), Planned(), ChunksCommitted(), Stitched(), Packaged({}), Delivered())
STORY = ["created", "ingesting", "planning", "encoding", "stitching", "packaging", "delivering", "completed"]


@pytest.fixture(autouse=True)
def _quick(door: FrontDoor) -> None:
    door.app.state.feed = Feed(door.database, telling.body, door.farm.progress_of, tick_seconds=0.02)


def kinds(told: Iterator[Happened]) -> list[str]:
    return [one.kind.removeprefix("job.") for one in told if one.kind != "progress"]


def test_a_job_is_followed_to_its_end(farm: Framemill, door: FrontDoor) -> None:
    job_id = farm.submit(wanted()).id
    following = farm.follow(job_id)
    first = next(following)
    assert (first.kind, first.data["seq"]) == ("job.created", first.seq)
    door.moved(job_id, Started(), *COMPLETING)
    assert kinds(following) == STORY[1:]
    assert kinds(farm.follow(job_id, after=first.seq or 0)) == STORY[1:]
    last = farm.events(job_id)[-1].seq
    assert kinds(farm.follow(job_id, after=last)) == []
    with pytest.raises(NotFound):
        next(farm.follow("00000000-0000-7000-8000-000000000000"))


def test_a_stream_that_is_cut_is_taken_up_where_it_was(farm: Framemill, door: FrontDoor, wire: Any) -> None:
    job_id = farm.submit(wanted()).id
    door.moved(job_id, Started(), *COMPLETING)
    cuts = iter([400, 700, 0, 900])
    wire.cut = lambda request: next(cuts, None) if request.url.path.endswith("/events") else None
    assert kinds(farm.follow(job_id)) == STORY
    assert len([path for path, _ in wire.of("GET") if path.endswith("/events")]) >= 4


def test_a_stream_is_given_up_when_nobody_answers_for_long(farm: Framemill, wire: Any) -> None:
    job_id = farm.submit(wanted()).id
    wire.cut = lambda _: 0
    with pytest.raises(FarmError):
        list(farm.follow(job_id, patience_seconds=0))


def test_all_that_happens_is_heard_as_a_webhook_hears_it(farm: Framemill, door: FrontDoor) -> None:
    mine = farm.submit(wanted()).id
    heard = farm.happenings(after=0)
    created = next(heard)
    assert (created.kind, created.data["type"], created.data["data"]["id"]) == ("job.created", "job.created", mine)
    door.moved(mine, Started())
    assert next(heard).data["data"]["state"] == "ingesting"
    heard.close()  # type: ignore[attr-defined]


def test_waiting_hears_of_progress_by_stream(farm: Framemill, door: FrontDoor, wire: Any) -> None:
    job_id = farm.submit(wanted()).id
    door.farm.progress_told = {"frames": 40, "frames_planned": 100}
    door.moved(job_id, Started(), InputsReady(), Planned())
    told: list[Job] = []

    def hear(job: Job) -> None:
        told.append(job)
        if job.progress.frames == 40 and job.state == "encoding":
            door.moved(job_id, ChunksCommitted(), Stitched(), Packaged({}), Delivered())

    assert farm.wait(job_id, hear).state == "completed"
    assert [state for state, _ in itertools.groupby(job.state for job in told)][:1] == ["encoding"]
    assert any(job.progress.share == 0.4 for job in told)
    assert len(wire.of("GET")) <= 10


def test_where_no_stream_comes_through_the_farm_is_asked(door: FrontDoor, farm: Framemill) -> None:
    job = farm.submit(wanted())
    left = iter(["encoding", "encoding"])

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            return httpx.Response(200, json={"data": []})
        now = job.model_copy(update={"state": next(left, "completed")})
        return httpx.Response(200, content=now.model_dump_json())

    slept: list[float] = []
    client = Framemill("http://127.0.0.1:9", KEY, transport=httpx.MockTransport(answer), sleep=slept.append)
    assert client.wait(job.id, poll_seconds=0.5).state == "completed"
    assert slept == [0.5, 0.5]


def test_what_is_submitted_is_made_once_however_often_it_has_to_be_asked(
    farm: Framemill, door: FrontDoor, wire: Any
) -> None:
    cuts = iter([0, 10])
    wire.cut = lambda request: next(cuts, None) if request.method == "POST" else None
    job = farm.submit(wanted())
    assert len(wire.of("POST")) == 3
    assert [one.id for one in farm.list().data] == [job.id]


def test_two_calls_are_two_jobs(farm: Framemill) -> None:
    assert farm.submit(wanted()).id != farm.submit(wanted()).id
    assert len(farm.submit_all([wanted(), wanted()])) == 2
    assert len(farm.list().data) == 4


def test_webhooks_keys_and_accounts(farm: Framemill, url: str) -> None:
    hook = farm.webhooks.create("https://hooks.example/", ["*"], description="ours")
    assert hook.secret.startswith("whsec_")
    assert [one.id for one in farm.webhooks.list()] == [hook.id]
    assert farm.webhooks.edit(hook.id, {"enabled": False}).reason == "owner"
    assert farm.webhooks.get(hook.id).enabled is False
    assert farm.webhooks.rotate(hook.id).secret != hook.secret
    trial = farm.webhooks.test(hook.id)
    assert [one.id for one in farm.webhooks.deliveries(hook.id).data] == [trial.id]
    assert farm.webhooks.delivery(trial.id).body.startswith('{"type":"webhook.test"')
    assert farm.webhooks.redeliver(trial.id).state == "waiting"
    assert farm.webhooks.callback_secret().startswith("whsec_")
    farm.webhooks.remove(hook.id)
    assert farm.webhooks.list() == ()
    account = farm.accounts.create({"name": "other"})
    assert farm.accounts.get(account.id).name == "other"
    assert farm.accounts.edit(account.id, {"name": "theirs"}).name == "theirs"
    key = farm.keys.create({"name": "k", "account": account.id})
    with Framemill(url, key.key) as theirs:
        assert [one.id for one in theirs.accounts.list().data] == [account.id]
        assert theirs.usage().data is not None
    farm.keys.revoke(key.id)
    assert farm.keys.get(key.id).revoked_at is not None
    assert "h264" in [one.name for one in farm.presets()]


def test_a_listener_may_go_away_in_another_thread(farm: Framemill, door: FrontDoor) -> None:
    job_id = farm.submit(wanted()).id
    heard: list[str] = []

    def listen() -> None:
        heard.extend(kinds(farm.follow(job_id)))

    thread = threading.Thread(target=listen)
    thread.start()
    door.moved(job_id, Started(), *COMPLETING)
    thread.join(20)
    assert heard == STORY
