"""What an output shall be, and how a run shall be cut: the two sets of fields that `--set` reaches."""

import difflib
import json
from collections.abc import Mapping
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from framemill.errors import InvalidSetting, UnknownSetting

Container = Literal["mp4", "mov", "mkv", "webm", "package"]
VideoCodec = Literal["h264", "h265", "av1", "vp9", "copy", "none"]
AudioCodec = Literal["aac", "opus", "flac", "alac", "copy", "none"]


class Value(BaseModel):
    """Base of the values that cross a process: frozen, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


T = TypeVar("T", bound=Value)


class Rung(Value):
    """One rendition of a ladder; never larger than the source."""

    height: int = Field(ge=16, le=16384)
    """The shorter side's limit in pixels (a portrait source is limited in width)."""
    crf: float = Field(ge=0, le=63)
    """Constant rate factor of the encoder; lower is better and larger."""


class OutputSettings(Value):
    """What one output shall be. The words are ffmpeg's where ffmpeg has one."""

    container: Container = "mp4"
    """A file of that kind, or `package`: a folder with HLS, CMAF segments and one MP4."""
    video_codec: VideoCodec = "h264"
    """`copy` remuxes, `none` drops the pictures."""
    crf: float | None = Field(default=None, ge=0, le=63)
    """Constant rate factor; none: the codec's usual one (see `media/options.py`)."""
    qp: int | None = Field(default=None, ge=0, le=69)
    """Constant quantiser instead of `crf`; 0 is lossless with H.264."""
    encoder_preset: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,16}$")
    """The encoder's own speed: `veryfast`…`veryslow` (x264, x265), `0`…`13` (SVT-AV1), `0`…`5` (VP9's cpu-used)."""
    tune: str | None = Field(default=None, pattern=r"^[a-z]{1,16}$")
    """x264's and x265's `-tune`: film, animation, grain…"""
    width: int | None = Field(default=None, ge=16, le=16384)
    """Box to fit into, in pixels; the aspect is kept and nothing is enlarged."""
    height: int | None = Field(default=None, ge=16, le=16384)
    """Box to fit into, in pixels; the aspect is kept and nothing is enlarged."""
    pix_fmt: str | None = Field(default=None, pattern=r"^(source|[a-z0-9]{2,16})$")
    """ffmpeg's pixel format; `source` keeps the source's; none: the codec's usual one."""
    ladder: tuple[Rung, ...] = ()
    """The renditions of a package, best first; rungs above the source are left out."""
    segment_seconds: float = Field(default=4.0, ge=0.1, le=60)
    """Target length of a package's segments."""
    audio_codec: AudioCodec = "aac"
    """`copy` keeps the source's packets, `none` drops the sound."""
    audio_bitrate: int | None = Field(default=None, ge=6_000, le=1_024_000)
    """Bits per second; none: 64 kbit/s a channel."""
    audio_channels: int | None = Field(default=None, ge=1, le=8)
    """Mix to that many channels; none: as the source, at most what the codec takes."""
    sample_rate: int | None = Field(default=None, ge=8_000, le=192_000)
    """Samples per second; none: as the source, where the codec takes it."""
    subtitles: Literal["auto", "none"] = "auto"
    """`auto` keeps text subtitles where the container takes them."""

    @property
    def encodes_video(self) -> bool:
        """Whether pictures are encoded, so that their frames must be known."""
        return self.video_codec not in {"copy", "none"}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.crf is not None and self.qp is not None:
            raise ValueError("crf and qp exclude each other")
        if self.qp is not None and self.video_codec not in {"h264", "h265"}:
            raise ValueError(f"qp is for h264 and h265; set crf for {self.video_codec}")
        if self.container == "webm" and self.video_codec not in {"vp9", "av1", "copy", "none"}:
            raise ValueError("webm takes vp9 or av1 pictures (set video_codec)")
        if self.container == "webm" and self.audio_codec not in {"opus", "copy", "none"}:
            raise ValueError("webm takes opus sound (set audio_codec)")
        if self.video_codec == "none" and self.audio_codec == "none":
            raise ValueError("nothing is left of the source: video_codec and audio_codec are both none")
        if self.container == "package" and (
            self.video_codec in {"vp9", "copy"} or self.audio_codec not in {"aac", "none"}
        ):
            raise ValueError("a package takes h264, h265 or av1 pictures and aac sound")
        if self.container == "mov" and (self.video_codec in {"vp9", "av1"} or self.audio_codec in {"opus", "flac"}):
            raise ValueError("mov takes h264 or h265 pictures and aac or alac sound")
        return self


class RunSettings(Value):
    """How a run shall be cut. None of these depends on how many workers there are."""

    chunks: int | None = Field(default=None, ge=1, le=1_000_000)
    """Cut into at least that many chunks, down to one frame each; 1 encodes whole in one process."""
    chunk_frames: int | None = Field(default=None, ge=1)
    """Cut every that many frames."""
    chunk_seconds: float | None = Field(default=None, gt=0)
    """Target length of a chunk; none: from the title's length (see `media/plan.py`)."""
    index: Literal["auto", "decode"] = "auto"
    """`decode` takes the list of frames from a decode of the whole source, even where its packets can be trusted."""

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if sum(rule is not None for rule in (self.chunks, self.chunk_frames, self.chunk_seconds)) > 1:
            raise ValueError("chunks, chunk_frames and chunk_seconds exclude each other")
        return self


def apply_assignments(
    output: OutputSettings, run: RunSettings, assignments: Mapping[str, str]
) -> tuple[OutputSettings, RunSettings]:
    """Both settings with `key=value` assignments applied; lists and objects are written as JSON.

    Raises `UnknownSetting` with the near names, `InvalidSetting` with the reason.
    """
    fields = {**OutputSettings.model_fields, **RunSettings.model_fields}
    for key in assignments:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(sorted(fields))}."
            raise UnknownSetting(f"There is no setting {key!r}; {hint}")
    return _updated(output, assignments), _updated(run, assignments)


def _updated(settings: T, assignments: Mapping[str, str]) -> T:
    mine = {key: _parse(text) for key, text in assignments.items() if key in type(settings).model_fields}
    try:
        return type(settings).model_validate({**settings.model_dump(), **mine})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise InvalidSetting(f"Setting {where}: {reason}." if where else f"Settings: {reason}.") from None


def _parse(text: str) -> Any:
    """Lists and objects are JSON; everything else stays text, which the field's own type reads."""
    if text == "null":
        return None
    if not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
