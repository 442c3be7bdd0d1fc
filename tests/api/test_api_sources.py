"""Sources in stores: what opens them is taken, sealed, and never told again."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from placed import stored_in
from servers.scripted import scripted

from framemill.services.jobs import Jobs
from framemill.storage.access import S3Access
from framemill.storage.credentials import Credentials
from framemill.storage.keyring import way_to

Door = Any
SECRETS = ("some-key-id", "some-secret", "some-token", "some-word")
S3 = {
    "kind": "s3",
    "access_key_id": "some-key-id",
    "secret_access_key": "some-secret",
    "session_token": "some-token",
    "region": "eu-central-1",
}
CORP = Credentials(
    name="corp",
    access=S3Access(access_key_id="corp-key-id", secret_access_key="corp-secret", endpoint="http://10.0.0.1:9000"),  # noqa: S106
    allowed_buckets=("in", "archive"),
)


@pytest.fixture
def door(door: Door) -> Door:
    door.parts = door.app.state.parts = replace(door.parts, credentials={"corp": CORP})
    return door


def source_of(door: Door, job_id: str) -> Any:
    """As it stands in the store."""
    return Jobs(door.database, lambda _: None).shown(job_id).inputs[0]


@pytest.mark.parametrize(
    ("source", "uri", "credentials"),
    [
        ({"uri": "s3://in/a b.mov", "credentials": S3}, "s3://in/a b.mov", {"kind": "s3"}),
        ({"uri": "s3://in/a.mov", "credentials": "corp"}, "s3://in/a.mov", "corp"),
        ({"uri": "ftp://ada:some-word@ftp.example.org/a.mov"}, "ftp://***@ftp.example.org/a.mov", None),
        (
            {
                "uri": "https://x.example/a?sig=some-word",
                "credentials": {"kind": "http", "headers": {"X": "some-word"}},
            },
            "https://x.example/a?sig=***",
            {"kind": "http"},
        ),
        (
            {"uri": "gdrive://1aB", "credentials": {"kind": "gdrive", "token": "some-word"}},
            "gdrive://1aB",
            {"kind": "gdrive"},
        ),
    ],
)
def test_what_opens_a_source_is_taken_and_not_told(
    door: Door, source: dict[str, Any], uri: str, credentials: Any, caplog: pytest.LogCaptureFixture
) -> None:
    answer = door.post("/v1/jobs", {"inputs": [source], "preset": "h264"})

    assert answer.status_code == 201, answer.text
    job_id = answer.json()["id"]
    (shown,) = answer.json()["inputs"]
    assert (shown["uri"], shown["credentials"]) == (uri, credentials)
    told = [answer.text, caplog.text, source_of(door, job_id).model_dump_json()]
    told += [door.get(f"/v1/jobs/{job_id}{path}").text for path in ("", "/inputs", "/outputs", "/events", "/why")]
    told += [door.get("/v1/jobs").text, stored_in(door.database).decode("latin-1")]
    assert [secret for secret in SECRETS for one in told if secret in one] == []
    way = way_to(source_of(door, job_id), "default")
    assert door.parts.desk.keyring.uri(way) == source["uri"]
    given = source.get("credentials")
    if isinstance(given, dict):
        opened = door.parts.desk.keyring.access(way)
        assert opened is not None
        assert given.items() <= opened.model_dump().items()


@pytest.mark.parametrize(
    ("source", "param", "says"),
    [
        ({"uri": "s3://in/a", "credentials": "corq"}, "credentials", "There are no credentials 'corq'"),
        ({"uri": "s3://other/a", "credentials": "corp"}, "credentials", "are not for other: they are for in, archive"),
        ({"uri": "gs://in/a", "credentials": "corp"}, "credentials", "open no gs://"),
        ({"uri": "gs://in/a", "credentials": S3}, "credentials", "kind s3 do not open gs://"),
        ({"uri": "s3://in/", "credentials": S3}, "uri", "is a folder"),
        ({"uri": "s3://in/a", "credentials": {**S3, "endpoint": "http://127.0.0.1:9000"}}, "credentials", "closed"),
        ({"uri": "s3://in/a", "credentials": {**S3, "kind": "s4"}}, "credentials", "a name, or an object with a kind"),
        ({"uri": "s3://in/a", "credentials": {**S3, "secret": "x"}}, "credentials.s3.secret", "no such field"),
        ({"uri": "s3://in/a", "credentials": {**S3, "region": 1}}, "credentials.s3.region", "valid string"),
    ],
)
def test_what_cannot_open_it_is_refused(door: Door, source: dict[str, Any], param: str, says: str) -> None:
    answer = door.post("/v1/jobs", {"inputs": [source], "preset": "h264"})

    assert answer.status_code == 422
    error = answer.json()["error"]
    assert (error["param"], says in error["message"]) == (f"inputs.0.{param}", True), error
    assert [secret for secret in SECRETS if secret in answer.text] == []


def test_another_account_may_not_name_the_owners(door: Door) -> None:
    account = door.post("/v1/accounts", {"name": "small"}).json()["id"]
    key = door.post("/v1/keys", {"name": "k", "account": account}).json()["key"]
    body = {"inputs": [{"uri": "s3://in/a", "credentials": "corp"}], "preset": "h264"}

    refused = door.post("/v1/jobs", body, key=key)

    assert refused.status_code == 422
    assert "there are none for this account" in refused.json()["error"]["message"]


def test_credentials_stay_with_the_store_that_they_came_for(door: Door) -> None:
    job_id = door.submitted(inputs=[{"uri": "s3://in/a.mov", "credentials": S3}], start="held")
    source = source_of(door, job_id)
    place = f"/v1/jobs/{job_id}/inputs/{source.id}"

    clipped = door.ask("PATCH", place, json={"start": 2}).json()
    assert (clipped["id"], clipped["credentials"]) == (source.id, {"kind": "s3"})
    moved = door.ask("PATCH", place, json={"uri": "s3://in/b.mov"}).json()
    assert (moved["id"] == source.id, moved["credentials"]) == (False, {"kind": "s3"})
    kept = door.parts.desk.keyring.access(way_to(source_of(door, job_id), "default"))
    assert kept.model_dump()["secret_access_key"] == SECRETS[1]
    elsewhere = door.ask("PATCH", f"/v1/jobs/{job_id}/inputs/{moved['id']}", json={"uri": "s3://other/b.mov"}).json()
    assert elsewhere["credentials"] is None
    assert source_of(door, job_id).sealed_access is None


@pytest.fixture
def listing() -> Iterator[str]:
    """The endpoint of a store that lists two films."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        "<Name>in</Name><KeyCount>2</KeyCount><IsTruncated>false</IsTruncated>"
        + "".join(
            f"<Contents><Key>f/{name}</Key><Size>5</Size><ETag>&quot;e&quot;</ETag>"
            "<LastModified>2030-05-17T12:00:00.000Z</LastModified></Contents>"
            for name in ("a.mov", "b.mov")
        )
        + "</ListBucketResult>"
    )
    with scripted() as server:
        server.files["/in"] = server.files["/in/"] = body.encode()
        yield server.url


def test_a_folder_in_a_store_becomes_jobs_once(door: Door, listing: str) -> None:
    door.app.state.parts = replace(door.parts, allowed_networks=(ip_network("127.0.0.0/8"),))
    body = {
        "folder": "s3://in/f/",
        "credentials": {**S3, "endpoint": listing},
        "outputs": [{"target": "/out/{stem}.mp4"}],
    }

    first = door.post("/v1/jobs/from-folder", body, headers={"Idempotency-Key": "once"})
    again = door.post("/v1/jobs/from-folder", body, headers={"Idempotency-Key": "once"})

    assert first.status_code == 201, first.text
    assert again.json() == first.json()
    assert [one["uri"] for one in first.json()["data"]] == ["s3://in/f/a.mov", "s3://in/f/b.mov"]
    jobs = door.get("/v1/jobs", params={"order": "oldest"}).json()["data"]
    assert [job["inputs"][0]["credentials"] for job in jobs] == [{"kind": "s3"}] * 2
    assert [job["outputs"][0]["target"] for job in jobs] == ["/out/a.mp4", "/out/b.mp4"]
    assert [secret for secret in SECRETS if secret in first.text] == []


def test_an_upload_takes_no_credentials(door: Door) -> None:
    upload = door.post("/v1/uploads", {"filename": "a.mov"}).json()["id"]
    answer = door.post("/v1/jobs", {"inputs": [{"upload_id": upload, "credentials": "corp"}], "preset": "h264"})
    assert (answer.status_code, "takes no credentials" in answer.text) == (422, True)
