"""Uploads that go straight into the farm's bucket, and an API that is killed in the middle of finalizing one. The
numbers are those of the checks."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from doors import dying
from doors.devstreamcore import MIB, V1, Client, customer, refused
from front_door import FrontDoor
from placed import folder_of
from servers.moto import running_moto
from sqlalchemy import func, select

from framemill.api.devstreamcore.ids import upload_of
from framemill.jobs.uploads import UploadState
from framemill.storage.s3blobs import S3Blobs
from framemill.store.accounts import SUBMITTED
from framemill.store.exchange_tables import uploads
from framemill.store.schema import jobs
from framemill.store.usage import used_between
from framemill.store.video_tables import playbacks, videos

PARTS = [b"a" * 8 * MIB, b"b" * 8 * MIB, b"c"]
FILM = b"".join(PARTS)
TESTS = Path(dying.__file__).parent.parent


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_moto(tmp_path_factory.mktemp("moto")) as found:
        client = boto3.client("s3", endpoint_url=found, aws_access_key_id="test", aws_secret_access_key="test")  # noqa: S106
        client.create_bucket(Bucket="farm")
        yield found


@pytest.fixture
def blobs(door: FrontDoor, endpoint: str) -> S3Blobs:
    return dying.use_bucket(door, endpoint)


def in_bucket(client: Client) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An upload whose parts have come into the bucket, and the parts as they are named at its end."""
    made = client.announced(multipart=True, file_size_bytes=len(FILM))
    assert [one["partNumber"] for one in made["parts"]] == [1, 2, 3]
    parts = []
    for one, body in zip(made["parts"], PARTS, strict=True):
        assert urlsplit(one["url"]).hostname == "127.0.0.1"
        sent = httpx.put(one["url"], content=body, trust_env=False)
        parts.append({"partNumber": one["partNumber"], "etag": sent.headers["ETag"]})
    return made, parts


def count(door: FrontDoor, table: Any) -> int:
    with door.database.reading() as conn:
        return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


def killed(door: FrontDoor, client: Client, path: str, body: dict[str, Any], *how: str) -> None:
    """Another API over the same store is asked, and dies before it commits what it was to commit."""
    words = [str(door.database.url), str(folder_of(door.database)), *how, client.key, V1 + path, json.dumps(body)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    done = subprocess.run(
        [sys.executable, dying.__file__, *words], env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == dying.KILLED, done.stderr


def one_video(door: FrontDoor, client: Client, path: str, body: dict[str, Any]) -> None:
    """Finalized after all, and once more, there is one video of it, and its account was counted one job."""
    first, again = (client.post(path, body) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200), first.text
    assert first.json()["id"] == again.json()["id"]
    assert [count(door, table) for table in (videos, playbacks, jobs)] == [1, 1, 1]
    with door.database.reading() as conn:
        used = used_between(conn, "customer", date(2000, 1, 1), date(2999, 1, 1))
    assert [one.amount for one in used if one.kind == SUBMITTED] == [1]


@pytest.mark.parametrize("before", ["upload", "video"])
def test_check_11_killed_between_the_parts_and_the_video(door: Any, before: str) -> None:
    client = customer(door, jobs_per_day=1)
    made, parts = client.in_parts([b"a" * MIB, b"b"])
    path = f"/uploads/{made['id']}/finalize"
    body = {
        "mime_type": "video/mp4", "file_size_bytes": MIB + 1, "upload_id": made["upload_id"], "parts": parts
    }  # fmt: skip

    killed(door, client, path, body, before, "")

    assert count(door, videos) == count(door, jobs) == 0
    one_video(door, client, path, body)


@pytest.mark.parametrize("before", ["upload", "video"])
@pytest.mark.usefixtures("blobs")
def test_check_11_killed_after_the_bucket_has_put_the_parts_together(door: Any, endpoint: str, before: str) -> None:
    client = customer(door, jobs_per_day=1)
    made, parts = in_bucket(client)
    path = f"/uploads/{made['id']}/finalize"
    body = {
        "mime_type": "video/mp4", "file_size_bytes": len(FILM), "upload_id": made["upload_id"], "parts": parts
    }  # fmt: skip

    killed(door, client, path, body, before, endpoint)

    with door.database.reading() as conn:
        state = conn.execute(select(uploads.c.state)).scalar_one()
    assert state == (UploadState.OPEN if before == "upload" else UploadState.COMPLETED)
    one_video(door, client, path, body)


def test_check_08_parts_go_straight_into_the_bucket(door: Any, blobs: S3Blobs) -> None:
    client = Client(door)
    made, parts = in_bucket(client)
    shown = client.get(f"/uploads/{made['id']}").json()
    assert (shown["status"], shown["parts"]) == ("uploading", [])
    wrong = [*parts[:2], {**parts[2], "etag": '"0123456789abcdef0123456789abcdef"'}]
    name, size = made["upload_id"], len(FILM)
    refused(client.finalize(made["id"], size, upload_id=name, parts=wrong), 400, "invalid_request_error", "parts")
    refused(
        client.finalize(made["id"], size + 1, upload_id=name, parts=parts),
        400,
        "invalid_request_error",
        "file_size_bytes",
    )

    client.finalized(made["id"], size, upload_id=name, parts=parts[::-1])

    whole = blobs.read(f"uploads/{upload_of(made['id'])}/body-sent")
    assert hashlib.sha256(whole).digest() == hashlib.sha256(FILM).digest()


@pytest.mark.usefixtures("blobs")
def test_check_05_one_body_goes_straight_into_the_bucket(door: Any) -> None:
    client = Client(door)
    made = client.announced()
    refused(client.finalize(made["id"]), 400, "invalid_request_error")
    assert httpx.put(made["upload_url"], content=b"film!", trust_env=False).is_success
    refused(client.finalize(made["id"], 4), 400, "invalid_request_error", "file_size_bytes")
    client.finalized(made["id"], 5)
