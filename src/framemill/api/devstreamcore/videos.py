"""Routes of videos."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from framemill.api.asked import Parts
from framemill.api.auth import needs
from framemill.api.devstreamcore import ids, mapping, schemas, standing
from framemill.api.devstreamcore.asked import MOUNT, TheVideos, told
from framemill.api.door import door_url
from framemill.api.strict import Text

routes = APIRouter(prefix="/v1/videos", dependencies=[Depends(needs("jobs:read"))])
WRITES = [Depends(needs("jobs:write"))]

Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[Text | None, Query(max_length=200)]
Asked = Annotated[Text | None, Query(max_length=500)]


@routes.post("", status_code=201, dependencies=WRITES)
async def create(asked: schemas.NewVideo, videos: TheVideos, request: Request, parts: Parts) -> dict[str, Any]:
    """A video from a URL: it is fetched, and encoded, behind the answer."""
    made = await asyncio.to_thread(videos.made, *mapping.of_url(asked, door_url(request, MOUNT)))
    return await told(request, parts, videos, made)


@routes.get("")
async def listed(  # noqa: PLR0917 - FastAPI passes them by name
    videos: TheVideos,
    request: Request,
    limit: Limit = 25,
    cursor: Cursor = None,
    status: schemas.Status | None = None,
    q: Asked = None,
) -> dict[str, Any]:
    """Newest first. With `q`, one page of those in whose title, description or tags each of its words is."""
    words = tuple((q or "").split())
    after = None if cursor is None or words else mapping.behind(cursor)
    found, last = await asyncio.to_thread(videos.listed, standing.wanted_of(status, words), limit, after)
    return mapping.page(found, None if words else last, door_url(request, MOUNT))


@routes.get("/{video_id}")
async def show(video_id: str, videos: TheVideos, request: Request, parts: Parts) -> dict[str, Any]:
    """A video as it stands."""
    return await told(request, parts, videos, await asyncio.to_thread(videos.shown, ids.video_of(video_id)))


@routes.patch("/{video_id}", dependencies=WRITES)
async def change(
    video_id: str, asked: schemas.VideoChanges, videos: TheVideos, request: Request, parts: Parts
) -> dict[str, Any]:
    """Other words for it."""
    shown = await asyncio.to_thread(videos.changed, ids.video_of(video_id), mapping.changes(asked))
    return await told(request, parts, videos, shown)


@routes.delete("/{video_id}", status_code=204, dependencies=WRITES)
async def remove(video_id: str, videos: TheVideos, parts: Parts) -> None:
    """Nobody finds or plays it from now on, and nobody works on it; its files go."""
    gone = await asyncio.to_thread(videos.removed, ids.video_of(video_id))
    await asyncio.to_thread(videos.tidied, gone, parts.files)


@routes.post("/{video_id}/reprocess", status_code=202, dependencies=WRITES)
async def reprocess(video_id: str, videos: TheVideos, request: Request, parts: Parts) -> dict[str, Any]:
    """Once more, under the same ids and URLs: what there is of it is played until the new one is verified."""
    return await told(request, parts, videos, await asyncio.to_thread(videos.again, ids.video_of(video_id)))
