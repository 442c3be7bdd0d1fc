"""What clients send to `/jobs`."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator, model_validator

from framemill.api.convertrilo.encodes import Container, Encode, Quality, Speed, Tier, Words
from framemill.api.convertrilo.stores import S3Source

_MOST_METADATA = 64 << 10
"""Bytes of what a client keeps with a job, as JSON."""


def web_url(url: str) -> str:
    """Refuse what is no http(s) URL."""
    if not url.lower().startswith(("http://", "https://")) or len(url) > 8192:  # noqa: PLR2004
        raise ValueError("it takes an http(s) URL")
    return url


WebUrl = Annotated[str, AfterValidator(web_url)]


class Told(Words):
    """What is given back in statuses and webhooks."""

    external_id: str | None = Field(default=None, max_length=255)
    metadata: dict[str, Any] | None = None

    @field_validator("metadata")
    @classmethod
    def _is_small(cls, said: dict[str, Any] | None) -> dict[str, Any] | None:
        if said is not None and len(json.dumps(said, ensure_ascii=False).encode()) > _MOST_METADATA:
            raise ValueError(f"it is larger than {_MOST_METADATA >> 10} KiB")
        return said


class JobCreate(Encode, Told):
    """A job that is to be made."""

    vmaf_target: float | None = Field(default=None, ge=50, le=99)
    source_url: WebUrl | None = None
    source_s3: S3Source | None = None
    original_filename: str | None = Field(default=None, min_length=1, max_length=255)
    confirm: bool = False

    @model_validator(mode="after")
    def _comes_one_way(self) -> "JobCreate":
        if self.source_url is not None and self.source_s3 is not None:
            raise ValueError("sourceUrl and sourceS3 exclude each other")
        return self

    @property
    def encode(self) -> Encode:
        """What it shall be."""
        return Encode.model_validate({name: getattr(self, name) for name in Encode.model_fields})


class Changes(Words):
    """What is to be changed of a job before it begins."""

    container: Container | None = None
    quality: Quality | None = None
    optimize: str | None = None
    vmaf_target: float | None = Field(default=None, ge=1, le=100)

    @property
    def said(self) -> dict[str, Any]:
        """What is changed."""
        return self.model_dump(exclude_none=True)


class Approval(Changes):
    """Likewise, with all of its settings."""

    codec: str | None = None
    resolution: str | None = None
    fps: int | None = None
    preset: Speed | None = None
    bitrate_tier: Tier | None = None
    passes: int | None = None
    policy: str | None = None
    vmaf_target: float | None = Field(default=None, ge=50, le=99)


class BulkSettings(Changes):
    """What holds for all jobs of a batch."""

    fail_fast: bool = False
    dry_run: bool = False
    confirm: bool = False
    vmaf_target: float | None = Field(default=None, ge=50, le=99)

    @property
    def said(self) -> dict[str, Any]:
        """What it says of each encode."""
        return self.model_dump(exclude_none=True, exclude={"fail_fast", "dry_run", "confirm"})


class Bulk(Words):
    """Several jobs."""

    jobs: list[dict[str, Any]] = Field(min_length=1, max_length=1000)
    """Each a `JobCreate`: read one by one, so that one that does not fit is told of by itself."""
    settings: BulkSettings = BulkSettings()


class BulkConfirm(Words):
    """Jobs that shall begin."""

    job_ids: list[str] = Field(min_length=1, max_length=1000)
    settings: Changes = Changes()


class StreamPart(Words):
    """A chunk as its sender names it."""

    part_number: int | None = Field(default=None, alias="PartNumber", ge=1, le=10_000)
    e_tag: str | None = Field(default=None, alias="ETag")


class StreamEnd(Words):
    """The chunks that make up the whole; none: all that have come."""

    parts: list[StreamPart] = Field(default_factory=list, max_length=10_000)


class TokenAmount(Words):
    """So much, for that job."""

    job_id: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
    amount: int = Field(ge=1, le=10**12)
