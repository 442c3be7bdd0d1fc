"""The farm's own bucket, by boto3: its operator has named it, so that where it is is nobody else's affair.

Everything raises `BlobsAway` where the bucket does not do what it should, and says why; what is not there is no error.
"""

import contextlib
import functools
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from framemill.errors import BlobsAway, FarmError
from framemill.storage.access import S3Access
from framemill.storage.blobs import BucketAt, Held, SentPart
from framemill.storage.opening import Patience
from framemill.storage.s3client import client_of

_SINGLE_BYTES = 64 << 20
"""What is larger goes in parts, side by side."""
_PART_BYTES = 16 << 20
_BLOCK = 1 << 20
_MOST_AT_ONCE = 1000  # by S3's own limit
_SHA256 = "sha256"  # name of the metadatum
_MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchUpload"}
_TAKEN = {"412", "PreconditionFailed", "409", "ConditionalRequestConflict"}
_PARTS = TransferConfig(multipart_threshold=_SINGLE_BYTES, multipart_chunksize=_PART_BYTES, max_concurrency=4)


class Bucket:
    """Things by key, below the farm's prefix. May be used by several threads."""

    def __init__(self, at: BucketAt, most_at_once: int = _MOST_AT_ONCE) -> None:
        """`most_at_once`: keys of one request."""
        self.at = at
        self._most_at_once = most_at_once

    @functools.cached_property
    def _client(self) -> Any:
        return _entered(self.at.access)

    def put(self, key: str, path: Path, sha256: str, *, only_new: bool = False) -> bool:
        """Put a file there; False where there is something already that was not to be replaced.

        The store compares what comes with the hash that the request was signed for. Large ones go in parts, and those
        replace what is there: keys that may be written by two are those of small files.
        """
        told = {_SHA256: sha256}
        if path.stat().st_size > _SINGLE_BYTES:
            if only_new and self.head(key) is not None:
                return False
            with self._minding(key):
                self._client.upload_file(
                    str(path), self.at.name, self._full(key), ExtraArgs={"Metadata": told}, Config=_PARTS
                )
            return True
        with path.open("rb") as body:
            return self._put(key, body, told, only_new=only_new)

    def put_bytes(self, key: str, data: bytes, *, only_new: bool = False) -> bool:
        """The same with bytes that are in memory."""
        return self._put(key, data, {_SHA256: hashlib.sha256(data).hexdigest()}, only_new=only_new)

    def _put(self, key: str, body: Any, told: Mapping[str, str], *, only_new: bool) -> bool:
        condition = {"IfNoneMatch": "*"} if only_new else {}
        with self._minding(key, _TAKEN) as taken:
            self._client.put_object(Bucket=self.at.name, Key=self._full(key), Body=body, Metadata=told, **condition)
        return not taken

    def get(self, key: str, target: Path, sha256: str = "") -> bool:
        """Write it to a file, compared with the hash that it was put by; False where there is no such thing.

        Likewise where it is not what it has to be by `sha256`: a client has put another file there.
        """
        with self._minding(key, _MISSING) as missing:
            answer = self._client.get_object(Bucket=self.at.name, Key=self._full(key))
            hashed, size = hashlib.sha256(), 0
            with target.open("wb") as file, contextlib.closing(answer["Body"]) as body:
                for block in body.iter_chunks(_BLOCK):
                    hashed.update(block)
                    size += len(block)
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            wanted = answer["Metadata"].get(_SHA256)
            if size != answer["ContentLength"] or wanted not in {None, hashed.hexdigest()}:
                raise BlobsAway(f"{key} came from {self.at} with other bytes than it was put there with; try again.")
            if sha256 not in {"", hashed.hexdigest()}:
                return False
        return not missing

    def get_bytes(self, key: str) -> bytes | None:
        """Its bytes, in memory; None: there is no such thing."""
        data: bytes | None = None
        with self._minding(key, _MISSING):
            answer = self._client.get_object(Bucket=self.at.name, Key=self._full(key))
            data = answer["Body"].read()
        return data

    def head(self, key: str) -> Held | None:
        """What is known of it; None: there is no such thing."""
        found: Held | None = None
        with self._minding(key, _MISSING):
            told = self._client.head_object(Bucket=self.at.name, Key=self._full(key))
            found = Held(key, told["ContentLength"], told["LastModified"], told["Metadata"].get(_SHA256, ""))
        return found

    def below(self, prefix: str) -> Iterator[Held]:
        """Everything whose key begins so, in the order of keys, page by page."""
        for page in self._pages("list_objects_v2", Prefix=self._full(prefix)):
            for one in page.get("Contents", ()):
                yield Held(one["Key"].removeprefix(self.at.prefix), one["Size"], one["LastModified"])

    def names(self, folder: str, begin: str = "") -> list[str]:
        """What is in a folder (`folder` ends with a slash) and begins so: names of things, and of folders."""
        found = []
        for page in self._pages("list_objects_v2", Prefix=self._full(folder + begin), Delimiter="/"):
            keys = [one["Key"] for one in page.get("Contents", ())]
            keys += [one["Prefix"].rstrip("/") for one in page.get("CommonPrefixes", ())]
            found += [key.removeprefix(self._full(folder)) for key in keys]
        return found

    def remove(self, keys: Iterable[str]) -> None:
        """Remove them; what is not there is removed already."""
        left = list(keys)
        for first in range(0, len(left), self._most_at_once):
            some = [{"Key": self._full(key)} for key in left[first : first + self._most_at_once]]
            with self._minding(left[first]):
                self._client.delete_objects(Bucket=self.at.name, Delete={"Objects": some, "Quiet": True})

    # What clients are given

    def link(self, key: str, seconds: int, *, content_type: str, disposition: str, cache_control: str) -> str:
        """A URL by which anybody may fetch it, as long as it is good."""
        told = {
            "ResponseContentType": content_type,
            "ResponseContentDisposition": disposition,
            "ResponseCacheControl": cache_control,
        }
        return self._signed("get_object", seconds, Key=self._full(key), **told)

    def put_link(self, key: str, seconds: int, size: int | None) -> str:
        """A URL by which anybody may put it, of that many bytes where that is said."""
        exact = {} if size is None else {"ContentLength": size}
        return self._signed("put_object", seconds, Key=self._full(key), **exact)

    def begin_parts(self, key: str, content_type: str | None) -> str:
        """Begin an upload in parts; its id."""
        told = {} if content_type is None else {"ContentType": content_type}
        with self._minding(key):
            answer = self._client.create_multipart_upload(Bucket=self.at.name, Key=self._full(key), **told)
        return str(answer["UploadId"])

    def part_link(self, key: str, upload: str, number: int, seconds: int) -> str:
        """A URL by which anybody may send that part."""
        return self._signed("upload_part", seconds, Key=self._full(key), UploadId=upload, PartNumber=number)

    def parts(self, key: str, upload: str) -> list[SentPart]:
        """The parts that have come, in order; none where the upload is not there any more."""
        return [
            SentPart(one["PartNumber"], one["ETag"].strip('"'), one["Size"], one["LastModified"])
            for page in self._pages("list_parts", _MISSING, Key=self._full(key), UploadId=upload)
            for one in page.get("Parts", ())
        ]

    def end_parts(self, key: str, upload: str, parts: Sequence[SentPart]) -> None:
        """Put those parts together. One that was put together before is as it is."""
        told = {"Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in parts]}
        with self._minding(key, {"NoSuchUpload"}):
            self._client.complete_multipart_upload(
                Bucket=self.at.name, Key=self._full(key), UploadId=upload, MultipartUpload=told
            )

    def drop_parts(self, key: str, upload: str) -> None:
        """Throw away what has come."""
        with self._minding(key, _MISSING):
            self._client.abort_multipart_upload(Bucket=self.at.name, Key=self._full(key), UploadId=upload)

    def forgotten_parts(self, before: datetime) -> Iterator[tuple[str, str]]:
        """(key, upload) of those that were begun before then and are not put together."""
        for page in self._pages("list_multipart_uploads", Prefix=self.at.prefix):
            for one in page.get("Uploads", ()):
                if one["Initiated"] < before:
                    yield one["Key"].removeprefix(self.at.prefix), one["UploadId"]

    # Whether it will do

    def answers(self) -> str:
        """Why it cannot be used; empty: it can."""
        try:
            self.head("farm")
        except BlobsAway as error:
            return error.message
        return ""

    def check(self) -> None:
        """See that it can be written to, and that it keeps what is there from those who would put it anew.

        Raises `FarmError` with the reason.
        """
        key = f"check-{os.urandom(8).hex()}"
        try:
            first = self.put_bytes(key, b"the first", only_new=True)
            again = self.put_bytes(key, b"another", only_new=True)
            kept = self.get_bytes(key)
        except BlobsAway as error:
            raise FarmError(f"{error.message} FRAMEMILL_BLOBS_URL and what belongs to it say where it is.") from None
        finally:
            with contextlib.suppress(BlobsAway):
                self.remove([key])
        if not first or again or kept != b"the first":
            raise FarmError(
                f"{self.at} does not heed If-None-Match: two machines that encode the same chunk would overwrite each "
                "other. Keep the farm's blobs in a store that does: Amazon S3, Ceph, MinIO, Cloudflare R2."
            )

    # How

    def _full(self, key: str) -> str:
        return self.at.prefix + key

    def _signed(self, call: str, seconds: int, **told: Any) -> str:
        link: str = self._client.generate_presigned_url(
            call, Params={"Bucket": self.at.name, **told}, ExpiresIn=seconds
        )
        return link

    def _pages(self, call: str, expected: Iterable[str] = (), **told: Any) -> Iterator[Mapping[str, Any]]:
        """Each page of an answer; `told` is the request without its bucket. What is `expected` to go wrong ends it."""
        size = {"PageSize": self._most_at_once}
        pages = iter(self._client.get_paginator(call).paginate(Bucket=self.at.name, PaginationConfig=size, **told))
        while True:
            page: Mapping[str, Any] | None = None
            with self._minding(told.get("Prefix", told.get("Key", "")), expected):
                page = next(pages, None)
            if page is None:
                return
            yield page

    @contextlib.contextmanager
    def _minding(self, key: str, expected: Iterable[str] = ()) -> Iterator[list[str]]:
        """Raise what goes wrong as `BlobsAway`; of what was `expected` the code is in the list afterwards."""
        seen: list[str] = []
        try:
            yield seen
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code not in expected:
                said = error.response.get("Error", {}).get("Message") or ""
                raise BlobsAway(f"{self.at} refuses {key or 'a listing'}: {code} {said}".strip() + ".") from None
            seen.append(code)
        except (BotoCoreError, boto3.exceptions.Boto3Error) as error:
            raise BlobsAway(f"{self.at} cannot be reached: {error}") from None


@functools.lru_cache(maxsize=4)
def _entered(access: S3Access) -> Any:
    """One client for the process: to make one takes as long as many requests."""
    if access.access_key_id:
        return client_of(access, None, Patience(silence_seconds=20.0, retries=3))
    style = {"addressing_style": "path" if access.endpoint else "auto"}
    config = Config(s3=style, retries={"mode": "standard", "total_max_attempts": 4})
    return boto3.client("s3", region_name=access.region, endpoint_url=access.endpoint or None, config=config)
