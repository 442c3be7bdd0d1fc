"""What online-convert's callbacks are told, and how it is tried again. The numbers are the checks'."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
from doors.conftest import AskedDoor
from doors.onlineconvert_jobs import KEYED, MP4, REMOTE, Client, done, parts_of, refused, was_read
from doors.told import tell
from reached import Answer, Heard, serving

from framemill.jobs.reasons import Reason
from framemill.jobs.states import Failed
from framemill.services.proof import HEADER, proof

WORK: dict[str, Any] = {"input": [REMOTE], "conversion": [MP4]}
SIGNS = "what signs, in more than sixteen letters"


class Receiver:
    """A callback script, and how it answers; the last of `statuses` for ever."""

    def __init__(self) -> None:
        self.statuses = [200]
        self.heard: list[Heard] = []
        self.url = ""

    def answer(self, heard: Heard) -> Answer:
        self.heard.append(heard)
        return Answer(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])

    @property
    def jobs(self) -> list[dict[str, Any]]:
        return [json.loads(one.body) for one in self.heard]

    @property
    def codes(self) -> list[str]:
        return [job["status"]["code"] for job in self.jobs]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    with serving(made.answer) as server:
        made.url = f"{server.url}/callback.php"
        yield made


@pytest.fixture
def client(door: AskedDoor) -> Client:
    """Somebody who may name a receiver on the farm's own machine."""
    return Client(door, {**KEYED, HEADER: proof(door.parts.seals)})


def test_check_8_the_end_is_told_once_just_as_get_tells_it(client: Client, receiver: Receiver) -> None:
    job = client.post("/jobs", {**WORK, "callback": receiver.url})
    done(client.door, job["id"])
    tell(client.door)
    assert receiver.jobs == [client.get(f"/jobs/{job['id']}")]
    (heard,) = receiver.heard
    assert (heard.method, heard.headers["content-type"]) == ("POST", "application/json")
    assert heard.headers["user-agent"].startswith("Framemill/")
    assert receiver.codes == ["completed"]


@pytest.mark.parametrize(("notifies", "told"), [(False, []), (True, ["queued", "canceled"])])
def test_who_cancels_a_job_is_told_of_it_only_where_every_change_is_told(
    client: Client, receiver: Receiver, notifies: bool, told: list[str]
) -> None:
    job = client.post("/jobs", {**WORK, "callback": receiver.url, "notify_status": notifies})
    assert client.ask("DELETE", f"/jobs/{job['id']}").status_code == 204
    tell(client.door)
    assert receiver.codes == told


def test_check_8_every_change_of_status_is_told_in_order(client: Client, receiver: Receiver) -> None:
    job = client.post("/jobs", {"process": False, "callback": receiver.url, "notify_status": True})
    path = f"/jobs/{job['id']}"
    client.post(f"{path}/conversions", MP4)
    client.post(f"{path}/input", REMOTE)
    was_read(client.door, job["id"])
    client.patch(path, {"process": True})
    done(client.door, job["id"])
    tell(client.door)
    history = [row["status"] for row in client.get(f"{path}/history")]
    assert history == ["incomplete", "ready", "queued", "downloading", "processing", "completed"]
    assert receiver.codes == history
    assert receiver.jobs[-1] == client.get(path)
    assert {one["token"] for one in receiver.jobs} == {job["token"]}


def test_whether_every_change_is_told_can_be_said_later(client: Client, receiver: Receiver) -> None:
    job = client.post("/jobs", {"process": False, **WORK, "callback": f"{receiver.url}?key=s3cret"})
    path = f"/jobs/{job['id']}"
    client.patch(path, {"notify_status": True})
    client.patch(path, {"process": True})
    client.door.moved(job["id"], Failed(Reason.SOURCE_MISSING, "There is no such film."))
    tell(client.door)
    assert receiver.codes[-2:] == ["queued", "failed"]
    assert receiver.heard[0].path.endswith("?key=s3cret")
    (error,) = receiver.jobs[-1]["errors"]
    assert error == error | {"source": "input", "id_source": job["input"][0]["id"], "code": 404}


@pytest.mark.parametrize(("statuses", "tries"), [([500, 500, 200], 3), ([404], 1), ([500], 11)])
def test_check_9_what_fails_is_tried_again_but_no_refusal(
    client: Client, receiver: Receiver, statuses: list[int], tries: int
) -> None:
    receiver.statuses = statuses
    job = client.post("/jobs", {**WORK, "callback": receiver.url})
    done(client.door, job["id"])
    for hours in range(0, 60, 4):
        tell(client.door, later_seconds=3600.0 * hours)
    assert len(receiver.heard) == tries
    assert len({heard.body for heard in receiver.heard}) == 1
    (callback,) = parts_of(client.door, job["id"])[0].callbacks
    assert (callback.first_timeout_seconds, callback.timeout_seconds) == (3, 10)


def test_check_10_a_callback_is_signed_where_the_account_has_set_a_secret(client: Client, receiver: Receiver) -> None:
    assert client.get("/webhook-secret") == {"set": False}
    plain = client.post("/jobs", {**WORK, "callback": receiver.url})
    assert client.ask("PUT", "/webhook-secret", {"secret": SIGNS}).status_code == 204
    assert client.get("/webhook-secret") == {"set": True}
    signed = client.post("/jobs", {**WORK, "callback": receiver.url})
    done(client.door, plain["id"])
    tell(client.door)
    done(client.door, signed["id"])
    tell(client.door)
    first, second = receiver.heard
    assert "x-oc-signature" not in first.headers
    assert second.headers["x-oc-signature"] == hmac.new(SIGNS.encode(), second.body, hashlib.sha256).hexdigest()
    assert SIGNS not in parts_of(client.door, signed["id"])[0].model_dump_json()

    refused(client.ask("PUT", "/webhook-secret", {"secret": "short"}), 400)
    assert client.ask("DELETE", "/webhook-secret").status_code == 204
    assert client.get("/webhook-secret") == {"set": False}
