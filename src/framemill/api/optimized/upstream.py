"""What is asked of the media server before a film is taken in."""

from http import HTTPStatus

import httpx

from framemill.api.optimized.tokens import shown_as

_SECONDS = 5.0
_HAD = frozenset({HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT})


async def can_be_had(url: str, token: str) -> bool:
    """Whether what is there can be fetched with that token: by its first byte."""
    headers = {**shown_as(token), "Range": "bytes=0-0", "Accept-Encoding": "identity"}
    try:
        async with (
            httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            return answer.status_code in _HAD
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
