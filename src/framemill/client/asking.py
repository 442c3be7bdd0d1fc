"""Asks a farm over HTTP: again while nobody answers, and what it refuses is raised as the error that it is."""

import math
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError

from framemill.api.codes import ERRORS
from framemill.api.native import schemas
from framemill.api.native.words import Asked, Told
from framemill.api.paths import NATIVE_V1
from framemill.errors import FarmError, FramemillError, WrongUse
from framemill.services.proof import HEADER
from framemill.storage.http import is_loopback

T = TypeVar("T", bound=Told)

_RESTARTING = {502, 503, 504}
_STILL_UNDER_WAY = "idempotency_in_progress"
_LASTING = (httpx.ReadTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0


class Line:
    """A line to a farm at a URL, opened by `key`. Safe to share between threads."""

    def __init__(
        self,
        url: str,
        key: str | None,
        *,
        timeout_seconds: float,
        patience_seconds: float,
        transport: httpx.BaseTransport | None,
        sleep: Callable[[float], None],
        proof: Callable[[], str | None],
    ) -> None:
        self.url = url.rstrip("/")
        self.timeout = timeout_seconds
        self.patience = patience_seconds
        self.sleep = sleep
        self._proof = proof
        trust = not is_loopback(url)  # a proxy of the network has no way to this machine's own farm
        self.http = httpx.Client(
            base_url=f"{self.url}{NATIVE_V1}",  # at the root there may be another door
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
            timeout=timeout_seconds,
            transport=transport,
            trust_env=trust,
        )
        # Signed links carry their own permission, and the key is nobody else's business.
        self.links = httpx.Client(timeout=timeout_seconds, transport=transport, trust_env=trust, follow_redirects=True)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()
        self.links.close()

    def told(
        self,
        kind: type[T],
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        *,
        once: bool = False,
    ) -> T:
        """The answer, read; see `asked`. Raises `FarmError` where it is none of a farm's."""
        answer = self.asked(method, path, body, params, once=once)
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError:
            raise FarmError(f"{self.url} answers, but is no farm of Framemill, or of a release too far off.") from None

    def asked(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float | None = None,
        once: bool = False,
    ) -> httpx.Response:
        """The farm's answer. What does no harm when it is done twice is tried again while nobody answers.

        That is reading; and what is asked under a key that makes the farm do it `once`, however often it is asked.
        """
        headers = {"Idempotency-Key": uuid.uuid4().hex} if once else {}
        if method != "GET" and (shown := self._proof()) is not None:
            headers[HEADER] = shown
        until = time.monotonic() + (self.patience if once or method == "GET" else 0.0)
        pause = _FIRST_PAUSE_SECONDS
        while True:
            last = time.monotonic() + pause > until
            try:
                timeout = self.timeout if seconds is None else seconds
                answer = self.http.request(method, path, json=body, params=params, headers=headers, timeout=timeout)
            except (httpx.TransportError, httpx.InvalidURL) as error:
                if last or isinstance(error, _LASTING):
                    raise FarmError(silence(self.url, error)) from None
            else:
                if answer.is_success:
                    return answer
                refused = error_of(self.url, answer)
                if last or not (answer.status_code in _RESTARTING or _is_under_way(answer)):
                    raise refused
            self.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def body_of(kind: type[Asked], given: Asked | Mapping[str, Any]) -> Any:
    """As JSON, with what was named only: the farm has its own defaults. A mapping is the farm's to judge."""
    if isinstance(given, Mapping):
        return dict(given)
    return given.model_dump(mode="json", exclude_unset=True)


def object_of(answer: httpx.Response) -> dict[str, Any]:
    """An answer that is an object without a form of its own."""
    found: dict[str, Any] = answer.json()
    return found


def silence(url: str, error: Exception) -> str:
    """What is to be said where nobody answers."""
    if isinstance(error, httpx.ReadTimeout):
        return f"The farm at {url} was asked and has not answered in time. See `framemill status`."
    why = str(error) or type(error).__name__
    return f"No farm answers at {url}: {why}. Start one with `framemill up`, or name another with --server."


def error_of(url: str, answer: httpx.Response) -> FramemillError:
    """What the farm refused, as the error it is."""
    try:
        told = schemas.ErrorEnvelope.model_validate_json(answer.content).error
    except ValidationError:
        return FarmError(f"{url} answered {answer.status_code} {answer.reason_phrase}: is a farm behind it?")
    usual = WrongUse if answer.is_client_error else FarmError
    kind = ERRORS.get(told.code, usual)
    error = (usual if kind is FramemillError else kind)(told.message)
    error.param = told.param
    return error


def _is_under_way(answer: httpx.Response) -> bool:
    return answer.status_code == httpx.codes.CONFLICT and _STILL_UNDER_WAY.encode() in answer.content


class Pauses:
    """Tries of something long: given up after so many in a row that brought nothing."""

    MOST = 6

    def __init__(self) -> None:
        self._failed = 0

    def went_on(self) -> None:
        """Something was brought: the next failure is the first one again."""
        self._failed = 0

    def next(self) -> float | None:
        """Seconds to wait before the next try; none: it is given up."""
        self._failed += 1
        return None if self._failed > self.MOST else 0.2 * math.pow(2, self._failed - 1)
