"""What the routes answer with."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from framemill.api.onlineconvert import mapping
from framemill.api.onlineconvert.servers import server_of, uri_of
from framemill.api.onlineconvert.tokens import token_of
from framemill.api.parts import ApiParts
from framemill.sealing import Seals
from framemill.services.jobs import Shown


def told(request: Request, shown: Shown) -> dict[str, Any]:
    """A job."""
    return mapping.job(shown, telling_of(request, shown))


def telling_of(request: Request, shown: Shown) -> mapping.Telling:
    """What a job is told with."""
    parts: ApiParts = request.app.state.parts
    return telling(parts.seals, server_of(request), shown)


def telling(seals: Seals, server: str, shown: Shown) -> mapping.Telling:
    """The same, by where its client sends and fetches bytes."""
    return mapping.Telling(
        token=token_of(seals, shown.job.id), server=server, uri=partial(uri_of, seals, server), now=datetime.now(UTC)
    )


def listed(found: Sequence[Any], *, count: int | None = None, empty: int = 200) -> Response:
    """A list; `count`: how many there are in all; `empty`: the status of none at all."""
    headers = {"X-Count": str(len(found) if count is None else count)}
    if not found and empty == 204:  # noqa: PLR2004
        return Response(status_code=empty, headers=headers)
    return JSONResponse(list(found), headers=headers)
