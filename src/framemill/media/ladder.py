"""Which renditions an output has, and the size, pixel format and filters of each."""

import math
from collections.abc import Iterator
from fractions import Fraction

from framemill.jobs.settings import OutputSettings, Value
from framemill.media.index import FirstFrame
from framemill.media.options import is_rgb, pix_fmt

_WIDE = Fraction(16, 9)  # a rung's box: its height and 16/9 of it, turned with a portrait source


class Picture(Value):
    """One rendition: what each frame becomes before it is encoded."""

    name: str
    """The shorter side, as players call it: `720p`."""
    width: int
    height: int
    pix_fmts: tuple[str, ...]
    """The formats that a frame goes through, the last one to the encoder."""
    color_range: str = ""
    """The source's, pinned; empty where the encoder's conversion decides."""
    sample_aspect_ratio: str
    crf: float | None = None
    """The rung's quality; none: the settings'."""

    @property
    def pix_fmt(self) -> str:
        """What the encoder gets."""
        return self.pix_fmts[-1]

    @property
    def rgb(self) -> bool:
        """Whether it is no kind of YUV or gray."""
        return is_rgb(self.pix_fmt)


def pictures(settings: OutputSettings, first: FirstFrame) -> tuple[Picture, ...]:
    """The renditions of an output, best first. Nothing is enlarged, and no two have one size."""
    found: dict[tuple[int, int], Picture] = {}
    for width, height, crf in _boxes(settings, portrait=first.height > first.width):
        exact = settings.pix_fmt == "source"
        size = fit(first.width, first.height, width, height, even=not exact)
        source = first.pix_fmt
        target = pix_fmt(settings, source, odd_size=bool(size[0] % 2 or size[1] % 2))
        found[size] = Picture(  # a lower rung of the same size has the fitting quality: the last one wins
            name=f"{min(size)}p",
            width=size[0],
            height=size[1],
            # Planes first: packed formats of a few bits reach x264's packed RGB by another way with other rounding.
            pix_fmts=("gbrp", target) if is_rgb(target) and target != source else (target,),
            color_range="" if is_rgb(source) or is_rgb(target) else first.color_range,
            sample_aspect_ratio=first.sample_aspect_ratio,
            crf=crf,
        )
    best_first = sorted(found.values(), key=lambda picture: -picture.width * picture.height)
    names = [picture.name for picture in best_first]
    return tuple(
        picture.model_copy(update={"name": f"{picture.width}x{picture.height}"})
        if names.count(picture.name) > 1
        else picture
        for picture in best_first
    )


def _boxes(settings: OutputSettings, *, portrait: bool) -> Iterator[tuple[int | None, int | None, float | None]]:
    if not settings.ladder:
        yield settings.width, settings.height, None
    for rung in settings.ladder:
        long = math.ceil(rung.height * _WIDE)
        yield (rung.height, long, rung.crf) if portrait else (long, rung.height, rung.crf)


def fit(width: int, height: int, box_width: int | None, box_height: int | None, *, even: bool) -> tuple[int, int]:
    """The largest size of that aspect inside the box, never larger than the source; sides in pixels.

    `even`: chroma is subsampled, so both sides are rounded to the nearest even number.
    """
    scale = min((box_width or width) / width, (box_height or height) / height, 1)
    step = 2 if even else 1
    return (max(step, round(width * scale / step) * step), max(step, round(height * scale / step) * step))
