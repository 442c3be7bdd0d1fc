"""A small encode: the same on every machine of one ffmpeg build and architecture, or the machine is ill."""

import hashlib
import tempfile
from pathlib import Path

from framemill.errors import FramemillError
from framemill.media import ffmpeg

# Moving pictures with detail, through the filters, the encoder and the flags that chunks are made with.
_ARGS = (
    *("-nostdin", "-v", "error", "-filter_threads", "1", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25"),
    *("-frames:v", "50", "-vf", "scale=320:180:flags=bicubic+accurate_rnd+full_chroma_int+bitexact,format=yuv420p"),
    *("-c:v", "libx264", "-preset", "medium", "-threads", "1", "-x264-params", "cpu-independent=1"),
    *("-flags", "+bitexact", "-f", "h264"),
)
FAILED = "failed"
_SECONDS = 60.0


async def encode_canary() -> str:
    """SHA-256 of the canary as this machine encodes it; `failed` where it cannot."""
    with tempfile.TemporaryDirectory(prefix="framemill-canary-") as folder:
        path = Path(folder) / "canary.h264"
        try:
            await ffmpeg.ffmpeg([*_ARGS, str(path)], timeout=_SECONDS)
        except (FramemillError, TimeoutError):
            return FAILED
        return hashlib.sha256(path.read_bytes()).hexdigest()
