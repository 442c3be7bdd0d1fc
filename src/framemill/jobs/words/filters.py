"""`-vf`: a chain of ffmpeg's filters, read into the fields that make the same picture.

Here the order of what is done to a picture is one: fields, then crop, turn, denoising, size, bars. A chain that says
another order would come out otherwise, and is refused.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from framemill.jobs.words.said import Changes, Chosen, Said


class Filter(NamedTuple):
    """One filter of a chain."""

    name: str
    given: Mapping[str, str]
    """Its arguments by name; those without one by their place: `0`, `1`…"""

    def value(self, place: int, *names: str) -> str:
        """An argument by its place or one of its names; empty: not given."""
        return next((self.given[key] for key in (str(place), *names) if key in self.given), "")

    def knows(self, places: int, *names: str) -> bool:
        """Whether it has no other arguments than the first `places`, and these."""
        return set(self.given) <= {*map(str, range(places)), *names}


def filters(said: Said, chosen: Chosen) -> Changes:
    """The fields that a chain changes; refused where one has no field, or comes out of turn."""
    chosen.encoded(said)
    found: Changes = {}
    turn = 0
    chain = _chain(said)
    while chain:
        one = chain.pop(0)
        reader = _FILTERS.get(one.name)
        if reader is None:
            said.refuse(_WHY.get(one.name, f"of ffmpeg's filters {_TAKEN} are taken"))
        if reader.turn is not None:
            if reader.turn < turn:
                said.refuse(f"here the order is {', '.join(_ORDER)}; {one.name} comes too late")
            turn = reader.turn
        found = reader.read(said, one, chain, found)
    return found


def _chain(said: Said) -> list[Filter]:
    """The filters of a chain; what only graphs and quoting need is refused."""
    if not re.fullmatch(r"[A-Za-z0-9_=:./,()+*|-]+", said.value):
        said.refuse("of ffmpeg's filters a plain chain is taken, without labels and quotes")
    return [_filter(part) for part in re.split(r",(?![^()]*\))", said.value)]


def _filter(text: str) -> Filter:
    name, _, arguments = text.partition("=")
    given = {}
    for place, argument in enumerate(arguments.split(":") if arguments else ()):
        key, sign, value = argument.rpartition("=")
        given[key if sign else str(place)] = value
    return Filter(name, given)


def _size(said: Said, one: Filter, rest: list[Filter], found: Changes) -> Changes:
    """A box, in which -1 and -2 mean what the aspect says; followed by the crop or the bars that make it exact."""
    width, height = one.value(0, "w", "width"), one.value(1, "h", "height")
    aspect = one.given.get("force_original_aspect_ratio", "")
    known = one.knows(2, "w", "h", "width", "height", "force_original_aspect_ratio", "force_divisible_by")
    if not width or not height:
        said.refuse("scale takes W:H, one of them in pixels")
    if not known or not _side(width) or not _side(height) or one.given.get("force_divisible_by", "2") != "2":
        said.refuse("of scale's arguments W and H in pixels (or -1, -2) and force_original_aspect_ratio are taken")
    if not width[0].isdigit() and not height[0].isdigit():
        said.refuse("scale takes W:H, one of them in pixels")
    box = {"width": width if width[0] != "-" else None, "height": height if height[0] != "-" else None}
    if aspect not in {"", "decrease"} and not _fills(aspect, box, rest):
        said.refuse("force_original_aspect_ratio takes decrease, or increase with the crop=W:H behind it")
    if aspect == "increase":
        rest.pop(0)
        return {**found, **box, "fit": "fill"}
    if aspect and rest and rest[0].name == "pad":
        _bars(said, rest.pop(0), box)
        return {**found, **box, "fit": "pad"}
    return {**found, **box}


def _side(text: str) -> bool:
    return re.fullmatch("-1|-2|[1-9][0-9]{0,4}", text) is not None


def _fills(aspect: str, box: Changes, rest: Sequence[Filter]) -> bool:
    if aspect != "increase" or not rest or rest[0].name != "crop" or not rest[0].knows(2, "w", "h"):
        return False
    return [rest[0].value(0, "w"), rest[0].value(1, "h")] == [box["width"], box["height"]]


_MIDDLE = {"": "", "(ow-iw)/2": "(oh-ih)/2", "-1": "-1"}


def _bars(said: Said, pad: Filter, box: Changes) -> None:
    same = [pad.value(0, "w", "width"), pad.value(1, "h", "height")] == [box["width"], box["height"]]
    across, down = pad.value(2, "x"), pad.value(3, "y")
    middle = across != "" and _MIDDLE.get(across) == down
    colour = pad.value(4, "color")
    known = pad.knows(5, "w", "h", "width", "height", "x", "y", "color")
    if not (known and same and middle and colour in {"", "black"}):
        said.refuse("pad puts black bars around the box of the scale before it: W:H:(ow-iw)/2:(oh-ih)/2")


def _lone_pad(said: Said, _: Filter, __: list[Filter], ___: Changes) -> Changes:
    said.refuse("pad comes behind scale=W:H:force_original_aspect_ratio=decrease of the same W:H")


def _crop(said: Said, one: Filter, _: list[Filter], found: Changes) -> Changes:
    sides = [one.value(0, "w", "out_w"), one.value(1, "h", "out_h"), one.value(2, "x"), one.value(3, "y")]
    given = [side for side in sides if side]
    whole = all(re.fullmatch("[0-9]{1,5}", side) for side in given)
    known = whole and len(given) in {2, 4} and one.knows(4, "w", "h", "out_w", "out_h", "x", "y")
    if "crop" in found or not known:
        said.refuse("crop takes W:H or W:H:X:Y in pixels of the source, once")
    return {**found, "crop": ":".join(given)}


_TURNS = MappingProxyType(
    {
        "0": (270, "vertical"), "cclock_flip": (270, "vertical"), "1": (90, ""), "clock": (90, ""),
        "2": (270, ""), "cclock": (270, ""), "3": (90, "vertical"), "clock_flip": (90, "vertical"),
    }
)  # fmt: skip


def _turned(found: Changes, degrees: int, flip: str) -> Changes:
    """First so many degrees clockwise, then mirrored, after what was there already."""
    turned, mirrored = found.get("rotate", 0), found.get("flip", "none")
    turned = (turned - degrees if mirrored != "none" else turned + degrees) % 360
    if flip and mirrored == "none":
        mirrored = flip
    elif flip:
        turned, mirrored = (turned if mirrored == flip else (turned + 180) % 360), "none"
    return {**found, "rotate": turned, "flip": mirrored}


def _transpose(said: Said, one: Filter, _: list[Filter], found: Changes) -> Changes:
    way = one.value(0, "dir") or "0"
    if way not in _TURNS or not one.knows(1, "dir"):
        said.refuse("transpose takes 0 to 3, or clock, cclock, clock_flip, cclock_flip")
    return _turned(found, *_TURNS[way])


def _mirror(way: str) -> "_Read":
    def read(said: Said, one: Filter, _: list[Filter], found: Changes) -> Changes:
        if one.given:
            said.refuse(f"{one.name} takes nothing")
        return _turned(found, 0, way)

    return read


_FRAMES = ("send_frame", "send_frame_nospatial", "0", "2")
_FIELDS = ("send_field", "send_field_nospatial", "1", "3")


def _deinterlace(usual: str) -> "_Read":
    """Both deinterlacers mean the one that is here, bwdif; theirs only differ in which one they take as usual."""

    def read(said: Said, one: Filter, _: list[Filter], found: Changes) -> Changes:
        mode = one.value(0, "mode") or usual
        if one.value(1, "parity") not in {"", "-1", "auto"} or one.value(2, "deint") not in {"", "0", "all"}:
            said.refuse(f"{one.name} takes the order of fields from the source, and all frames: mode alone is taken")
        if mode not in {*_FRAMES, *_FIELDS} or not one.knows(3, "mode", "parity", "deint"):
            said.refuse(f"{one.name} takes the modes send_frame and send_field")
        return {**found, "deinterlace": "frame" if mode in _FRAMES else "field"}

    return read


def _rate(said: Said, one: Filter, _: list[Filter], found: Changes) -> Changes:
    rate = one.value(0, "fps")
    if not rate or not one.knows(1, "fps"):
        said.refuse("fps takes frames a second, such as 25 or 30000/1001")
    return {**found, "fps": rate, "fps_mode": "force"}


_DENOISE = {("2", "1.5", "3", "2.25"): "light", ("4", "3", "6", "4.5"): "medium", ("8", "6", "12", "9"): "heavy"}


def _denoise(said: Said, one: Filter, _: list[Filter], found: Changes) -> Changes:
    strength = tuple(one.value(place) for place in range(4)) if one.given else ("4", "3", "6", "4.5")
    if strength not in _DENOISE or not one.knows(4):
        said.refuse("hqdn3d has three strengths here: 2:1.5:3:2.25, 4:3:6:4.5 and 8:6:12:9")
    return {**found, "denoise": _DENOISE[strength]}


def _format(said: Said, one: Filter, _: list[Filter], found: Changes) -> Changes:
    name = one.value(0, "pix_fmts")
    if not name or "|" in name or not one.knows(1, "pix_fmts"):
        said.refuse("format takes one pixel format")
    return {**found, "pix_fmt": name}


def _square(said: Said, one: Filter, _: list[Filter], found: Changes) -> Changes:
    if one.value(0, "sar", "ratio") not in {"1", "1/1"}:
        said.refuse("pixels keep their shape, or become square in an exact box (fit=fill, pad, stretch)")
    return found


_Read = Callable[[Said, Filter, list[Filter], Changes], Changes]
_ORDER = ("deinterlacing", "crop", "turn", "denoising", "size", "format")


class _Taken(NamedTuple):
    turn: int | None
    """None: it chooses among frames and changes none of them, so it may stand anywhere."""
    read: _Read


_FILTERS: Mapping[str, _Taken] = MappingProxyType(
    {
        "yadif": _Taken(0, _deinterlace("send_frame")),
        "bwdif": _Taken(0, _deinterlace("send_field")),
        "crop": _Taken(1, _crop),
        "transpose": _Taken(2, _transpose),
        "hflip": _Taken(2, _mirror("horizontal")),
        "vflip": _Taken(2, _mirror("vertical")),
        "hqdn3d": _Taken(3, _denoise),
        "scale": _Taken(4, _size),
        "pad": _Taken(4, _lone_pad),
        "setsar": _Taken(5, _square),
        "format": _Taken(5, _format),
        "fps": _Taken(None, _rate),
    }
)
_TAKEN = "scale, crop, pad, fps, transpose, hflip, vflip, yadif, bwdif, hqdn3d and format"

_BY_REASON = {
    "brightness, contrast and colours stay the source's: no field changes them": """
        eq curves hue colorbalance colorchannelmixer lutyuv lutrgb lut vibrance""",
    "nothing is drawn but overlays and subtitles": "drawtext drawbox delogo fade",
    "a picture over the film is the setting overlays": "overlay movie amovie",
    "texts are drawn in by the setting burn_subtitles": "subtitles ass",
    "the speed stays; fps changes the rate": "setpts framerate minterpolate tblend tmix",
    "the sharpness is the setting sharpen": "unsharp smartblur gblur boxblur",
    "no field has it": "deband deflicker deshake dejudder deblock",
    "denoising is the setting denoise (light, medium, heavy), or hqdn3d": """
        removegrain vaguedenoiser nlmeans bm3d atadenoise""",
    "colours are converted by the settings tone_map and color_matrix": "zscale tonemap colorspace colormatrix",
    "the shape of pixels stays, or follows an exact box (fit)": "setdar",
    "it turns by quarters: transpose, hflip, vflip": "rotate",
}
#: Filters that are asked for, and why they are not taken.
_WHY: Mapping[str, str] = MappingProxyType({name: why for why, names in _BY_REASON.items() for name in names.split()})
