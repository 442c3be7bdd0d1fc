"""Sends one message over HTTP, and tells what was answered; it decides nothing."""

import asyncio
import email.utils
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

import httpx

from framemill import __version__
from framemill.errors import AddressRefused
from framemill.jobs.telling import Try
from framemill.policy.callbacks import Answer
from framemill.secrets import mask, secrets_of
from framemill.storage.guard import GuardedTransport, Reach

RESPONSE_BYTES = 2048
"""Of an answer's body that are read and kept."""
AGENT = f"Framemill/{__version__}"


class Send(Protocol):
    """Sends a message once, and tells what came of it; whatever goes wrong outside is an answer, too."""

    async def __call__(
        self, url: str, body: bytes, headers: Mapping[str, str], seconds: float, reach: Reach | None
    ) -> tuple[Answer, Try]:
        """Within `seconds`, and to where `reach` allows; none: anywhere."""
        ...


class HttpSend:
    """By POST: no redirect is followed, no proxy of the environment asked, no cookie kept."""

    def __init__(self) -> None:
        self._clients: dict[Reach | None, httpx.AsyncClient] = {}

    async def __call__(
        self, url: str, body: bytes, headers: Mapping[str, str], seconds: float, reach: Reach | None
    ) -> tuple[Answer, Try]:
        """Within `seconds` from the first look at its name to the end of its answer."""
        at, began = datetime.now(UTC), time.monotonic()
        error, status, read, again = None, None, b"", None
        sent = {"User-Agent": AGENT, "Content-Type": "application/json", **headers}
        try:
            async with (
                asyncio.timeout(seconds),
                self._client(reach).stream("POST", url, content=body, headers=sent, timeout=seconds) as response,
            ):
                status = response.status_code
                again = _seconds(response.headers.get("retry-after"), at)
                async for block in response.aiter_raw(RESPONSE_BYTES):
                    read += block
                    if len(read) >= RESPONSE_BYTES:
                        break
        except (TimeoutError, httpx.TimeoutException):
            error = f"no answer within {seconds:g} s" if status is None else f"no end of it within {seconds:g} s"
        except (AddressRefused, httpx.HTTPError, httpx.InvalidURL, ValueError) as failed:
            error = mask(str(failed), secrets_of(url)) or type(failed).__name__
        told = Try(
            at=at,
            status=status,
            error=error,
            seconds=round(time.monotonic() - began, 3),
            response=mask(_text(read[:RESPONSE_BYTES]), secrets_of(url)) or None,
        )
        return Answer(status, again), told

    async def close(self) -> None:
        """Close what is open."""
        for client in self._clients.values():
            await client.aclose()

    def _client(self, reach: Reach | None) -> httpx.AsyncClient:
        if reach not in self._clients:
            transport = None if reach is None else GuardedTransport(reach)
            self._clients[reach] = httpx.AsyncClient(transport=transport, follow_redirects=False, trust_env=False)
        return self._clients[reach]


def _text(read: bytes) -> str:
    """As it can be stored: databases take no NUL."""
    return read.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    """`Retry-After` in seconds: it says a number of them, or a date."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (email.utils.parsedate_to_datetime(retry_after) - now).total_seconds())
    except (ValueError, TypeError):
        return None
