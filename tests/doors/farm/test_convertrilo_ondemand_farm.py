"""Convertrilo on demand, its folders and webhooks through a real farm, by the numbers of its contract's checks."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from doors.around import S3, Customer, DoorFarm, Receiver, awaited
from doors.farm.test_convertrilo_farm import Film, downloaded, looked_at
from oracle import is_clean
from reached import Heard

AT = "/convertrilo"
_ENDED = {"success", "failed", "canceled"}


class Client:
    """A client with an API key."""

    def __init__(self, http: httpx.Client, customer: Customer) -> None:
        self._http = http
        self.customer = customer

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        shown = {"X-API-Key": self.customer.key, **headers}
        return self._http.request(method, AT + path, json=body, headers=shown)

    def told(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = self.ask(method, path, body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def encode(self, source: str, **more: Any) -> str:
        told = self.told("POST", "/ondemand/encode", {"sourceUrl": source, "resolution": "480p", **more})
        assert told["statusUrl"].endswith(f"{AT}/ondemand/status/{told['jobId']}")
        job_id: str = told["jobId"]
        return job_id

    def status(self, job_id: str) -> dict[str, Any]:
        return self.told("GET", f"/ondemand/status/{job_id}")

    def ended(self, job_id: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found = self.status(job_id)
            return found if found["status"] in _ENDED else None

        found: dict[str, Any] = awaited(look, f"the end of {job_id}", 240)
        return found

    def succeeded(self, job_id: str) -> dict[str, Any]:
        found = self.ended(job_id)
        assert found["status"] == "success", found
        return found


@pytest.fixture
def client(farm: DoorFarm, http: httpx.Client) -> Client:
    return Client(http, farm.customer())


def keys(s3: S3, **more: Any) -> dict[str, Any]:
    return {
        "endpoint": s3.endpoint,
        "region": s3.region,
        "accessKeyId": s3.key,
        "secretAccessKey": s3.secret,
        "forcePathStyle": True,
        **more,
    }


def is_480p(body: bytes) -> None:
    film: Film = looked_at(body)
    assert (film.codec, film.height) == ("h264", 480)


def signed(heard: Heard, secret: str) -> bool:
    return heard.headers["x-webhook-signature"] == hmac.new(secret.encode(), heard.body, hashlib.sha256).hexdigest()


def test_check_17_an_encode_of_a_url_ends_at_a_link(client: Client, src: str) -> None:
    job_id = client.encode(src, outputExpiry=3600)
    seen = [client.status(job_id)]
    while seen[-1]["status"] not in _ENDED and len(seen) < 2000:
        seen.append(client.status(job_id))
    done = client.succeeded(job_id)
    assert 0 < done["expiresIn"] <= 3600
    assert done["destination"] == {"type": "cdn"}
    is_480p(downloaded(done["downloadUrl"]))
    progress = [one["progress"] for one in seen]
    assert progress == sorted(progress)
    assert not any(0 < one <= 1 for one in progress)


def test_check_18_an_encode_is_put_into_a_bucket(client: Client, src: str, s3: S3, tmp_path: Path) -> None:
    bucket = s3.bucket()
    job_id = client.encode(src, outputS3={"bucket": bucket, "key": "a/b.mp4", **keys(s3)})
    done = client.succeeded(job_id)
    assert done["destination"] == {"type": "s3", "bucket": bucket, "key": "a/b.mp4"}
    assert (done["downloadUrl"], done["expiresIn"]) == (None, None)
    body = s3.get(bucket, "a/b.mp4")
    is_480p(body)
    (tmp_path / "b.mp4").write_bytes(body)
    assert is_clean(tmp_path / "b.mp4")


def test_check_18b_a_key_without_a_suffix_is_what_was_asked_for(client: Client, src: str, s3: S3) -> None:
    bucket = s3.bucket()
    client.succeeded(client.encode(src, outputS3={"bucket": bucket, "key": "film", **keys(s3)}))
    is_480p(s3.get(bucket, "film"))


def test_check_19_every_film_of_a_folder_is_encoded(client: Client, film: Path, s3: S3) -> None:
    source, results = s3.bucket(), s3.bucket()
    s3.put(source, {"v/a.mp4": film.read_bytes(), "v/b.MP4": film.read_bytes(), "v/notes.txt": b"no film"})
    told = client.told(
        "POST",
        "/ondemand/ingest/folder",
        {
            "sourceS3": {"bucket": source, "prefix": "v/", **keys(s3)},
            "outputDestination": "s3",
            "outputS3": {"bucket": results, "prefix": "enc/", **keys(s3)},
            "externalIdPrefix": "b1",
            "metadata": {"batch": 1},
            "resolution": "480p",
        },
    )
    jobs = told["jobs"]
    assert [(one["externalId"], one["fileName"]) for one in jobs] == [("b1:a.mp4", "a.mp4"), ("b1:b.MP4", "b.MP4")]
    for one in jobs:
        done = client.succeeded(one["jobId"])
        assert (done["externalId"], done["metadata"]) == (one["externalId"], {"batch": 1})
    assert s3.keys(results) == ["enc/a.mp4", "enc/b.mp4"]
    is_480p(s3.get(results, "enc/b.mp4"))


def test_check_19b_a_folder_without_films_is_404_and_the_first_few_are_taken(
    client: Client, film: Path, s3: S3
) -> None:
    bucket = s3.bucket()
    s3.put(bucket, {"v/notes.txt": b"no film", "w/clip-1.mp4": film.read_bytes(), "w/clip-2.mp4": film.read_bytes()})
    s3.put(bucket, {"w/other.mp4": film.read_bytes()})
    for prefix in ("v/", "nothing/", "w/none"):
        empty = client.ask(
            "POST", "/ondemand/ingest/folder", {"sourceS3": {"bucket": bucket, "prefix": prefix, **keys(s3)}}
        )
        assert (empty.status_code, empty.json()["code"]) == (404, "no_video_files_found")
    for prefix, most, names in (("w/clip-", 9, ["clip-1.mp4", "clip-2.mp4"]), ("w/", 1, ["clip-1.mp4"])):
        wanted = {"sourceS3": {"bucket": bucket, "prefix": prefix, **keys(s3)}, "maxFiles": most}
        answer = client.ask("POST", "/ondemand/ingest/folder", wanted, **{"Idempotency-Key": f"k{most}"})
        again = client.ask("POST", "/ondemand/ingest/folder", wanted, **{"Idempotency-Key": f"k{most}"})
        assert answer.json() == again.json()  # check 11
        assert [one["fileName"] for one in answer.json()["jobs"]] == names
        for one in answer.json()["jobs"]:
            client.told("DELETE", f"/ondemand/{one['jobId']}")


def test_check_21_a_running_encode_is_canceled_and_none_of_its_encoders_stays(
    client: Client, farm: DoorFarm, long_src: str
) -> None:
    job_id = client.encode(long_src, preset="slow", resolution="1080p")

    def encoding() -> bool:
        return client.status(job_id)["status"] == "running" and bool(farm.encoders)

    awaited(encoding, "an encoder", 240)
    answer = client.told("DELETE", f"/ondemand/{job_id}")
    assert answer["ok"] is True
    assert isinstance(answer["released"], int | float)
    awaited(lambda: client.status(job_id)["status"] == "canceled", "the end of it", 10)
    awaited(lambda: not farm.encoders, "the end of its encoders", 10)
    assert client.told("DELETE", f"/ondemand/{job_id}") == {"ok": True, "released": 0}


def test_check_22_an_encode_tells_its_webhook_and_its_own_url(client: Client, src: str, receiver: Receiver) -> None:
    hook = client.told("POST", "/webhooks", {"url": receiver.url, "events": ["job.completed", "job.failed"]})
    assert "secret" not in str(client.told("GET", "/webhooks"))
    job_id = client.encode(src, externalId="e1", metadata={"k": 1}, webhook=f"{receiver.url}/once")
    client.succeeded(job_id)

    heard = receiver.wait_for(lambda one: "x-webhook-id" in one.headers)
    assert heard.headers["x-webhook-id"] == hook["id"]
    assert heard.headers["x-webhook-event"] == "job.completed"
    assert signed(heard, hook["secret"])
    data = json.loads(heard.body)["data"]
    assert (data["jobId"], data["status"], data["encoder"]) == (job_id, "success", "libx264")
    assert (data["externalId"], data["metadata"]) == ("e1", {"k": 1})
    assert data["durationSec"] == pytest.approx(6, abs=0.2)
    once = receiver.wait_for(lambda one: one.path.endswith("/once"))
    assert "x-webhook-signature" not in once.headers
    assert json.loads(once.body) == json.loads(heard.body)


def test_check_23_a_test_is_sent_and_a_receiver_that_fails_is_tried_again_until_it_is_given_up(
    client: Client, receiver: Receiver
) -> None:
    hook = client.told("POST", "/webhooks", {"url": receiver.url, "events": ["job.completed"]})
    path = f"/webhooks/{hook['id']}"
    client.told("POST", f"{path}/test")
    heard = receiver.wait_for(lambda one: one.headers.get("x-webhook-event") == "webhook.test")
    assert signed(heard, hook["secret"])

    def listed(count: int) -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = client.told("GET", f"{path}/deliveries")["deliveries"]
        return found if len(found) >= count else None

    (first,) = awaited(lambda: listed(1), "a delivery")
    assert (first["event"], first["statusCode"], first["attempt"], first["status"]) == (
        "webhook.test",
        200,
        1,
        "success",
    )

    receiver.always = 500
    for _ in range(10):
        client.told("POST", f"{path}/test")
    tries = awaited(lambda: listed(11), "ten more")
    failed = [one for one in tries if one["status"] == "failed"][-1]  # the oldest: a minute later it is tried again
    assert (failed["statusCode"], failed["attempt"]) == (500, 1)
    assert any(one["nextRetryAt"] for one in tries)
    awaited(lambda: not client.told("GET", "/webhooks")["webhooks"][0]["isActive"], "the end of it")
    assert client.told("PATCH", path, {"isActive": True})["isActive"] is True
