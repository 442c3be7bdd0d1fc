"""S3, and whatever speaks like it."""

import base64
import hashlib
import math
import threading
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from s3transfer.futures import TransferFuture
from s3transfer.manager import TransferManager
from s3transfer.subscribers import BaseSubscriber

from framemill.errors import AddressRefused, StorageBroken, StorageError, StorageExists, StorageMissing, StorageRefused
from framemill.storage.access import Access, S3Access
from framemill.storage.address import Address
from framemill.storage.base import OnBytes, Sending, Stat
from framemill.storage.guard import Reach
from framemill.storage.guardproxy import proxied, refused
from framemill.storage.opening import Patience
from framemill.storage.ranges import in_order
from framemill.storage.s3client import client_of
from framemill.storage.s3errors import BUCKET, code_of, status_of, told

_PART_BYTES = 8 << 20
_MOST_PARTS = 10_000
"""Of up to 5 GiB, and 5 TiB in all: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""
_WHOLE_BYTES = 16 << 20
"""Up to so many a file is sent in one request."""
_PARTS_AT_ONCE = 8
"""A part is read from the disk as it is sent: how large it is does not matter."""
_BLOCK = 1 << 20
_BROKEN_OFF = (IncompleteReadError, ResponseStreamingError, ReadTimeoutError)
_FROM_LIBRARY = (BotoCoreError, ClientError)


def opened(address: Address, access: Access | None, reach: Reach | None, patience: Patience) -> "S3Store":
    """The bucket that the address names."""
    return S3Store(address.host, access if isinstance(access, S3Access) else S3Access(), reach, patience)


class S3Store:
    """A bucket."""

    def __init__(self, bucket: str, access: S3Access, reach: Reach | None, patience: Patience) -> None:
        self.bucket = bucket
        self._access, self._patience = access, patience
        self._proxy = None if reach is None else proxied(reach)
        try:
            self._client = client_of(access, self._proxy, patience)
        except (BotoCoreError, ValueError):
            raise StorageRefused(
                f"s3://{bucket}: the endpoint is no URL, or the region's name none: check both."
            ) from None
        self._once: Any = None
        self._anonymous = not access.access_key_id

    def stat(self, path: str) -> Stat:
        """What the store keeps about a key."""
        try:
            head = self._client.head_object(Bucket=self.bucket, Key=_key(path))
        except ClientError as error:
            raise self._explained(error, path, "read") from None
        except BotoCoreError as error:
            raise self._told(error, path, "read") from None
        return Stat(
            path=path,
            size=head["ContentLength"],
            etag=head.get("ETag", "").strip('"') or None,
            modified=head.get("LastModified"),
            content_type=head.get("ContentType"),
        )

    def read(self, path: str, start: int, end: int) -> bytes:
        """Some of its bytes."""
        return self._fetched(path, start, end, None)

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Its bytes, asked for in several ranges at once; all of them of the thing that was there at first."""
        found = self.stat(path)
        size = found.size or 0
        yield from in_order(lambda first, end: self._fetched(path, first, end, found.etag), start, size, path)

    def write(self, path: str, source: Path, sending: Sending, on_bytes: OnBytes | None = None) -> Stat:
        """Send it, in parts where it is large; what is there appears in one step."""
        size = source.stat().st_size
        if sending.if_exists == "fail":
            self._require_nothing_at(path)
        try:
            if size <= _WHOLE_BYTES:
                return self._write_whole(path, source, size, sending, on_bytes)
            return self._write_parts(path, source, size, sending, on_bytes)
        except _FROM_LIBRARY as error:
            raise self._told(error, path, "write") from None

    def list(self, prefix: str) -> Iterator[Stat]:
        """Everything below a prefix, a page at a time."""
        try:
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for found in page.get("Contents", []):
                    yield Stat(
                        path=found["Key"],
                        size=found["Size"],
                        etag=found["ETag"].strip('"'),
                        modified=found["LastModified"],
                    )
        except _FROM_LIBRARY as error:
            raise self._told(error, prefix, "list") from None

    def level(self, prefix: str) -> Iterator[Stat]:
        """What is directly below a prefix; folders, of which the store tells no more, end with a slash."""
        try:
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/"):
                for folder in page.get("CommonPrefixes", []):
                    yield Stat(path=folder["Prefix"])
                for found in page.get("Contents", []):
                    yield Stat(path=found["Key"], size=found["Size"], modified=found["LastModified"])
        except _FROM_LIBRARY as error:
            raise self._told(error, prefix, "list") from None

    def delete(self, path: str) -> None:
        """Remove a key."""
        try:
            self._client.delete_object(Bucket=self.bucket, Key=_key(path))
        except _FROM_LIBRARY as error:
            if isinstance(error, ClientError) and code_of(error) == "NoSuchKey":
                return
            raise self._told(error, path, "delete") from None

    def presign(self, path: str, method: Literal["GET", "PUT"], seconds: int) -> str | None:
        """A signed URL; none without a key to sign with."""
        if self._anonymous:
            return None
        operation = "get_object" if method == "GET" else "put_object"
        where = {"Bucket": self.bucket, "Key": _key(path)}
        return str(self._client.generate_presigned_url(operation, Params=where, ExpiresIn=seconds))

    def close(self) -> None:
        """Close the clients' connections."""
        self._client.close()
        if self._once is not None:
            self._once.close()

    def _fetched(self, path: str, start: int, end: int, etag: str | None) -> bytes:
        """A range; where the connection breaks, the rest of it is asked for anew."""
        found, failures = b"", 0
        while len(found) < end - start:
            before = len(found)
            try:
                for block in self._blocks(path, start + before, end, etag, by_block=failures > 0):
                    found += block
                break
            except _BROKEN_OFF as error:
                failures = 1 if len(found) > before else failures + 1  # it gets on: it may break as often as it likes
                if failures > self._patience.retries:
                    raise self._told(error, path, "read") from None
                threading.Event().wait(self._patience.pause_seconds * 2 ** (failures - 1))
            except ClientError as error:
                if status_of(error) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    break
                if etag and status_of(error) == HTTPStatus.PRECONDITION_FAILED:
                    changed = f"s3://{self.bucket}/{path} was changed while it was read: read it anew."
                    raise StorageBroken(changed) from None
                raise self._told(error, path, "read") from None
            except BotoCoreError as error:
                raise self._told(error, path, "read") from None
        return found

    def _blocks(self, path: str, start: int, end: int, etag: str | None, *, by_block: bool) -> Iterator[bytes]:
        """What one answer brings of a range: at once, which takes a third of the CPU, or block by block."""
        only = {"IfMatch": f'"{etag}"'} if etag else {}
        wanted = f"bytes={start}-{end - 1}"
        answer = self._client.get_object(Bucket=self.bucket, Key=_key(path), Range=wanted, **only)
        partial = answer["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.PARTIAL_CONTENT
        if partial and not answer.get("ContentRange", "").startswith(f"bytes {start}-"):
            answer["Body"].close()
            raise StorageBroken(f"s3://{self.bucket}/{path}: the store sent another range than it was asked for.")
        # Some stores do not know ranges, and send all of it.
        first, last = (0, end - start) if partial else (start, end)
        fits = 0 <= answer.get("ContentLength", -1) <= end - start
        at = 0
        with closing(answer["Body"]) as body:
            for block in [body.read()] if fits and partial and not by_block else body.iter_chunks(_BLOCK):
                yield block[max(0, first - at) : max(0, last - at)]
                at += len(block)
                if at >= last:
                    return

    def _write_whole(self, path: str, source: Path, size: int, sending: Sending, on_bytes: OnBytes | None) -> Stat:
        body = source.read_bytes()
        found = hashlib.md5(body, usedforsecurity=False)
        if sending.md5 and found.hexdigest() != sending.md5.lower():
            raise StorageBroken(f"{source.name} is not what it was when its MD5 was taken: make it anew.")
        extra = {**_extra(sending), "ContentMD5": base64.b64encode(found.digest()).decode()}
        if sending.if_exists == "fail":
            extra["IfNoneMatch"] = "*"
        heard = on_bytes or _nobody
        heard(0, size)
        try:
            answer = self._client.put_object(Bucket=self.bucket, Key=_key(path), Body=body, **extra)
        except ClientError as error:
            answer = self._own_earlier_try(error, path, found.hexdigest())
        heard(size, size)
        etag = answer.get("ETag", "").strip('"') or None
        return Stat(path=path, size=size, etag=etag, md5=found.hexdigest(), content_type=sending.content_type)

    def _own_earlier_try(self, error: ClientError, path: str, md5: str) -> Any:
        """A put that was repeated finds what it put the first time, when only the answer to that was lost."""
        repeated = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        if not (repeated and status_of(error) == HTTPStatus.PRECONDITION_FAILED):
            raise error
        head = self._client.head_object(Bucket=self.bucket, Key=_key(path))
        if head.get("ETag", "").strip('"') != md5:
            raise error
        return head

    def _write_parts(self, path: str, source: Path, size: int, sending: Sending, on_bytes: OnBytes | None) -> Stat:
        part_bytes = part_bytes_for(size)
        composite = _proven(source, part_bytes, sending.md5) if sending.md5 else None
        config = TransferConfig(
            multipart_threshold=1,
            multipart_chunksize=part_bytes,
            max_concurrency=_PARTS_AT_ONCE,
            preferred_transfer_client="classic",
        )
        heard = _Heard(size, on_bytes)
        client = self._client_that_completes(once=sending.if_exists == "fail")
        with TransferManager(client, config) as manager:
            future = manager.upload(str(source), self.bucket, _key(path), _extra(sending), [heard])
            try:
                future.result()
            except BaseException:
                heard.raise_what_stopped_it()
                raise
        found = self.stat(path)
        if found.size != size:
            raise StorageBroken(f"s3://{self.bucket}/{path} has {found.size} bytes, and {size} were sent. Try again.")
        proven = composite is not None and found.etag == composite
        return found.model_copy(update={"md5": sending.md5}) if proven else found

    def _client_that_completes(self, *, once: bool) -> Any:
        """A client whose uploads in parts end by appearing; `once`: only where nothing has appeared meanwhile."""
        if not once:
            return self._client
        if self._once is None:
            self._once = client_of(self._access, self._proxy, self._patience)
            self._once.meta.events.register(
                "provide-client-params.s3.CompleteMultipartUpload",
                lambda params, **_: {**params, "IfNoneMatch": "*"},
            )
        return self._once

    def _require_nothing_at(self, path: str) -> None:
        """Known before anything is sent; and some stores do not know the condition that is sent along."""
        try:
            self.stat(path)
        except StorageMissing as missing:
            if missing.param == BUCKET:
                raise
        else:
            raise StorageExists(f"s3://{self.bucket}/{path}: there is one already. Name another, or have it replaced.")

    def _explained(self, error: ClientError, path: str, doing: str) -> StorageError:
        """An answer to HEAD has no body, so a second question tells why it failed."""
        try:
            self._client.list_objects_v2(Bucket=self.bucket, Prefix=path, MaxKeys=1)
        except ClientError as reason:
            if status_of(error) != HTTPStatus.NOT_FOUND or code_of(reason) == "NoSuchBucket":
                return self._told(reason, path, doing)
        except BotoCoreError:
            pass  # the first answer says enough
        return self._told(error, path, doing)

    def _told(self, error: Exception, path: str, doing: str) -> StorageError:
        closed = refused(self._proxy) if self._proxy else None
        return (
            AddressRefused(closed) if closed else told(error, self.bucket, path, doing=doing, anonymous=self._anonymous)
        )


class _Heard(BaseSubscriber):  # type: ignore[misc]
    """Adds up what the threads of an upload have sent, and stops them when whoever listens raises."""

    def __init__(self, size: int, on_bytes: OnBytes | None) -> None:
        self._size = size
        self._on_bytes = on_bytes
        self._sent = 0
        self._lock = threading.Lock()
        self._raised: BaseException | None = None

    def on_progress(self, future: TransferFuture, bytes_transferred: int, **_: Any) -> None:
        """Called by the library; fewer than none when a part is sent again."""
        with self._lock:
            self._sent += bytes_transferred
            if self._on_bytes is None or self._raised is not None:
                return
            try:
                self._on_bytes(self._sent, self._size)
            except BaseException as error:  # noqa: BLE001 (raised where the upload was asked for)
                self._raised = error
                future.cancel()

    def raise_what_stopped_it(self) -> None:
        """What the listener raised, if that is what ended the upload."""
        if self._raised is not None:
            raise self._raised


def part_bytes_for(size: int) -> int:
    """How long the parts of a file of that size are: whole MiB, and never more than the store's number of them."""
    return max(_PART_BYTES, math.ceil(size / _MOST_PARTS / (1 << 20)) << 20)


def _proven(source: Path, part_bytes: int, md5: str) -> str:
    """What the store will answer as the ETag of the file in such parts, whose MD5 is compared on the way.

    The MD5 of the parts' MD5s, and their number: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    whole = hashlib.md5(usedforsecurity=False)
    parts = []
    with source.open("rb") as file:
        while first := file.read(min(part_bytes, _PART_BYTES)):
            one = hashlib.md5(first, usedforsecurity=False)
            whole.update(first)
            left = part_bytes - len(first)
            while left and (block := file.read(min(left, _PART_BYTES))):
                one.update(block)
                whole.update(block)
                left -= len(block)
            parts.append(one.digest())
    if whole.hexdigest() != md5.lower():
        raise StorageBroken(f"{source.name} is not what it was when its MD5 was taken: make it anew.")
    return f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"


def _nobody(_done: int, _size: int | None) -> None: ...


def _extra(sending: Sending) -> dict[str, str]:
    named = {"ACL": sending.acl, "ContentType": sending.content_type}
    return {name: value for name, value in named.items() if value}


def _key(path: str) -> str:
    if not path:
        raise StorageMissing("The address names a bucket and no key in it: append one behind a slash.")
    return path
