"""Fetches an http(s) source to the local disk: seeking over http would read it many times over."""

from collections.abc import Callable
from pathlib import Path

import httpx

from framemill.errors import SourceMissing

_PATIENCE = httpx.Timeout(30.0)
_BLOCK = 1 << 20


def is_remote(uri: str) -> bool:
    """Whether a source must be fetched."""
    return uri.startswith(("http://", "https://"))


async def fetch(url: str, path: Path, on_bytes: Callable[[int, int | None], None] | None = None) -> None:
    """Write the body to `path`; `on_bytes` hears (bytes so far, bytes in all if known).

    Raises `SourceMissing` when the server does not give it, whole, within 30 s of silence.
    """
    try:
        async with (
            httpx.AsyncClient(follow_redirects=True, timeout=_PATIENCE) as client,
            client.stream("GET", url) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise SourceMissing(f"{url} answered {response.status_code} {response.reason_phrase}.")
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
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceMissing(f"{url} could not be fetched: {str(error) or type(error).__name__}.") from None
