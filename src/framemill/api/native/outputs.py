"""Routes of outputs: links to their files, which are fetched elsewhere."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from framemill.api.asked import Parts
from framemill.api.auth import TheCaller, needs
from framemill.api.documented import MISSING, documented
from framemill.api.native import exchange
from framemill.api.native import exchange_schemas as schemas
from framemill.api.urls import base_url
from framemill.services.outputs import LINK_SECONDS, Outputs
from framemill.services.playing import still_encoding

routes = APIRouter(prefix="/outputs", tags=["outputs"], dependencies=[Depends(needs("jobs:read"))])

Id = Annotated[str, Path(max_length=200)]
Seconds = Annotated[
    int, Query(ge=60, le=30 * 24 * 3600, description="How long the links are good.", alias="link_seconds")
]


@routes.get(
    "/{output_id}", summary="An output, with links to its files", responses={**MISSING, **documented("invalid_field")}
)
async def show(
    request: Request, output_id: Id, parts: Parts, caller: TheCaller, seconds: Seconds = LINK_SECONDS
) -> schemas.LinkedOutput:
    """Links are signed and need no key. One of a package opens all its files, by their relative addresses; a package
    that is still being encoded can be played as far as it goes."""
    outputs = Outputs(parts.database, parts.files, caller=caller, playing=still_encoding)
    shown = await asyncio.to_thread(outputs.shown, output_id)
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    return exchange.output(shown, parts.seals, base_url(request, parts), until)
