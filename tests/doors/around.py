"""What stands around a farm with doors: its accounts, a receiver of what it tells, and a store of S3."""

import contextlib
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import httpx
from reached import Answer, Heard, Server, serving
from service_farm import Service

PATIENCE = 90.0
LONG_SECONDS = 36
"""Of the film that is to be caught in the middle."""
_LOOK = threading.Event()  # never set: other processes tell nobody when they are there


class Customer(NamedTuple):
    """An account, and a key that opens it."""

    account: str
    key: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


class DoorFarm(Service):
    """A farm that stays, and what an admin does at it before others come to its doors."""

    @property
    def bearer(self) -> dict[str, str]:
        """The admin's, whose account is `default`."""
        return {"Authorization": f"Bearer {self.key}"}

    def customer(self, credits: int | None = None, **quotas: Any) -> Customer:
        """A new account and its key; `credits`: what it may spend (thousandths), none: nobody counts."""
        name = f"customer-{uuid.uuid4().hex[:12]}"
        made = self.native("POST", "/accounts", {"name": name, "balance": credits, "quotas": quotas})
        key = self.native("POST", "/keys", {"name": name, "account": made["id"]})
        return Customer(made["id"], key["key"])

    def native(self, method: str, path: str, body: Any = None) -> Any:
        """What the native API answers to an admin. Raises `httpx.HTTPStatusError` for a refusal."""
        answer = httpx.request(
            method, f"{self.url}/framemill/v1{path}", json=body, headers=self.bearer, timeout=60, trust_env=False
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None


class Receiver:
    """A web server that keeps what it is sent: webhooks."""

    def __init__(self) -> None:
        self.server: Server
        self.answers: list[int] = []
        """Statuses of the next answers; then 200."""
        self.always: int | None = None
        """The status of every answer; none: see `answers`."""

    @property
    def url(self) -> str:
        return f"{self.server.url}/hook"

    @property
    def heard(self) -> list[Heard]:
        """Every request in its order: method, path, headers (names in small letters), raw body."""
        return self.server.heard

    def bodies(self) -> list[Any]:
        """Those that were JSON."""
        return [json.loads(one.body) for one in list(self.heard)]

    def wait_for(self, holds: Callable[[Heard], bool], seconds: float = PATIENCE) -> Heard:
        """The first request that holds."""
        found: Heard = awaited(lambda: next(filter(holds, list(self.heard)), None), "a message", seconds)
        return found

    def answer(self, _: Heard) -> Answer:
        if self.always is not None:
            return Answer(self.always)
        return Answer(self.answers.pop(0) if self.answers else 200)


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that is up."""
    made = Receiver()
    with serving(made.answer) as server:
        made.server = server
        yield made


class S3:
    """A store of S3 that takes every key."""

    key = "some-key-id"
    secret = "some-secret-key"  # noqa: S105
    region = "us-east-1"

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    @cached_property
    def client(self) -> Any:
        """boto3's."""
        access = {"aws_access_key_id": self.key, "aws_secret_access_key": self.secret, "region_name": self.region}
        return boto3.client("s3", endpoint_url=self.endpoint, **access)

    def bucket(self, **objects: bytes) -> str:
        """A new one, with these in it."""
        name = f"films-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=name)
        self.put(name, objects)
        return name

    def put(self, bucket: str, objects: Mapping[str, bytes]) -> None:
        for key, body in objects.items():
            self.client.put_object(Bucket=bucket, Key=key, Body=body)

    def get(self, bucket: str, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def keys(self, bucket: str) -> list[str]:
        return sorted(one["Key"] for one in self.client.list_objects_v2(Bucket=bucket).get("Contents", []))


def got(url: str, **more: Any) -> httpx.Response:
    """What whoever shows no key is answered there; asked as patiently as everything else."""
    return httpx.get(url, timeout=60, trust_env=False, **more)


def as_new_film(mp4: bytes) -> bytes:
    """The same film as a file that nobody had before: at its end is a box of its own, which players pass over. A farm
    keeps what it encodes, and of a file that it knows there may be nothing left to do."""
    return mp4 + (24).to_bytes(4) + b"free" + uuid.uuid4().bytes


def files_below(folder: Path) -> list[Path]:
    """Every file there, while a farm makes and removes some: of a folder that has just gone `rglob` would fail."""
    found = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return [path for path in found if path.is_file()]


def awaited(look: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """What that finds when it finds something: other processes tell nobody when they are there."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"{what} did not come within {seconds:g} s"
        _LOOK.wait(0.1)
    return found
