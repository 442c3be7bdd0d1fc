"""Convertrilo over raw HTTP: what its client of 0.2.8 adds: presets, destinations, credentials, files that go."""

import uuid
from typing import Any

import pytest
from doors.test_convertrilo_ondemand import encode, published, status
from placed import stored_in
from sqlalchemy import func, select

from framemill.store.exchange_tables import keepsakes

AT = "/convertrilo"
PATHS = [
    ("/encode-presets", "presets", {"codec": "h265", "resolution": "720p"}),
    ("/output-destinations", "destinations", {"type": "s3", "s3": {"bucket": "b", "region": "eu-west-1"}}),
]


@pytest.mark.parametrize(("path", "plural", "data"), PATHS)
def test_what_is_kept_from_its_first_to_its_last_hour(path: str, plural: str, data: dict[str, Any], door: Any) -> None:
    made = door.post(f"{AT}{path}", {"name": "mine", **data})
    assert made.status_code == 201, made.text
    kept = made.json()
    assert str(uuid.UUID(kept["id"])) == kept["id"]
    assert {**kept, **data, "name": "mine", "hasSecrets": False} == kept
    assert door.get(f"{AT}{path}").json() == {plural: [kept]}
    here = f"{AT}{path}/{kept['id']}"
    edited = door.ask("PATCH", here, {"name": "ours", "more": [1]}).json()
    assert (edited["name"], edited["more"]) == ("ours", [1])
    assert {**edited, **data} == edited
    assert door.ask("PATCH", here, {}).json()["code"] == "no_updates_provided"
    gone = door.ask("DELETE", here)
    assert (gone.status_code, gone.json()) == (200, {"ok": True, "id": kept["id"]})
    assert door.ask("DELETE", here).status_code == 404
    assert door.get(f"{AT}{path}").json() == {plural: []}
    for wrong in ({}, {"name": ""}, {"name": "x", "large": "x" * 70_000}):
        answer = door.post(f"{AT}{path}", wrong)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_body")


def test_nothing_that_is_secret_is_told_or_kept_in_clear(door: Any) -> None:
    wanted = {"name": "r2", "type": "s3", "s3": {"bucket": "b", "accessKeyId": "hunter1", "secretAccessKey": "hunter2"}}
    made = door.post(f"{AT}/output-destinations", wanted).json()
    assert (made["s3"], made["hasSecrets"]) == ({"bucket": "b"}, True)
    drive = {"name": "d", "serviceAccountJson": {"private_key": "hunter3"}, "note": "hunter4"}
    shown = door.post(f"{AT}/ondemand/credentials/google-drive", drive).json()
    assert shown.keys() == {"id", "name", "hasSecrets", "createdAt", "updatedAt"}
    listed = door.get(f"{AT}/ondemand/credentials/google-drive").json()
    assert listed == {"credentials": [shown]}
    assert "hunter" not in str((made, shown, listed, door.get(f"{AT}/output-destinations").json()))
    stored = stored_in(door.database)
    assert not any(secret in stored for secret in (b"hunter2", b"hunter3"))


def test_what_another_account_keeps_is_not_there(door: Any) -> None:
    account = door.post("/v1/accounts", {"name": "other"}).json()["id"]
    key = door.post("/v1/keys", {"name": "k", "account": account}).json()["key"]
    kept = door.post(f"{AT}/encode-presets", {"name": "mine"}, key=key).json()
    assert door.get(f"{AT}/encode-presets").json() == {"presets": []}
    for method, body in (("PATCH", {"name": "x"}), ("DELETE", None)):
        assert door.ask(method, f"{AT}/encode-presets/{kept['id']}", body).status_code == 404
        other_kind = door.ask(method, f"{AT}/output-destinations/{kept['id']}", body, key=key)
        assert (other_kind.status_code, other_kind.json()["code"]) == (404, "not_found")


def test_files_of_a_job_that_has_ended_go_and_the_job_stays(door: Any) -> None:
    job_id = encode(door)["jobId"]
    active = door.ask("DELETE", f"{AT}/jobs/{job_id}")
    assert (active.status_code, active.json()["code"]) == (409, "job_active")
    published(door, job_id)
    assert status(door, job_id)["downloadUrl"]
    for count in (1, 0):
        answer = door.ask("DELETE", f"{AT}/jobs/{job_id}")
        assert (answer.status_code, answer.json()) == (
            200,
            {"ok": True, "jobId": job_id, "objectsDeleted": count, "jobRetained": True},
        )
    done = status(door, job_id)
    assert (done["status"], done["downloadUrl"]) == ("success", None)
    assert door.ask("DELETE", f"{AT}/jobs/{uuid.uuid4()}").status_code == 404


NAMES = (
    "clientSecretValue",
    "sas_token",
    "dbPassword",
    "passphrase",
    "sshKey",
    "accessKeyID2",
    "credentialsFile",
    "privateKey",
)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_named_like_a_secret_is_one(name: str, door: Any) -> None:
    made = door.post(f"{AT}/output-destinations", {"name": "x", "bucket": "b", "deep": [{name: "hunter5", "a": 1}]})
    kept = made.json()
    assert (kept["bucket"], kept["deep"], kept["hasSecrets"]) == ("b", [{"a": 1}], True)
    edited = door.ask("PATCH", f"{AT}/output-destinations/{kept['id']}", {name: "hunter6"})
    assert edited.status_code == 200
    assert "hunter" not in made.text + edited.text + door.get(f"{AT}/output-destinations").text
    assert b"hunter" not in stored_in(door.database)


def test_settings_of_key_frames_and_names_of_objects_are_no_secrets(door: Any) -> None:
    said = {"keyframeInterval": 2, "key_frames": "auto", "keyint": 48, "key": "films/out.mp4"}
    made = door.post(f"{AT}/encode-presets", {"name": "x", **said}).json()
    assert {**made, **said, "hasSecrets": False} == made


TOO_MUCH = (b'"\\ud800"', b'"\\u0000"', b"NaN", b"-Infinity", b"[" * 40 + b"]" * 40, b"[" * 9000 + b"]" * 9000)


@pytest.mark.parametrize("value", TOO_MUCH, ids=("half a pair", "NUL", "NaN", "infinity", "deep", "very deep"))
@pytest.mark.parametrize("path", [path for path, _, _ in PATHS])
def test_what_cannot_be_stored_is_refused_and_harms_nobody(path: str, value: bytes, door: Any) -> None:
    kept = door.post(f"{AT}{path}", {"name": "fine"}).json()
    json = {"Content-Type": "application/json"}
    for method, where in (("POST", f"{AT}{path}"), ("PATCH", f"{AT}{path}/{kept['id']}")):
        answer = door.ask(method, where, content=b'{"name": "x", "a": ' + value + b"}", headers=json)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_body"), answer.text
    listed = door.get(f"{AT}{path}")
    assert (listed.status_code, [one["name"] for (one,) in listed.json().values()]) == (200, ["fine"])


@pytest.mark.parametrize("name", ["note{}", "token{}"])
def test_what_is_kept_does_not_grow_without_end(name: str, door: Any) -> None:
    kept = door.post(f"{AT}/output-destinations", {"name": "x"}).json()
    here = f"{AT}/output-destinations/{kept['id']}"
    answers = [door.ask("PATCH", here, {name.format(number): "x" * 30_000}) for number in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 400]
    assert answers[2].json()["code"] == "invalid_body"
    assert "note2" not in door.get(f"{AT}/output-destinations").text


def test_what_an_account_has_kept_goes_with_it(door: Any) -> None:
    account = door.post("/v1/accounts", {"name": "other", "id": "other"}).json()["id"]
    key = door.post("/v1/keys", {"name": "k", "account": account}).json()["key"]
    assert door.post(f"{AT}/encode-presets", {"name": "mine"}, key=key).status_code == 201
    assert door.ask("DELETE", f"/v1/accounts/{account}").status_code in {200, 204}
    with door.database.reading() as conn:
        assert conn.execute(select(func.count()).select_from(keepsakes)).scalar_one() == 0
