"""A small encode: the same on every machine of one ffmpeg build and architecture, or the machine is ill."""

import hashlib
import logging
import tempfile
from pathlib import Path

from framemill.errors import FramemillError
from framemill.media import ffmpeg

log = logging.getLogger(__name__)

# Moving pictures with detail, through the filters, the encoder and the flags that chunks are made with.
_ARGS = (
    *("-nostdin", "-v", "error", "-filter_threads", "1", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25"),
    *("-frames:v", "50", "-vf", "scale=320:180:flags=bicubic+accurate_rnd+full_chroma_int+bitexact,format=yuv420p"),
    *("-c:v", "libx264", "-preset", "medium", "-threads", "1", "-x264-params", "cpu-independent=1"),
    *("-flags", "+bitexact", "-f", "h264"),
)
FAILED = "failed"
_SECONDS = 60.0
_TRIES = 3


async def encode_canary() -> str:
    """SHA-256 of the canary as this machine encodes it; `failed` where it cannot, time and again: somebody may have
    killed the child, or the machine may be too busy."""
    for _ in range(_TRIES):
        try:
            with tempfile.TemporaryDirectory(prefix="framemill-canary-") as folder:
                path = Path(folder) / "canary.h264"
                await ffmpeg.ffmpeg([*_ARGS, str(path)], timeout=_SECONDS)
                return hashlib.sha256(path.read_bytes()).hexdigest()
        except (FramemillError, OSError) as error:  # a TimeoutError is an OSError
            log.warning("the canary failed: %r", error, extra={"action": "canary_failed"})
    return FAILED
