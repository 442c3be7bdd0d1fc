"""Convertrilo over raw HTTP: webhooks, what they are sent and what is told of that (checks 22 and 23)."""

import hashlib
import hmac
import json
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from doors.told import tell
from reached import Answer, Heard, serving

from framemill.api.convertrilo.telling import EVENTS, KINDS
from framemill.jobs.reasons import Reason
from framemill.jobs.states import (
    ChunksCommitted,
    Delivered,
    Failed,
    InputsReady,
    JobEvent,
    JobState,
    Packaged,
    Planned,
    Started,
    Stitched,
)
from framemill.policy.callbacks import KINDS as OURS
from framemill.services.proof import HEADER, proof

AT = "/convertrilo/webhooks"
URL = "https://hooks.example/in"
ENCODE = {"sourceUrl": "https://example.org/in.mp4", "resolution": "480p", "externalId": "e1", "metadata": {"k": [1]}}
TO_THE_END: tuple[JobEvent, ...] = (
    *(Started(), InputsReady(), Planned(), ChunksCommitted(), Stitched(), Packaged(), Delivered()),
)


class Hook:
    """A receiver, and how it answers."""

    def __init__(self) -> None:
        self.status = 200
        self.heard: list[Heard] = []
        self.url = ""

    def answer(self, heard: Heard) -> Answer:
        self.heard.append(heard)
        return Answer(self.status, body=b"x" * 5000)

    @property
    def events(self) -> list[str]:
        return [json.loads(one.body)["event"] for one in self.heard]


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    with serving(made.answer) as server:
        made.url = f"{server.url}/hook"
        yield made


def here(door: Any) -> dict[str, str]:
    """Whoever can read the farm's own secret may name a receiver on its machine."""
    return {HEADER: proof(door.parts.seals)}


def made(door: Any, url: str = URL, events: list[str] | None = None, **more: Any) -> dict[str, Any]:
    answer = door.post(AT, {"url": url, "events": events or ["job.completed"]}, headers=here(door), **more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def encode(door: Any, **more: Any) -> str:
    answer = door.post("/convertrilo/ondemand/encode", {**ENCODE, **more}, headers=here(door))
    assert answer.status_code == 200, answer.text
    job_id: str = answer.json()["jobId"]
    return job_id


def deliveries(door: Any, hook_id: str) -> list[dict[str, Any]]:
    answer = door.get(f"{AT}/{hook_id}/deliveries")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["deliveries"]
    return found


def signed(heard: Heard, secret: str) -> bool:
    return heard.headers["x-webhook-signature"] == hmac.new(secret.encode(), heard.body, hashlib.sha256).hexdigest()


def test_every_event_has_a_kind_of_ours() -> None:
    assert set(KINDS) == set(EVENTS)
    assert set(KINDS.values()) <= set(OURS)
    assert KINDS["job.running"] == f"job.{JobState.INGESTING}"


def test_check_22a_the_secret_is_told_once(door: Any) -> None:
    hook = made(door, events=["job.failed", "job.completed"])
    assert str(uuid.UUID(hook["id"])) == hook["id"]
    assert hook["secret"]
    told = {name: value for name, value in hook.items() if name != "secret"}
    assert told == {
        "id": hook["id"],
        "url": URL,
        "events": ["job.completed", "job.failed"],
        "isActive": True,
        "failureCount": 0,
        "lastTriggeredAt": None,
        "lastFailedAt": None,
        "createdAt": hook["createdAt"],
    }
    assert door.get(AT).json() == {"webhooks": [told]}
    assert door.ask("PATCH", f"{AT}/{hook['id']}", {"isActive": True}).json() == told


def test_check_22b_an_encode_tells_its_end_signed_and_with_the_clients_own_words(door: Any, hook: Hook) -> None:
    webhook = made(door, hook.url)
    job_id = encode(door)
    door.moved(job_id, *TO_THE_END)
    tell(door)

    (heard,) = hook.heard
    assert heard.method == "POST"
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["x-webhook-id"] == webhook["id"]
    assert heard.headers["x-webhook-event"] == "job.completed"
    assert signed(heard, webhook["secret"])
    told = json.loads(heard.body)
    assert told["event"] == "job.completed"
    assert datetime.fromisoformat(told["timestamp"]).tzinfo is not None
    data = told["data"]
    assert (data["jobId"], data["status"], data["userId"]) == (job_id, "success", "default")
    assert (data["externalId"], data["metadata"]) == ("e1", {"k": [1]})
    assert data["encoder"] == "libx264"
    assert data.keys() >= {"durationSec", "finalNeu"}
    assert not {"error", "failureCode"} & data.keys()


def test_check_22c_every_event_that_can_be_asked_for_is_told_in_its_order(door: Any, hook: Hook) -> None:
    made(door, hook.url, [*EVENTS])
    done = encode(door)
    door.moved(done, *TO_THE_END)
    tell(door)
    assert hook.events == ["job.created", "job.queued", "job.running", "job.completed"]
    assert [json.loads(one.body)["data"]["status"] for one in hook.heard] == ["created", "queued", "running", "success"]
    hook.heard.clear()
    failed, gone = encode(door), encode(door)
    door.moved(failed, Started(), Failed(Reason.UNREADABLE_SOURCE, "It is no film."))
    assert door.ask("DELETE", f"/convertrilo/ondemand/{gone}").json()["ok"] is True
    tell(door)
    told = {(one["event"], one["data"]["jobId"]): one["data"] for one in (json.loads(h.body) for h in hook.heard)}
    end = told["job.failed", failed]
    assert (end["status"], end["error"], end["failureCode"]) == ("failed", "It is no film.", "unreadable_source")
    assert told["job.canceled", gone]["status"] == "canceled"


def test_check_22d_it_hears_nothing_of_other_doors_and_accounts(door: Any, hook: Hook) -> None:
    made(door, hook.url, [*EVENTS])
    wanted = {"inputs": [{"uri": "https://example.org/in.mov"}], "outputs": [{"name": "a.mp4"}]}
    job_id = door.post("/v1/jobs", wanted).json()["id"]
    assert door.get(f"/convertrilo/ondemand/status/{job_id}").status_code == 404
    tell(door)
    assert hook.heard == []
    native = door.post("/v1/webhooks", {"url": URL}).json()["id"]
    for method, path in (("PATCH", ""), ("DELETE", ""), ("POST", "/test"), ("GET", "/deliveries")):
        answer = door.ask(method, f"{AT}/{native}{path}", {"isActive": False} if method == "PATCH" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, "webhook_not_found"), path
    assert native not in str(door.get(AT).json())


@pytest.mark.parametrize("path", ["/test", ""])
def test_check_23a_a_test_is_sent_by_either_spelling_and_listed(path: str, door: Any, hook: Hook) -> None:
    webhook = made(door, hook.url)
    answer = door.post(f"{AT}/{webhook['id']}{path}")
    assert answer.status_code == 200
    assert answer.json()["ok"] is True
    tell(door)

    (heard,) = hook.heard
    assert heard.headers["x-webhook-event"] == "webhook.test"
    assert json.loads(heard.body)["event"] == "webhook.test"
    assert signed(heard, webhook["secret"])
    (listed,) = deliveries(door, webhook["id"])
    assert str(uuid.UUID(listed["id"])) == listed["id"]
    assert (listed["webhookId"], listed["event"], listed["jobId"]) == (webhook["id"], "webhook.test", None)
    assert (listed["status"], listed["statusCode"], listed["attempt"]) == ("success", 200, 1)
    assert (listed["error"], listed["nextRetryAt"], listed["retriedAt"]) == (None, None, None)
    assert isinstance(listed["durationMs"], int)
    assert len(listed["responseBody"]) == 2048


def test_check_23b_what_fails_is_tried_after_one_five_and_thirty_minutes(door: Any, hook: Hook) -> None:
    webhook = made(door, hook.url)
    job_id = encode(door)
    door.moved(job_id, *TO_THE_END)
    hook.status = 500
    tell(door)
    (first,) = deliveries(door, webhook["id"])
    assert (first["status"], first["statusCode"], first["attempt"], first["jobId"]) == ("failed", 500, 1, job_id)
    assert first["error"]
    pauses = []
    later = 0.0
    for attempt in (2, 3, 4):
        last = deliveries(door, webhook["id"])[0]
        pause = datetime.fromisoformat(last["nextRetryAt"]) - datetime.fromisoformat(last["createdAt"])
        pauses.append(round((pause - timedelta(seconds=later)).total_seconds()))
        later += pauses[-1] + 5
        tell(door, later)
        newest, before = deliveries(door, webhook["id"])[:2]
        assert newest["attempt"] == attempt
        assert before["nextRetryAt"] is None
        assert before["retriedAt"] == newest["createdAt"]
    assert pytest.approx(pauses, abs=20) == [60, 300, 1800]
    newest = deliveries(door, webhook["id"])[0]
    assert newest["nextRetryAt"] is None
    assert len({one["id"] for one in deliveries(door, webhook["id"])}) == 4
    assert len({one.body for one in hook.heard}) == 1
    shown = door.get(AT).json()["webhooks"][0]
    assert (shown["failureCount"], shown["isActive"]) == (4, True)
    assert shown["lastTriggeredAt"] == shown["lastFailedAt"] == newest["createdAt"]


def test_check_23c_ten_failures_one_after_the_other_end_it_until_its_owner_says_so(door: Any, hook: Hook) -> None:
    webhook = made(door, hook.url)
    hook.status = 503
    path = f"{AT}/{webhook['id']}"
    for wanted in (9, 10):
        for _ in range(wanted - door.get(AT).json()["webhooks"][0]["failureCount"]):
            door.moved(encode(door), *TO_THE_END)
        tell(door)
        shown = door.get(AT).json()["webhooks"][0]
        assert (shown["isActive"], shown["failureCount"]) == (wanted < 10, wanted)
    failed = deliveries(door, webhook["id"])
    assert len(failed) == 10
    assert all(one["status"] == "failed" for one in failed)

    hook.status = 200
    again = door.ask("PATCH", path, {"isActive": True}).json()
    assert (again["isActive"], again["failureCount"]) == (True, 0)
    job_id = encode(door)
    door.moved(job_id, *TO_THE_END)
    tell(door)
    assert deliveries(door, webhook["id"])[0]["jobId"] == job_id


def test_check_23d_tests_that_fail_are_tried_again_and_count(door: Any, hook: Hook) -> None:
    webhook = made(door, hook.url)
    hook.status = 500
    door.post(f"{AT}/{webhook['id']}/test")
    tell(door)
    (one,) = deliveries(door, webhook["id"])
    assert (one["status"], one["statusCode"]) == ("failed", 500)
    assert one["nextRetryAt"] is not None
    assert door.get(AT).json()["webhooks"][0]["failureCount"] == 1


def test_a_one_off_url_hears_of_the_end_alone_unsigned_and_once(door: Any, hook: Hook) -> None:
    job_id = encode(door, webhook=f"{hook.url}?token=sesame")
    assert "sesame" not in str(door.get(f"/convertrilo/ondemand/status/{job_id}").json())
    hook.status = 500
    door.moved(job_id, *TO_THE_END)
    tell(door)
    tell(door, 4000)
    (heard,) = hook.heard
    assert heard.path == "/hook?token=sesame"
    assert json.loads(heard.body)["data"]["externalId"] == "e1"
    assert heard.headers["x-webhook-event"] == "job.completed"
    assert not {"x-webhook-signature", "x-webhook-id"} & heard.headers.keys()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"events": ["job.completed"]}, "invalid_url"),
        ({"url": "ftp://x.example", "events": ["job.completed"]}, "invalid_url"),
        ({"url": "https://", "events": ["job.completed"]}, "invalid_url"),
        ({"url": URL, "events": ["webhook.test"]}, "invalid_body"),
        ({"url": URL, "events": []}, "invalid_body"),
        ({"url": URL}, "invalid_body"),
        ({"url": "http://169.254.169.254/latest", "events": ["job.completed"]}, "private_ip_blocked"),
    ],
)
def test_a_wrong_webhook_is_refused(body: dict[str, Any], code: str, door: Any) -> None:
    answer = door.post(AT, body)
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text


def test_a_change_has_to_say_something_and_too_many_are_too_many(door: Any) -> None:
    webhook = made(door)
    nothing = door.ask("PATCH", f"{AT}/{webhook['id']}", {"name": "new"})
    assert (nothing.status_code, nothing.json()["code"]) == (400, "no_updates_provided")
    changed = door.ask("PATCH", f"{AT}/{webhook['id']}", {"url": f"{URL}/2", "events": ["job.queued"]}).json()
    assert (changed["url"], changed["events"]) == (f"{URL}/2", ["job.queued"])
    gone = door.ask("DELETE", f"{AT}/{webhook['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    for _ in range(50):
        made(door)
    full = door.post(AT, {"url": URL, "events": ["job.completed"]})
    assert (full.status_code, full.json()["code"]) == (400, "webhook_limit_exceeded")
