"""Asks Google Drive's interface (https://developers.google.com/workspace/drive/api/reference/rest/v3), and again where
that may help. The token goes where the interface is, and nowhere else."""

import contextlib
import threading
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx

from framemill.errors import StorageBroken, StorageError, StorageRefused, StorageUnreachable
from framemill.storage.access import DriveAccess
from framemill.storage.googleerrors import reason_of, told
from framemill.storage.guard import GuardedSyncTransport, Reach
from framemill.storage.opening import Patience

_BASE = "https://www.googleapis.com"


class DriveClient:
    """Answers of the interface. Raises the errors of `storage.base`; `what` names in them what it is about."""

    def __init__(self, access: DriveAccess, reach: Reach | None, patience: Patience) -> None:
        self._base = (access.base_url or _BASE).rstrip("/")
        self._token = access.token
        self.patience = patience
        try:
            origin = httpx.URL(self._base)
        except httpx.InvalidURL:
            origin = httpx.URL("")
        if origin.scheme not in {"http", "https"} or not origin.host:
            raise StorageRefused("The base URL of Google Drive has to begin with http:// or https:// and name a host.")
        self._origin = origin.scheme, origin.host, origin.port
        self._client = httpx.Client(
            transport=None if reach is None else GuardedSyncTransport(reach),
            trust_env=reach is None,
            timeout=patience.silence_seconds,
        )

    def url(self, path: str) -> str:
        """Of something in the interface."""
        return f"{self._base}{path}"

    def asked(self, method: str, url: str, what: str, doing: str, **request: Any) -> httpx.Response:
        """A whole answer that is no refusal (308 is none); asked a few times where the trouble may pass."""
        for left in reversed(range(self.patience.retries + 1)):
            try:
                with self.answered(method, url, what, doing, **request) as answer:
                    answer.read()
                    return answer
            except (StorageUnreachable, StorageBroken):
                if not left:
                    raise
            self.pause(self.patience.retries - left)
        raise AssertionError("the last one returns or raises")

    @contextlib.contextmanager
    def answered(self, method: str, url: str, what: str, doing: str, **request: Any) -> Iterator[httpx.Response]:
        """An answer whose body is still to come."""
        headers = dict(request.pop("headers", {}))
        with self._explained(what):
            asked = self._client.build_request(method, url, headers=headers, **request)
            if (asked.url.scheme, asked.url.host, asked.url.port) == self._origin:
                asked.headers["Authorization"] = f"Bearer {self._token}"
            answer = self._client.send(asked, stream=True)
            try:
                if not answer.is_success and answer.status_code != HTTPStatus.PERMANENT_REDIRECT:
                    answer.read()
                    raise _refusal(answer, what, doing)
                yield answer
            finally:
                answer.close()

    def pause(self, number: int) -> None:
        """Before a further try, the longer the more there were."""
        threading.Event().wait(self.patience.pause_seconds * 2**number)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException:
            silence = self.patience.silence_seconds
            raise StorageUnreachable(
                f"{what}: Google Drive has been silent for {silence:g} s. Try again later."
            ) from None
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError, httpx.DecodingError):
            raise StorageBroken(f"{what}: Google Drive broke off in the middle. Try again.") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise StorageUnreachable(f"{what}: Google Drive cannot be reached. Try again later.") from None


def _refusal(answer: httpx.Response, what: str, doing: str) -> StorageError:
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return StorageRefused(
            f"{what}: the token for Google Drive has expired, or was withdrawn. The farm cannot renew it: get a new"
            " one, and ask again with that."
        )
    try:
        reason = reason_of(answer.json())
    except ValueError:
        reason = ""
    return told(what, answer.status_code, reason, doing=doing, who="this token")
