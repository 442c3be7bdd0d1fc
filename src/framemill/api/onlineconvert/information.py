"""Routes of what is the same for everybody."""

from typing import Any

from fastapi import APIRouter

from framemill.api.onlineconvert import statuses

routes = APIRouter()


@routes.get("/statuses")
async def show_statuses() -> list[dict[str, Any]]:
    """What a job's status may be."""
    return [dict(statuses.told(code)) for code in statuses.CODES]
