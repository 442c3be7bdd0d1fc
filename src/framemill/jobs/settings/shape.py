"""Which part of the source is shown, when, and in which shape."""

import re
from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from framemill.jobs.settings.times import FrameRate, Seconds
from framemill.jobs.settings.value import DIGITS, Value

Side = Annotated[int, Field(ge=16, le=16384)]


def _placed(uri: str) -> str:
    if not uri.startswith(("/", "http://", "https://")):
        raise ValueError("it takes an http(s) URL, or a path on the farm's machine, written from the root")
    return uri


Place = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_placed)]
"""Where a file is: an http(s) URL, or an absolute path on the farm's machine."""


def _rank_or_place(given: str) -> str:
    return given if re.fullmatch("[0-9]{1,3}", given) else _placed(given)


RankOrPlace = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_rank_or_place)]
"""A track's rank, or where a file is."""


class Overlay(Value):
    """A still picture over the film: a logo, a watermark."""

    uri: Place
    """Where it is; its own transparency is kept."""
    x: int = Field(default=0, ge=-16384, le=16384)
    """Pixels from the left of the output; negative: from the right. Of a ladder's largest rendition: the others have
    the same picture smaller."""
    y: int = Field(default=0, ge=-16384, le=16384)
    """Pixels from the top of the output; negative: from the bottom."""
    width: int | None = Field(default=None, ge=1, le=16384)
    """Pixels; none: its own size. Its aspect is kept."""
    opacity: float = Field(default=1.0, ge=0, le=1)
    """1: as it is; 0: not seen."""
    start: Seconds | None = None
    """Seconds of the output from which on it is shown."""
    end: Seconds | None = None
    """Seconds of the output until which it is shown."""

    @model_validator(mode="after")
    def _seen(self) -> Self:
        if self.end is not None and self.end <= (self.start or 0.0):
            raise ValueError("it would end before it begins (set start and end)")
        return self


class ShapeSettings(Value):
    """What part of the source becomes which picture."""

    start: Seconds | None = None
    """Where the output begins, in seconds of the source from its first picture: the first frame at or after it."""
    end: Seconds | None = None
    """Where it ends: the first frame at or after it is left out."""
    duration: Seconds | None = None
    """Seconds from `start`, instead of `end`."""
    fps: FrameRate | None = None
    """Frames a second, by ffmpeg's `fps` filter; none: the source's own times."""
    fps_mode: Literal["force", "cap"] = "force"
    """`cap`: only where the source has more than `fps`."""
    deinterlace: Literal["off", "auto", "frame", "field"] = "off"
    """`frame`: a picture a frame (bwdif); `field`: a picture a field; `auto`: `frame`, where the source says that it
    is interlaced."""
    size: str | None = Field(default=None, pattern=r"^(144|240|360|480|540|576|720|1080|1440|2160|4320)p$")
    """A box by the name of its shorter side, 16:9, turned with a portrait source; instead of width and height."""
    width: Side | None = None
    """Box to fit into, in pixels."""
    height: Side | None = None
    """Box to fit into, in pixels."""
    fit: Literal["fit", "fill", "pad", "stretch"] = "fit"
    """`fit` inside the box; `fill` it and cut off what is over; `pad` with black; `stretch` without the aspect."""
    upscale: bool = False
    """Whether anything may be enlarged."""
    crop: str | None = Field(default=None, pattern=r"^[0-9]{1,6}:[0-9]{1,6}(:[0-9]{1,6}:[0-9]{1,6})?$")
    """`WIDTH:HEIGHT[:X:Y]` of the source, before all else; without X and Y from the middle."""
    crop_edges: str | None = Field(default=None, pattern=r"^[0-9]{1,6}(:[0-9]{1,6}){3}$")
    """`TOP:RIGHT:BOTTOM:LEFT`: pixels of the source that are cut off, instead of `crop`."""
    rotate: Annotated[Literal[0, 90, 180, 270], DIGITS] = 0
    """Degrees, clockwise; before the size."""
    flip: Literal["none", "horizontal", "vertical"] = "none"
    """Mirrored; after `rotate`."""
    denoise: Literal["none", "light", "medium", "heavy"] = "none"
    """hqdn3d, which looks back to the first frame: the pictures are encoded in one piece."""
    sharpen: float | None = Field(default=None, ge=-1.5, le=1.5)
    """Strength of `unsharp`; negative blurs."""
    overlays: tuple[Overlay, ...] = Field(default=(), max_length=8)
    """Still pictures over the film, the first one lowest."""
    burn_subtitles: RankOrPlace | None = None
    """Text track of the source by its rank among those (`0`), or an SRT, ASS or WebVTT file, drawn into the pictures.
    The times of a file count from the source's first picture, also where only a part is shown."""
    color_matrix: Literal["source", "size", "bt601", "bt709"] = "source"
    """How colours are mixed: as the `source` does, which the output's tags say; as players guess by its `size`, for
    those that read no tags; or that one."""
    tone_map: Literal["auto", "off"] = "auto"
    """HDR becomes SDR where the output has 8 bits; `off` keeps the values as they are."""

    @property
    def rate(self) -> Fraction | None:
        """The frame rate that is asked for."""
        return None if self.fps is None else Fraction(self.fps)

    @property
    def clipped(self) -> bool:
        """Whether only a part of the source is asked for."""
        return self.start is not None or self.end is not None or self.duration is not None

    @property
    def until(self) -> float | None:
        """Where the output ends, in seconds of the source; none: with it."""
        return self.end if self.duration is None else (self.start or 0.0) + self.duration

    @model_validator(mode="after")
    def _shape_fits(self) -> Self:
        if self.end is not None and self.duration is not None:
            raise ValueError("end and duration exclude each other")
        if self.until is not None and self.until <= (self.start or 0.0):
            raise ValueError("the output would end before it begins (set start and end)")
        if self.crop is not None and self.crop_edges is not None:
            raise ValueError("crop and crop_edges exclude each other")
        if self.size is not None and (self.width or self.height):
            raise ValueError("size and width or height exclude each other")
        if self.fit in {"fill", "pad", "stretch"} and self.size is None and not (self.width and self.height):
            raise ValueError(f"fit={self.fit} needs a whole box (set size, or width and height)")
        return self
