"""A video: what viewers know of a job's outputs, and where they find them. Pure."""

import hashlib
from typing import Literal, TypeAlias
from uuid import UUID

from pydantic import Field

from framemill.jobs.model import Utc
from framemill.jobs.settings import Value

Policy: TypeAlias = Literal["public", "signed"]
"""Who may play: everybody who knows the playback's id, or who has a token for it besides."""

Origin: TypeAlias = Literal["upload", "url", "console"]
"""How the original came."""

SHORT = r"^[0-9a-f]{20}$"
"""What ids of videos, playbacks and uploads look like where they are shown to viewers."""


class Video(Value):
    """A video as it is stored; how far it is, its job knows."""

    id: str = Field(pattern=SHORT)
    account: str
    door: str
    """The API it was made through."""
    job_id: str
    """The job that makes it, attempt by attempt; the video goes with it."""
    upload_id: str | None = None
    """Of the upload that is its original; no two videos have the same. None: it was fetched from elsewhere."""
    origin: Origin
    title: str
    description: str | None = None
    passthrough: str | None = None
    """The client's own word, given back as it came."""
    tags: tuple[str, ...] = ()
    creator: str | None = None
    """Who made it, as the client calls them."""
    policy: Policy = "public"
    """Of its first playback."""
    view_count: int = Field(default=0, ge=0)
    progress: int = Field(default=0, ge=0, le=100)
    """The furthest that was told of attempt `progress_attempt`, in percent: what is told never falls."""
    progress_attempt: int = Field(default=1, ge=1)
    created_at: Utc
    updated_at: Utc
    """When its words, or its playbacks, last changed."""
    withdrawn_at: Utc | None = None
    """When its owner had it deleted: from then on nobody finds it, and its files go as soon as nobody works on them."""


class Playback(Value):
    """An id by which viewers play a video."""

    id: str = Field(pattern=SHORT)
    video_id: str
    policy: Policy
    created_at: Utc


def short_id(uuid: str) -> str:
    """Twenty hexadecimal digits of that UUIDv7: its millisecond, and eight that follow from it as a whole.

    They sort by time as the ids do, and the same id gives the same digits.
    """
    return UUID(uuid).hex[:12] + hashlib.sha256(uuid.encode()).hexdigest()[:8]


def words_of(title: str, description: str | None, tags: tuple[str, ...]) -> str:
    """What a video is found by: databases differ in which letters they know the small ones of, so we fold them."""
    return "\n".join((title, description or "", *tags)).casefold()


def long_id(short: str) -> str:
    """The UUIDv7 that has those twenty digits, and nothing else: for what has to be found by them."""
    return f"{short[:8]}-{short[8:12]}-7{short[12:15]}-8{short[15:18]}-{short[18:]}{'0' * 10}"


def digits_of(uuid: str) -> str:
    """The digits that such a UUID was made of."""
    plain = uuid.replace("-", "")
    return plain[:12] + plain[13:16] + plain[17:22]
