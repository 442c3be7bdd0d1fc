"""Uploads that clients send straight into the farm's bucket, by links that the bucket itself takes.

The farm sees nothing of the bytes, and is told when they are there: only then it looks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from framemill.errors import Conflict
from framemill.jobs.uploads import Part, Upload, UploadState, part_sizes
from framemill.storage.blobs import Held, SentPart, Straight

LINK_SECONDS = 24 * 3600
"""How long a link to send something is good; a new one is to be had for the asking."""
_NOTE = "bucket_upload"  # in an upload's metadata: the bucket's name for the parts that come
OWN = frozenset({_NOTE})
"""What is noted here among an upload's metadata: nobody else sets or sees it."""


@dataclass(frozen=True, slots=True)
class Links:
    """Where a client sends an upload."""

    url: str | None = None
    parts: Mapping[int, str] | None = None
    """By number."""


def key_of(upload_id: str) -> str:
    """Where an upload lies that was sent so."""
    return f"uploads/{upload_id}/{BODY}"


BODY = "body-sent"


def in_parts(upload: Upload) -> bool:
    """Whether its parts go straight into the bucket."""
    return _NOTE in upload.metadata


def begun(straight: Straight, upload: Upload) -> Upload:
    """Have an upload come straight into the bucket, where its parts are known before."""
    if upload.protocol != "multipart" or upload.part_bytes is None:
        return upload
    name = straight.begin_parts(key_of(upload.id), upload.content_type)
    return upload.model_copy(update={"metadata": {**upload.metadata, _NOTE: name}})


def links_of(straight: Straight, upload: Upload) -> Links:
    """Where it is sent, while it is open; nowhere there, where the farm itself takes it."""
    key = key_of(upload.id)
    if upload.state is UploadState.OPEN and upload.protocol == "put":
        return Links(url=straight.put_link(key, LINK_SECONDS, upload.size))
    if upload.state is UploadState.OPEN and in_parts(upload) and upload.size is not None and upload.part_bytes:
        numbers = range(1, len(part_sizes(upload.size, upload.part_bytes)) + 1)
        return Links(parts=part_links_of(straight, upload, numbers))
    return Links()


def part_links_of(straight: Straight, upload: Upload, numbers: Iterable[int]) -> dict[int, str]:
    """Where those of its parts are sent, by number, while it is open."""
    key, name = key_of(upload.id), str(upload.metadata[_NOTE])
    return {number: straight.part_link(key, name, number, LINK_SECONDS) for number in numbers}


def come(straight: Straight, upload: Upload) -> list[Part]:
    """The parts that have come, as the bucket knows them."""
    return [
        Part(upload_id=upload.id, number=part.number, size=part.size, etag=part.etag, received_at=part.sent_at)
        for part in straight.parts(key_of(upload.id), str(upload.metadata[_NOTE]))
    ]


def together(straight: Straight, upload: Upload, parts: Sequence[Part]) -> None:
    """Have the bucket put these parts together."""
    chosen = [SentPart(part.number, part.etag, part.size, part.received_at) for part in parts]
    straight.end_parts(key_of(upload.id), str(upload.metadata[_NOTE]), chosen)


def there(straight: Straight, upload: Upload) -> Held:
    """What lies in the bucket of it. Raises `Conflict`."""
    found = straight.head(key_of(upload.id))
    if found is None:
        raise Conflict(f"Nothing of the upload {upload.id} is in the bucket: send it to its url, then complete it.")
    return found


def given_up(straight: Straight, upload: Upload) -> None:
    """Parts that have come of it go."""
    if in_parts(upload):
        straight.drop_parts(key_of(upload.id), str(upload.metadata[_NOTE]))
