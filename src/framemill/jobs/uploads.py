"""An upload: bytes that a client sends, and that jobs use as their source. What it is, and how it moves."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from pydantic import Field

from framemill.jobs.model import Utc, new_id
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import Value
from framemill.jobs.states import Table

Protocol: TypeAlias = Literal["put", "multipart", "tus"]
"""`put`: one body; `multipart`: numbered parts; `tus`: a body that is gone on with where it was cut."""

URI_SCHEME = "upload:"
"""What an input's URI begins with where it is an upload."""

LEAST_PART_BYTES = 8 << 20
MOST_PARTS = 10_000
"""As S3 has it, so that its clients' arithmetic holds."""


class UploadState(StrEnum):
    """Where an upload is on its way to the farm."""

    OPEN = "open"  # nothing came yet, or not all of it
    COMPLETED = "completed"  # all of it is on the disk, and jobs may use it
    ABORTED = "aborted"  # its owner gave it up
    EXPIRED = "expired"  # nobody finished it, or nobody used it


@dataclass(frozen=True)
class AllReceived:
    """All of its bytes are on the disk."""


@dataclass(frozen=True)
class AbortAsked:
    """Its owner does not want it any more."""


@dataclass(frozen=True)
class TimeOver:
    """It was kept as long as it was promised, and no job needs it."""


UploadEvent: TypeAlias = AllReceived | AbortAsked | TimeOver

UPLOAD_TRANSITIONS: Table[UploadState, UploadEvent] = {
    UploadState.OPEN: {
        AllReceived: UploadState.COMPLETED,
        AbortAsked: UploadState.ABORTED,
        TimeOver: UploadState.EXPIRED,
    },
    UploadState.COMPLETED: {
        # Only while no job that has not ended needs it.
        AbortAsked: UploadState.ABORTED,
        # Only while no job at all refers to it: one that has ended may be tried again.
        TimeOver: UploadState.EXPIRED,
    },
    # Its bytes are gone: who wants it after all uploads it again, under a new id.
    UploadState.ABORTED: {},
    UploadState.EXPIRED: {},
}


class Upload(Value):
    """An upload as it is stored."""

    id: str = Field(default_factory=new_id)
    account: str
    door: str
    filename: str
    content_type: str | None = None
    protocol: Protocol = "put"
    part_bytes: int | None = Field(default=None, ge=1)
    """Bytes of every part but the last one; none: it has no parts, or their sizes are the client's affair."""
    size: int | None = Field(default=None, ge=0)
    """Bytes, as announced; once it is completed, as they came."""
    received: int = Field(default=0, ge=0)
    """Bytes that have come; of a body that is on its way the disk knows more."""
    state: UploadState = UploadState.OPEN
    reason: Reason | None = None
    message: str | None = None
    blob: str | None = None
    """Where its bytes are, once all of them are here."""
    sha256: str | None = None
    """Known where the body came in one go; else whoever reads it finds it out."""
    md5: str | None = None
    version: int = Field(default=1, ge=1)
    """Grows with every change, also of its parts."""
    created_at: Utc
    completed_at: Utc | None = None
    expires_at: Utc | None = None
    """Until when it is kept where no job refers to it."""
    metadata: dict[str, Any] = Field(default_factory=dict)


class Part(Value):
    """A part that has come."""

    upload_id: str
    number: int = Field(ge=1, le=MOST_PARTS)
    size: int = Field(ge=0)
    etag: str
    """SHA-256 of its bytes."""
    received_at: Utc


def part_bytes_for(size: int) -> int:
    """Bytes of each part of an upload of that size: whole MiB, and no more parts than there may be."""
    needed = math.ceil(size / MOST_PARTS)
    return max(LEAST_PART_BYTES, math.ceil(needed / (1 << 20)) << 20)


def part_sizes(size: int, part_bytes: int) -> tuple[int, ...]:
    """Bytes of each part, in order; one empty part for an empty upload."""
    whole, rest = divmod(size, part_bytes)
    return (*(part_bytes,) * whole, *((rest,) if rest or not whole else ()))


def uri_of(upload_id: str) -> str:
    """The URI of an input that is this upload."""
    return URI_SCHEME + upload_id


def missing_parts(parts: Mapping[int, Part], size: int | None, part_bytes: int | None) -> tuple[int, ...]:
    """Numbers that are not there: all up to the highest one, or up to where the announced size ends."""
    last = max(parts, default=0)
    if size is not None and part_bytes is not None:
        last = max(last, len(part_sizes(size, part_bytes)))
    return tuple(number for number in range(1, last + 1) if number not in parts)
