"""Files that go straight into the farm's bucket and come straight from there, by the farm's rules nevertheless."""

import asyncio
import base64
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest
from argon2 import PasswordHasher
from front_door import KEY, FrontDoor, laid_down, place_of
from servers.moto import running_moto

from framemill.jobs.model import Job, Output
from framemill.jobs.settings import OutputSettings
from framemill.jobs.uploads import LEAST_PART_BYTES
from framemill.services.fileplace import FilePlace
from framemill.services.links import output_token
from framemill.storage.access import S3Access
from framemill.storage.blobs import BucketAt, Home
from framemill.storage.s3blobs import S3Blobs
from framemill.store.database import Database
from framemill.store.deliveries import save_deliveries
from framemill.store.jobs import add_job, load_job

BODY = bytes(range(256)) * 4096  # 1 MiB
PART = bytes(LEAST_PART_BYTES)
_number = itertools.count()


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Access]:
    with running_moto(tmp_path_factory.mktemp("moto")) as endpoint:
        yield S3Access(access_key_id="test", secret_access_key="test", endpoint=endpoint)  # noqa: S106


class Door(FrontDoor):
    """The whole of the farm's HTTP, asked without a socket; its bucket is asked with one."""

    blobs: S3Blobs

    def ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        if urlsplit(url).hostname == "127.0.0.1":
            return httpx.request(method, url, **more)

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.whole)
            async with httpx.AsyncClient(transport=transport, base_url="http://farm.example") as client:
                return await client.request(method, url, **more)

        return asyncio.run(ask())

    def told(self, method: str, path: str, status: int = 200, **more: Any) -> dict[str, Any]:
        answer = self.ask(method, path, headers={"Authorization": f"Bearer {KEY}"}, **more)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def announced(self, **asked: Any) -> dict[str, Any]:
        return self.told("POST", "/v1/uploads", 201, json={"filename": "film.mov", **asked})

    def completed(self, upload: dict[str, Any], status: int = 200, **asked: Any) -> dict[str, Any]:
        return self.told("POST", f"/v1/uploads/{upload['id']}/complete", status, json=asked)

    def kept(self, upload: dict[str, Any]) -> dict[str, int]:
        """What the bucket has of it."""
        held = self.blobs.bucket.below(f"uploads/{upload['id']}/")
        return {one.key.rpartition("/")[2].partition("-")[0]: one.size for one in held}

    def output(self, path: str = "output.mp4", **fields: Any) -> Output:
        """One that is published, and lies in the bucket alone."""
        job = Job(account="default", door="native", created_at=datetime.now(UTC))
        output = Output(**{"job_id": job.id, "name": "film.mp4", **fields})
        row = laid_down(self, output, path, BODY)
        self.blobs.share(place_of(self, output, path))
        place_of(self, output, path).unlink()
        with self.database.writing() as conn:
            add_job(conn, job, [], [output])
            save_deliveries(conn, [row])
        return output

    def link(self, output: Output, path: str = "output.mp4", seconds: int = 60) -> str:
        token = output_token(self.parts.seals, output.id, datetime.now(UTC) + timedelta(seconds=seconds))
        return f"http://farm.example/files/outputs/{token}/{path}"

    def count(self, output: Output) -> int:
        with self.database.reading() as conn:
            found = load_job(conn, output.job_id)
        assert found is not None
        return found[2][0].download_count

    def otherwise(self, **bounds: Any) -> None:
        """Have other settings."""
        place = self.parts.files
        known = {name: getattr(place, name) for name in FilePlace.__dataclass_fields__}
        object.__setattr__(self.parts, "files", FilePlace(**{**known, **bounds}))


@pytest.fixture
def door(database: Database, access: S3Access, tmp_path: Path) -> Door:
    name = f"farm-{next(_number)}"
    key, secret = access.access_key_id, access.secret_access_key
    boto3.client("s3", endpoint_url=access.endpoint, aws_access_key_id=key, aws_secret_access_key=secret).create_bucket(
        Bucket=name
    )
    made = Door(database)
    at = BucketAt(name=name, prefix="a/", access=access)
    made.blobs = S3Blobs(Home(root=tmp_path / "blobs", work=tmp_path / "work", bucket=at))
    made.otherwise(blobs=made.blobs, work=tmp_path / "work")
    return made


class TestUploads:
    def test_one_body_goes_straight_there(self, door: Door) -> None:
        upload = door.announced(size=len(BODY))
        assert upload["straight"]
        assert urlsplit(upload["url"]).netloc == urlsplit(door.blobs.bucket.at.access.endpoint).netloc
        assert upload["tus_url"].startswith("http://farm.example/files/tus/")
        assert httpx.put(upload["url"], content=BODY).is_success
        assert door.told("GET", f"/v1/uploads/{upload['id']}")["state"] == "open"

        done = door.completed(upload)
        assert (done["state"], done["size_bytes"], done["url"], done["metadata"]) == ("completed", len(BODY), None, {})
        assert door.completed(upload) == done
        assert door.kept(upload) == {"body": len(BODY)}

    def test_it_is_not_complete_before_it_is_there(self, door: Door) -> None:
        upload = door.announced()
        assert "Nothing" in door.completed(upload, 409)["error"]["message"]

    def test_another_size_than_announced_is_not_taken(self, door: Door) -> None:
        """moto takes it; a store that heeds what was signed does not even take the body."""
        upload = door.announced(size=len(BODY) + 1)
        httpx.put(upload["url"], content=BODY)
        door.completed(upload, 422)
        assert door.told("GET", f"/v1/uploads/{upload['id']}")["state"] == "open"

    def test_more_than_the_farm_takes_is_not_taken(self, door: Door) -> None:
        door.otherwise(upload_bytes=len(BODY) - 1)
        upload = door.announced()
        httpx.put(upload["url"], content=BODY)
        door.completed(upload, 413)

    def test_parts_go_straight_there(self, door: Door) -> None:
        upload = door.announced(size=len(PART) + 5, multipart=True)
        assert (upload["straight"], upload["part_url"], [part["number"] for part in upload["parts"]]) == (
            True,
            None,
            [1, 2],
        )
        one, two = upload["parts"]
        sent = httpx.put(two["url"], content=b"12345")
        message = door.completed(upload, 409)["error"]["message"]
        assert "part 1" in message
        shown = door.told("GET", f"/v1/uploads/{upload['id']}")
        assert [(part["number"], part["etag"]) for part in shown["parts"]] == [
            (1, None),
            (2, sent.headers["etag"].strip('"')),
        ]
        httpx.put(one["url"], content=PART)
        wrong = [{"number": 1}, {"number": 2, "etag": "0" * 32}]
        assert "ETag" in door.completed(upload, 422, parts=wrong)["error"]["message"]
        told = [{"number": 1}, {"number": 2, "etag": sent.headers["etag"]}]
        done = door.completed(upload, parts=told)
        assert (done["state"], done["size_bytes"]) == ("completed", len(PART) + 5)
        assert door.kept(upload) == {"body": len(PART) + 5}

    def test_put_together_and_nobody_told(self, door: Door) -> None:
        """The farm dies between the bucket's answer and its own row."""
        upload = door.announced(size=5, multipart=True)
        httpx.put(upload["parts"][0]["url"], content=b"12345")
        bucket, key = door.blobs.bucket, f"uploads/{upload['id']}/body-sent"
        (upload_name,) = [name for found, name in bucket.forgotten_parts(datetime.now(UTC) + timedelta(days=1))]
        bucket.end_parts(key, upload_name, bucket.parts(key, upload_name))
        assert door.completed(upload)["size_bytes"] == 5

    def test_given_up_it_leaves_nothing(self, door: Door) -> None:
        upload = door.announced(size=5, multipart=True)
        httpx.put(upload["parts"][0]["url"], content=b"12345")
        whole = door.announced()
        httpx.put(whole["url"], content=BODY)
        for one in (upload, whole):
            answer = door.ask("DELETE", f"/v1/uploads/{one['id']}", headers={"Authorization": f"Bearer {KEY}"})
            assert answer.status_code == 204, answer.text
        assert door.kept(whole) == {}
        assert list(door.blobs.bucket.forgotten_parts(datetime.now(UTC) + timedelta(days=1))) == []

    def test_nobody_names_the_buckets_upload_for_the_farm(self, door: Door) -> None:
        forged = {"bucket_upload": "theirs", "own": 1}
        assert door.announced(multipart=True, metadata=forged)["metadata"] == {"own": 1}

    @pytest.mark.parametrize("presigned", [True, False])
    def test_through_the_farm_it_comes_into_the_bucket_too(self, door: Door, presigned: bool) -> None:
        door.otherwise(presigned=presigned)
        headers = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
        upload = door.announced(size=len(BODY))
        assert upload["straight"] == presigned
        answer = door.ask("PATCH", upload["tus_url"], content=BODY, headers={**headers, "Upload-Offset": "0"})
        assert answer.status_code == 204, answer.text
        assert door.kept(upload) == {"tus": len(BODY)}

    def test_native_bodies_and_parts_come_into_the_bucket(self, door: Door) -> None:
        door.otherwise(presigned=False)
        upload = door.announced()
        assert door.ask("PUT", upload["url"], content=BODY).status_code == 200
        assert door.kept(upload) == {"body": len(BODY)}
        other = door.announced(multipart=True)
        for number, part in ((1, BODY), (2, b"end")):
            door.ask("PUT", other["part_url"].format(number=number), content=part)
        door.completed(other)
        assert door.kept(other) == {"body": len(BODY) + 3}

    def test_a_second_body_that_is_another_leaves_nothing(self, door: Door) -> None:
        door.otherwise(presigned=False)
        upload = door.announced()
        door.ask("PUT", upload["url"], content=BODY)
        assert door.ask("PUT", upload["url"], content=b"other").status_code == 409
        assert sum(one.size for one in door.blobs.bucket.below("uploads/")) == len(BODY)


class TestDownloads:
    def test_they_are_sent_there(self, door: Door) -> None:
        output = door.output()
        answer = door.ask("GET", f"{door.link(output)}?disposition=attachment")
        assert (answer.status_code, answer.headers["cache-control"]) == (307, "no-store")
        got = httpx.get(answer.headers["location"])
        assert got.content == BODY
        assert got.headers["content-disposition"] == 'attachment; filename="film.mp4"'
        assert got.headers["content-type"] == "video/mp4"
        assert door.count(output) == 1

    def test_a_part_is_fetched_there_and_does_not_count(self, door: Door) -> None:
        output = door.output()
        answer = door.ask("GET", door.link(output), headers={"Range": "bytes=10-19"})
        assert answer.status_code == 307
        assert httpx.get(answer.headers["location"], headers={"Range": "bytes=10-19"}).content == BODY[10:20]
        assert door.count(output) == 0

    def test_questions_are_answered_by_the_farm(self, door: Door) -> None:
        output = door.output()
        head = door.ask("HEAD", door.link(output))
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(BODY)))
        assert not list(door.parts.files.work.rglob("*.mp4"))  # nobody brings it here for that
        again = door.ask("GET", door.link(output), headers={"If-None-Match": head.headers["etag"]})
        assert again.status_code == 304

    def test_a_limit_holds(self, door: Door) -> None:
        """A link to a part would be one to the whole: those the farm sends itself."""
        output = door.output(download_limit=1)
        part = door.ask("GET", door.link(output), headers={"Range": "bytes=0-9"})
        assert (part.status_code, part.content) == (206, BODY[:10])
        whole = door.ask("GET", door.link(output, seconds=3600))
        assert whole.status_code == 307
        assert "X-Amz-Expires=60&" in whole.headers["location"]
        assert door.ask("GET", door.link(output)).status_code == 403

    def test_a_password_holds(self, door: Door) -> None:
        output = door.output(password_hashes=(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("open"),))
        assert door.ask("GET", door.link(output)).status_code == 401
        basic = base64.b64encode(b":open").decode()
        assert door.ask("GET", door.link(output), headers={"Authorization": f"Basic {basic}"}).status_code == 307

    def test_a_link_that_is_over_leads_nowhere(self, door: Door) -> None:
        output = door.output()
        assert door.ask("GET", door.link(output, seconds=-1)).status_code in {401, 403, 410}
        gone = door.output(expires_at=datetime.now(UTC) - timedelta(seconds=1))
        assert door.ask("GET", door.link(gone)).status_code in {401, 403, 410}

    def test_where_they_are_sent_ends_with_their_link(self, door: Door) -> None:
        output = door.output()
        for seconds, most in ((30, 30), (24 * 3600, 3600)):
            answer = door.ask("GET", door.link(output, seconds=seconds))
            (lasts,) = parse_qs(urlsplit(answer.headers["location"]).query)["X-Amz-Expires"]
            assert most - 15 < int(lasts) <= most

    def test_playlists_stay_where_their_addresses_lead(self, door: Door) -> None:
        settings = OutputSettings(container="package")
        playlist = door.output("master.m3u8", name="film", settings=settings)
        segment = door.output("720p/00000.m4s", name="film", settings=settings)
        answer = door.ask("GET", door.link(playlist, "master.m3u8"))
        assert (answer.status_code, answer.content) == (200, BODY)
        assert door.ask("GET", door.link(segment, "720p/00000.m4s")).status_code == 307

    def test_where_that_is_off_the_farm_sends_them(self, door: Door) -> None:
        door.otherwise(presigned=False)
        output = door.output()
        answer = door.ask("GET", door.link(output))
        assert (answer.status_code, answer.content) == (200, BODY)


def test_a_bucket_that_is_away_is_no_fault_of_the_clients(door: Door) -> None:
    at = door.blobs.bucket.at
    away = at.model_copy(update={"name": "gone-away"})
    home = Home(root=door.blobs.root, work=door.parts.files.work, bucket=away)
    door.otherwise(blobs=S3Blobs(home))
    assert door.told("POST", "/v1/uploads", 503, json={"filename": "a.mov", "size": 5, "multipart": True})
