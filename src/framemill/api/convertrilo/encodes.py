"""What a client of Convertrilo's asks an encode to be: its words, and what they mean on the farm. Pure."""

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from framemill.api.strict import storable
from framemill.jobs.settings.kinds import FITTINGS, misfit_codec, usual_audio
from framemill.services.parts import OutputRequest


class Words(BaseModel):
    """Base of what is read from clients: strict about values, lenient about fields that it does not know."""

    model_config = ConfigDict(
        extra="ignore",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _can_be_stored(cls, said: Any) -> Any:
        return storable(said)


Codec = Literal["h264", "h265", "av1"]
Resolution = Literal["480p", "720p", "1080p", "1440p", "2160p", "4320p"]
Container = Literal["mp4", "mkv", "webm", "mov"]
Speed = Literal["fast", "standard", "slow"]
Tier = Literal["low", "medium", "high"]
Quality = Literal["good", "better", "best"]


class Encode(Words):
    """All that is said of an encode, whichever route it came by; none: it was not said."""

    codec: Codec
    resolution: Resolution
    fps: int = Field(ge=1, le=240)
    container: Container = "mp4"
    preset: Speed = "fast"
    bitrate_tier: Tier | None = None
    """Not said is `medium`."""
    passes: Literal[1, 2] = 1
    policy: Literal["fastest", "gpu_first", "gpu_only"] = "gpu_first"
    quality: Quality | None = None
    optimize: Literal["none", "vmaf"] = "none"
    vmaf_target: float | None = Field(default=None, ge=1, le=100)
    audio_policy: Literal["auto", "copy", "transcode-aac", "strip"] | None = None
    frame_rate_policy: Literal["preserve", "cap", "force"] = "force"
    scale_policy: Literal["no-upscale", "allow-upscale", "downscale-only"] | None = None
    """Not said is `allow-upscale`: a client of 0.0.11, which cannot say it, gets the resolution that it asks for."""

    @model_validator(mode="after")
    def _goes_into_its_container(self) -> "Encode":
        if why := misfit_codec(self.container, self.codec, usual_audio(self.container)):
            raise ValueError(why.replace("(set video_codec)", "(set codec or container)"))
        return self

    @property
    def effective_passes(self) -> int:
        """A quality that is aimed at takes one: two passes share out a bit rate."""
        return 1 if self.optimize == "vmaf" else self.passes

    def changed(self, said: Mapping[str, Any]) -> "Encode":
        """The same with what is said now. Raises pydantic's `ValidationError`."""
        return Encode.model_validate({**self.model_dump(), **said})


BOXES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "480p": (854, 480), "720p": (1280, 720), "1080p": (1920, 1080),
        "1440p": (2560, 1440), "2160p": (3840, 2160), "4320p": (7680, 4320),
    }
)  # fmt: skip
"""Width and height of what a resolution holds at most, 16:9; turned with a portrait source."""

_TIER_OF: Mapping[str, Tier] = {"good": "low", "better": "medium", "best": "high"}
"""Two passes need a bit rate: what a quality means where no tier was said."""

_VMAF_STEPS = (
    (99.0, -6.0),
    (97.0, -3.0),
    (95.0, 0.0),
    (90.0, 4.0),
    (85.0, 7.0),
    (80.0, 9.0),
    (70.0, 13.0),
    (50.0, 20.0),
)
"""By how much the quantiser of usual film is above that of `good`, which comes to about VMAF 95 at 1080p: rules of
thumb for usual film, and no search in the title."""
_GOOD = {"h264": 23.0, "h265": 26.0, "av1": 32.0}
_FINER = {"av1": 63 / 51}
"""Its quantisers go to 63, those of the others to 51."""
USUAL_VMAF = 95.0
"""Where `optimize` says vmaf, and nothing else."""


def settings_of(asked: Encode) -> dict[str, Any]:
    """The native output settings that are meant."""
    said: dict[str, Any] = {
        "container": asked.container,
        "video_codec": asked.codec,
        "size": asked.resolution,
        "upscale": asked.scale_policy in {None, "allow-upscale"},
        "speed": asked.preset,
        "hardware": asked.policy,
        **_rate(asked),
        **_sound(asked),
    }
    if asked.frame_rate_policy != "preserve":
        said |= {"fps": str(asked.fps), "fps_mode": asked.frame_rate_policy}
    return said


def output_of(asked: Encode, **more: Any) -> OutputRequest:
    """The one output of a job, as it is asked for; `more`: its id, name or targets."""
    return OutputRequest(preset=asked.codec, settings=settings_of(asked), **more)


def _rate(asked: Encode) -> dict[str, Any]:
    if asked.optimize == "vmaf":
        return {"crf": crf_for(asked.codec, asked.vmaf_target or USUAL_VMAF)}
    if asked.passes == 2:  # noqa: PLR2004
        tier = asked.bitrate_tier or _TIER_OF.get(asked.quality or "", "medium")
        return {"bitrate_tier": tier, "passes": 2}
    if asked.quality is not None:
        return {"quality": asked.quality}
    return {"bitrate_tier": asked.bitrate_tier or "medium"}


def _sound(asked: Encode) -> dict[str, Any]:
    match asked.audio_policy:
        case "copy":
            return {"audio_codec": "copy"}
        case "strip":
            return {"audio_codec": "none"}
        case "transcode-aac" if "aac" in FITTINGS[asked.container].audio:
            return {"audio_codec": "aac"}
        case _:
            return {}


def crf_for(codec: Codec, vmaf: float) -> float:
    """The constant rate factor with which usual film comes to about that VMAF."""
    aimed = max(_VMAF_STEPS[-1][0], min(vmaf, _VMAF_STEPS[0][0]))
    (high, less), (low, more) = next(two for two in pairwise(_VMAF_STEPS) if two[1][0] <= aimed)
    offset = less + (high - aimed) / (high - low) * (more - less)
    return round(_GOOD[codec] + offset * _FINER.get(codec, 1.0), 1)


ENCODERS: Mapping[str, str] = MappingProxyType({"h264": "libx264", "h265": "libx265", "av1": "libsvtav1"})
"""What encodes each codec here."""

_HARDWARE = {"h264": "h264_", "h265": "hevc_", "av1": "av1_"}
"""How the names of hardware's encoders begin."""


def gpu_there(codec: Codec, farm: Mapping[str, Any]) -> bool:
    """Whether any machine can encode that on a GPU, by what the coordinator tells of the farm."""
    return any(
        encoder.startswith(_HARDWARE[codec])
        for worker in farm.get("workers") or ()
        for encoder in worker.get("encoders") or ()
    )
