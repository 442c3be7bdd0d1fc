"""Which renditions an output has, and the size, pixel format and filters of each."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from framemill.jobs.choices import USUAL_FPS, Rate, chosen
from framemill.jobs.settings import OutputSettings, Rung, Value
from framemill.media.colour import Look, look
from framemill.media.drawing import Step, sharpen, shown_size, step
from framemill.media.index import FirstFrame
from framemill.media.options import SWS_FLAGS, is_rgb, pix_fmt
from framemill.media.stillcodecs import canvas

_WIDE = Fraction(16, 9)  # a rung's box: its height and 16/9 of it, turned with a portrait source


class Picture(Value):
    """One rendition: what each frame becomes before it is encoded."""

    name: str
    """The shorter side, as players call it: `720p`."""
    width: int
    height: int
    steps: tuple[Step, ...]
    """How it gets that size."""
    after: tuple[Step, ...] = ()
    """What happens at that size."""
    pix_fmts: tuple[str, ...]
    """The formats that a frame goes through, the last one to the encoder."""
    color_range: str = ""
    """The source's, pinned; empty where the encoder's conversion decides."""
    look: Look = Look()
    """What its colours are, and what makes them so."""
    sample_aspect_ratio: str
    rate: Rate = Rate()
    """What its encoder is told of speed, quality and rate."""

    @property
    def pix_fmt(self) -> str:
        """What the encoder gets."""
        return self.pix_fmts[-1]

    @property
    def rgb(self) -> bool:
        """Whether it is no kind of YUV or gray."""
        return is_rgb(self.pix_fmt)


def pictures(settings: OutputSettings, first: FirstFrame, fps: Fraction = USUAL_FPS) -> tuple[Picture, ...]:
    """The renditions of an output, best first. Nothing is enlarged unless asked for, and no two have one size.

    `fps`: frames a second that are shown, on average.
    """
    found: dict[tuple[int, int], Picture] = {}
    shown, still = _Shown.of(settings, first), settings.kind == "picture"
    if still:  # nobody stretches a picture by what it says of its pixels
        shown = shown.squared
    source = first.pix_fmt
    for width, height, rung in _boxes(settings, portrait=shown.height > shown.width):
        even = settings.pix_fmt != "source" and not still
        sized = _sized(settings, shown, width, height, even=even)
        size = sized.width, sized.height
        target = canvas(source) if still else pix_fmt(settings, source, odd_size=bool(size[0] % 2 or size[1] % 2))
        found[size] = Picture(  # a lower rung of the same size has the fitting quality: the last one wins
            name=f"{min(size)}p",
            width=sized.width,
            height=sized.height,
            steps=sized.steps,
            after=sharpen(settings),
            # Planes first: packed formats of a few bits reach x264's packed RGB by another way with other rounding.
            pix_fmts=("gbrp", target) if is_rgb(target) and target != source and not still else (target,),
            color_range="" if is_rgb(source) or is_rgb(target) else first.color_range,
            look=look(settings, (first.width, first.height), size, (source, target), (first.colour, first.color_range)),
            sample_aspect_ratio=sized.sample_aspect_ratio,
            rate=chosen(settings, rung=rung, size=size, fps=fps),
        )
    best_first = sorted(found.values(), key=lambda picture: -picture.width * picture.height)
    if settings.ladder and not settings.upscale:
        best_first = _useful(best_first, settings, shown)
    names = [picture.name for picture in best_first]
    return tuple(
        picture.model_copy(update={"name": f"{picture.width}x{picture.height}"})
        if names.count(picture.name) > 1
        else picture
        for picture in best_first
    )


#: Nobody tells two renditions apart of which one has more than this share of the other's pixels.
ALIKE = Fraction(85, 100)


def _useful(best_first: list[Picture], settings: OutputSettings, shown: "_Shown") -> list[Picture]:
    """Without a rung just below the source's own size, where a higher rung became that size."""
    limited = min(shown.width, shown.height) < max(rung.height for rung in settings.ladder)
    best, *rest = best_first
    if not limited or best.width < shown.width - 1:
        return best_first
    return [best, *(one for one in rest if one.width * one.height <= ALIKE * best.width * best.height)]


#: A process that encodes several renditions keeps the frames that their encoders look ahead at: at most so many times
#: those of the largest.
MOST_TOGETHER = 2


def batches(pixels: Sequence[int]) -> tuple[range, ...]:
    """Which renditions one process encodes, by the pixels of each, the largest first: as many as fit together."""
    found: list[range] = []
    first = 0
    for number in range(1, len(pixels) + 1):
        if number == len(pixels) or sum(pixels[first : number + 1]) > MOST_TOGETHER * pixels[first]:
            found.append(range(first, number))
            first = number
    return tuple(found)


class _Shown(NamedTuple):
    """A frame before it gets its size."""

    width: int
    height: int
    sample_aspect_ratio: str

    @classmethod
    def of(cls, settings: OutputSettings, first: FirstFrame) -> "_Shown":
        """After the crop and the turn."""
        width, height = shown_size(settings, first.width, first.height)
        aspect = first.sample_aspect_ratio
        if settings.rotate in {90, 270}:
            aspect = "/".join(reversed(aspect.split("/"))) if not aspect.startswith("0") else aspect
        return cls(width, height, aspect)

    @property
    def squared(self) -> "_Shown":
        """The same in square pixels."""
        return _Shown(max(1, round(self.square[0])), self.height, "1/1")

    @property
    def square(self) -> tuple[Fraction, int]:
        """Width and height as they are seen, in square pixels."""
        across, _, down = self.sample_aspect_ratio.partition("/")
        aspect = Fraction(int(across), int(down)) if int(across) and int(down or 1) else Fraction(1)
        return self.width * aspect, self.height


class _Sized(NamedTuple):
    width: int
    height: int
    sample_aspect_ratio: str
    steps: tuple[Step, ...]


def _boxes(settings: OutputSettings, *, portrait: bool) -> Iterator[tuple[int | None, int | None, Rung | None]]:
    if settings.size is not None:
        yield *_named_box(int(settings.size.removesuffix("p")), portrait=portrait), None
    elif not settings.ladder:
        yield settings.width, settings.height, None
    for rung in settings.ladder:
        yield *_named_box(rung.height, portrait=portrait), rung


def _named_box(shorter: int, *, portrait: bool) -> tuple[int, int]:
    longer = math.ceil(shorter * _WIDE)
    return (shorter, longer) if portrait else (longer, shorter)


def _sized(
    settings: OutputSettings, shown: _Shown, box_width: int | None, box_height: int | None, *, even: bool
) -> _Sized:
    most = Fraction(1 << 14) if settings.upscale else Fraction(1)
    if settings.fit == "fit" or box_width is None or box_height is None:
        width, height = fit(shown.width, shown.height, box_width, box_height, even=even, most=most)
        return _Sized(width, height, shown.sample_aspect_ratio, (_scaled(width, height),))
    # The others fill a box exactly, in square pixels.
    seen_width, seen_height = shown.square
    across, down = Fraction(box_width) / seen_width, Fraction(box_height) / seen_height
    if settings.fit == "pad":
        scale = min(across, down, most)
        width, height = _whole(seen_width * scale, even=even), _whole(seen_height * scale, even=even)
        box = _whole(box_width, even=even), _whole(box_height, even=even)
        left, top = ((whole - part) // 4 * 2 for whole, part in zip(box, (width, height), strict=True))
        padded = step("pad", w=box[0], h=box[1], x=left, y=top)
        return _Sized(*box, "1/1", (_scaled(width, height), padded))
    # Where nothing is enlarged the box becomes smaller, and keeps its own aspect.
    binding = max(across, down) if settings.fit == "fill" else min(across, down)
    shrunk = min(most / binding, Fraction(1))
    width, height = _whole(box_width * shrunk, even=even), _whole(box_height * shrunk, even=even)
    if settings.fit == "stretch":
        return _Sized(width, height, "1/1", (_scaled(width, height),))
    scale = max(Fraction(width) / seen_width, Fraction(height) / seen_height)
    covers = max(width, _whole(seen_width * scale, even=even)), max(height, _whole(seen_height * scale, even=even))
    cut = step("crop", w=width, h=height, x=(covers[0] - width) // 4 * 2, y=(covers[1] - height) // 4 * 2, exact=1)
    return _Sized(width, height, "1/1", (_scaled(*covers), cut))


def _scaled(width: int, height: int) -> Step:
    return step("scale", w=width, h=height, flags=SWS_FLAGS)


def _whole(length: Fraction | int, *, even: bool, most: Fraction | int | None = None) -> int:
    """Pixels: whole, and even where chroma is subsampled; the nearest, but not more than `most`."""
    each = 2 if even else 1
    nearest = round(Fraction(length) / each)
    if most is not None:
        nearest = min(nearest, math.floor(Fraction(most) / each))
    return max(each, nearest * each)


def fit(
    width: int,
    height: int,
    box_width: int | None,
    box_height: int | None,
    *,
    even: bool,
    most: Fraction | int = 1,
) -> tuple[int, int]:
    """The largest size of that aspect inside the box; sides in pixels.

    `even`: chroma is subsampled, so both sides are rounded to the nearest even number that the source has lines for;
    `most`: how many times larger than the source it may be.
    """
    if box_width is None and box_height is None:
        scale = Fraction(1)
    else:
        sides = ((box_width, width), (box_height, height))
        scale = min(*(Fraction(box, side) for box, side in sides if box), Fraction(most))
    return _whole(width * scale, even=even, most=width * most), _whole(height * scale, even=even, most=height * most)
