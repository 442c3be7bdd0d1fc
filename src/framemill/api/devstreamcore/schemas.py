"""What clients of DevStreamCore send: strict where JSON has kinds of its own; unknown fields are passed over."""

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from framemill.api.strict import Text
from framemill.jobs.uploads import MOST_PARTS
from framemill.jobs.videos import Policy

Quality: TypeAlias = Literal["original", "480p", "720p", "1080p", "1440p", "4K", "8K"]
Status: TypeAlias = Literal["preparing", "ready", "errored", "reprocessing"]

MOST_TAGS = 20
LONGEST_TAG = 255
_MIME = re.compile(r"(video|audio)/[a-z0-9.+-]+", re.IGNORECASE | re.ASCII)


def _mime(said: str) -> str:
    if not _MIME.fullmatch(said):
        raise ValueError(f"{said[:100]!r} is not like video/mp4 or audio/mp4, without parameters")
    return said.lower()


Mime = Annotated[str, AfterValidator(_mime)]
Bytes = Annotated[int, Field(strict=True, gt=0, lt=1 << 63)]
Pixels = Annotated[int, Field(strict=True, gt=0, le=16384)]
Seconds = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Title = Annotated[Text, Field(min_length=1, max_length=255)]
Description = Annotated[Text, Field(max_length=4096)]
Passthrough = Annotated[Text, Field(max_length=2048)]
Tags = Annotated[list[Annotated[Text, Field(max_length=LONGEST_TAG)]], Field(max_length=MOST_TAGS)]
PartNumber = Annotated[int, Field(strict=True, gt=0, le=MOST_PARTS)]


class Asked(BaseModel):
    """Base of what is sent."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Words(Asked):
    """What a client says of a video."""

    title: Title | None = None
    description: Description | None = None
    playback_policy: Policy = "public"
    passthrough: Passthrough | None = None
    quality: Quality = "original"
    tags: Tags = []


class NewUpload(Words):
    """An upload is announced."""

    filename: Annotated[Text, Field(min_length=1, max_length=1000)] | None = None
    mime_type: Mime | None = None
    file_size_bytes: Bytes | None = None
    multipart: StrictBool | None = None
    part_count: PartNumber | None = None


class PartNumbers(Asked):
    """Parts that are to be sent."""

    part_numbers: Annotated[list[PartNumber], Field(min_length=1, max_length=MOST_PARTS)]


class SentPart(Asked):
    """A part that was sent."""

    partNumber: Annotated[int, Field(strict=True, gt=0)]  # noqa: N815 - their word
    etag: Annotated[Text, Field(min_length=1)]


class Finalize(Asked):
    """An upload is finalized."""

    mime_type: Mime
    file_size_bytes: Bytes
    duration_secs: Seconds | None = None
    source_height: Pixels | None = None
    source_width: Pixels | None = None
    upload_id: Text | None = None
    parts: list[SentPart] | None = None


class InputUrl(Asked):
    """Where a video is fetched from."""

    url: Annotated[Text, Field(min_length=1, max_length=8192)]


class NewVideo(Words):
    """A video is made from a URL."""

    input: Annotated[list[InputUrl], Field(min_length=1, max_length=1)]


class VideoChanges(Asked):
    """A video is changed: what is not named stays."""

    title: Title = ""
    description: Description | None = None
    passthrough: Passthrough | None = None
    tags: Tags = []

    def said(self) -> dict[str, Any]:
        """What was named."""
        return {name: getattr(self, name) for name in self.model_fields_set}
