"""Routes of the farm as a whole."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends

from framemill.api.auth import needs
from framemill.api.errors import DOCUMENTED
from framemill.api.native import mapping, schemas
from framemill.api.native.asked import Parts, live_status
from framemill.services.farm import pause, standing

routes = APIRouter(prefix="/farm", tags=["farm"], dependencies=[Depends(needs("farm:read"))], responses=DOCUMENTED)

WRITES = Depends(needs("farm:write"))


@routes.get("", summary="How the farm stands")
async def show(parts: Parts) -> schemas.Farm:
    """What the store knows, and what the coordinator tells, where it answers."""
    reading = asyncio.to_thread(standing, parts.database, datetime.now(UTC))
    known, (live, message) = await asyncio.gather(reading, live_status(parts))
    return mapping.farm(known, live, message)


@routes.post("/pause", summary="Start nothing more", dependencies=[WRITES])
async def pause_farm(parts: Parts) -> schemas.Farm:
    """What runs goes on. The farm stays paused until it is resumed, whatever is restarted meanwhile."""
    await asyncio.to_thread(pause, parts.database, parts.nudge, paused=True)
    return await show(parts)


@routes.post("/resume", summary="Go on", dependencies=[WRITES])
async def resume_farm(parts: Parts) -> schemas.Farm:
    """Work that waits is started again."""
    await asyncio.to_thread(pause, parts.database, parts.nudge, paused=False)
    return await show(parts)


@routes.post("/gc", summary="Throw away what nobody needs", dependencies=[WRITES])
async def collect(parts: Parts, asked: schemas.CollectAsked | None = None) -> dict[str, Any]:
    """With `dry_run`: only tell what would be."""
    return await parts.farm.gc(dry_run=asked is not None and asked.dry_run)


@routes.post("/drain", summary="Let what runs come to its end", dependencies=[WRITES])
async def drain(parts: Parts, asked: schemas.DrainAsked | None = None) -> dict[str, Any]:
    """Start nothing more and wait for the chunks that are encoded; jobs go on when the farm does."""
    return await parts.farm.drain((asked or schemas.DrainAsked()).seconds)
