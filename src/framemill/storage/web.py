"""A web server, to read from."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Literal

import httpx

from framemill.errors import StorageBroken, StorageError, StorageMissing, StorageRefused, StorageUnreachable
from framemill.storage.access import Access, HttpAccess
from framemill.storage.address import Address
from framemill.storage.base import OnBytes, Sending, Stat
from framemill.storage.guard import GuardedSyncTransport, Reach
from framemill.storage.opening import Patience

_CONNECT_SECONDS = 10.0
_MOST_REDIRECTS = 10
_PARTIAL, _NO_SUCH_RANGE = HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
_ONLY_READ = "The farm only reads from web servers: name an object store, an FTP or an SFTP server."


def opened(address: Address, access: Access | None, reach: Reach | None, patience: Patience) -> "WebStore":
    """The server that the address names."""
    return WebStore(address, access if isinstance(access, HttpAccess) else HttpAccess(), reach, patience)


class WebStore:
    """A server's files, by path and query as they stand in the URL; no message repeats a query: it may be a secret."""

    def __init__(self, address: Address, access: HttpAccess, reach: Reach | None, patience: Patience) -> None:
        self._base = httpx.URL(f"{address.scheme}://{address.host}/")
        self._patience = patience
        self.landed = ""
        """Where the last thing that was asked for was found in the end, behind all redirects."""
        self._own_headers = tuple(access.headers)
        self._alone = access.alone
        user, password = (access.user, access.password) if access.user else (address.user, address.password)
        self._client = httpx.Client(
            auth=httpx.BasicAuth(user, password) if user or password else None,
            # As it lies there: of a packed body neither length nor ranges are the file's.
            headers={"Accept-Encoding": "identity", **access.headers},
            follow_redirects=True,
            max_redirects=_MOST_REDIRECTS,
            timeout=httpx.Timeout(patience.silence_seconds, connect=min(_CONNECT_SECONDS, patience.silence_seconds)),
            transport=None if reach is None else GuardedSyncTransport(reach),
            trust_env=False,
            event_hooks={"request": [self._keep_from_others]},
        )

    def stat(self, path: str) -> Stat:
        """By asking for the first byte: many servers refuse HEAD, and every URL that is signed for GET does."""
        with self._asked(path, "bytes=0-0") as answer:
            return _stat(path, answer)

    def read(self, path: str, start: int, end: int) -> bytes:
        """Some of its bytes, also of a server that knows no ranges, and sends all."""
        found = bytearray()
        if end > start:
            with self._asked(path, f"bytes={start}-{end - 1}") as answer, self._explained(path):
                for block in _blocks(answer, start):
                    found += block[: end - start - len(found)]
                    if len(found) == end - start:
                        break
                due = _size(answer)
                if due is not None and len(found) < min(end, due) - start:
                    raise StorageBroken(f"{self._named(path)} broke off in the middle. Try again later.")
        return bytes(found)

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Its bytes; where the connection breaks, from there on over a new one, if it is still the same thing."""
        done, first, failures = start, None, 0
        while True:
            try:
                with self._asked(path, f"bytes={done}-" if done else None) as answer, self._explained(path):
                    found = _stat(path, answer)
                    first = first or found
                    if (found.size, found.etag, found.modified) != (first.size, first.etag, first.modified):
                        raise _Changed(f"{self._named(path)} was changed while it was read: read it anew.")
                    for block in _blocks(answer, done):
                        done, failures = done + len(block), 0
                        yield block
                if first.size is None or done >= first.size:
                    return
                raise StorageBroken(f"{self._named(path)} broke off in the middle. Try again later.")
            except _Changed:
                raise
            except (StorageBroken, StorageUnreachable) as error:
                failures += 1
                most = 1 if isinstance(error, _Silent) else self._patience.retries
                # Without a size nobody knows how much is missing, nor whether it is the same the next time.
                if first is None or first.size is None or failures > most:
                    raise
                self._pause(failures)

    def write(self, path: str, source: Path, sending: Sending, on_bytes: OnBytes | None = None) -> Stat:
        """Refused."""
        raise StorageRefused(_ONLY_READ)

    def list(self, prefix: str) -> Iterator[Stat]:
        """Refused: a web server has no list of its files that all of them write alike."""
        raise StorageRefused(f"{self._named(prefix)} cannot be listed: name every file of a web server by itself.")

    def delete(self, path: str) -> None:
        """Refused."""
        raise StorageRefused(_ONLY_READ)

    def presign(self, path: str, method: Literal["GET", "PUT"], seconds: int) -> str | None:
        """None: it signs nothing."""
        return None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextmanager
    def _asked(self, path: str, wanted: str | None) -> Iterator[httpx.Response]:
        """An answer that has the file, or a range of it, or says that it has no such range."""
        answer = self._answer(path, {} if wanted is None else {"Range": wanted})
        try:
            yield answer
        finally:
            answer.close()

    def _answer(self, path: str, headers: dict[str, str]) -> httpx.Response:
        request = self._client.build_request("GET", self._url(path), headers=headers)
        failures = 0
        while True:
            try:
                with self._explained(path):
                    answer = self._client.send(request, stream=True)
                if answer.is_success or answer.status_code == _NO_SUCH_RANGE:
                    self.landed = str(answer.url)
                    return answer
                answer.close()
                raise self._refusal(path, answer.status_code)
            except _Silent:  # it has had its time: the next try is up to whoever asked for the file
                raise
            except (StorageUnreachable, StorageBroken):
                failures += 1
                if failures > self._patience.retries:
                    raise
            self._pause(failures)

    def _refusal(self, path: str, status: int) -> StorageError:
        what = self._named(path)
        if status in {404, 410}:
            return StorageMissing(f"{what} answered {status}: there is no such file. Check the address.")
        if status in {401, 403}:
            return StorageRefused(
                f"{what} answered {status}: it needs other credentials, or its signature has expired. Check both."
            )
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return StorageUnreachable(f"{what} answered {status}: the server is in trouble. Try again later.")
        return StorageRefused(f"{what} answered {status}. Check the address.")

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        what = self._named(path)
        try:
            yield
        except httpx.ConnectTimeout:
            limit = f"{min(_CONNECT_SECONDS, self._patience.silence_seconds):g} s"
            raise _Silent(f"{what} could not be reached in {limit}. Check the address; try again.") from None
        except httpx.TimeoutException:
            limit = f"{self._patience.silence_seconds:g} s"
            raise _Silent(f"{what} has been silent for {limit}. Try again later.") from None
        except httpx.TooManyRedirects:
            raise StorageBroken(f"{what} leads from one address to the next without end. Check it.") from None
        except (httpx.ReadError, httpx.RemoteProtocolError):
            raise StorageBroken(f"{what} broke off in the middle. Try again later.") from None
        except httpx.UnsupportedProtocol:
            raise StorageBroken(f"{what} leads to something else than a web server. Check it.") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = type(error).__name__
            raise StorageUnreachable(f"{what} could not be reached ({why}). Check the address; try again.") from None

    def _pause(self, failures: int) -> None:
        threading.Event().wait(self._patience.pause_seconds * 2 ** (failures - 1))

    def _keep_from_others(self, request: httpx.Request) -> None:
        """What the caller says to this server is said to no other one that it leads to."""
        if (request.url.scheme, request.url.netloc) != (self._base.scheme, self._base.netloc):
            if self._alone:
                raise StorageRefused(f"{self._base} leads to another server, {request.url.host}, where nobody may go.")
            for name in self._own_headers:
                request.headers.pop(name, None)

    def _url(self, path: str) -> str:
        return f"{self._base}{path}"

    def _named(self, path: str) -> str:
        return self._url(path.partition("?")[0])


class _Changed(StorageBroken):
    """Not the thing any more whose first bytes were read."""


class _Silent(StorageUnreachable):
    """Nothing came for as long as it is waited for."""


def _size(answer: httpx.Response) -> int | None:
    """Of the whole file."""
    headers = answer.headers
    if "content-encoding" in headers:
        return None
    if answer.status_code in {_PARTIAL, _NO_SUCH_RANGE}:
        total = headers.get("content-range", "").rpartition("/")[2]
        return int(total) if total.isdigit() else None
    length = headers.get("content-length", "")
    return int(length) if length.isdigit() else None


def _stat(path: str, answer: httpx.Response) -> Stat:
    headers = answer.headers
    return Stat(
        path=path,
        size=_size(answer),
        etag=headers.get("etag"),
        modified=_date(headers.get("last-modified", "")),
        content_type=headers.get("content-type"),
    )


def _date(written: str) -> datetime | None:
    try:
        return parsedate_to_datetime(written)
    except ValueError:
        return None


def _blocks(answer: httpx.Response, start: int) -> Iterator[bytes]:
    """Its bytes from there on; what a server that knows no ranges sends before is passed over."""
    if answer.status_code == _NO_SUCH_RANGE:
        return
    skip = start
    if answer.status_code == _PARTIAL:
        first = answer.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0].strip()
        if first != str(start):
            raise StorageBroken("The server sent another range than it was asked for. Try again later.")
        skip = 0
    for block in answer.iter_bytes():  # as they come: what is gathered first is lost where the connection breaks
        if skip < len(block):
            yield block[skip:] if skip else block
        skip = max(0, skip - len(block))
