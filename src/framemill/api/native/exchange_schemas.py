"""The words of `/v1` for what goes in and out: uploads and outputs."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from framemill.api.native.schemas import File, Output
from framemill.api.native.words import Asked, Told
from framemill.api.strict import Free, Text
from framemill.jobs.uploads import MOST_PARTS

_MOST_BYTES = 1 << 50


class NewUpload(Asked):
    """A file that is going to be sent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"filename": "holiday.mov"},
                {"filename": "holiday.mov", "size": 2147483648, "content_type": "video/quicktime", "multipart": True},
            ]
        }
    )

    filename: Annotated[Text, Field(min_length=1, max_length=1024)]
    size: Annotated[int, Field(ge=0, le=_MOST_BYTES)] | None = None
    """Bytes, where they are known: then nothing else is taken."""
    content_type: Annotated[Text, Field(max_length=200, pattern=r"^[\x20-\x7e]+$")] | None = None
    multipart: bool = False
    """In parts, side by side and in any order; else as one body, or by tus."""
    metadata: Free = Field(default_factory=dict)


class GivenPart(Asked):
    """A part that was sent."""

    number: int = Field(ge=1, le=MOST_PARTS)
    etag: Annotated[Text, Field(max_length=100)] | None = None
    """As it was answered; none: whatever came under that number."""


class CompletedParts(Asked):
    """Of what an upload is put together."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"parts": [{"number": 1}, {"number": 2}]}]})

    parts: tuple[GivenPart, ...] = Field(default=(), max_length=MOST_PARTS)
    """None: of all that have come."""


class UploadPart(Told):
    """A part of an upload."""

    number: int
    url: str
    """Where it is sent to, by PUT."""
    size_bytes: int | None = None
    """As it came, else as it is expected; none: as you like."""
    etag: str | None = None
    """SHA-256 of its bytes, or what the bucket says where it went straight there; none: it has not come."""
    received_at: datetime | None = None


class Upload(Told):
    """A file that is sent, or was."""

    id: str
    """For `{"inputs": [{"upload_id": …}]}` of a job, at any time: the job waits until all of it is there."""
    state: str
    """open, completed, aborted or expired."""
    filename: str
    content_type: str | None = None
    protocol: str
    """put, tus or multipart."""
    url: str | None = None
    """Where the whole of it is sent to, by PUT; none: it comes in parts, or has come."""
    straight: bool = False
    """Those links lead straight into the farm's bucket, which does not tell the farm: call `…/complete` when all of it
    is there."""
    tus_url: str | None = None
    """The same for a tus 1.0 client, which goes on with it where it was cut (tus-js-client, Uppy: `uploadUrl`)."""
    part_url: str | None = None
    """Where parts are sent to, with their number instead of `{number}`."""
    part_bytes: int | None = None
    """Bytes of every part but the last one; none: as you like."""
    parts: tuple[UploadPart, ...] = ()
    """Those that are expected, where the size is known; and those that have come."""
    size_bytes: int | None = None
    received_bytes: int = 0
    sha256: str | None = None
    """None: not known, as it came in pieces."""
    message: str | None = None
    created_at: datetime
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    """Until when it is kept where no job refers to it."""
    metadata: dict[str, Any] = Field(default_factory=dict)


class Uploads(Told):
    """A page of uploads, newest first."""

    data: tuple[Upload, ...]
    next_cursor: str | None = None
    """For `cursor=`; none: there are no more."""


class LinkedFile(File):
    """A file of an output."""

    url: str | None = None
    """Signed: it needs no key. None: it lies with whoever it was delivered to."""


class LinkedOutput(Output):
    """A result, with links to its files."""

    job_id: str
    state: str
    """Of its job."""
    url: str | None = None
    """Signed: it needs no key. Of the file, or of the package's playlist, which opens all of it; none: there is none
    yet."""
    url_expires_at: datetime | None = None
    download_limit: int | None = None
    download_count: int = 0
    """Whole downloads: neither parts of a file, nor HEAD."""
    protected: bool = False
    """It opens with a password: Basic credentials, with any user name."""
    files: tuple[LinkedFile, ...] = ()
