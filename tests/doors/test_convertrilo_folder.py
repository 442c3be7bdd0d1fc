"""Convertrilo over raw HTTP: folders in a store of S3 (check 19 of its contract, and 11), without an encode."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from doors.around import S3
from doors.conftest import AskedDoor
from doors.convertrilo_jobs import answers_lost
from doors.test_convertrilo_ondemand import job_of, status
from front_door import FakeFarm, FrontDoor
from servers.moto import running_moto

from framemill.jobs.states import JobState
from framemill.services.callers import ADMIN
from framemill.services.ledger import Ledger
from framemill.services.proof import HEADER, proof
from framemill.store.database import Database

AT = "/convertrilo/ondemand/ingest/folder"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with running_moto(tmp_path_factory.mktemp("moto")) as endpoint:
        yield S3(endpoint)


def asked(door: Any, s3: S3, bucket: str, prefix: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
    keys = {"endpoint": s3.endpoint, "accessKeyId": s3.key, "secretAccessKey": s3.secret, "forcePathStyle": True}
    wanted = {"sourceS3": {"bucket": bucket, "prefix": prefix, **keys}, "resolution": "480p", **more}
    if "outputS3" in wanted:
        wanted["outputS3"] = {**wanted["outputS3"], **keys}
    # Whoever can read the farm's own secret may name a store on its machine.
    return door.post(AT, wanted, headers={HEADER: proof(door.parts.seals), **(headers or {})})


def test_check_19c_each_film_becomes_a_job_that_is_called_after_it(door: Any, s3: S3) -> None:
    bucket = s3.bucket()
    names = ("a.mp4", "b.MOV", "sub/a.mkv", "notes.txt", "song.mp3", ".hidden.mp4")
    s3.put(bucket, {f"v/{name}": b"film" for name in names} | {"v/empty.mp4": b"", "w.mp4": b"film"})
    answer = asked(
        *(door, s3, bucket, "v/"),
        externalIdPrefix="b1",
        metadata={"k": 1},
        outputDestination="s3",
        outputS3={"bucket": "out", "prefix": "enc/"},
    )
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["message"]
    assert [(one["fileName"], one["externalId"]) for one in told["jobs"]] == [
        ("a.mp4", "b1:a.mp4"),
        ("b.MOV", "b1:b.MOV"),
        ("sub/a.mkv", "b1:sub/a.mkv"),
    ]
    found = [status(door, one["jobId"]) for one in told["jobs"]]
    assert {(one["status"], str(one["metadata"])) for one in found} == {("queued", "{'k': 1}")}
    keys = [one["destination"]["key"] for one in found]
    assert keys == ["enc/a.mp4", "enc/b.mp4", "enc/sub/a.mp4"]
    assert job_of(door, told["jobs"][0]["jobId"]).inputs[0].uri == f"s3://{bucket}/v/a.mp4"
    assert s3.secret not in str((told, found))


def test_check_19d_nothing_to_encode_is_404(door: Any, s3: S3) -> None:
    bucket = s3.bucket()
    s3.put(bucket, {"v/notes.txt": b"no film"})
    for place, prefix in ((bucket, "v/"), (bucket, ""), (bucket, "nothing/"), ("no-such-bucket", "")):
        answer = asked(door, s3, place, prefix)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_video_files_found")


def test_check_19e_no_more_than_are_wanted_and_prefixes_that_end_within_a_name(door: Any, s3: S3) -> None:
    bucket = s3.bucket()
    s3.put(bucket, {f"w/{name}": b"film" for name in ("clip-1.mp4", "clip-2.mp4", "clip/3.mp4", "other.mp4")})
    for prefix, most, names in (("w/cl", 9, ["clip-1.mp4", "clip-2.mp4", "clip/3.mp4"]), ("w/", 1, ["clip-1.mp4"])):
        answer = asked(door, s3, bucket, prefix, maxFiles=most)
        assert [one["fileName"] for one in answer.json()["jobs"]] == names


def test_check_11b_a_folder_is_ingested_once(door: Any, s3: S3) -> None:
    bucket = s3.bucket()
    s3.put(bucket, {"a.mp4": b"film", "b.mp4": b"film"})
    first, again = (asked(door, s3, bucket, "", {"Idempotency-Key": "A1"}) for _ in range(2))
    assert first.json() == again.json()
    assert len(door.get("/v1/jobs").json()["data"]) == 2
    other = asked(door, s3, bucket, "", {"Idempotency-Key": "A1"}, fps=24)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_a_folder_that_an_account_cannot_pay_is_402_and_leaves_nothing_behind(door: Any, s3: S3) -> None:
    bucket = s3.bucket()
    s3.put(bucket, {"a.mp4": b"film", "b.mp4": b"film"})
    door.post("/v1/accounts/default/deposit", {"amount": 1000})
    answer = asked(door, s3, bucket, "")
    assert (answer.status_code, answer.json()["code"]) == (402, "insufficient_tokens")
    assert door.get("/v1/jobs").json()["data"] == []


def test_a_folder_whose_answer_was_lost_is_ingested_once_though_a_film_has_come(door: Any, s3: S3) -> None:
    bucket = s3.bucket()
    s3.put(bucket, {"b.mp4": b"film", "c.mp4": b"film"})
    first = asked(door, s3, bucket, "", {"Idempotency-Key": "A1"}).json()["jobs"]
    answers_lost(door)
    s3.put(bucket, {"a.mp4": b"film"})
    again = asked(door, s3, bucket, "", {"Idempotency-Key": "A1"}).json()["jobs"]
    assert [one["fileName"] for one in again] == ["a.mp4", "b.mp4", "c.mp4"]
    assert again[1:] == first
    assert len(door.get("/v1/jobs").json()["data"]) == 3


class SpendingFarm(FakeFarm):
    """Its account's owner spends all that is left, as soon as a job has begun."""

    def __init__(self, door: FrontDoor) -> None:
        super().__init__()
        self._door = door

    def nudged(self, job_ids: Sequence[str]) -> None:
        begun = [job_of(self._door, one).job.state is JobState.QUEUED for one in job_ids]
        ledger = Ledger(self._door.database, ADMIN)
        if any(begun) and (left := ledger.account("default").available):
            ledger.withdrawn("default", left)


def test_all_of_a_folder_is_set_aside_before_any_of_it_begins(database: Database, s3: S3) -> None:
    door = AskedDoor(database, SpendingFarm)
    bucket = s3.bucket()
    s3.put(bucket, {"a.mp4": b"film", "b.mp4": b"film"})
    door.post("/v1/accounts/default/deposit", {"amount": 10_000})
    answer = asked(door, s3, bucket, "")
    assert answer.status_code == 200, answer.text
    assert [status(door, one["jobId"])["status"] for one in answer.json()["jobs"]] == ["queued", "queued"]
    assert door.get("/v1/accounts/default").json()["available"] == 0
