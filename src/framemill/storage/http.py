"""Fetches an http(s) source to the local disk: seeking over http would read it many times over."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from framemill.errors import SourceMissing, SourceRefused, SourceUnreachable

_SILENCE = 30.0  # seconds
_PATIENCE = httpx.Timeout(_SILENCE)
_CHECK = "Check the address."
_OPEN = "It needs credentials: put them into the address, or make it readable."
_REFUSALS = {
    400: (SourceRefused, _CHECK),
    401: (SourceRefused, _OPEN),
    403: (SourceRefused, _OPEN),
    404: (SourceMissing, _CHECK),
    405: (SourceRefused, _CHECK),
    410: (SourceMissing, "It is gone for good."),
}
_BLOCK = 1 << 20


def is_remote(uri: str) -> bool:
    """Whether a source must be fetched."""
    return uri.startswith(("http://", "https://"))


def is_loopback(url: str) -> bool:
    """Whether who answers at this URL is on this machine."""
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


async def fetch(url: str, path: Path, on_bytes: Callable[[int, int | None], None] | None = None) -> None:
    """Write the body to `path`; `on_bytes` hears (bytes so far, bytes in all if known).

    Raises `SourceMissing`, `SourceRefused` or `SourceUnreachable` when the server does not give it, whole, without
    30 s of silence.
    """
    try:
        async with (
            httpx.AsyncClient(follow_redirects=True, timeout=_PATIENCE) as client,
            client.stream("GET", url) as response,
        ):
            if response.status_code != httpx.codes.OK:
                kind, then = _REFUSALS.get(response.status_code, (SourceUnreachable, "Try again later."))
                raise kind(f"{url} answered {response.status_code} {response.reason_phrase}. {then}")
            # A compressed body's length is not the file's.
            encoded = "content-encoding" in response.headers
            total = None if encoded else int(response.headers.get("content-length", 0)) or None
            done = 0
            with path.open("wb") as file:
                async for block in response.aiter_bytes(_BLOCK):
                    file.write(block)
                    done += len(block)
                    if on_bytes is not None:
                        on_bytes(done, total)
    except httpx.InvalidURL as error:
        raise SourceMissing(f"{url} is no URL: {error}.") from None
    except httpx.TimeoutException:
        raise SourceUnreachable(f"{url} has been silent for {_SILENCE:g} s. Try again later.") from None
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        raise SourceUnreachable(f"{url} could not be fetched: {why}. Check the address, and try again.") from None
