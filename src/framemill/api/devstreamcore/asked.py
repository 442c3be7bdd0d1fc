"""What this door's routes are handed, and how a video is told."""

import asyncio
from typing import Annotated, Any

from fastapi import Depends, Request

from framemill.api.asked import Parts, live_progress
from framemill.api.auth import TheCaller
from framemill.api.devstreamcore import mapping, standing
from framemill.api.door import door_url
from framemill.api.idempotency import TheIds
from framemill.jobs.states import JobState
from framemill.services.videos import ShownVideo, Videos
from framemill.services.watching import plays_early

DOOR_NAME = "devstreamcore"
MOUNT = f"/{DOOR_NAME}"
"""Where its clients look for it."""


async def _videos(parts: Parts, caller: TheCaller, ids: TheIds) -> Videos:
    desk = parts.desk_of(caller)
    return Videos(parts.database, parts.nudge, caller=caller, door=DOOR_NAME, ids=ids, desk=desk)


TheVideos = Annotated[Videos, Depends(_videos)]


async def told(request: Request, parts: Parts, videos: Videos, shown: ShownVideo) -> dict[str, Any]:
    """A video as of now: its progress with what the coordinator knows of it, and never less than was told before."""
    live = None
    if shown.job.state is JobState.ENCODING:
        live, _ = await live_progress(parts, shown.job.id)
    percent = await asyncio.to_thread(videos.progressed, shown, standing.percent(shown, live))
    early = await asyncio.to_thread(plays_early, parts.files, shown)
    return mapping.video(shown, door_url(request, MOUNT), percent, early=early)
