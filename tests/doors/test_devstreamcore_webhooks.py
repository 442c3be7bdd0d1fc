"""Webhooks over raw HTTP: what they are told of videos, signed how, and how often (check 21)."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from doors.devstreamcore import Client, customer, fits, refused
from doors.told import tell
from doors.watched import job_of, landed, ready
from front_door import FrontDoor
from reached import Answer, Heard, serving

from framemill.api.devstreamcore.telling import HEARS, POLICY, USUAL
from framemill.jobs.reasons import Reason
from framemill.jobs.states import Failed, Started
from framemill.policy.callbacks import KINDS, SPREAD
from framemill.services.proof import HEADER, proof


class Hook:
    """A receiver, and how it answers."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        """Its next ones; then 200."""
        self.heard: list[Heard] = []
        self.url = ""

    def answer(self, heard: Heard) -> Answer:
        self.heard.append(heard)
        return Answer(self.answers.pop(0) if self.answers else 200)

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(one.body) for one in self.heard]

    @property
    def events(self) -> list[str]:
        return [one["type"] for one in self.told]


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    with serving(made.answer) as server:
        made.url = f"{server.url}/hook"
        yield made


@pytest.fixture
def client(door: FrontDoor) -> Client:
    return Client(door)


def here(door: FrontDoor) -> dict[str, str]:
    """Whoever can read the farm's own secret may name a receiver on its machine."""
    return {HEADER: proof(door.parts.seals)}


def made(door: FrontDoor, client: Client, url: str = "https://hooks.example/in", **more: Any) -> dict[str, Any]:
    answer = client.post("/webhooks", {"url": url, **more}, headers=here(door))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def holds(heard: Heard, secret: str, body: bytes | None = None) -> bool:
    """Whether the signature is one of that body, as a receiver finds out."""
    parts = dict(pair.split("=", 1) for pair in heard.headers["devstream-signature"].split(","))
    signed = f"{parts['t']}.".encode() + (heard.body if body is None else body)
    return hmac.compare_digest(parts["v1"], hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest())


def test_check_21a_created_and_ready_arrive_signed_over_the_raw_body(
    door: FrontDoor, client: Client, hook: Hook
) -> None:
    secret = made(door, client, hook.url)["secret"]
    video = client.made(title="Käse", passthrough="p")
    tell(door)
    ready(door, video["id"])
    tell(door)

    assert hook.events == ["video.created", "video.ready"]
    for heard, told in zip(hook.heard, hook.told, strict=True):
        assert (heard.method, heard.headers["content-type"]) == ("POST", "application/json")
        assert set(told) == {"id", "type", "created_at", "data"}
        assert re.fullmatch(r"evt_[0-9a-f]{20}", told["id"])
        fits(told["data"])
        assert (told["data"]["id"], told["data"]["title"], told["data"]["passthrough"]) == (video["id"], "Käse", "p")
        assert holds(heard, secret)
        assert not holds(heard, secret, heard.body.replace(b"p", b"q", 1))
        assert not holds(heard, "whsec_other")
    first, last = hook.told
    assert first["id"] != last["id"]
    assert (first["data"]["status"], last["data"]["status"]) == ("preparing", "ready")
    assert last["data"] == client.video(video["id"])  # its URLs, too, as the client who made it asked for them


def test_check_21b_after_two_failures_the_third_delivery_has_the_same_event_id(
    door: FrontDoor, client: Client, hook: Hook
) -> None:
    secret = made(door, client, hook.url, events=["video.created"])["secret"]
    hook.answers = [500, 503]
    client.made()
    tell(door)
    assert len(hook.heard) == 1
    tell(door, POLICY.retry_seconds[0] + 1)
    tell(door, sum(POLICY.retry_seconds[:2]) + 60)
    assert len(hook.heard) == 3
    assert len({one["id"] for one in hook.told}) == 1
    assert len({one.body for one in hook.heard}) == 1
    assert all(holds(one, secret) for one in hook.heard)
    assert len({one.headers["devstream-signature"] for one in hook.heard}) == 3  # of another time each
    tell(door, 90_000)
    assert len(hook.heard) == 3


def test_pauses_double_and_end_within_a_day() -> None:
    pauses = POLICY.retry_seconds
    assert all(after == 2 * before for before, after in pairwise(pauses))
    assert 12 * 3600 < sum(pauses) * (1 + SPREAD) < 24 * 3600
    assert POLICY.timeout_seconds == 5.0


def test_an_upload_that_is_finalized_is_told_as_such(door: FrontDoor, client: Client, hook: Hook) -> None:
    made(door, client, hook.url)
    video = client.finalized(client.uploaded())
    tell(door)
    assert hook.events == ["video.created", "upload.finalized"]
    assert {one["data"]["id"] for one in hook.told} == {video["id"]}


def test_a_video_that_failed_and_one_that_was_deleted(door: FrontDoor, client: Client, hook: Hook) -> None:
    made(door, client, hook.url)
    bad, gone = client.made(), client.made()
    door.moved(job_of(door, bad["id"])[0].id, Started(), Failed(Reason.UNREADABLE_SOURCE, "no film"))
    assert client.ask("DELETE", f"/videos/{gone['id']}").status_code == 204
    tell(door)

    by_video: dict[str, list[str]] = {bad["id"]: [], gone["id"]: []}
    for told in hook.told:
        by_video[told["data"]["id"]].append(told["type"])
    assert by_video[bad["id"]] == ["video.created", "video.errored"]
    assert by_video[gone["id"]][-1:] == ["video.deleted"]
    assert "video.errored" not in by_video[gone["id"]]
    (error,) = [one for one in hook.told if one["type"] == "video.errored"]
    assert error["data"]["errors"] == [{"type": "invalid_input", "messages": ["no film"]}]


def test_one_hears_what_it_asked_for(door: FrontDoor, client: Client, hook: Hook) -> None:
    made(door, client, hook.url, events=["video.ready", "video.progress"])
    video = client.made()
    landed(door, video["id"])
    tell(door)
    assert set(hook.events) == {"video.progress"}
    assert all(one["data"]["status"] == "preparing" for one in hook.told)
    door.moved(job_of(door, video["id"])[0].id, Failed(Reason.FFMPEG_FAILED, "broken"))
    tell(door)
    assert set(hook.events) == {"video.progress"}
    assert client.video(video["id"])["status"] == "errored"


def test_webhooks_hear_of_their_own_account_and_door_alone(door: Any, client: Client, hook: Hook) -> None:
    made(door, client, hook.url)
    customer(door, "other").made()
    body = {"inputs": [{"uri": "https://example.org/a.mp4"}], "outputs": [{"target": "/out/a.mp4"}]}
    assert door.post("/v1/jobs", body).status_code == 201
    tell(door)
    assert hook.events == []


def test_crud(door: FrontDoor, client: Client) -> None:
    hook = made(door, client)
    assert re.fullmatch(r"wh_[0-9a-f]{32}", hook["id"])
    secret = hook.pop("secret")
    assert secret
    assert hook == {
        "id": hook["id"],
        "url": "https://hooks.example/in",
        "events": list(USUAL),
        "enabled": True,
        "created_at": hook["created_at"],
    }
    place = f"/webhooks/{hook['id']}"
    assert client.get("/webhooks").json() == {"data": [hook]}
    assert client.get(place).json() == hook
    changed = client.ask("PATCH", place, {"events": ["video.ready"], "enabled": False}).json()
    assert changed == {**hook, "events": ["video.ready"], "enabled": False}
    refused(customer(door, "other").get(place), 404, "not_found")
    assert client.ask("DELETE", place).status_code == 204
    refused(client.get(place), 404, "not_found")
    refused(client.ask("DELETE", place), 404, "not_found")
    refused(client.get("/webhooks/wh_x"), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "url"),
        ({"url": "https://hooks.example/in", "events": []}, "events"),
        ({"url": "https://hooks.example/in", "events": ["job.completed"]}, "events[0]"),
        ({"url": "ftp://hooks.example/in"}, "url"),
        ({"url": "http://127.0.0.1/in"}, "url"),
    ],
)
def test_webhooks_that_cannot_be(client: Client, body: dict[str, Any], param: str) -> None:
    refused(client.post("/webhooks", body), 400, "invalid_request_error", param)


def test_every_event_has_kinds_of_ours() -> None:
    assert {kind for kinds in HEARS.values() for kind in kinds} <= set(KINDS)
