"""online-convert's upload server, without a farm (checks 6 and 15 of its contract)."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from doors.conftest import AskedDoor
from doors.onlineconvert import FILM, Client

from framemill.api.forms import MOST_FIELD_BYTES
from framemill.jobs.states import JobState
from framemill.jobs.uploads import UploadState
from framemill.services.accounts import Accounts
from framemill.services.callers import ADMIN
from framemill.services.jobs import Jobs
from framemill.services.uploads import Uploads


@pytest.fixture
def client(door: AskedDoor) -> Client:
    return Client(door)


def uploads(client: Client) -> list[Any]:
    parts = client.door.parts
    return Uploads(parts.database, parts.files, caller=ADMIN).listed()[0]


def files(client: Client) -> list[Path]:
    """All that lies in the folders of uploads."""
    return [path for path in client.door.parts.files.blobs.path("uploads").rglob("*") if path.is_file()]


def state(client: Client, job_id: str) -> JobState:
    return Jobs(client.door.database, lambda _: None, caller=ADMIN).shown(job_id).job.state


def test_6_a_file_is_sent_by_the_token_of_its_job_alone(client: Client) -> None:
    job = client.made(process=False)
    answer = client.sent(job, headers={"X-Oc-Token": job["token"]})
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["type"], told["filename"], told["status"]) == ("upload", "film.mov", "downloading")
    assert told["checksum"] == hashlib.md5(FILM, usedforsecurity=False).hexdigest()
    assert told["credentials"] == {}
    assert [one["id"] for one in client.job(job["id"])["input"]] == [told["id"]]


@pytest.mark.parametrize("header", ["X-Api2convert-Token", "X-Oc-Token", "X-Api2convert-Api-Key", "X-Oc-Api-Key"])
def test_6_both_families_of_headers_are_taken_and_so_is_the_key(client: Client, header: str) -> None:
    job = client.made(process=False)
    said = client.key if header.endswith("Key") else job["token"]
    assert client.sent(job, headers={header: said}).status_code == 201


def test_6_a_wrong_token_and_another_jobs_are_refused(client: Client) -> None:
    job, other = client.made(process=False), client.made(process=False)
    for token in (other["token"], "x" * 32, ""):
        answer = client.sent(job, headers={"X-Oc-Token": token})
        assert (answer.status_code, set(answer.json())) == (401, {"message", "code", "errors"}), token
    assert client.job(job["id"])["input"] == []


def test_a_job_that_there_is_not_is_not_found(client: Client) -> None:
    job = client.made(process=False) | {"id": "0198c0de-0000-7000-8000-000000000000"}
    assert client.sent(job, headers={"X-Oc-Api-Key": client.key}).status_code == 404


def test_6_the_same_upload_twice_is_one_input_and_one_answer(client: Client) -> None:
    job = client.made(process=False)
    answers = [
        client.sent(job, headers={"X-Oc-Token": job["token"], name: "a-random-word"})
        for name in ("X-Oc-Upload-Uuid", "X-Oc-Upload-Uuid", "X-Api2convert-Upload-Uuid")
    ]
    first = answers[0]
    assert [(one.status_code, one.json()) for one in answers] == [(201, first.json())] * 3
    assert len(client.job(job["id"])["input"]) == 1
    other = client.sent(job, headers={"X-Oc-Token": job["token"], "X-Oc-Upload-Uuid": "another-word"})
    assert other.json()["id"] != first.json()["id"]


def test_6_it_is_the_same_upload_also_when_its_job_has_begun_since(client: Client) -> None:
    job = client.made()
    headers = {"X-Oc-Token": job["token"], "X-Oc-Upload-Uuid": "a-random-word"}
    first = client.sent(job, headers=headers)
    assert state(client, job["id"]) is JobState.QUEUED
    again = client.sent(job, headers=headers)
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])


def test_the_upload_that_a_job_lacked_has_it_begin(client: Client) -> None:
    job = client.made()
    assert job["status"]["code"] == "incomplete"
    assert client.sent(job).status_code == 201
    assert state(client, job["id"]) is JobState.QUEUED
    late = client.sent(job)
    assert late.status_code == 409


def test_a_job_that_shall_not_begin_yet_gets_one_file_after_the_other(client: Client) -> None:
    job = client.made(process=False)
    for name in ("one.mov", "two.mov"):
        assert client.sent(job, name=name).status_code == 201
    told = client.job(job["id"])
    assert [one["filename"] for one in told["input"]] == ["one.mov", "two.mov"]
    assert state(client, job["id"]) is JobState.HELD


def test_a_name_is_but_a_name(client: Client) -> None:
    job = client.made(process=False)
    assert client.sent(job, name="../../etc/passwd.mov").json()["filename"] == "passwd.mov"


def test_15_too_many_inputs_and_too_large_ones_are_refused_and_nothing_of_them_stays(client: Client) -> None:
    job = client.made(process=False, limits={"input": {"max_file_size": 10}})
    large = client.sent(job)
    assert large.status_code == 402, large.text
    assert "limits.input.max_file_size" in large.json()["message"]
    assert client.job(job["id"])["input"] == []
    assert files(client) == []
    assert client.sent(job, b"0123456789").status_code == 201

    one = client.made(process=False, limits={"job": {"max_inputs": 1}})
    assert client.sent(one).status_code == 201
    second = client.sent(one)
    assert second.status_code == 402, second.text
    assert len(client.job(one["id"])["input"]) == 1
    asked = {"input": [{"type": "remote", "source": f"https://example.org/{name}.mov"} for name in "ab"]}
    client.made(402, **asked, limits={"job": {"max_inputs": 1}})


def test_what_is_no_form_or_has_no_file_is_refused(client: Client) -> None:
    job = client.made(process=False)
    url = f"{job['server']}/upload-file/{job['id']}".removeprefix("http://farm.example")
    headers = {"X-Oc-Token": job["token"]}
    plain = client.door.ask("POST", url, key=None, headers=headers, content=b"a film")
    assert plain.status_code == 400, plain.text
    without = client.door.ask("POST", url, key=None, headers=headers, files={"decrypt_password": (None, "hunter2")})
    assert without.status_code == 400, without.text
    assert "hunter2" not in without.text
    assert client.job(job["id"])["input"] == []


def form(client: Client, job: dict[str, Any], head: bytes, body: bytes) -> Any:
    """What is answered to a form of that one part."""
    url = f"{job['server']}/upload-file/{job['id']}".removeprefix("http://farm.example")
    whole = b"--b\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + body + b"\r\n--b--\r\n"
    headers = {"X-Oc-Token": job["token"], "Content-Type": "multipart/form-data; boundary=b"}
    return client.door.ask("POST", url, key=None, headers=headers, content=whole)


@pytest.mark.parametrize("head", [b'name="file"', b'name="file"; filename=""', b"name=file"])
def test_the_part_that_is_the_file_needs_no_name(client: Client, head: bytes) -> None:
    answer = form(client, client.made(process=False), head, FILM)
    assert answer.status_code == 201, answer.text
    assert (answer.json()["filename"], answer.json()["size"]) == ("file", len(FILM))


def test_a_field_that_is_too_long_is_no_matter_of_limits(client: Client) -> None:
    job = client.made(process=False)
    answer = form(client, job, b'name="decrypt_password"', b"x" * (MOST_FIELD_BYTES + 1))
    assert (answer.status_code, answer.json()["code"]) == (400, 400)
    assert files(client) == []


def test_a_name_is_read_as_its_sender_means_it(client: Client) -> None:
    answer = form(
        client, client.made(process=False), b'name="file"; filename="a %22film%22 of %0D%0Amine 100%.mov"', FILM
    )
    assert answer.json()["filename"] == 'a "film" of mine 100%.mov'


def test_a_file_without_a_length_is_taken_as_it_comes(client: Client) -> None:
    """As the Node client sends it."""
    job = client.made(process=False)
    url = f"{job['server']}/upload-file/{job['id']}".removeprefix("http://farm.example")
    whole = b'--b\r\nContent-Disposition: form-data; name="file"; filename="film.mov"\r\n\r\n' + FILM + b"\r\n--b--\r\n"

    async def pieces() -> Any:
        for first in range(0, len(whole), 1000):
            yield whole[first : first + 1000]

    headers = {"X-Oc-Token": job["token"], "Content-Type": "multipart/form-data; boundary=b"}
    answer = client.door.ask("POST", url, key=None, headers=headers, content=pieces())
    assert answer.status_code == 201, answer.text
    assert answer.json()["checksum"] == hashlib.md5(FILM, usedforsecurity=False).hexdigest()


def test_base64_comes_with_the_request(client: Client) -> None:
    job = client.made(process=False)
    said = {"type": "base64", "source": base64.b64encode(FILM).decode(), "filename": "film.mov"}
    answer = client.ask("POST", f"/jobs/{job['id']}/input", said)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["type"], told["filename"], told["source"]) == ("base64", "film.mov", "film.mov")
    (upload,) = uploads(client)
    assert (upload.state, upload.size) == (UploadState.COMPLETED, len(FILM))
    for wrong in ({"filename": None}, {"source": "not base64!"}):
        assert client.ask("POST", f"/jobs/{job['id']}/input", {**said, **wrong}).status_code == 400
    small = client.made(process=False, limits={"input": {"max_file_size": 10}})
    assert client.ask("POST", f"/jobs/{small['id']}/input", said).status_code == 402


def test_an_accounts_own_limit_holds_for_its_uploads(client: Client) -> None:
    job = client.made(process=False)
    Accounts(client.door.database, ADMIN).changed("default", quotas={"stored_bytes": 100})
    answer = client.sent(job)
    assert answer.status_code == 403, answer.text
    assert client.job(job["id"])["input"] == []
    assert files(client) == []


def test_a_file_that_is_cut_off_leaves_nothing_behind_and_can_be_sent_again(client: Client) -> None:
    job = client.made(process=False)
    url = f"{job['server']}/upload-file/{job['id']}".removeprefix("http://farm.example")
    headers = {"X-Oc-Token": job["token"], "X-Oc-Upload-Uuid": "a-random-word"}
    cut = b'--b\r\nContent-Disposition: form-data; name="file"; filename="film.mov"\r\n\r\n' + FILM
    form = {**headers, "Content-Type": "multipart/form-data; boundary=b"}
    assert client.door.ask("POST", url, key=None, headers=form, content=cut).status_code == 400
    assert (files(client), uploads(client)) == ([], [])
    assert client.sent(job, headers=headers).status_code == 201
