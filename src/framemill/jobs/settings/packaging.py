"""How a package is cut and named."""

from typing import Literal

from pydantic import Field

from framemill.jobs.settings.value import Value


class Rung(Value):
    """One rendition of a ladder; never larger than the source."""

    height: int = Field(ge=16, le=16384)
    """The shorter side's limit in pixels (a portrait source is limited in width)."""
    crf: float | None = Field(default=None, ge=0, le=63)
    """Constant rate factor of the encoder, lower is better and larger; none: the output's."""
    bitrate: int | None = Field(default=None, ge=8_000, le=1_000_000_000)
    """Bits per second on average, instead of `crf`."""
    maxrate: int | None = Field(default=None, ge=8_000, le=1_000_000_000)
    """Bits per second that a player reads while its buffer never runs empty."""
    bufsize: int | None = Field(default=None, ge=8_000, le=2_000_000_000)
    """Size of that buffer in bits."""
    fps: float | None = Field(default=None, gt=0, le=1000)
    """Most frames a second of this rendition: every second, third… frame is shown."""


class PackageSettings(Value):
    """A package's renditions, segments and manifests."""

    ladder: tuple[Rung, ...] = ()
    """The renditions of a package, best first; rungs above the source are left out."""
    segment_seconds: float = Field(default=4.0, ge=0.1, le=60)
    """Target length of a package's segments."""
    segments: Literal["cmaf", "ts"] = "cmaf"
    """Fragmented MP4, or MPEG-TS for old players."""
    manifests: tuple[Literal["hls", "dash"], ...] = Field(
        default_factory=lambda data: ("hls",) if data.get("segments") == "ts" else ("hls", "dash"), min_length=1
    )
    """Which manifests name the segments; not said: both, and `hls` alone for TS segments."""
    segment_files: Literal["files", "ranges"] = "files"
    """A file a segment, or one file a track whose byte ranges the manifests name."""
    iframes: bool = True
    """Whether HLS gets a playlist of keyframes, for seeking with pictures."""
    progressive: bool = False
    """Whether each rendition is one MP4 as well, with the sound that players choose, for those that play files alone:
    `1080p.mp4`… beside the manifests; of sound alone `audio.m4a`. Nothing is encoded for it."""
