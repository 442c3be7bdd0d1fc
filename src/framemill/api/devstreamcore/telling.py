"""What DevStreamCore tells the world of videos, and how it signs that. Pure but for what it reads."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeAlias

from framemill.api.devstreamcore import ids, mapping
from framemill.jobs.model import CallbackPolicy
from framemill.jobs.telling import Message
from framemill.services.schemes import Occasion, Scheme
from framemill.services.videos import ShownVideo, video_of_shown

Event: TypeAlias = Literal[
    "upload.finalized", "video.created", "video.progress", "video.ready", "video.errored", "video.deleted"
]

HEARS: Mapping[Event, tuple[str, ...]] = {
    "upload.finalized": ("job.uploaded",),
    "video.created": ("job.created",),
    "video.progress": (
        *("job.ingesting", "job.planning", "job.encoding"),
        *("job.stitching", "job.packaging", "job.delivering"),
    ),
    "video.ready": ("job.completed",),
    "video.errored": ("job.failed", "job.cancelled"),
    "video.deleted": ("job.withdrawn",),
}
"""What has to happen to a video's job for each event; no two have any of it in common."""

USUAL: tuple[Event, ...] = ("upload.finalized", "video.created", "video.ready", "video.errored", "video.deleted")
"""What is told where nothing else was asked for."""

_FIRST_PAUSE_SECONDS, _TRIES = 4.0, 14
POLICY = CallbackPolicy(
    scheme="devstreamcore",
    timeout_seconds=5.0,
    # Each twice as long as the one before; with the spread of up to a fifth not quite a day in all.
    retry_seconds=tuple(_FIRST_PAUSE_SECONDS * 2**rank for rank in range(_TRIES)),
)
"""Of a webhook of this door."""


_OF: Mapping[str, Event] = {kind: event for event, kinds in HEARS.items() for kind in kinds}


def event_of(occasion: Occasion) -> Event | None:
    """What happened to the video; none: nothing that is told."""
    found: ShownVideo | None = occasion.facts
    event = _OF.get(occasion.kind)
    if found is None or (found.video.withdrawn_at is not None and event != "video.deleted"):
        return None  # of a video that is deleted, its owner has heard that
    return event


def body(occasion: Occasion) -> str | None:
    """`{id, type, created_at, data}`: `data` is the Video as GET shows it; its id is the same at every try."""
    event, found = event_of(occasion), occasion.facts
    if event is None:
        return None
    told = {
        "id": ids.event_id(found.job.id, occasion.number or 0),
        "type": event,
        "created_at": mapping.moment(occasion.at),
        "data": mapping.video(found, found.job.door_data.get(mapping.DOOR, ""), mapping.furthest(found)),
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def headers(message: Message, secrets: Sequence[str], now: datetime) -> Mapping[str, str]:
    """`DevStream-Signature: t=…,v1=…`, with a `v1` for each secret that is good."""
    at = int(now.timestamp())
    signed = [f"v1={signature(secret, at, message.body)}" for secret in secrets]
    return {"DevStream-Signature": ",".join([f"t={at}", *signed])}


def signature(secret: str, at: int, text: str) -> str:
    """Hexadecimal HMAC-SHA256 of `t.body`; `at`: seconds since 1970. The key is the secret as it was told."""
    return hmac.new(secret.encode(), f"{at}.{text}".encode(), hashlib.sha256).hexdigest()


EVENTS = "events"
"""In a webhook's metadata: what was asked for."""

SCHEME = Scheme(body, headers, reads=video_of_shown)
