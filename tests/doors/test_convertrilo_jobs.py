"""Convertrilo's single jobs over raw HTTP; the numbers are those of the checks in its specification."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from doors.conftest import AskedDoor
from doors.convertrilo_jobs import (
    BASE,
    SRC,
    account,
    balance,
    made,
    ready,
    refused,
    sent,
    status,
    told,
    wanted,
    was_read,
)

from framemill.jobs.reasons import Reason
from framemill.jobs.states import (
    ChunksCommitted,
    Delivered,
    Failed,
    InputsReady,
    InputState,
    JobState,
    Packaged,
    Planned,
    Started,
    Stitched,
)
from framemill.store.jobs import load_job, save_input

TO_SUCCESS = (Started(), InputsReady(), Planned(), ChunksCommitted(), Stitched(), Packaged({}), Delivered())


def test_check_02_a_bad_key_is_told_by_code_and_message(door: AskedDoor) -> None:
    for headers in ({"key": "bad"}, {"bearer": "bad"}, {"key": None}):
        answer = door.get(f"{BASE}/tokens/balance", **headers)
        assert refused(answer, 401) == "invalid_api_key"


def test_both_headers_open_and_the_answer_is_the_same(door: AskedDoor) -> None:
    with_key, with_bearer = (
        told(door.get(f"{BASE}/tokens/balance", **one)) for one in ({}, {"bearer": "an admin's key"})
    )
    assert with_key == with_bearer
    assert with_key["available"] > 0
    assert (with_key["trialGrantRemaining"], with_key["trialExpiresAt"]) == (0, None)


def test_check_04_a_job_without_a_source_has_a_link_to_send_it_to(door: AskedDoor) -> None:
    found = made(door, externalId="e1", metadata={"k": 1})
    UUID(found["jobId"])
    assert found["upload"]["url"].startswith("http://farm.example/files/uploads/")
    assert isinstance(found["output"]["key"], str)
    assert (found["externalId"], found["metadata"]) == ("e1", {"k": 1})
    assert "status" not in found
    assert found["estimate"]["neu"] > 0
    with_url = made(door, sourceUrl=SRC)
    assert with_url["upload"] is None
    assert (with_url["externalId"], with_url["metadata"]) == (None, None)


def pieces(body: bytes) -> Iterator[bytes]:
    yield body[:4]
    yield body[4:]


def test_check_05_a_source_is_sent_without_a_key(door: AskedDoor) -> None:
    async def stream() -> Any:
        for piece in pieces(b"some film"):
            yield piece

    typed: tuple[dict[str, str], ...] = (
        {},
        {"Content-Type": "video/mp4"},
        {"Content-Type": "text/plain;charset=UTF-8"},
    )
    for body, headers in (*((b"some film", one) for one in typed), (stream(), {})):
        answer = sent(door, made(door)["upload"]["url"], body, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["size_bytes"] == 9


def test_check_06_the_length_is_told_once_the_source_was_read(door: AskedDoor) -> None:
    found = made(door)
    assert refused(door.get(f"{BASE}/jobs/{found['jobId']}/probe-duration"), 409) == "probe_failed"
    assert sent(door, found["upload"]["url"]).status_code == 200
    reading = threading.Timer(0.4, was_read, (door, found["jobId"]))
    reading.start()
    said = told(door.get(f"{BASE}/jobs/{found['jobId']}/probe-duration"))
    reading.join()
    assert abs(said["durationSec"] - 6) < 0.2
    assert abs(said["durationMinutes"] - said["durationSec"] / 60) < 0.01


def test_a_source_that_cannot_be_read_is_told_of(door: AskedDoor) -> None:
    job_id = made(door, sourceUrl=SRC)["jobId"]
    door.moved(job_id, Failed(Reason.SOURCE_MISSING, "There is no such film."))
    for answer in (
        door.get(f"{BASE}/jobs/{job_id}/probe-duration"),
        door.post(f"{BASE}/jobs/{job_id}/approve-unified"),
    ):
        assert refused(answer, 400) == "probe_failed"
    said = status(door, job_id)
    assert (said["status"], said["failureMessage"], said["downloadUrl"]) == ("failed", "There is no such film.", None)


def test_what_was_wrong_with_a_source_is_told_without_its_secrets(door: AskedDoor) -> None:
    job_id = made(door, sourceUrl=SRC)["jobId"]
    with door.database.writing() as conn:
        found = load_job(conn, job_id)
        assert found is not None
        failed = {
            "state": InputState.FAILED,
            "message": "Nothing at https://u:hunter2@films.example/in.mp4?token=sesame.",
        }
        save_input(conn, found[1][0].model_copy(update=failed))
    answer = door.get(f"{BASE}/jobs/{job_id}/probe-duration")
    assert refused(answer, 400) == "probe_failed"
    assert "films.example" in answer.text
    assert "hunter2" not in answer.text
    assert "sesame" not in answer.text


def test_check_07_approve_reserves_and_does_not_enqueue(door: AskedDoor) -> None:
    job_id = ready(door)
    before = balance(door)
    said = told(door.post(f"{BASE}/jobs/{job_id}/approve-unified"))
    assert said["ok"] is True
    estimate = said["estimate"]
    assert estimate["durationSec"] == 6
    assert estimate["totalNeu"] > 0
    assert estimate["totalNeu"] == pytest.approx(estimate["perMinuteNeu"] * 6 / 60, abs=0.01)
    assert estimate["reserved"] == estimate["totalNeu"]
    assert status(door, job_id)["status"] == "created"
    assert balance(door)["reserved"] == pytest.approx(before["reserved"] + estimate["totalNeu"])
    told(door.post(f"{BASE}/jobs/{job_id}/approve-unified"))  # once more reserves nothing more
    assert balance(door)["reserved"] == pytest.approx(before["reserved"] + estimate["totalNeu"])


def test_approve_changes_what_is_made_and_what_it_costs(door: AskedDoor) -> None:
    job_id = ready(door)
    cheap = told(door.post(f"{BASE}/jobs/{job_id}/approve-unified"))["estimate"]["totalNeu"]
    dear = told(
        door.post(f"{BASE}/jobs/{job_id}/approve-unified", {"codec": "av1", "container": "webm", "fps": 24, "extra": 1})
    )
    assert dear["estimate"]["totalNeu"] == pytest.approx(3 * cheap)
    assert balance(door)["reserved"] == pytest.approx(3 * cheap)
    with door.database.reading() as conn:
        found = load_job(conn, job_id)
    assert found is not None
    settings = found[2][0].settings
    assert (settings.video_codec, settings.container, settings.fps, settings.size) == ("av1", "webm", "24", "480p")
    for wrong in ({"resolution": "333p"}, {"fps": 0}, {"codec": "h264"}, {"vmafTarget": 40}):
        assert refused(door.post(f"{BASE}/jobs/{job_id}/approve-unified", wrong), 400) == "invalid_body"


def test_check_08a_confirm_lets_it_begin_and_once_more_does_no_harm(door: AskedDoor) -> None:
    job_id = ready(door)
    said = told(door.post(f"{BASE}/jobs/{job_id}/confirm"))
    assert (said["ok"], said["status"]) == (True, "queued")
    assert said["reserved"] > 0
    assert told(door.post(f"{BASE}/jobs/{job_id}/confirm"))["ok"] is True
    assert balance(door)["reserved"] == pytest.approx(said["reserved"])
    late = door.post(f"{BASE}/jobs/{job_id}/confirm", {"container": "mkv"})
    assert refused(late, 409) == "invalid_request"
    assert refused(door.post(f"{BASE}/jobs/{job_id}/approve-unified"), 409) == "invalid_request"


def test_check_08b_the_status_goes_up_to_success_with_its_link(door: AskedDoor) -> None:
    job_id = ready(door, externalId="e", metadata={"k": [1]})
    told(door.post(f"{BASE}/jobs/{job_id}/confirm", {"quality": "best"}))
    seen = [status(door, job_id)]
    for event in TO_SUCCESS:
        door.moved(job_id, event)
        seen.append(status(door, job_id))
    assert [one["status"] for one in seen] == ["queued", *["running"] * 6, "success"]
    shares = [one["pct"] for one in seen]
    assert shares == sorted(shares)
    assert not [one for one in shares if 0 < one < 1]
    assert shares[-1] == 100
    assert [one["downloadUrl"] is not None for one in seen] == [False] * 7 + [True]
    last = seen[-1]
    assert last["downloadUrl"].startswith("http://farm.example/files/outputs/")
    assert (last["externalId"], last["metadata"], last["ingest"]) == ("e", {"k": [1]}, {"type": "url"})
    assert last["encoder"] == "libx264"
    assert datetime.fromisoformat(last["createdAt"]) <= datetime.now(UTC)
    assert last["finishedAt"] is not None
    assert last["failureMessage"] is None


def test_check_12_ten_at_once_make_one_job(door: AskedDoor) -> None:
    with ThreadPoolExecutor(10) as pool:
        found = list(
            pool.map(
                lambda _: door.post(f"{BASE}/jobs", wanted(), headers={"Idempotency-Key": "one"}),
                range(10),
            )
        )
    assert {one.status_code for one in found} <= {200, 409}
    assert len({one.json()["jobId"] for one in found if one.status_code == 200}) == 1
    listed = door.get("/v1/jobs", bearer="an admin's key").json()["data"]
    assert len(listed) == 1


def test_check_16_to_cancel_twice_does_no_harm(door: AskedDoor) -> None:
    job_id = ready(door)
    told(door.post(f"{BASE}/jobs/{job_id}/approve-unified"))
    reserved = balance(door)["reserved"]
    first = told(door.post(f"{BASE}/jobs/{job_id}/cancel"))
    assert (first["ok"], first["status"]) == (True, "canceled")
    assert first["released"] == pytest.approx(reserved)
    assert balance(door)["reserved"] == 0
    assert told(door.post(f"{BASE}/jobs/{job_id}/cancel"))["ok"] is True
    assert status(door, job_id)["status"] == "canceled"
    assert refused(door.post(f"{BASE}/jobs/{job_id}/confirm"), 409) == "invalid_request"
    assert refused(door.get(f"{BASE}/jobs/{job_id}/probe-duration"), 409) == "probe_failed"
    done = ready(door)
    told(door.post(f"{BASE}/jobs/{done}/confirm"))
    door.moved(done, *TO_SUCCESS)
    assert told(door.post(f"{BASE}/jobs/{done}/cancel"))["ok"] is True
    assert status(door, done)["status"] == "success"


WRONG: list[dict[str, Any]] = [
    {"codec": "vp9"},
    {"fps": 0},
    {"fps": 241},
    {"fps": "30"},
    {"fps": 29.97},
    {"resolution": "360p"},
    {"container": "avi"},
    {"preset": "veryslow"},
    {"passes": 3},
    {"vmafTarget": 49},
    {"vmafTarget": 100},
    {"externalId": "x" * 256},
    {"metadata": [1]},
    {"metadata": {"a": "\u0000"}},
    {"metadata": {"a": "x" * (64 << 10)}},
    {"container": "webm"},
    {"codec": "av1", "container": "mov"},
    {"sourceUrl": SRC, "sourceS3": {"bucket": "films", "key": "in.mp4"}},
]


def test_check_20a_what_does_not_fit_is_refused(door: AskedDoor) -> None:
    for wrong in WRONG:
        answer = door.post(f"{BASE}/jobs", wanted(**wrong))
        assert refused(answer, 400) == "invalid_body", wrong
        assert answer.json()["issues"]


def test_check_20b_fields_that_nobody_knows_are_passed_over(door: AskedDoor) -> None:
    found = made(door, jobMode="encode", unknown={"a": 1}, resolution="4320p", fps=240)
    assert found["jobId"]


def test_check_10a_every_codec_goes_into_its_containers(door: AskedDoor) -> None:
    pairs = [
        *((codec, container) for codec in ("h264", "h265") for container in ("mp4", "mkv", "mov")),
        *(("av1", container) for container in ("mp4", "mkv", "webm")),
    ]
    for codec, container in pairs:
        key = made(door, codec=codec, container=container, passes=2, preset="slow")["output"]["key"]
        assert key.endswith(f".{container}")


CLOSED = [
    ("ftp://host/in.mp4", "invalid_url"),
    ("nonsense", "invalid_url"),
    ("http:///in.mp4", "invalid_url"),
    ("http://10.0.0.1/in.mp4", "private_ip_blocked"),
    ("http://[::1]/in.mp4", "private_ip_blocked"),
    ("http://169.254.169.254/latest", "private_ip_blocked"),
    ("http://localhost/in.mp4", "url_host_blocked"),
]


def test_sources_in_closed_networks_are_refused(door: AskedDoor) -> None:
    for url, code in CLOSED:
        assert refused(door.post(f"{BASE}/jobs", wanted(sourceUrl=url)), 400) == code, url


def test_no_json_and_no_such_path_are_told_likewise(door: AskedDoor) -> None:
    headers = {"Content-Type": "application/json"}
    assert refused(door.ask("POST", f"{BASE}/jobs", content=b"{", headers=headers), 400) == "invalid_body"
    assert refused(door.get(f"{BASE}/nothing"), 404) == "not_found"
    assert refused(door.ask("DELETE", f"{BASE}/tokens/balance"), 405) == "invalid_request"
    huge = door.ask("POST", f"{BASE}/jobs", content=b'"' + b"x" * (5 << 20) + b'"', headers=headers)
    assert refused(huge, 413) == "file_too_large"
    for method, path in (("GET", "status"), ("GET", "probe-duration"), ("POST", "confirm"), ("POST", "cancel")):
        answer = door.ask(method, f"{BASE}/jobs/{uuid4()}/{path}")
        assert refused(answer, 404) == "not_found"


def test_another_accounts_and_another_doors_jobs_are_not_there(door: AskedDoor) -> None:
    mine, theirs = account(door), account(door)
    job_id = told(door.post(f"{BASE}/jobs", wanted(), key=mine))["jobId"]
    assert told(door.get(f"{BASE}/jobs/{job_id}/status", key=mine))["status"] == "created"
    assert refused(door.get(f"{BASE}/jobs/{job_id}/status", key=theirs), 404) == "not_found"
    native = {"inputs": [{"uri": SRC}], "outputs": [{"preset": "h264"}]}
    other = door.post("/v1/jobs", native, bearer="an admin's key").json()["id"]
    assert refused(door.get(f"{BASE}/jobs/{other}/status"), 404) == "not_found"


def test_a_gpu_that_there_is_not_is_never_a_cpu(door: AskedDoor) -> None:
    asked = wanted(policy="gpu_only", sourceUrl=SRC)
    answer = door.post(f"{BASE}/jobs", asked)
    assert refused(answer, 400) == "invalid_request"
    assert "GPU" in answer.json()["message"]
    batch = told(door.post(f"{BASE}/jobs/bulk", {"jobs": [asked, wanted(sourceUrl=SRC)]}))["jobs"]
    assert [one["status"] for one in batch] == ["failed", "created"]
    door.farm.told = {"workers": [{"encoders": ["libx264", "h264_nvenc"]}]}
    assert told(door.post(f"{BASE}/jobs", asked))["jobId"]
    assert refused(door.post(f"{BASE}/jobs", {**asked, "codec": "h265"}), 400) == "invalid_request"


def test_an_account_that_cannot_pay_is_told_what_it_takes(door: AskedDoor) -> None:
    key = account(door, credits=40)
    answer = door.post(f"{BASE}/jobs", wanted(sourceUrl=SRC, confirm=True), key=key)
    assert refused(answer, 402) == "insufficient_tokens"
    assert (answer.json()["required"], answer.json()["available"]) == (0.5, 0.04)
    assert door.get("/v1/jobs", bearer="an admin's key").json()["data"] == []
    job_id = told(door.post(f"{BASE}/jobs", wanted(sourceUrl=SRC), key=key))["jobId"]
    was_read(door, job_id)
    short = door.post(f"{BASE}/jobs/{job_id}/approve-unified", key=key)
    assert refused(short, 402) == "insufficient_tokens"
    assert short.json()["required"] == 0.05
    assert balance(door, key=key)["reserved"] == 0
    assert refused(door.post(f"{BASE}/jobs/{job_id}/confirm", key=key), 402) == "insufficient_tokens"
    assert told(door.get(f"{BASE}/jobs/{job_id}/status", key=key))["status"] == "created"


def test_what_is_told_before_is_what_is_reserved_and_what_the_job_is_charged_by(door: AskedDoor) -> None:
    key = account(door, credits=5000)
    asked = wanted(sourceUrl=SRC, codec="h265", preset="slow", bitrateTier="high", passes=2)
    job_id = told(door.post(f"{BASE}/jobs", asked, key=key))["jobId"]
    was_read(door, job_id)
    estimate = told(door.post(f"{BASE}/jobs/{job_id}/approve-unified", key=key))["estimate"]
    # 0.5 a minute × 2 (h265) × 1.75 (slow) × 1.25 (high) × 1.5 (two passes) × 6 s, in whole hundredths
    assert estimate["totalNeu"] == 0.33
    assert (balance(door, key=key)["available"], balance(door, key=key)["reserved"]) == (4.67, 0.33)
    with door.database.reading() as conn:
        found = load_job(conn, job_id)
    assert found is not None
    assert found[0].tariff is not None
    assert found[0].state is JobState.HELD
