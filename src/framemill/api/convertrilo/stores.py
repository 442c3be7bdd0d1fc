"""Buckets of S3 as clients name them: with keys of their own, or by what the operator has named for a bucket."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from framemill.api.convertrilo.encodes import Words
from framemill.api.convertrilo.refused import Refused
from framemill.services.desk import Opener
from framemill.storage.access import S3Access
from framemill.storage.credentials import Credentials, credentials_for

Bucket = Annotated[str, Field(min_length=1, max_length=255)]
Key = Annotated[str, Field(min_length=1, max_length=1024)]


class S3(Words):
    """Where a bucket is, and what opens it."""

    bucket: Bucket
    endpoint: str | None = Field(default=None, max_length=2048)
    region: str | None = Field(default=None, max_length=100)
    access_key_id: str | None = Field(default=None, max_length=256, repr=False)
    secret_access_key: str | None = Field(default=None, max_length=1024, repr=False)
    force_path_style: bool | None = None


class S3Source(S3):
    """An object that is a source."""

    key: Key


def uri_of(bucket: str, key: str) -> str:
    """As the farm writes it; keys stand as they are."""
    return f"s3://{bucket}/{key.removeprefix('/')}"


def opener_of(said: S3, named: Mapping[str, Credentials], account: str) -> Opener:
    """What opens it: the keys that came along, or else what the operator has named for that bucket.

    Raises `Refused` where there is neither, or half a key.
    """
    if bool(said.access_key_id) != bool(said.secret_access_key):
        raise Refused(400, "invalid_body", "accessKeyId and secretAccessKey go together: send both, or neither.")
    if said.access_key_id and said.secret_access_key:
        return S3Access(
            access_key_id=said.access_key_id,
            secret_access_key=said.secret_access_key,
            region=said.region or "us-east-1",
            endpoint=said.endpoint or "",
            path_style=said.force_path_style,
        )
    found = credentials_for(uri_of(said.bucket, "x"), named, account)
    if found is None or said.endpoint:
        raise Refused(
            400,
            "invalid_body",
            f"Nothing opens the bucket {said.bucket!r}: send accessKeyId and secretAccessKey with it, or have the "
            "farm's operator name credentials whose allowed_buckets have it.",
        )
    return found.name
