"""Convertrilo's bulk calls, chunks, tokens and idempotency over raw HTTP, by the numbers of its specification."""

import dataclasses
import threading
from typing import Any
from uuid import uuid4

import pytest
from doors.conftest import AskedDoor
from doors.convertrilo_jobs import (
    BASE,
    SRC,
    account,
    answers_lost,
    balance,
    made,
    refused,
    sent,
    status,
    told,
    wanted,
    was_read,
)

from framemill.api.wire import BODY_BYTES
from framemill.jobs.states import (
    ChunksCommitted,
    Delivered,
    InputsReady,
    InputState,
    Packaged,
    Planned,
    Started,
    Stitched,
)
from framemill.sealing import Seals
from framemill.store.jobs import load_job
from framemill.store.uploads import load_upload

TO_SUCCESS = (Started(), InputsReady(), Planned(), ChunksCommitted(), Stitched(), Packaged({}), Delivered())


def under(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def jobs_there(door: AskedDoor) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = door.get("/v1/jobs?limit=100", bearer="an admin's key").json()["data"]
    return found


def bulk(door: AskedDoor, *jobs: dict[str, Any], key: str | None = None, **settings: Any) -> dict[str, Any]:
    more = {} if key is None else {"key": key}
    return told(door.post(f"{BASE}/jobs/bulk", {"jobs": list(jobs), "settings": settings}, **more))


def test_check_11_a_key_and_the_same_body_tell_the_same_again(door: AskedDoor) -> None:
    body = wanted(externalId="a")
    first = door.post(f"{BASE}/jobs", body, headers=under("k"))
    again = door.post(f"{BASE}/jobs", body, headers=under("k"))
    assert told(again) == told(first)
    spaced = '{ "fps":30, "resolution": "480p",\n"codec": "h264", "externalId":"a" }'
    headers = {**under("k"), "Content-Type": "application/json"}
    assert told(door.ask("POST", f"{BASE}/jobs", content=spaced, headers=headers)) == told(first)
    other = door.post(f"{BASE}/jobs", {**body, "fps": 24}, headers=under("k"))
    assert refused(other, 409) == "idempotency_conflict"
    assert len(jobs_there(door)) == 1


def test_check_11b_keys_count_for_each_path_and_account_by_themselves(door: AskedDoor) -> None:
    one = told(door.post(f"{BASE}/jobs", wanted(), headers=under("k")))
    many = told(door.post(f"{BASE}/jobs/bulk", {"jobs": [wanted()]}, headers=under("k")))
    again = told(door.post(f"{BASE}/jobs/bulk", {"jobs": [wanted()]}, headers=under("k")))
    assert many == again
    assert many["jobs"][0]["jobId"] != one["jobId"]
    native = {"inputs": [{"uri": SRC}], "outputs": [{"preset": "h264"}]}
    assert door.post("/v1/jobs", native, headers=under("k"), bearer="an admin's key").status_code == 201
    theirs = told(door.post(f"{BASE}/jobs", wanted(), headers=under("k"), key=account(door)))
    assert theirs["jobId"] != one["jobId"]
    for _ in range(2):  # elsewhere a key says nothing
        assert told(door.post(f"{BASE}/jobs/{one['jobId']}/cancel", headers=under("x")))["ok"] is True
    assert refused(door.post(f"{BASE}/jobs", wanted(), headers=under("x" * 256)), 400) == "invalid_request"


def test_a_replayed_batch_reserves_once(door: AskedDoor) -> None:
    key = account(door, credits=10_000)
    body = {"jobs": [wanted(sourceUrl=SRC), wanted(sourceUrl=SRC)], "settings": {"confirm": True}}
    found = [told(door.post(f"{BASE}/jobs/bulk", body, headers=under("b"), key=key)) for _ in range(3)]
    assert found[0] == found[1] == found[2]
    assert [one["status"] for one in found[0]["jobs"]] == ["queued", "queued"]
    assert found[0]["reserved"] == 1.0
    assert balance(door, key=key) == {
        "available": 9.0,
        "reserved": 1.0,
        "trialGrantRemaining": 0,
        "trialExpiresAt": None,
    }


def test_a_batch_whose_answer_was_lost_is_made_once_whatever_becomes_of_its_others(door: AskedDoor) -> None:
    on_gpu, plain = wanted(sourceUrl=SRC, policy="gpu_only"), wanted(sourceUrl=SRC, externalId="plain")
    body = {"jobs": [on_gpu, plain, wanted()]}
    door.farm.told = {"workers": [{"encoders": ["libx264"]}]}
    first = told(door.post(f"{BASE}/jobs/bulk", body, headers=under("b")))["jobs"]
    assert [one["status"] for one in first] == ["failed", "created", "created"]
    answers_lost(door)
    door.farm.told = {"workers": [{"encoders": ["libx264", "h264_nvenc"]}]}
    again = told(door.post(f"{BASE}/jobs/bulk", body, headers=under("b")))["jobs"]
    assert again[0]["status"] == "created"
    assert [one["jobId"] for one in again[1:]] == [one["jobId"] for one in first[1:]]
    assert again[2]["upload"]["key"] == first[2]["upload"]["key"]
    assert len(jobs_there(door)) == 3
    ids = [one["jobId"] for one in again]
    assert ids == sorted(ids)


def test_a_refusal_for_want_of_tokens_is_not_kept(door: AskedDoor) -> None:
    key = account(door, credits=100)
    body = wanted(sourceUrl=SRC, confirm=True)
    assert refused(door.post(f"{BASE}/jobs", body, headers=under("k"), key=key), 402) == "insufficient_tokens"
    owner = door.get("/v1/accounts?limit=100", bearer="an admin's key").json()["data"]
    mine = next(one["id"] for one in owner if one["balance"] == 100)
    door.post(f"/v1/accounts/{mine}/deposit", {"amount": 1000}, bearer="an admin's key")
    assert told(door.post(f"{BASE}/jobs", body, headers=under("k"), key=key))["status"] == "queued"


def test_check_13_a_dry_run_makes_and_reserves_nothing(door: AskedDoor) -> None:
    before = balance(door)
    found = bulk(door, wanted(sourceUrl=SRC), wanted(), wanted(codec="av1", sourceUrl=SRC, externalId="x"), dryRun=True)
    assert found["totalJobs"] == 3
    assert found["totalEstimatedNeu"] == pytest.approx(0.5 + 0.5 + 1.5)
    assert [one["status"] for one in found["jobs"]] == ["dry_run"] * 3
    assert [one["index"] for one in found["jobs"]] == [0, 1, 2]
    assert found["jobs"][2]["externalId"] == "x"
    assert not [one for one in found["jobs"] if "jobId" in one]
    assert balance(door) == before
    assert jobs_there(door) == []
    wrong = bulk(door, wanted(sourceUrl="http://10.0.0.1/x"), dryRun=True)["jobs"][0]
    assert wrong["status"] == "failed"
    assert "10.0.0.1" in wrong["error"]


def test_check_14_a_batch_is_confirmed_and_asked_after(door: AskedDoor) -> None:
    found = bulk(door, wanted(sourceUrl=SRC, externalId="a"), wanted(sourceUrl=SRC), quality="best")
    assert found["totalJobs"] == 2
    ids = [one["jobId"] for one in found["jobs"]]
    assert [one["status"] for one in found["jobs"]] == ["created", "created"]
    asked = told(door.post(f"{BASE}/jobs/bulk/confirm", {"jobIds": ids, "settings": {"container": "mkv"}}))
    assert asked["queued"] == 2
    strange = str(uuid4())
    said = told(door.get(f"{BASE}/jobs/bulk/status?ids={','.join([*ids, strange])}"))
    assert said["missing"] == [strange]
    assert [(one["id"], one["status"]) for one in said["jobs"]] == [(one, "queued") for one in ids]
    assert said["jobs"][0]["output"]["key"].endswith(".mkv")
    assert said["jobs"][0]["externalId"] == "a"
    assert told(door.get(f"{BASE}/jobs/bulk/status?ids=")) == {"jobs": [], "missing": []}
    again = told(door.post(f"{BASE}/jobs/bulk/confirm", {"jobIds": [ids[0], strange]}))
    assert again["queued"] == 1
    assert again["jobs"][1]["status"] == "failed"


class WatchedSeals(Seals):
    """Knows in which threads links were made."""

    def __init__(self, secret: str) -> None:
        super().__init__(secret)
        self.threads: set[threading.Thread] = set()

    def signed(self, purpose: str, value: Any) -> str:
        self.threads.add(threading.current_thread())
        return super().signed(purpose, value)


def test_how_many_jobs_stand_is_told_beside_the_event_loop(door: AskedDoor) -> None:
    seals = WatchedSeals("a farm's secret")
    job_id = made(door, sourceUrl=SRC)["jobId"]
    told(door.post(f"{BASE}/jobs/{job_id}/confirm"))
    door.moved(job_id, *TO_SUCCESS)
    door.parts = door.app.state.parts = dataclasses.replace(door.parts, seals=seals)
    said = told(door.get(f"{BASE}/jobs/bulk/status?ids={job_id},{job_id}"))
    assert [one["downloadUrl"] is not None for one in said["jobs"]] == [True]
    assert seals.threads
    assert threading.main_thread() not in seals.threads


def test_what_is_wrong_with_one_of_a_batch_is_told_in_its_place(door: AskedDoor) -> None:
    fine, wrong = wanted(sourceUrl=SRC), wanted(codec="vp9", externalId="w")
    found = bulk(door, fine, wrong, fine)["jobs"]
    assert [one["status"] for one in found] == ["created", "failed", "created"]
    assert "codec" in found[1]["error"]
    assert (found[1]["index"], found[1]["externalId"]) == (1, "w")
    stopped = bulk(door, fine, wrong, fine, failFast=True)["jobs"]
    assert [one["status"] for one in stopped] == ["created", "failed", "skipped"]
    large = bulk(door, wanted(sourceUrl=SRC, metadata={"a": "x" * (64 << 10)}), fine)["jobs"]
    assert [one["status"] for one in large] == ["failed", "created"]
    mixed = bulk(door, wanted(sourceUrl=SRC, container="mov"), fine, container="mkv")["jobs"]  # its own word wins
    keys = [status(door, one["jobId"])["output"]["key"][-3:] for one in mixed]
    assert keys == ["mov", "mkv"]
    assert refused(door.post(f"{BASE}/jobs/bulk", {"jobs": []}), 400) == "invalid_body"
    assert refused(door.post(f"{BASE}/jobs/bulk", {"jobs": [fine], "settings": {"vmafTarget": 10}}), 400)


def test_a_batch_goes_as_far_as_the_tokens_do(door: AskedDoor) -> None:
    key = account(door, credits=700)
    found = bulk(door, *[wanted(sourceUrl=SRC)] * 2, key=key, confirm=True)
    assert [one["status"] for one in found["jobs"]] == ["queued", "failed"]
    assert found["reserved"] == 0.5
    assert len(jobs_there(door)) == 1


def test_check_15_chunks_come_in_any_order(door: AskedDoor) -> None:
    found = made(door)
    place = f"{BASE}/jobs/{found['jobId']}/stream"
    early = door.ask("PUT", f"{place}/chunk/1", content=b"x")
    assert refused(early, 409) == "invalid_request"
    begun = told(door.post(f"{place}/init"))
    assert begun["ok"] is True
    assert isinstance(begun["inputKey"], str)
    assert told(door.post(f"{place}/init")) == begun
    large = bytes(BODY_BYTES + 1000)  # more than any other request may carry
    second = told(door.ask("PUT", f"{place}/chunk/2", content=b"the end"))
    first = told(door.ask("PUT", f"{place}/chunk/1", content=large))
    assert (first["ok"], first["PartNumber"], second["PartNumber"]) == (True, 1, 2)
    for index in ("0", "10001"):
        assert refused(door.ask("PUT", f"{place}/chunk/{index}", content=b"x"), 400) == "invalid_request"
    done = told(door.post(f"{place}/finalize"))
    assert (done["ok"], done["size"]) == (True, len(large) + 7)
    assert told(door.post(f"{place}/finalize")) == done  # asked once more
    with door.database.reading() as conn:
        job, upload = load_job(conn, found["jobId"]), load_upload(conn, begun["uploadId"])
    assert job is not None
    assert upload is not None
    assert job[1][0].upload_id == begun["uploadId"]
    assert upload.blob is not None
    with open(upload.blob, "rb") as file:
        assert file.read() == large + b"the end"
    was_read(door, found["jobId"])
    assert told(door.post(f"{BASE}/jobs/{found['jobId']}/confirm"))["status"] == "queued"
    assert refused(door.post(f"{place}/abort"), 409) == "invalid_request"


def test_chunks_may_be_named_and_given_up(door: AskedDoor) -> None:
    found = made(door)
    place = f"{BASE}/jobs/{found['jobId']}/stream"
    begun = told(door.post(f"{place}/init"))
    tags = [told(door.ask("PUT", f"{place}/chunk/{n}", content=b"abc"[:n]))["ETag"] for n in (1, 2, 3)]
    assert refused(door.post(f"{place}/finalize", {"parts": [{"PartNumber": 1, "ETag": tags[1]}]}), 400)
    assert told(door.post(f"{place}/abort"))["ok"] is True
    assert told(door.post(f"{place}/abort"))["ok"] is True
    again = told(door.post(f"{place}/init"))
    assert again["uploadId"] != begun["uploadId"]
    for number in (1, 3):
        told(door.ask("PUT", f"{place}/chunk/{number}", content=b"abc"[:number]))
    assert refused(door.post(f"{place}/finalize"), 409) == "invalid_request"  # the second one is missing
    named = [{"PartNumber": 1}, {"PartNumber": 3, "ETag": tags[2]}]
    assert told(door.post(f"{place}/finalize", {"parts": named}))["size"] == 4
    with_url = made(door, sourceUrl=SRC)["jobId"]
    assert refused(door.post(f"{BASE}/jobs/{with_url}/stream/init"), 409) == "invalid_request"


def test_after_an_abort_the_link_is_good_again(door: AskedDoor) -> None:
    found = made(door)
    told(door.post(f"{BASE}/jobs/{found['jobId']}/stream/init"))
    told(door.post(f"{BASE}/jobs/{found['jobId']}/stream/abort"))
    assert sent(door, found["upload"]["url"]).status_code == 200
    with door.database.reading() as conn:
        job = load_job(conn, found["jobId"])
    assert job is not None
    assert found["upload"]["key"].endswith(job[1][0].upload_id or "-")
    assert job[1][0].state is InputState.WAITING


def test_tokens_are_reserved_released_and_deducted_on_the_ledger(door: AskedDoor) -> None:
    key, job_id = account(door, credits=10_000), str(uuid4())

    def ask(what: str, amount: int) -> dict[str, Any]:
        return told(door.post(f"{BASE}/tokens/{what}", {"jobId": job_id, "amount": amount}, key=key))

    said = ask("reserve", 4)
    assert (said["ok"], said["available"], said["reserved"]) == (True, 6, 4)
    assert ask("release", 1)["reserved"] == 3
    said = ask("deduct", 5)  # three of what was set aside, two of the rest
    assert (said["ok"], said["available"], said["reserved"]) == (True, 5, 0)
    said = ask("reserve", 6)
    assert (said["ok"], said["code"], said["required"]) == (False, "insufficient_tokens", 6)
    assert ask("deduct", 6)["ok"] is False
    assert ask("release", 100)["ok"] is True
    for wrong in ({"jobId": "x", "amount": 1}, {"jobId": job_id, "amount": 0}, {"jobId": job_id, "amount": 1.5}):
        assert refused(door.post(f"{BASE}/tokens/reserve", wrong, key=key), 400) == "invalid_body"


def test_an_account_that_is_not_counted_has_plenty_and_shows_what_is_reserved(door: AskedDoor) -> None:
    before = balance(door)
    job_id = str(uuid4())
    told(door.post(f"{BASE}/tokens/reserve", {"jobId": job_id, "amount": 7}))
    after = balance(door)
    assert (after["reserved"], after["available"]) == (before["reserved"] + 7, before["available"] - 7)
    told(door.post(f"{BASE}/tokens/deduct", {"jobId": job_id, "amount": 2}))
    assert balance(door)["reserved"] == 5
    told(door.post(f"{BASE}/tokens/release", {"jobId": job_id, "amount": 5}))
    assert balance(door) == before


def test_a_bucket_is_opened_by_its_own_key_or_by_what_the_operator_has_named(door: AskedDoor) -> None:
    bare = {"bucket": "films", "key": "a/in.mp4"}
    answer = door.post(f"{BASE}/jobs", wanted(sourceS3=bare))
    assert refused(answer, 400) == "invalid_body"
    assert "allowed_buckets" in answer.json()["message"]
    keyed = {**bare, "accessKeyId": "k", "secretAccessKey": "very-secret", "forcePathStyle": True, "region": "eu-1"}
    found = made(door, sourceS3=keyed)
    assert found["upload"] is None
    assert "very-secret" not in door.get(f"{BASE}/jobs/{found['jobId']}/status").text
    with door.database.reading() as conn:
        job = load_job(conn, found["jobId"])
    assert job is not None
    assert job[1][0].uri == "s3://films/a/in.mp4"
    assert "very-secret" not in job[0].model_dump_json() + job[1][0].model_dump_json()
    half = {**bare, "accessKeyId": "k"}
    assert refused(door.post(f"{BASE}/jobs", wanted(sourceS3=half)), 400) == "invalid_body"
    inside = {**keyed, "endpoint": "http://10.0.0.1:9000"}
    assert refused(door.post(f"{BASE}/jobs", wanted(sourceS3=inside)), 400) == "private_ip_blocked"


def test_what_was_reserved_by_hand_counts_for_the_job(door: AskedDoor) -> None:
    key = account(door, credits=10_000)
    job_id = told(door.post(f"{BASE}/jobs", wanted(sourceUrl=SRC), key=key))["jobId"]
    was_read(door, job_id)
    told(door.post(f"{BASE}/tokens/reserve", {"jobId": job_id, "amount": 3}, key=key))
    assert told(door.post(f"{BASE}/jobs/{job_id}/approve-unified", key=key))["estimate"]["totalNeu"] == 0.05
    assert balance(door, key=key)["reserved"] == 3
    told(door.post(f"{BASE}/jobs/{job_id}/cancel", key=key))
    assert balance(door, key=key)["reserved"] == 0


def test_nobody_is_sent_elsewhere(door: AskedDoor) -> None:
    assert refused(door.get(f"{BASE}/tokens/balance/"), 404) == "not_found"
