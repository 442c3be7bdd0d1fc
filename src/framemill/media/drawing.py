"""What ffmpeg's filters make of each picture, as values: planned here, applied by `encode`.

Each filter that may stand here looks at one frame alone, so that chunks come out as the whole does. Those that look at
neighbours are in `edit`; one that looks back to the first frame leaves the title in one piece
(`OutputSettings.undivided`).
"""

from collections.abc import Sequence
from typing import Any

from framemill.errors import InvalidSetting
from framemill.jobs.settings import OutputSettings, Value


class Step(Value):
    """One filter with its options, as ffmpeg names both."""

    name: str
    options: tuple[tuple[str, str], ...] = ()


def step(name: str, **options: object) -> Step:
    """A filter with its options."""
    return Step(name=name, options=tuple((key, str(value)) for key, value in options.items()))


def apply(stream: Any, steps: Sequence[Step]) -> Any:
    """The stream (of ffmpeg-python) behind these filters."""
    for each in steps:
        stream = stream.filter(each.name, **dict(each.options))
    return stream


_TURNS = {0: (), 90: (step("transpose", dir="clock"),), 180: (step("hflip"), step("vflip")),
          270: (step("transpose", dir="cclock"),)}  # fmt: skip
_FLIPS = {"none": (), "horizontal": (step("hflip"),), "vertical": (step("vflip"),)}
# hqdn3d's own defaults are 4:3:6:4.5; half and twice of them.
_DENOISE = {"none": (), "light": ("2", "1.5", "3", "2.25"), "medium": ("4", "3", "6", "4.5"),
            "heavy": ("8", "6", "12", "9")}  # fmt: skip
_DENOISE_OPTIONS = ("luma_spatial", "chroma_spatial", "luma_tmp", "chroma_tmp")


def before_size(settings: OutputSettings, width: int, height: int) -> tuple[Step, ...]:
    """What happens to each frame of `width` × `height` pixels once, whatever the rendition: crop, turn, denoise.

    Raises `InvalidSetting` where the crop does not lie within the picture.
    """
    steps: list[Step] = []
    if (cropped := _cropped(settings, width, height)) is not None:
        w, h, x, y = cropped
        steps.append(step("crop", w=w, h=h, x=x, y=y, exact=1))
    steps += [*_TURNS[settings.rotate], *_FLIPS[settings.flip]]
    if strength := _DENOISE[settings.denoise]:
        steps.append(step("hqdn3d", **dict(zip(_DENOISE_OPTIONS, strength, strict=True))))
    return tuple(steps)


def shown_size(settings: OutputSettings, width: int, height: int) -> tuple[int, int]:
    """Width and height in pixels of what `before_size` makes of a frame."""
    if (cropped := _cropped(settings, width, height)) is not None:
        width, height = cropped[:2]
    return (height, width) if settings.rotate in {90, 270} else (width, height)


def _cropped(settings: OutputSettings, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Width, height, and left upper corner of what is kept of the source's picture; none: all of it."""
    if settings.crop_edges is not None:
        return _without_edges(settings.crop_edges, width, height)
    return None if settings.crop is None else _crop(settings.crop, width, height)


def _without_edges(text: str, width: int, height: int) -> tuple[int, int, int, int]:
    top, right, bottom, left = (int(part) for part in text.split(":"))
    if left + right >= width or top + bottom >= height:
        raise InvalidSetting(f"crop_edges={text} leaves nothing of the picture of {width}x{height} pixels.")
    return width - left - right, height - top - bottom, left, top


def _crop(text: str, width: int, height: int) -> tuple[int, int, int, int]:
    w, h, *place = (int(part) for part in text.split(":"))
    x, y = place or ((width - w) // 2, (height - h) // 2)
    if not (w and h and 0 <= x <= width - w and 0 <= y <= height - h):
        raise InvalidSetting(f"crop={text} does not lie within the picture of {width}x{height} pixels.")
    return w, h, x, y


def sharpen(settings: OutputSettings) -> tuple[Step, ...]:
    """What happens after the size is right."""
    if settings.sharpen is None:
        return ()
    return (step("unsharp", luma_amount=f"{settings.sharpen:g}", chroma_amount=f"{settings.sharpen / 2:g}"),)
