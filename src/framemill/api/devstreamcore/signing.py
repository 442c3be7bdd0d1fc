"""Routes of signing keys, and of the ids by which a video is played."""

import asyncio
import base64
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from framemill.api.asked import Parts
from framemill.api.auth import TheCaller, needs
from framemill.api.devstreamcore import ids, mapping
from framemill.api.devstreamcore.asked import TheVideos
from framemill.api.devstreamcore.schemas import Asked
from framemill.api.idempotency import TheIds
from framemill.jobs.accounts import SigningKey
from framemill.jobs.videos import Playback, Policy
from framemill.services.signing_keys import SigningKeys

routes = APIRouter(prefix="/v1")
_KEYS = [Depends(needs("keys"))]
_WRITE = [Depends(needs("jobs:write"))]


class NewPlayback(Asked):
    """A further id to play a video by."""

    policy: Policy = "public"


async def _signing_keys(parts: Parts, caller: TheCaller, made: TheIds) -> SigningKeys:
    return SigningKeys(parts.database, caller=caller, ids=made)


TheSigningKeys = Annotated[SigningKeys, Depends(_signing_keys)]


@routes.post("/signing-keys", status_code=201, dependencies=_KEYS)
async def make_key(keys: TheSigningKeys) -> dict[str, Any]:
    """A new pair; the private key is told this once."""
    key, private = await asyncio.to_thread(keys.made)
    return {**_key(key), "private_key": base64.b64encode(private.encode()).decode()}


@routes.get("/signing-keys", dependencies=_KEYS)
async def list_keys(keys: TheSigningKeys) -> dict[str, Any]:
    """Those that are good, oldest first."""
    return {"data": [_key(one) for one in await asyncio.to_thread(keys.listed)]}


@routes.delete("/signing-keys/{key_id}", status_code=204, dependencies=_KEYS)
async def revoke_key(key_id: str, keys: TheSigningKeys) -> None:
    """What it has signed opens nothing any more."""
    await asyncio.to_thread(keys.revoked, ids.signing_key_of(key_id))


@routes.post("/videos/{video_id}/playback-ids", status_code=201, dependencies=_WRITE)
async def make_playback(video_id: str, asked: NewPlayback, videos: TheVideos) -> dict[str, Any]:
    """A further id, with a policy of its own; the video's policy stays that of its first one."""
    return playback(await asyncio.to_thread(videos.playback_added, ids.video_of(video_id), asked.policy))


@routes.delete("/videos/{video_id}/playback-ids/{play_id}", status_code=204, dependencies=_WRITE)
async def drop_playback(video_id: str, play_id: str, videos: TheVideos) -> None:
    """Whoever plays by it is stopped at once."""
    await asyncio.to_thread(videos.playback_removed, ids.video_of(video_id), ids.playback_of(play_id))


def playback(found: Playback) -> dict[str, Any]:
    """A playback in DevStreamCore's words."""
    return {"id": ids.playback_id(found.id), "policy": found.policy, "created_at": mapping.moment(found.created_at)}


def _key(found: SigningKey) -> dict[str, Any]:
    return {"id": ids.signing_key_id(found.id), "created_at": mapping.moment(found.created_at)}
