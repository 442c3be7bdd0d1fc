"""How the pictures are encoded."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from framemill.jobs.encoders.notation import normal_level, normal_params
from framemill.jobs.settings.kinds import Container, VideoCodec, usual_video
from framemill.jobs.settings.value import DIGITS, Value


class RateSettings(Value):
    """The encoder of the pictures, its speed, its quality and its rate. The words are ffmpeg's where it has one."""

    container: Container = "mp4"
    """A file of that kind, or `package`: a folder with HLS and DASH, CMAF segments and one MP4."""
    video_codec: VideoCodec = Field(default_factory=lambda data: usual_video(data.get("container", "mp4")))
    """`copy` remuxes, `none` drops the pictures; not said: the container's usual one."""
    encoder: Literal["libaom-av1"] | None = None
    """Another encoder of the same codec; none: the usual one (SVT-AV1 for av1)."""
    hardware: Literal["fastest", "gpu_first", "gpu_only", "cpu"] = "fastest"
    """Where it may be encoded: where it is done first, on a GPU where there is one, there alone, never there."""
    speed: Literal["fast", "standard", "slow"] | None = None
    """A word for `encoder_preset`, of any codec."""
    quality: Literal["good", "better", "best"] | None = None
    """A word for `crf`, of any codec."""
    bitrate_tier: Literal["low", "medium", "high"] | None = None
    """A word for `bitrate`, by codec, size and frame rate."""
    crf: float | None = Field(default=None, ge=0, le=63)
    """Constant rate factor; none: the usual one: 23 (h264), 26 (h265), 32 (av1, vp9)."""
    qp: int | None = Field(default=None, ge=0, le=69)
    """Constant quantiser instead of `crf`; 0 is lossless with H.264."""
    bitrate: int | None = Field(default=None, ge=8_000, le=1_000_000_000)
    """Bits per second of the pictures on average, instead of `crf`; with VP9 beside it, as a limit."""
    passes: Annotated[Literal[1, 2], DIGITS] = 1
    """2: the title is looked at first, and its bits are shared out by what each part needs."""
    maxrate: int | None = Field(default=None, ge=8_000, le=1_000_000_000)
    """Bits per second that a player reads while its buffer of `bufsize` bits never runs empty; AV1: about the most."""
    bufsize: int | None = Field(default=None, ge=8_000, le=2_000_000_000)
    """Size of that buffer in bits; usual is what plays for one to two seconds at `maxrate`."""
    encoder_preset: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,16}$")
    """The encoder's own speed: `veryfast`…`veryslow` (x264, x265), `0`…`13` (SVT-AV1), `0`…`8` (VP9's cpu-used)."""
    tune: str | None = Field(default=None, pattern=r"^[a-z]{1,16}$")
    """The encoder's `-tune`: film, animation, grain…"""
    profile: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,16}$")
    """What a player's decoder must know: `baseline`, `main`, `high`… (H.264), `main10`… (H.265), `0`…`3` (VP9)."""
    level: Annotated[str | None, BeforeValidator(normal_level)] = Field(default=None, pattern=r"^[1-9](b|\.[0-9])$")
    """How large and fast a player's decoder must be: `4.1`."""
    gop_frames: int | None = Field(default=None, ge=1, le=1_000_000)
    """Most frames from one keyframe to the next, counted from the chunk's first; none: the encoder's own choice."""
    gop_seconds: float | None = Field(default=None, gt=0, le=3600)
    """Most seconds from one keyframe to the next, at the output's average rate; instead of `gop_frames`."""
    encoder_options: Annotated[Mapping[str, str], BeforeValidator(normal_params)] = Field(default_factory=dict)
    """The encoder's own keys, those that `jobs.encoders` lets through: `{"aq-mode": "3"}`, or `aq-mode=3:ref=5`."""
    pix_fmt: str | None = Field(default=None, pattern=r"^(source|[a-z0-9]{2,16})$")
    """ffmpeg's pixel format; `source` keeps the source's; none: the codec's usual one."""
    bit_depth: Annotated[Literal[8, 10] | None, DIGITS] = None
    """Bits a sample, 4:2:0; instead of `pix_fmt`."""
