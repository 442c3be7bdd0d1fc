"""Azure's blobs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore

from framemill.errors import (
    AddressRefused,
    StorageBroken,
    StorageError,
    StorageExists,
    StorageMissing,
    StorageRefused,
)
from framemill.storage.access import Access, AzureAccess
from framemill.storage.address import Address
from framemill.storage.azureerrors import CONTAINER, status_of, told
from framemill.storage.azuresas import signed_url
from framemill.storage.base import OnBytes, Sending, Stat
from framemill.storage.guard import Reach
from framemill.storage.guardproxy import proxied, refused
from framemill.storage.opening import Patience
from framemill.storage.ranges import in_order

if TYPE_CHECKING:
    from obstore import Attributes, GetOptions, ObjectMeta
    from obstore.store import AzureAccessKey, AzureConfig, AzureSASToken, ClientConfig, RetryConfig

_PART_BYTES = 8 << 20
_MOST_PARTS = 50_000
"""https://learn.microsoft.com/en-us/rest/api/storageservices/put-block-list"""
_UNDER_WAY_BYTES = 64 << 20
"""Of parts that are held in memory while they are sent."""
_SLOWEST = 64 << 10
"""Bytes a second of a part that is not given up. The library tells no silence from a slow line while it sends."""
_CONNECT_SECONDS = 10.0
_HOURS = 12
_FROM_LIBRARY = (BaseError, OSError, ValueError)


def opened(address: Address, access: Access | None, reach: Reach | None, patience: Patience) -> BlobStore:
    """The container that the address names."""
    if not isinstance(access, AzureAccess):
        raise StorageRefused(f"{address}: Azure takes the name of an account, also to read what is open to everybody.")
    return BlobStore(address.host, access, reach, patience)


class BlobStore:
    """A container of an account."""

    def __init__(self, container: str, access: AzureAccess, reach: Reach | None, patience: Patience) -> None:
        self._container = container
        self._access = access
        self._proxy = None if reach is None else proxied(reach)
        self._patience = patience
        self._endpoint = access.endpoint or f"https://{access.account}.blob.core.windows.net"
        self._store = self._opened(patience.silence_seconds)

    def stat(self, path: str) -> Stat:
        """What the store keeps about a blob."""
        try:
            found = obstore.get(self._store, _blob(path), options={"head": True})
        except _FROM_LIBRARY as error:
            raise self._explained(error, path) from None
        return _stat(found.meta, found.attributes.get("Content-Type"))

    def read(self, path: str, start: int, end: int) -> bytes:
        """Some of its bytes."""
        return self._fetched(path, start, end, None)

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Its bytes, asked for in several ranges at once; all of them of the blob that was there at first."""
        found = self.stat(path)
        size = found.size or 0
        yield from in_order(lambda first, end: self._fetched(path, first, end, found.etag), start, size, path)

    def write(self, path: str, source: Path, sending: Sending, on_bytes: OnBytes | None = None) -> Stat:
        """Send it, in parts where it is large; it appears in one step.

        A large one that is not to replace another is looked for before it is sent, since the library commits parts
        under no condition.
        """
        if sending.acl:
            raise StorageRefused(f"{self._named(path)}: Azure has no ACL of single blobs: leave it away.")
        size = source.stat().st_size
        attributes: Attributes = {"Content-Type": sending.content_type} if sending.content_type else {}
        try:
            if size <= _PART_BYTES:
                heard = on_bytes or _nobody
                heard(0, size)
                mode: Literal["create", "overwrite"] = "create" if sending.if_exists == "fail" else "overwrite"
                obstore.put(self._store, _blob(path), source.read_bytes(), attributes=attributes, mode=mode)
                heard(size, size)
            else:
                if sending.if_exists == "fail":
                    self._require_nothing_at(path)
                self._write_parts(path, source, size, attributes, on_bytes)
        except _FROM_LIBRARY as error:
            raise self._told(error, path, "write") from None
        found = self.stat(path)
        if found.size != size:
            raise StorageBroken(f"{self._named(path)} has {found.size} bytes, and {size} were sent. Try again.")
        return found

    def list(self, prefix: str) -> Iterator[Stat]:
        """Everything below a prefix, a page at a time."""
        try:
            for page in obstore.list(self._store, _blob(prefix) if prefix else None, chunk_size=1000):
                yield from (_stat(found, None) for found in page)
        except _FROM_LIBRARY as error:
            raise self._told(error, prefix, "list") from None

    def delete(self, path: str) -> None:
        """Remove a blob."""
        try:
            obstore.delete(self._store, _blob(path))
        except _FROM_LIBRARY as error:
            failure = self._told(error, path, "delete")
            if not isinstance(failure, StorageMissing) or failure.param == CONTAINER:
                raise failure from None

    def presign(self, path: str, method: Literal["GET", "PUT"], seconds: int) -> str | None:
        """A signed URL; none without the account's key."""
        if not self._access.key:
            return None
        return signed_url(
            self._endpoint,
            f"{self._container}/{_blob(path)}",
            account=self._access.account,
            key=self._access.key,
            permissions="r" if method == "GET" else "cw",
            seconds=seconds,
        )

    def close(self) -> None:
        """Nothing: the library closes its connections with the last reference to it."""

    def _opened(self, silence_seconds: float) -> AzureStore:
        """A client that knows what it was told, and nothing of this machine's environment and identity."""
        # Whatever is left away here, the library looks for in the environment.
        config: AzureConfig = {
            "account_name": self._access.account,
            "endpoint": self._endpoint,
            "use_emulator": False,
            "use_fabric_endpoint": False,
            "use_azure_cli": False,
            "skip_signature": not (self._access.key or self._access.sas),
            "disable_tagging": True,
        }
        patience = self._patience
        options: ClientConfig = {
            "allow_http": True,
            "connect_timeout": timedelta(seconds=min(_CONNECT_SECONDS, silence_seconds)),
            "read_timeout": timedelta(seconds=silence_seconds),
            "timeout": timedelta(hours=_HOURS),
        }
        if self._proxy is not None:
            options["proxy_url"] = self._proxy
        retry: RetryConfig = {
            "max_retries": patience.retries,
            "backoff": {"init_backoff": timedelta(seconds=patience.pause_seconds)},
            "retry_timeout": timedelta(seconds=(patience.retries + 1) * silence_seconds),
        }
        try:
            return AzureStore(
                self._container,
                config=config,
                client_options=options,
                retry_config=retry,
                credential_provider=self._credential,
            )
        except _FROM_LIBRARY:
            raise StorageRefused(
                f"az://{self._container}: the account's key, its signature or the endpoint is not of that form."
            ) from None

    def _credential(self) -> AzureAccessKey | AzureSASToken:
        if self._access.key:
            return {"access_key": self._access.key, "expires_at": None}
        return {"sas_token": self._access.sas.removeprefix("?"), "expires_at": None}

    def _write_parts(
        self, path: str, source: Path, size: int, attributes: Attributes, on_bytes: OnBytes | None
    ) -> None:
        part = max(_PART_BYTES, math.ceil(size / _MOST_PARTS / (1 << 20)) << 20)
        at_once = max(1, _UNDER_WAY_BYTES // part)
        slow = self._opened(self._patience.silence_seconds + at_once * part / _SLOWEST)
        raised: list[BaseException] = []
        try:
            obstore.put(
                slow,
                _blob(path),
                _blocks(source, size, on_bytes, raised),
                attributes=attributes,
                chunk_size=part,
                max_concurrency=at_once,
            )
        except BaseException:
            if raised:
                raise raised[0] from None
            raise

    def _require_nothing_at(self, path: str) -> None:
        try:
            self.stat(path)
        except StorageMissing as missing:
            if missing.param == CONTAINER:
                raise
            return
        raise StorageExists(f"{self._named(path)}: there is one already. Name another, or have it replaced.")

    def _fetched(self, path: str, start: int, end: int, etag: str | None) -> bytes:
        if end <= start:
            return b""
        options: GetOptions = {"range": (start, end)}
        if etag is not None:
            options["if_match"] = f'"{etag}"'
        try:
            return bytes(obstore.get(self._store, _blob(path), options=options).bytes())
        except _FROM_LIBRARY as error:
            status = status_of(error)
            if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return b""
            if etag and status == HTTPStatus.PRECONDITION_FAILED:
                raise StorageBroken(f"{self._named(path)} was changed while it was read: read it anew.") from None
            raise self._told(error, path, "read") from None

    def _explained(self, error: Exception, path: str) -> StorageError:
        """An answer to HEAD has no body, so a second question tells why it failed."""
        if status_of(error) == HTTPStatus.NOT_FOUND:
            try:
                next(iter(obstore.list(self._store, _blob(path), chunk_size=1)), None)
            except _FROM_LIBRARY as reason:
                return self._told(reason, path, "read")
        return self._told(error, path, "read")

    def _told(self, error: Exception, path: str, doing: str) -> StorageError:
        closed = refused(self._proxy) if self._proxy else None
        if closed:
            return AddressRefused(closed)
        anonymous = not (self._access.key or self._access.sas)
        return told(error, self._container, path, doing=doing, anonymous=anonymous)

    def _named(self, path: str) -> str:
        return f"az://{self._container}/{path}"


def _blocks(source: Path, size: int, on_bytes: OnBytes | None, raised: list[BaseException]) -> Iterator[bytes]:
    """A file's bytes; what the listener raises is kept, since the library tells it in its own words."""
    done = 0
    with source.open("rb", buffering=0) as file:
        while block := file.read(_PART_BYTES):
            done += len(block)
            try:
                if on_bytes is not None:
                    on_bytes(done, size)
            except BaseException as error:
                raised.append(error)
                raise
            yield block


def _stat(found: ObjectMeta, content_type: str | None) -> Stat:
    return Stat(
        path=found["path"],
        size=found["size"],
        etag=(found["e_tag"] or "").strip('"') or None,
        modified=found["last_modified"],
        content_type=content_type,
    )


def _nobody(_done: int, _size: int | None) -> None: ...


def _blob(path: str) -> str:
    """Raises `StorageRefused` where the library would take another name for it: it drops slashes at both ends."""
    if not path:
        raise StorageMissing("The address names a container and no blob in it: append one behind a slash.")
    if path.startswith("/"):
        raise StorageRefused(f"{path}: the farm cannot name a blob that begins with a slash.")
    return path
