"""Asks a farm's front door, in a thread and with nothing but the standard library: the supervisor stays small."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - names them, binds none


@dataclass(frozen=True, slots=True)
class Answer:
    """What the front door said."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether it did what it was asked."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own numbers

    def json(self) -> Any:
        """The body; None where it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def local_url(host: str, port: int) -> str:
    """Where a client on this machine finds a server that listens on that address."""
    reached = _WILDCARDS.get(host, host)
    return f"http://{f'[{reached}]' if ':' in reached else reached}:{port}"


def ask(
    url: str, method: str, path: str, *, key: str | None = None, body: Any = None, timeout_seconds: float = 5.0
) -> Answer:
    """One question. Raises OSError when nobody answers in time, `ConnectionRefusedError` when nobody listens."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=timeout_seconds)
    headers = {"Connection": "close", **({} if key is None else {"Authorization": f"Bearer {key}"})}
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers["Content-Type"] = "application/json"
    try:
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read())
    except http.client.HTTPException as error:
        raise ConnectionError(f"{url} does not speak HTTP: {error!r}") from error
    finally:
        connection.close()


def is_ready(url: str) -> bool:
    """Whether the farm takes and runs jobs."""
    return _is_well(url, "/readyz")


def is_alive(url: str) -> bool:
    """Whether the front door answers."""
    return _is_well(url, "/healthz")


def _is_well(url: str, path: str) -> bool:
    try:
        return ask(url, "GET", path).ok
    except OSError:
        return False
