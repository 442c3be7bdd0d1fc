"""Uploads as they are told: where their bytes go, and how far they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from framemill.api.devstreamcore import ids, mapping, schemas
from framemill.errors import Conflict, NotFound
from framemill.jobs.uploads import Upload, UploadState, part_bytes_for, part_sizes
from framemill.sealing import Seals
from framemill.services.finalizing import name_of
from framemill.services.links import upload_url
from framemill.services.uploads import NewUpload, ShownUpload, Uploads
from framemill.services.videos import Videos
from framemill.storage.blobs import Straight
from framemill.storage.straight import in_parts, links_of, part_links_of

MULTIPART_FROM = 100 << 20
"""Bytes above which an upload comes in parts, where nobody has said how."""
MOST_LINKS = 100
"""Links to parts that are told unasked."""


@dataclass(frozen=True, slots=True)
class Links:
    """What links are made with."""

    seals: Seals
    base: str
    """What URLs of the farm begin with."""
    bucket: Straight | None
    """Where clients send bytes past the farm; none: it takes them."""

    def place(self, upload: Upload) -> str:
        """Where the farm takes an upload."""
        return upload_url(self.seals, self.base, upload.id)

    def whole(self, upload: Upload) -> str:
        """Where an upload is sent in one go."""
        there = None if self.bucket is None else links_of(self.bucket, upload).url
        return there or self.place(upload)

    def parts(self, upload: Upload, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Where those parts are sent."""
        if self.bucket is not None and in_parts(upload):
            urls = part_links_of(self.bucket, upload, numbers)
        else:
            place = self.place(upload)
            urls = {number: f"{place}/parts/{number}" for number in numbers}
        return [{"partNumber": number, "url": urls[number]} for number in numbers]


def new_upload(asked: schemas.NewUpload) -> NewUpload:
    """An upload that is announced, in our words."""
    size = asked.file_size_bytes
    multipart = asked.multipart if asked.multipart is not None else asked.part_count is not None
    if asked.multipart is None and size is not None and size > MULTIPART_FROM:
        multipart = True
    named = {} if asked.filename is None else {mapping.NAMED: asked.filename.replace("\\", "/")}
    return NewUpload(
        filename=asked.filename or "upload",
        size=size,
        content_type=asked.mime_type,
        multipart=multipart,
        straight=True,
        metadata={mapping.WORDS: mapping.words_of(asked), **named},
    )


def created(upload: Upload, links: Links, part_count: int | None = None) -> dict[str, Any]:
    """A new upload."""
    return _told(ShownUpload(upload), None, links, range(1, (part_count or _expected(upload)) + 1))


def shown(uploads: Uploads, videos: Videos, upload_id: str, links: Links) -> dict[str, Any]:
    """An upload as it stands, and the video that it has become. Raises `NotFound`."""
    found = uploads.shown(upload_id)
    try:
        video = videos.of_upload(upload_id)
    except NotFound:  # deleted, and the upload with it
        return _told(found, None, links, ())
    come = {part.number for part in found.parts}
    missing = [number for number in range(1, _expected(found.upload) + 1) if number not in come]
    return _told(found, None if video is None else video.video.id, links, missing)


def part_links(uploads: Uploads, upload_id: str, numbers: Sequence[int], links: Links) -> dict[str, Any]:
    """Fresh links for parts. Raises `NotFound`, and `Conflict` where the upload takes none."""
    upload = uploads.shown(upload_id).upload
    if upload.protocol != "multipart" or upload.state is not UploadState.OPEN:
        raise Conflict("This upload takes no parts: it comes in one go, or is open no more.")
    return {"parts": links.parts(upload, sorted(set(numbers)))}


def _expected(upload: Upload) -> int:
    """How many parts there will be, where that is known."""
    if upload.size is None or upload.part_bytes is None:
        return 0
    return len(part_sizes(upload.size, upload.part_bytes))


def _told(found: ShownUpload, video: str | None, links: Links, numbers: Sequence[int]) -> dict[str, Any]:
    upload = found.upload
    is_open = upload.state is UploadState.OPEN
    multipart = upload.protocol == "multipart"
    whole = is_open and not multipart
    return {
        "id": ids.upload_id(upload.id),
        "status": _status(found, video),
        "method": "multipart" if multipart else "single",
        "upload_url": links.whole(upload) if whole else None,
        "headers": {},
        "upload_id": name_of(upload),
        "part_size_bytes": (upload.part_bytes or part_bytes_for(0)) if multipart else None,
        "parts": links.parts(upload, numbers[:MOST_LINKS]) if is_open and multipart else [],
        "expires_at": None if upload.expires_at is None else mapping.moment(upload.expires_at),
        "video_id": None if video is None else ids.video_id(video),
        "created_at": mapping.moment(upload.created_at),
    }


def _status(found: ShownUpload, video: str | None) -> str:
    upload = found.upload
    if video is not None and upload.state is not UploadState.ABORTED:
        return "finalized"
    match upload.state:
        case UploadState.OPEN:
            return "uploading" if upload.received or found.parts else "waiting"
        case UploadState.COMPLETED:
            return "uploading"
        case UploadState.ABORTED:
            return "cancelled"
        case UploadState.EXPIRED:
            return "expired"
