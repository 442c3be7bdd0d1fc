"""Which renditions an output has, and the size, pixel format and filters of each."""

from collections.abc import Iterator

from framemill.jobs.settings import OutputSettings
from framemill.media.index import FirstFrame
from framemill.media.options import pix_fmt
from framemill.media.plan import Frozen

_WIDE = 16 / 9  # a rung's box: its height and 16/9 of it, turned with a portrait source


class Picture(Frozen):
    """One rendition: what each frame becomes before it is encoded."""

    name: str
    """The shorter side, as players call it: `720p`."""
    width: int
    height: int
    pix_fmt: str
    sample_aspect_ratio: str
    crf: float | None = None
    """The rung's quality; none: the settings'."""


def pictures(settings: OutputSettings, first: FirstFrame, source_pix_fmt: str) -> tuple[Picture, ...]:
    """The renditions of an output, best first. Nothing is enlarged, and no two have one size."""
    found: dict[tuple[int, int], Picture] = {}
    for width, height, crf in _boxes(settings, portrait=first.height > first.width):
        exact = settings.pix_fmt == "source"
        size = fit(first.width, first.height, width, height, even=not exact)
        found[size] = Picture(  # a lower rung of the same size has the fitting quality: the last one wins
            name=f"{min(size)}p",
            width=size[0],
            height=size[1],
            pix_fmt=pix_fmt(settings, source_pix_fmt, odd_size=bool(size[0] % 2 or size[1] % 2)),
            sample_aspect_ratio=first.sample_aspect_ratio,
            crf=crf,
        )
    return tuple(sorted(found.values(), key=lambda picture: -picture.width * picture.height))


def _boxes(settings: OutputSettings, *, portrait: bool) -> Iterator[tuple[int | None, int | None, float | None]]:
    if not settings.ladder:
        yield settings.width, settings.height, None
    for rung in settings.ladder:
        long = round(rung.height * _WIDE)
        yield (rung.height, long, rung.crf) if portrait else (long, rung.height, rung.crf)


def fit(width: int, height: int, box_width: int | None, box_height: int | None, *, even: bool) -> tuple[int, int]:
    """The largest size of that aspect inside the box, never larger than the source; sides in pixels.

    `even`: chroma is subsampled, so both sides are rounded to the nearest even number.
    """
    scale = min((box_width or width) / width, (box_height or height) / height, 1)
    step = 2 if even else 1
    return (max(step, round(width * scale / step) * step), max(step, round(height * scale / step) * step))
