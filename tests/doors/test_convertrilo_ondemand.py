"""Convertrilo over raw HTTP: encodes on demand and folders, without a farm (checks 11, 17 to 21 of its contract)."""

import dataclasses
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from doors.conftest import AskedDoor
from front_door import FACTS, FakeFarm, FrontDoor
from placed import stored_in
from sqlalchemy import update

from framemill.api.convertrilo.ondemand_words import result_paths
from framemill.jobs.model import Delivery
from framemill.jobs.reasons import Reason
from framemill.jobs.states import (
    ChunksCommitted,
    Delivered,
    DeliveryState,
    Failed,
    InputsReady,
    InputState,
    JobEvent,
    Packaged,
    Planned,
    Started,
    Stitched,
)
from framemill.services.callers import ADMIN
from framemill.services.jobs import Jobs, Shown
from framemill.storage.access import S3Access
from framemill.storage.credentials import Credentials
from framemill.store.database import Database
from framemill.store.deliveries import save_deliveries
from framemill.store.jobs import load_job, save_input
from framemill.store.schema import jobs

AT = "/convertrilo/ondemand"
SRC = "https://example.org/films/in.mp4?token=sesame"
KEYS = {"accessKeyId": "an id", "secretAccessKey": "hunter2"}
TO_THE_END: tuple[JobEvent, ...] = (
    *(Started(), InputsReady(), Planned(), ChunksCommitted(), Stitched(), Packaged(), Delivered()),
)


def encode(door: Any, **more: Any) -> dict[str, Any]:
    answer = door.post(f"{AT}/encode", {"sourceUrl": SRC, "resolution": "480p", **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def status(door: Any, job_id: str) -> dict[str, Any]:
    answer = door.get(f"{AT}/status/{job_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def job_of(door: Any, job_id: str) -> Shown:
    return Jobs(door.database, lambda _: None, caller=ADMIN).shown(job_id)


def published(door: Any, job_id: str) -> None:
    """As if the farm had written the file."""
    output = job_of(door, job_id).outputs[0]
    made = Delivery(job_id=job_id, output_id=output.id, path=output.name, uri="", state=DeliveryState.COMPLETED, size=1)
    with door.database.writing() as conn:
        save_deliveries(conn, [made])
    door.moved(job_id, *TO_THE_END)


def refused(door: Any, path: str, body: dict[str, Any]) -> tuple[int, str]:
    answer = door.post(path, body)
    return answer.status_code, answer.json()["code"]


def test_check_17a_what_was_asked_for_is_told_and_the_job_is_queued(door: Any) -> None:
    told = encode(door, externalId="e1", metadata={"k": [1, None]}, priority="high", webhook="https://u:pw@x.example/h")
    assert str(uuid.UUID(told["jobId"])) == told["jobId"]
    assert told["status"] == "queued"
    assert told["statusUrl"] == f"http://farm.example{AT}/status/{told['jobId']}"
    assert (told["externalId"], told["metadata"]) == ("e1", {"k": [1, None]})
    assert told["webhook"] == "https://***@x.example/h"
    assert told["pricing"] == {
        "basePerMinute": 0.5, "onDemandPerMinute": 1.0, "multiplier": 2.0, "totalNeu": 1.0, "reserved": 1.0
    }  # fmt: skip
    assert encode(door)["pricing"]["multiplier"] == 1.5
    shown = job_of(door, told["jobId"])
    assert shown.job.priority > job_of(door, encode(door)["jobId"]).job.priority
    settings = shown.outputs[0].settings
    assert (settings.video_codec, settings.size, settings.fps, settings.quality) == ("h264", "480p", "30", "better")
    assert door.get(f"http://farm.example{AT}/status/{told['jobId']}").status_code == 200


def test_check_17b_a_status_on_its_way_and_at_its_end(door: Any) -> None:
    job_id = encode(door, outputExpiry=3600, externalId="e1")["jobId"]
    first = status(door, job_id)
    assert first == {
        **{"jobId": job_id, "externalId": "e1", "metadata": None, "status": "queued", "progress": 0, "encoder": None},
        **{"downloadUrl": None, "expiresIn": None, "destination": {"type": "cdn"}, "createdAt": first["createdAt"]},
        **{"startedAt": None, "finishedAt": None, "failureMessage": None},
        **{"requestedPasses": 1, "effectivePasses": 1},
    }
    seen = []
    for event in TO_THE_END[:-1]:
        door.moved(job_id, event)
        seen.append(status(door, job_id))
    assert {one["status"] for one in seen} == {"running"}
    progress = [one["progress"] for one in seen]
    assert progress == sorted(progress)
    assert not any(0 < one <= 1 for one in progress)  # clients take that for a fraction
    assert seen[0]["encoder"] == "libx264"


def test_check_17c_the_link_of_a_success_is_good_for_as_long_as_was_asked_for(door: Any) -> None:
    job_id = encode(door, outputExpiry=3600)["jobId"]
    published(door, job_id)
    done = status(door, job_id)
    assert (done["status"], done["progress"], done["destination"]) == ("success", 100, {"type": "cdn"})
    assert done["downloadUrl"].startswith("http://farm.example/files/outputs/")
    assert done["downloadUrl"].endswith("/in.mp4")
    assert 3590 <= done["expiresIn"] <= 3600
    assert done["startedAt"] <= done["finishedAt"]

    with door.database.writing() as conn:
        long_ago = datetime.now(UTC) - timedelta(seconds=3601)
        conn.execute(update(jobs).where(jobs.c.id == job_id).values(ended_at=long_ago))
    late = status(door, job_id)
    assert (late["status"], late["downloadUrl"], late["expiresIn"]) == ("success", None, 0)


def test_check_17d_a_failure_says_why_and_nothing_that_is_secret(door: Any) -> None:
    job_id = encode(door)["jobId"]
    door.moved(job_id, Started(), Failed(Reason.SOURCE_MISSING, "There is nothing at https://u:hunter2@x.example/in."))
    found = status(door, job_id)
    assert (found["status"], found["downloadUrl"]) == ("failed", None)
    assert "There is nothing" in found["failureMessage"]
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    "known", [{}, {"region": "eu-west-1"}, {"endpoint": "https://s3.example", "forcePathStyle": True}]
)
def test_check_18a_an_output_goes_to_a_bucket_and_its_keys_are_told_nobody(known: dict[str, Any], door: Any) -> None:
    told = encode(door, outputS3={"bucket": "out", "key": "a/b.mp4", **KEYS, **known})
    found = status(door, told["jobId"])
    assert found["destination"] == {"type": "s3", "bucket": "out", "key": "a/b.mp4"}
    (target,) = job_of(door, told["jobId"]).outputs[0].targets
    assert target.uri == "s3://out/a/b.mp4"
    assert b"hunter2" not in stored_in(door.database)
    assert "hunter2" not in str((told, found))
    door.moved(told["jobId"], *TO_THE_END)
    done = status(door, told["jobId"])
    assert (done["status"], done["downloadUrl"], done["expiresIn"]) == ("success", None, None)


def test_check_18b_what_a_bucket_is_opened_with_is_the_operators_where_no_keys_come_along(database: Database) -> None:
    door = AskedDoor(database)
    named = {
        "corp": Credentials(name="corp", access=S3Access(access_key_id="i", secret_access_key="s"),  # noqa: S106
                            allowed_buckets=("mine-*",)),
    }  # fmt: skip
    door.parts = dataclasses.replace(door.parts, credentials=named)
    door.app.state.parts = door.parts
    told = encode(door, outputS3={"bucket": "mine-1", "key": "b.mp4"})
    (target,) = job_of(door, told["jobId"]).outputs[0].targets
    assert (target.credentials, target.sealed_access) == ("corp", None)
    for bucket in ({"bucket": "yours", "key": "b.mp4"}, {"bucket": "mine-1", "key": "b", "accessKeyId": "half"}):
        assert refused(door, f"{AT}/encode", {"sourceUrl": SRC, "outputS3": bucket}) == (400, "invalid_body")


@pytest.mark.parametrize("key", ["a/b", "a/b.bin", "a/b.mkv", ""])
def test_check_18c_a_key_may_be_called_anything(key: str, door: Any) -> None:
    told = encode(door, container="mp4", outputS3={"bucket": "out", "key": key, **KEYS})
    output = job_of(door, told["jobId"]).outputs[0]
    assert output.settings.container == "mp4"
    assert output.targets[0].uri == f"s3://out/{key or 'outputs/in.mp4'}"


def test_an_output_goes_to_google_drive_by_the_clients_token(door: Any) -> None:
    told = encode(door, outputGoogleDrive={"folderId": "F1", "fileName": "x.mp4", "accessToken": "ya29.secret"})
    found = status(door, told["jobId"])
    assert found["destination"] == {"type": "google-drive", "folderId": "F1", "fileName": "x.mp4"}
    assert "secret" not in str(found)
    assert job_of(door, told["jobId"]).outputs[0].targets[0].uri == "gdrive://F1/x.mp4"
    without = {"sourceUrl": SRC, "outputGoogleDrive": {"folderId": "F1"}}
    assert refused(door, f"{AT}/encode", without) == (401, "google_drive_not_connected")


def test_check_20a_dropbox_is_gone(door: Any) -> None:
    wanted = {"sourceUrl": SRC, "outputDropbox": {"path": "/x"}}
    assert refused(door, f"{AT}/encode", wanted) == (410, "deprecated_dropbox")
    folders: list[dict[str, Any]] = [
        {"sourceDropbox": {}},
        {"sourceS3": {"bucket": "b", **KEYS}, "outputDropbox": {"path": "/"}},
    ]
    for folder in folders:
        assert refused(door, f"{AT}/ingest/folder", folder) == (410, "deprecated_dropbox")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"codec": "vp9"}, {"fps": 0}, {"fps": 121}, {"fps": "30"}, {"resolution": "4320p"}, {"quality": "superb"}),
        *({"priority": "urgent"}, {"outputExpiry": 3599}, {"outputExpiry": 604_801}, {"externalId": "e" * 256}),
        *(
            {"metadata": []},
            {"metadata": {"a": "x" * (64 << 10)}},
            {"codec": "h264", "container": "webm"},
            {"outputS3": {"key": "a.mp4", **KEYS}},
        ),
    ],
)
def test_check_20b_what_cannot_be_is_refused(wrong: dict[str, Any], door: Any) -> None:
    answer = door.post(f"{AT}/encode", {"sourceUrl": SRC, **wrong})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_body"), answer.text
    assert answer.json()["issues"]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        *(("ftp://x.example/a", "invalid_url"), ("no url", "invalid_url"), ("", "invalid_url")),
        *(("http://127.0.0.1/a.mp4", "private_ip_blocked"), ("http://localhost/a.mp4", "url_host_blocked")),
    ],
)
def test_check_20c_a_source_that_is_closed_or_none_is_refused(url: str, code: str, door: Any) -> None:
    assert refused(door, f"{AT}/encode", {"sourceUrl": url}) == (400, code)
    assert refused(door, f"{AT}/encode", {"resolution": "480p"}) == (400, "invalid_url")


def test_check_20d_fields_that_nobody_knows_and_those_of_later_clients_are_taken(door: Any) -> None:
    told = encode(door, future={"a": 1}, passes=2, optimize="vmaf", vmafTarget=93, audioPolicy="strip")
    settings = job_of(door, told["jobId"]).outputs[0].settings
    assert settings.audio_codec == "none"
    assert status(door, told["jobId"])["requestedPasses"] == 2


class ReadingFarm(FakeFarm):
    """Has read a source as soon as it hears of it: a minute of 1080p."""

    def __init__(self, door: FrontDoor) -> None:
        super().__init__()
        self._door = door

    def nudged(self, job_ids: Sequence[str]) -> None:
        with self._door.database.writing() as conn:
            for job_id in job_ids:
                for source in (load_job(conn, job_id) or (None, [], []))[1]:
                    save_input(conn, source.model_copy(update={"state": InputState.READY, "facts": FACTS}))


@pytest.fixture
def reading(database: Database) -> AskedDoor:
    return AskedDoor(database, ReadingFarm)


def test_check_21a_cancelling_releases_what_was_set_aside_and_is_harmless_twice(reading: Any) -> None:
    door = reading
    door.post("/v1/accounts/default/deposit", {"amount": 100_000})
    told = encode(door, priority="high")
    assert (told["estimatedDuration"], told["pricing"]["totalNeu"], told["pricing"]["reserved"]) == (60, 1.0, 1.0)
    job_id = told["jobId"]
    assert door.get("/convertrilo/tokens/balance").json()["reserved"] == 1.0
    answer = door.ask("DELETE", f"{AT}/{job_id}")
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "released": 1.0})
    assert status(door, job_id)["status"] == "canceled"
    assert door.get("/convertrilo/tokens/balance").json()["reserved"] == 0
    assert door.ask("DELETE", f"{AT}/{job_id}").json() == {"ok": True, "released": 0}
    unknown = door.ask("DELETE", f"{AT}/{uuid.uuid4()}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


def test_what_an_account_cannot_pay_is_402_and_leaves_nothing_behind(reading: Any) -> None:
    door = reading
    door.post("/v1/accounts/default/deposit", {"amount": 100})
    answer = door.post(f"{AT}/encode", {"sourceUrl": SRC})
    assert (answer.status_code, answer.json()["code"]) == (402, "insufficient_tokens")
    assert (answer.json()["required"], answer.json()["available"]) == (3.0, 0.1)
    assert door.get("/v1/jobs").json()["data"] == []


def test_check_11_the_same_key_is_answered_the_same_and_another_body_is_refused(door: Any) -> None:
    headers = {"Idempotency-Key": "A1"}
    body = {"sourceUrl": SRC, "resolution": "480p"}
    first, again = (door.post(f"{AT}/encode", body, headers=headers) for _ in range(2))
    assert first.json() == again.json()
    assert len(door.get("/v1/jobs").json()["data"]) == 1
    other = door.post(f"{AT}/encode", {**body, "fps": 24}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_another_accounts_job_is_not_there(door: Any) -> None:
    account = door.post("/v1/accounts", {"name": "other"}).json()["id"]
    key = door.post("/v1/keys", {"name": "k", "account": account}).json()["key"]
    job_id = encode(door)["jobId"]
    assert door.get(f"{AT}/status/{job_id}", key=key).status_code == 404
    assert door.ask("DELETE", f"{AT}/{job_id}", key=key).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        *({}, {"sourceS3": {"bucket": "b", **KEYS}, "sourceGoogleDrive": {"folderId": "F"}}),
        *({"sourceS3": {"bucket": "b", **KEYS}, "outputDestination": "s3"}, {"sourceS3": {"bucket": "b"}}),
        {"sourceS3": {"bucket": "b", **KEYS}, "maxFiles": 0},
    ],
)
def test_check_19a_a_folder_that_is_not_whole_is_refused(wrong: dict[str, Any], door: Any) -> None:
    assert refused(door, f"{AT}/ingest/folder", wrong) == (400, "invalid_body")


def test_check_19b_google_drive_takes_a_token(door: Any) -> None:
    wanted = {"sourceGoogleDrive": {"folderId": "F"}}
    assert refused(door, f"{AT}/ingest/folder", wanted) == (401, "google_drive_not_connected")


def test_results_of_a_folder_have_names_of_their_own() -> None:
    paths = ["a.mov", "b/a.mov", "c.mov", "c.avi", "d"]
    assert result_paths(paths, "mp4") == ["a.mp4", "b/a.mp4", "c.mov.mp4", "c.avi.mp4", "d.mp4"]
