"""What an output shall be, and how a run shall be cut: the two sets of fields that `--set` reaches."""

import difflib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from framemill.errors import InvalidSetting, UnknownSetting
from framemill.jobs.encoders.notation import normal_level, normal_params
from framemill.jobs.encoders.table import JUDGED, misfit, misfit_key

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
    bitrate: int | None = Field(default=None, ge=8_000, le=1_000_000_000)
    """Bits per second of the pictures on average, instead of `crf`; with VP9 beside it, as a limit."""
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
    encoder_options: Annotated[Mapping[str, str], BeforeValidator(normal_params)] = Field(default_factory=dict)
    """The encoder's own keys, those that `jobs.encoders` lets through: `{"aq-mode": "3"}`, or `aq-mode=3:ref=5`."""
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

    @property
    def undivided(self) -> str:
        """Why the pictures cannot be encoded in chunks; empty where they can."""
        if self.bitrate is not None:
            return "a bit rate is shared out over the whole title"
        if self.maxrate is not None and self.video_codec not in _BUFFERED:
            return f"the {self.video_codec} encoder keeps to its maximum within one encode only"
        ahead = int(self.encoder_options.get("rc-lookahead", LEAST_LOOKAHEAD))
        if self.maxrate is not None and ahead < LEAST_LOOKAHEAD:
            return "an encoder that does not look ahead keeps to its maximum within one encode only"
        return ""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
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

    @model_validator(mode="after")
    def _rate_fits(self) -> Self:
        ways = [name for name in ("crf", "qp", "bitrate") if getattr(self, name) is not None]
        if len(ways) > 1 and not (self.video_codec == "vp9" and ways == ["crf", "bitrate"]):
            raise ValueError(f"{' and '.join(ways)} exclude each other")
        capped = self.maxrate is not None or self.bufsize is not None
        if capped and self.qp is not None:
            raise ValueError("a constant qp keeps to no maxrate; set crf instead")
        if self.video_codec in _BUFFERED and (self.maxrate is None) != (self.bufsize is None):
            raise ValueError("maxrate and bufsize go together: one without the other holds nothing")
        if self.maxrate is not None and self.bitrate is not None and self.maxrate < self.bitrate:
            raise ValueError("maxrate is below bitrate")
        if capped and self.video_codec == "vp9":
            raise ValueError("the vp9 encoder keeps to bitrate on average; maxrate and bufsize are for h264 and h265")
        if capped and self.video_codec == "av1" and (self.bufsize is not None or self.bitrate is not None):
            raise ValueError("the av1 encoder takes maxrate alone, beside crf; bufsize is for h264 and h265")
        if len(self.ladder) > 1 and (capped or self.bitrate is not None):
            raise ValueError("one bitrate or maxrate does not fit a ladder of several renditions (set ladder)")
        return self

    @model_validator(mode="after")
    def _encoder_fits(self) -> Self:
        given = {name: getattr(self, name) for name in (*JUDGED, "bitrate", "maxrate", "bufsize", "gop_frames")}
        said = [name for name, value in given.items() if value is not None]
        if (said or self.encoder_options) and not self.encodes_video:
            named = said[0] if said else "encoder_options"
            raise ValueError(f"{named}: with video_codec {self.video_codec} no pictures are encoded")
        for name in JUDGED:
            if given[name] is not None and (why := misfit(self.video_codec, name, given[name])) is not None:
                raise ValueError(f"{name}: {why}")
        for key, value in self.encoder_options.items():
            if (why := misfit_key(self.video_codec, key, value)) is not None:
                raise ValueError(f"encoder_options: {why}")
        if self.ladder and (self.width or self.height):
            raise ValueError("width and height are the rungs' in a ladder (set ladder, or take it away)")
        on_grid = [key for key in ("min-keyint", "scenecut") if key in self.encoder_options]
        if self.container == "package" and (self.gop_frames is not None or on_grid):
            named = on_grid[0] if on_grid else "gop_frames"
            raise ValueError(f"{named}: a package's keyframes begin its segments (set segment_seconds)")
        return self


#: Frames of lookahead with which chunks were seen to leave a player's buffer as full as they found it.
LEAST_LOOKAHEAD = 5
#: Codecs whose encoders model a player's buffer frame by frame.
_BUFFERED = frozenset({"h264", "h265"})


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
    on_damage: Literal["refuse", "keep"] = "refuse"
    """A source that decodes only in part is refused; `keep` encodes what is there and reports what is missing."""
    verify: Literal["packets", "full"] = "packets"
    """How the result is read back: its packets and boxes, or `full`: every frame and sample decoded as well."""
    reuse: Literal["on", "off"] = "on"
    """`off` encodes every chunk anew, even where another job has left the same one."""

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if sum(rule is not None for rule in (self.chunks, self.chunk_frames, self.chunk_seconds)) > 1:
            raise ValueError("chunks, chunk_frames and chunk_seconds exclude each other")
        return self


def apply_assignments(
    output: OutputSettings, run: RunSettings, assignments: Mapping[str, Any]
) -> tuple[OutputSettings, RunSettings]:
    """Both settings with `key=value` assignments applied; lists and objects may be written as JSON.

    Raises `UnknownSetting` with the near names, `InvalidSetting` with the reason.
    """
    fields = {**OutputSettings.model_fields, **RunSettings.model_fields}
    for key in assignments:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(sorted(fields))}."
            unknown = UnknownSetting(f"There is no setting {key!r}; {hint}")
            unknown.param = key
            raise unknown
    return _updated(output, assignments), _updated(run, assignments)


def _updated(settings: T, assignments: Mapping[str, Any]) -> T:
    mine = {key: _parse(given) for key, given in assignments.items() if key in type(settings).model_fields}
    try:
        return type(settings).model_validate({**settings.model_dump(), **mine})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        invalid = InvalidSetting(f"Setting {where}: {reason}." if where else f"Settings: {reason}.")
        invalid.param = where or None
        raise invalid from None


def _parse(text: Any) -> Any:
    """Lists and objects are JSON; other text stays, for the field's own type to read, and so do values."""
    if text == "null":
        return None
    if not isinstance(text, str) or not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
