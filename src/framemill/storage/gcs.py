"""Google Cloud Storage, by `gs://`. Takes the extra `gcs`."""

import base64
import http.client
from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Literal

import google.auth.exceptions
import requests
import urllib3.exceptions
from google.api_core import exceptions as answers
from google.api_core.retry import Retry
from google.cloud.storage import Blob, exceptions

from framemill.errors import (
    AddressRefused,
    StorageBroken,
    StorageError,
    StorageMissing,
    StorageRefused,
    StorageUnreachable,
)
from framemill.storage.access import Access, GcsAccess
from framemill.storage.address import Address
from framemill.storage.base import OnBytes, Sending, Stat
from framemill.storage.gcsclient import PASSING, Again, client_of
from framemill.storage.googleerrors import reason_of, told
from framemill.storage.guard import Reach
from framemill.storage.guardproxy import proxied, refused
from framemill.storage.opening import Patience
from framemill.storage.ranges import in_order

_CHUNK_BYTES = 8 << 20
"""Of an upload that can be taken up again; a multiple of 256 KiB."""
_FROM_LIBRARY = (
    answers.GoogleAPICallError,
    answers.RetryError,
    exceptions.InvalidResponse,
    exceptions.DataCorruption,
    google.auth.exceptions.GoogleAuthError,
    requests.RequestException,
    *PASSING,
    ValueError,
)


def opened(address: Address, access: Access | None, reach: Reach | None, patience: Patience) -> "GcsStorage":
    """The bucket that the address names."""
    return GcsStorage(address.host, access if isinstance(access, GcsAccess) else GcsAccess(), reach, patience)


class GcsStorage:
    """A bucket. An upload that is given up halfway never appears; Google forgets it after a week."""

    def __init__(self, bucket: str, access: GcsAccess, reach: Reach | None, patience: Patience) -> None:
        self._proxy = None if reach is None else proxied(reach)
        self._anonymous = not access.keyfile
        self._endpoint = access.endpoint
        self._client = client_of(access, reach, self._proxy, patience)
        self._bucket = self._client.bucket(bucket)
        self._patience = patience

    def stat(self, path: str) -> Stat:
        """What the store keeps about an object."""
        try:
            blob = self._bucket.get_blob(path, **self._patiently()) if path else None
        except _FROM_LIBRARY as error:
            raise self._told(error, path, "read") from None
        if blob is None:
            raise StorageMissing(f"{self._named(path)}: there is no such object, or no such bucket. Check both names.")
        return _stat(blob)

    def read(self, path: str, start: int, end: int) -> bytes:
        """Some of its bytes."""
        return self._fetched(path, start, end, None)

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Its bytes, asked for in several ranges at once; all of them of the object that was there at first."""
        found = self.stat(path)
        yield from in_order(
            lambda first, end: self._fetched(path, first, end, found.etag), start, found.size or 0, path
        )

    def write(self, path: str, source: Path, sending: Sending, on_bytes: OnBytes | None = None) -> Stat:
        """Send it; it appears in one step, and with `if_exists="fail"` only where there is none."""
        size = source.stat().st_size
        blob = self._bucket.blob(path, chunk_size=_CHUNK_BYTES)
        if sending.md5 is not None:
            blob.md5_hash = base64.b64encode(bytes.fromhex(sending.md5)).decode()
        try:
            with source.open("rb") as file:
                again = Again(self._patience.retries)
                blob.upload_from_file(
                    _Heard(file, size, on_bytes, again),
                    size=size,
                    content_type=sending.content_type,
                    predefined_acl=sending.acl,
                    if_generation_match=0 if sending.if_exists == "fail" else None,
                    **self._patiently(again),
                )
        except _FROM_LIBRARY as error:
            raise self._told(error, path, "write") from None
        return _stat(blob)

    def list(self, prefix: str) -> Iterator[Stat]:
        """Everything below a prefix, a page at a time."""
        try:
            for blob in self._client.list_blobs(self._bucket, prefix=prefix, **self._patiently()):
                yield _stat(blob)
        except _FROM_LIBRARY as error:
            raise self._told(error, prefix, "list") from None

    def delete(self, path: str) -> None:
        """Remove an object."""
        try:
            self._bucket.blob(path).delete(**self._patiently())
        except answers.NotFound:
            return
        except _FROM_LIBRARY as error:
            raise self._told(error, path, "delete") from None

    def presign(self, path: str, method: Literal["GET", "PUT"], seconds: int) -> str | None:
        """A signed URL; none without a key to sign with."""
        if self._anonymous:
            return None
        signed = self._bucket.blob(path).generate_signed_url(
            version="v4",
            method=method,
            expiration=timedelta(seconds=seconds),
            api_access_endpoint=self._endpoint or None,
        )
        return str(signed)

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()

    def _fetched(self, path: str, start: int, end: int, generation: str | None) -> bytes:
        if end <= start:
            return b""
        blob = self._bucket.blob(path, generation=None if generation is None else int(generation))
        try:
            return bytes(
                blob.download_as_bytes(start=start, end=end - 1, raw_download=True, checksum=None, **self._patiently())
            )[: end - start]
        except answers.NotFound as error:
            if generation is not None:
                raise StorageBroken(f"{self._named(path)} was changed while it was read: read it anew.") from None
            raise self._told(error, path, "read") from None
        except _FROM_LIBRARY as error:
            if getattr(error, "code", None) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return b""
            raise self._told(error, path, "read") from None

    def _patiently(self, again: Again | None = None) -> dict[str, Any]:
        again = again or Again(self._patience.retries)
        pause = self._patience.pause_seconds
        return {
            "timeout": self._patience.silence_seconds,
            "retry": Retry(predicate=self._unless_refused(again), initial=pause, multiplier=2, timeout=None),
        }

    def _unless_refused(self, again: Again) -> Callable[[Exception], bool]:
        return lambda error: not (self._proxy and refused(self._proxy)) and again(error)

    def _named(self, path: str) -> str:
        return f"gs://{self._bucket.name}/{path}"

    def _told(self, error: Exception, path: str, doing: str) -> StorageError:
        """The error of ours that says what one of the library's means."""
        closed = refused(self._proxy) if self._proxy else None
        if closed:
            return AddressRefused(closed)
        what = self._named(path)
        cause = getattr(error, "cause", None)
        if isinstance(error, answers.RetryError) and isinstance(cause, Exception):
            return self._told(cause, path, doing)
        answer = getattr(error, "response", None)
        if isinstance(error, answers.GoogleAPICallError | exceptions.InvalidResponse) and answer is not None:
            who = "somebody without credentials" if self._anonymous else "these credentials"
            return told(what, answer.status_code, _reason(answer), doing=doing, who=who)
        if isinstance(error, google.auth.exceptions.RefreshError):
            return StorageRefused(
                f"{what}: Google gives no token for the key file: it may have been withdrawn, or the farm's clock be"
                " wrong. Make a new key."
            )
        kind, sentence = next((kind, said) for errors, kind, said in _BY_KIND if isinstance(error, errors))
        return kind(f"{what}: {sentence}")


_BY_KIND: tuple[tuple[tuple[type[Exception], ...], type[StorageError], str], ...] = (
    (
        (
            *(exceptions.DataCorruption, requests.exceptions.ChunkedEncodingError),
            *(requests.exceptions.ContentDecodingError, http.client.HTTPException, urllib3.exceptions.HTTPError),
        ),
        StorageBroken,
        "other bytes arrived than were sent, or it broke off in the middle. Try again.",
    ),
    ((requests.Timeout,), StorageUnreachable, "the store has been silent for too long. Try again later."),
    (
        (requests.exceptions.SSLError,),
        StorageUnreachable,
        "the endpoint's TLS certificate cannot be trusted, or it speaks no TLS: check it.",
    ),
    (
        (requests.RequestException, google.auth.exceptions.TransportError, ConnectionError),
        StorageUnreachable,
        "the store cannot be reached. Check the endpoint; else try again later.",
    ),
    ((ValueError,), StorageRefused, "the store knows no such ACL, or the file has changed while it was sent."),
    ((Exception,), StorageBroken, "the store answered what cannot be. Try again later."),
)


class _Heard:
    """A file that tells how far it was read. A retry reads it again, which is not told twice."""

    def __init__(self, file: IO[bytes], size: int, on_bytes: OnBytes | None, again: Again) -> None:
        self._file, self._size, self._on_bytes, self._again = file, size, on_bytes, again
        self._told = 0

    def read(self, count: int = -1) -> bytes:
        """Some bytes."""
        block = self._file.read(count)
        at = self._file.tell()
        if at > self._told:
            self._told = at
            self._again.through()
            if self._on_bytes is not None:
                self._on_bytes(at, self._size)
        return block

    def tell(self) -> int:
        """Where it is."""
        return self._file.tell()

    def seek(self, at: int, whence: int = 0) -> int:
        """Go there."""
        return self._file.seek(at, whence)


def _stat(blob: Blob) -> Stat:
    return Stat(
        path=blob.name,
        size=int(blob.size),
        etag=str(blob.generation),
        modified=blob.updated,
        content_type=blob.content_type,
        md5=None if blob.md5_hash is None else base64.b64decode(blob.md5_hash).hex(),
    )


def _reason(answer: requests.Response) -> str:
    try:
        return reason_of(answer.json())
    except ValueError:
        return ""
