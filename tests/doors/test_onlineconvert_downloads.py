"""online-convert's download server, without a farm (checks 14 and 21 of its contract)."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from doors.conftest import AskedDoor
from doors.onlineconvert import MADE, Client, completed
from sqlalchemy import update

from framemill.jobs.model import Output
from framemill.services.callers import ADMIN
from framemill.services.jobs import Jobs
from framemill.services.outputs import Outputs
from framemill.services.withdrawing import withdrawn
from framemill.store.schema import outputs

SOURCE = {"type": "remote", "source": "https://example.org/films/film.mov"}


@pytest.fixture
def client(door: AskedDoor) -> Client:
    return Client(door)


def done(client: Client, **asked: Any) -> tuple[dict[str, Any], Output]:
    """A job that is done, and its output in our words."""
    job = client.made(input=[SOURCE], **asked)
    output = completed(client.door, job["id"])
    return client.job(job["id"]), output


def test_an_output_is_fetched_by_its_link_alone(client: Client) -> None:
    job, _ = done(client)
    (told,) = job["output"]
    assert told["uri"].startswith(f"{job['server']}/download-file/{job['id']}/")
    head, answer = client.fetched(told["uri"], "HEAD"), client.fetched(told["uri"])
    assert (head.status_code, answer.status_code) == (200, 200)
    assert head.headers["Content-Disposition"] == 'attachment; filename="film.mp4"'
    assert int(head.headers["Content-Length"]) == told["size"] == len(answer.content)
    assert hashlib.md5(answer.content, usedforsecurity=False).hexdigest() == told["checksum"]
    assert answer.content == MADE


def test_a_link_is_the_same_whenever_it_is_told(client: Client) -> None:
    job, output = done(client)
    assert client.job(job["id"])["output"][0]["uri"] == job["output"][0]["uri"]
    assert output.id in job["output"][0]["uri"]


def test_a_link_cannot_be_made_up(client: Client) -> None:
    job, output = done(client)
    other, another = done(client)
    place = f"{job['server']}/download-file/{job['id']}"
    theirs = other["output"][0]["uri"].rsplit("/", 2)[1]
    for path in (output.id, f"{output.id}.", f"{output.id}.{'x' * 22}", f"{output.id}.{theirs.partition('.')[2]}"):
        assert client.fetched(f"{place}/{path}/film.mp4").status_code == 401, path
    assert client.fetched(f"{place}/{theirs}/film.mp4").status_code == 404, "another job's"
    assert client.fetched(f"{place}/film.mp4").status_code == 404
    assert another.id != output.id


def test_parts_are_sent_and_what_a_client_has_is_not(client: Client) -> None:
    job, _ = done(client)
    uri = job["output"][0]["uri"]
    part = client.fetched(uri, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, MADE[2:6])
    known = client.fetched(uri, headers={"If-None-Match": part.headers["ETag"]})
    assert known.status_code == 304
    assert client.job(job["id"])["output"][0]["downloads_counter"] == 0


def test_14_it_is_fetched_as_often_as_its_job_allows(client: Client) -> None:
    job, _ = done(client, limits={"output": {"max_downloads": 1}})
    uri = job["output"][0]["uri"]
    assert client.fetched(uri, "HEAD").status_code == 200
    assert client.fetched(uri).status_code == 200
    again = client.fetched(uri)
    assert (again.status_code // 100, set(again.json())) == (4, {"message", "code", "errors"})
    told = client.job(job["id"])["output"][0]
    assert (told["status"], told["downloads_counter"]) == ("overuse", 1)
    assert client.fetched(uri, params={"encoding": "base64"}).status_code // 100 == 4


def test_21_a_password_opens_it_by_any_of_its_names(client: Client) -> None:
    job, _ = done(client, conversion=[{"target": "mp4", "options": {"download_password": "sesame,x"}}])
    assert "sesame" not in str(job)
    uri = job["output"][0]["uri"]
    shut = client.fetched(uri)
    assert shut.status_code == 401, shut.text
    assert "X-Api2convert-Download-Password" in shut.json()["message"]
    for name in ("X-Oc-Download-Password", "X-Api2convert-Download-Password"):
        assert client.fetched(uri, headers={name: "sesame"}).content == MADE
        assert client.fetched(uri, headers={name: "x"}).content == MADE
        assert client.fetched(uri, headers={name: "wrong"}).status_code == 401
    assert client.fetched(uri, headers={"Cookie": "x-oc-download-password=sesame"}).content == MADE
    basic = base64.b64encode(b"anybody:sesame").decode()
    assert client.fetched(uri, headers={"Authorization": f"Basic {basic}"}).content == MADE


def test_21_a_jobs_own_passwords_open_all_its_outputs(client: Client) -> None:
    job, _ = done(client, download_passwords=["sesame"])
    uri = job["output"][0]["uri"]
    assert client.fetched(uri).status_code == 401
    assert client.fetched(uri, headers={"X-Oc-Download-Password": "sesame"}).status_code == 200


def test_guesses_are_slowed_down(client: Client) -> None:
    job, _ = done(client, download_passwords=["sesame"])
    uri = job["output"][0]["uri"]
    seen = {client.fetched(uri, headers={"X-Oc-Download-Password": f"wrong {n}"}).status_code for n in range(12)}
    assert seen == {401, 429}


@pytest.mark.parametrize("size", [0, 1, 2, 3, 3 * (256 << 10) + 1])
def test_21_it_comes_as_base64(client: Client, size: int) -> None:
    body = bytes(number % 251 for number in range(size))
    made = client.made(input=[SOURCE])
    completed(client.door, made["id"], body)
    uri = client.job(made["id"])["output"][0]["uri"]
    told = client.fetched(uri, "HEAD", params={"encoding": "base64"})
    answer = client.fetched(uri, params={"encoding": "base64"})
    assert base64.b64decode(answer.text, validate=True) == body
    assert int(told.headers["Content-Length"]) == int(answer.headers["Content-Length"]) == len(answer.content)
    assert client.job(made["id"])["output"][0]["downloads_counter"] == 1


def test_what_is_over_after_a_day_is_gone(client: Client) -> None:
    job, output = done(client)
    assert job["output"][0]["status"] == "enabled"
    shown = Outputs(client.door.database, client.door.parts.files, caller=ADMIN).shown(output.id).owned.output
    assert shown.expires_at is not None
    assert abs(shown.expires_at - datetime.now(UTC) - timedelta(days=1)) < timedelta(minutes=5)
    with client.door.database.writing() as conn:
        conn.execute(update(outputs).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    told = client.job(job["id"])["output"][0]
    assert told["status"] == "expired"
    assert client.fetched(told["uri"]).status_code == 410


def test_what_its_owner_has_deleted_is_gone(client: Client) -> None:
    job, _ = done(client)
    database = client.door.database
    withdrawn(database, Jobs(database, lambda _: None, caller=ADMIN), job["id"])
    answer = client.fetched(job["output"][0]["uri"])
    assert (answer.status_code, set(answer.json())) == (410, {"message", "code", "errors"})


def test_an_earlier_output_is_the_source_of_another_job(client: Client) -> None:
    job, output = done(client, download_passwords=["sesame"], limits={"output": {"max_downloads": 1}})
    second = client.made(input=[{"type": "output", "source": output.id}], process=False)
    (told,) = second["input"]
    assert (told["type"], told["source"], told["filename"]) == ("output", output.id, "film.mp4")
    shown = Jobs(client.door.database, lambda _: None, caller=ADMIN).shown(second["id"])
    upload = shown.inputs[0].upload_id
    assert upload is not None
    (file,) = client.door.parts.files.folder(upload).iterdir()
    assert file.read_bytes() == MADE
    withdrawn(client.door.database, Jobs(client.door.database, lambda _: None, caller=ADMIN), job["id"])
    assert file.read_bytes() == MADE
    gone = client.ask(
        "POST", "/jobs", {"conversion": [{"target": "mp4"}], "input": [{"type": "output", "source": "x"}]}
    )
    assert gone.status_code in {400, 404}, gone.text
