"""The words of `/v1` for presets, probes, estimates and statistics."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from framemill.api.native.access_schemas import Credentials
from framemill.api.native.words import Asked, Told
from framemill.api.strict import Text


class ProbeAsked(Asked):
    """What is to be looked into."""

    uri: Annotated[Text, Field(min_length=1, max_length=8192)] = ""
    """An absolute path on the farm's machine, or a URI: file, http(s), s3, gs, az, ftp(s), sftp, or gdrive://ID."""
    credentials: Credentials | None = None
    """What opens it: the name of credentials in the farm's settings, or these themselves."""
    upload_id: Annotated[Text, Field(min_length=1, max_length=36)] | None = None
    """Of an upload that is complete, instead of `uri`."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (not self.uri) is (self.upload_id is None):
            raise ValueError("a source is named by its uri or by its upload_id: give one of them")
        if self.credentials is not None and self.upload_id is not None:
            raise ValueError("an upload takes no credentials: leave them away")
        return self


class Probe(Told):
    """What is in a source."""

    uri: str
    """With every secret masked."""
    size_bytes: int
    duration_seconds: float | None = None
    facts: dict[str, Any]
    """`format`, `streams` and `chapters`, in the shape of ffprobe's JSON."""


class Size(Told):
    """A rendition's size."""

    width: int
    height: int


class OutputEstimate(Told):
    """What one output would take."""

    name: str
    preset: str | None = None
    settings: dict[str, Any]
    """All of them, as the job would have them."""
    renditions: tuple[Size, ...] = ()
    """Best first; none where no pictures are encoded."""
    frames: int = 0
    """To encode, over all renditions."""
    chunks: int = 0
    """Likewise."""
    duration_seconds: float = 0.0
    slot_seconds: float = 0.0
    """Of one slot, for all of it."""
    size_bytes: int = 0
    credits_milli: int = 0
    """Thousandths of a credit."""


class Estimate(Told):
    """What a job would take. Nothing was written, and nothing is begun."""

    source: Probe
    outputs: tuple[OutputEstimate, ...]
    frames: int
    chunks: int
    slot_seconds: float
    wall_seconds: float | None = None
    """On this farm, with all its slots and nothing before it; none: its coordinator does not answer."""
    size_bytes: int
    credits_milli: int


class Preset(Told):
    """A named set of output settings."""

    name: str
    summary: str
    settings: dict[str, Any]
    """The container is that of the destination, where one is named."""


class Presets(Told):
    """All presets."""

    data: tuple[Preset, ...]
    next_cursor: str | None = None
    """Always none: they are one page."""


class FarmStats(Told):
    """The farm's slots and what waits for them."""

    slots: int
    slots_busy: int
    workers: int
    tasks_waiting: int
    backlog_seconds: float | None = None
    """Until all that waits now would be encoded."""
    jobs_active: int
    jobs_queued: int
    frames_per_second: float | None = None
    """Encoded in the last minute, over all slots."""


class Stats(Told):
    """How much there is and was to do: of the account, or of all for an admin."""

    at: datetime
    jobs: dict[str, int]
    """How many jobs are in each state that is no end."""
    ended_last_hour: dict[str, int]
    """How many of the jobs made in the last hour have ended so."""
    ended_last_day: dict[str, int]
    """And of those made in the last 24 hours."""
    paused: bool
    """By the operator: nothing more is begun."""
    farm: FarmStats | None = None
    """Told to keys with the scope farm:read, while the coordinator answers."""
    message: str | None = None
    """Why it does not."""


class Index(Told):
    """Where what is."""

    name: str
    version: str
    openapi_url: str
    docs_url: str
    jobs_url: str
    presets_url: str
    stats_url: str
