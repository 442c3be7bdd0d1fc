"""What the numbers of a picture mean as light: read from the source, kept or converted, and always said in the output.

Pixels alone do not say it. Four tags do (range, matrix, primaries, transfer), and pictures of high dynamic range carry
the light of their master beside them. Where a source says nothing, players guess by its size; so do we, and then write
down what was guessed, since an output of another size would be guessed otherwise.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from framemill.errors import InvalidSetting
from framemill.jobs.settings import OutputSettings, Value
from framemill.media.drawing import Step, step
from framemill.media.options import SWS_FLAGS, Options, is_rgb

UNKNOWN = "unknown"
VideoRange = Literal["SDR", "PQ", "HLG"]


class Colour(Value):
    """What a source says of its pictures, in ffmpeg's words."""

    matrix: str = UNKNOWN
    """How red, green and blue were mixed into luma and chroma."""
    primaries: str = UNKNOWN
    """Which red, green and blue."""
    transfer: str = UNKNOWN
    """Which light a value stands for."""
    mastering: str = ""
    """The display that it was graded on, as x265 writes it: `G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)`, in 0.00002 of a
    coordinate and 0.0001 cd/m² (SMPTE ST 2086)."""
    light: str = ""
    """`MaxCLL,MaxFALL`: brightest pixel and brightest average of a frame, in cd/m² (CTA-861.3)."""
    dolby_vision: str = ""
    """Profile and compatibility of its enhancement: `8.1`; empty: none."""

    @property
    def dynamic(self) -> VideoRange:
        """How far its light goes, as HLS's VIDEO-RANGE calls it."""
        return _DYNAMIC.get(self.transfer, "SDR")


_DYNAMIC: Mapping[str, VideoRange] = {"smpte2084": "PQ", "arib-std-b67": "HLG"}


def read_colour(said: str) -> Colour:
    """What ffmpeg says of the first picture: its `showinfo`, and its own words about the stream."""
    first = next(iter(_TAGS.finditer(said)), None)
    tags = {} if first is None else dict(zip(("matrix", "primaries", "transfer"), first.groups(), strict=True))
    mastered = _MASTERING.search(said)
    light = _LIGHT.search(said)
    dolby = _DOLBY.search(said)
    return Colour(
        **{name: UNKNOWN if value == "reserved" else value for name, value in tags.items()},
        mastering=_mastering(mastered.groups()) if mastered else "",
        light=f"{light[1]},{light[2]}" if light and light[1] != "0" else "",
        dolby_vision=f"{dolby[1]}.{dolby[2]}" if dolby else "",
    )


_TAGS = re.compile(r"color_range:\S+ color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)")
_MASTERING = re.compile(
    r"Mastering display metadata: has_primaries:1 has_luminance:1 "
    r"r\(([\d.]+),\s*([\d.]+)\) g\(([\d.]+),\s*([\d.]+)\) b\(([\d.]+),?\s*([\d.]+)\) wp\(([\d.]+),\s*([\d.]+)\) "
    r"min_luminance=([\d.]+), max_luminance=([\d.]+)"
)
_LIGHT = re.compile(r"Content light level metadata: MaxCLL=(\d+), MaxFALL=(\d+)")
_DOLBY = re.compile(r"DOVI configuration record: .*?profile: (\d+),.*?compatibility id: (\d+)")


def _mastering(groups: Sequence[str]) -> str:
    red, green, blue, white = (
        "({},{})".format(*(round(float(part) * 50_000) for part in groups[at : at + 2])) for at in (0, 2, 4, 6)
    )
    least, most = (round(float(part) * 10_000) for part in groups[8:])
    return f"G{green}B{blue}R{red}WP{white}L({most},{least})"


def told_colour(stream: Mapping[str, Any]) -> Colour:
    """What a stream's facts, in ffprobe's words, say of its colours."""
    words = {"matrix": "color_space", "primaries": "color_primaries", "transfer": "color_transfer"}
    return Colour(**{name: str(stream.get(key) or UNKNOWN) for name, key in words.items()})


class Look(Value):
    """What a rendition's pictures are, and what makes them so."""

    color_range: str = ""
    """`tv` or `pc`."""
    matrix: str = UNKNOWN
    primaries: str = UNKNOWN
    transfer: str = UNKNOWN
    before: tuple[Step, ...] = ()
    """What each frame is told before it gets its size."""
    steps: tuple[Step, ...] = ()
    """What converts it at that size."""
    mastering: str = ""
    light: str = ""
    base_layer: bool = False
    """Whether a Dolby Vision enhancement is left out."""
    told: tuple[str, ...] = ()
    """For the report, a sentence each."""

    @property
    def tags(self) -> tuple[Step, ...]:
        """What writes the tags: pinned, so that every chunk has the same parameter sets."""
        said = {"range": self.color_range, "colorspace": self.matrix}
        said |= {"color_primaries": self.primaries, "color_trc": self.transfer}
        given = {name: value for name, value in said.items() if value not in {"", UNKNOWN}}
        return (step("setparams", **dict(sorted(given.items()))),) if given else ()

    @property
    def dynamic(self) -> VideoRange:
        """How far its light goes, as HLS's VIDEO-RANGE calls it."""
        return _DYNAMIC.get(self.transfer, "SDR")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of the source is lost, a sentence each."""
        return tuple(sentence for sentence in self.told if sentence.startswith(_DOLBY_TOLD))

    @property
    def scaler(self) -> tuple[tuple[str, str], ...]:
        """Options by which the `scale` filter gives RGB these colours; none where they are RGB themselves."""
        matrix = _SWS.get(self.matrix)
        return () if matrix is None else (("out_color_matrix", matrix), ("out_range", self.color_range or "tv"))


# What players take pictures for that say nothing, by their size: mpv, VLC and the browsers agree but for details.
_HD_WIDTH, _HD_HEIGHT = 1280, 576
_OF_MATRIX = {
    "bt709": ("bt709", "bt709"), "smpte170m": ("smpte170m", "smpte170m"), "bt470bg": ("bt470bg", "smpte170m"),
    "bt2020nc": ("bt2020", "bt2020-10"), "bt2020c": ("bt2020", "bt2020-10"), "fcc": ("bt470m", "smpte170m"),
    "smpte240m": ("smpte240m", "smpte240m"), "ictcp": ("bt2020", "smpte2084"),
}  # fmt: skip
_OF_PRIMARIES = {
    "bt709": "bt709", "smpte170m": "smpte170m", "bt470bg": "bt470bg", "bt2020": "bt2020nc", "bt470m": "fcc",
    "smpte240m": "smpte240m",
}  # fmt: skip


def usual_matrix(width: int, height: int) -> str:
    """What players take pictures of that size for."""
    if width >= _HD_WIDTH or height > _HD_HEIGHT:
        return "bt709"
    return "bt470bg" if height == _HD_HEIGHT else "smpte170m"  # PAL, else NTSC; the matrix is the same


def filled(colour: Colour, color_range: str, width: int, height: int, *, rgb: bool) -> tuple[Colour, str, list[str]]:
    """All tags of a source of that size, with its range; and which of them were guessed."""
    guessed = []
    matrix = colour.matrix
    if rgb:
        matrix = "gbr"
    elif matrix in {UNKNOWN, "gbr"}:
        dynamic = colour.dynamic != "SDR"
        matrix = _OF_PRIMARIES.get(colour.primaries) or ("bt2020nc" if dynamic else usual_matrix(width, height))
        guessed.append("matrix")
    usual = _OF_MATRIX.get("bt709" if rgb else matrix, _OF_MATRIX["bt709"])
    found = {"matrix": matrix}
    for name, guess in zip(("primaries", "transfer"), usual, strict=True):
        said = getattr(colour, name)
        found[name] = guess if said == UNKNOWN else said
        if said == UNKNOWN:
            guessed.append(name)
    known = color_range if color_range in {"tv", "pc"} else "pc" if rgb else "tv"
    return colour.model_copy(update=found), known, guessed


def look(
    settings: OutputSettings,
    source: tuple[int, int],
    size: tuple[int, int],
    formats: tuple[str, str],
    said: tuple[Colour, str],
) -> Look:
    """What a rendition's pictures are.

    `source`, `size`: width and height before and after scaling, in pixels; `formats`: the source's pixel format and the
    encoder's; `said`: what the source says of its colours, and its range. Raises `InvalidSetting` for Dolby Vision that
    has no layer which other decoders can show.
    """
    (was, target), (said_colour, said_range) = formats, said
    rgb_in, rgb_out = is_rgb(was), is_rgb(target)
    colour, levels, guessed = filled(said_colour, said_range, *source, rgb=rgb_in)
    told = [*_told_of_guess(colour, guessed, rgb=rgb_in), *_told_of_dolby(settings, said_colour)]
    found = Look(
        color_range=levels,
        matrix=colour.matrix,
        primaries=colour.primaries,
        transfer=colour.transfer,
        mastering=colour.mastering if colour.dynamic == "PQ" else "",
        light=colour.light if colour.dynamic == "PQ" else "",
        base_layer=bool(colour.dolby_vision),
    )
    kept = settings.pix_fmt == "source" and _bits(was) == _SDR_BITS  # 8 bits of high range are wanted as they are
    if colour.dynamic != "SDR" and _bits(target) == _SDR_BITS and settings.tone_map == "auto" and not kept:
        told.append(f"High dynamic range ({colour.dynamic}) becomes standard: BT.709, tone-mapped by the Hable curve.")
        mapped = {"matrix": "gbr" if rgb_out else "bt709", "primaries": "bt709", "transfer": "bt709"}
        steps = (*_tone_mapped(colour, levels, odd=bool(size[0] % 2 or size[1] % 2)), *_WITHOUT_LIGHT)
        found = found.model_copy(update=mapped | {"steps": steps, "color_range": "tv", "mastering": "", "light": ""})
    elif rgb_in and not rgb_out:
        matrix = usual_matrix(*size)
        steps = (step("format", pix_fmts=_planar(was)), _converted(out_color_matrix=_SWS[matrix], out_range="tv"))
        found = found.model_copy(update={"steps": steps, "matrix": matrix, "color_range": "tv"})
    elif rgb_out:
        known = step("setparams", colorspace=colour.matrix, range=levels)
        found = found.model_copy(
            update={
                **{"before": (known,) if guessed and not rgb_in else (), "matrix": "gbr", "color_range": ""},
                **{"primaries": said_colour.primaries, "transfer": said_colour.transfer},
            }
        )
    else:
        found = _with_matrix(found, settings, size)
    if settings.video_codec in _WITHOUT_TAGS and found.dynamic != "SDR":
        found = found.model_copy(update={"transfer": UNKNOWN})  # nobody will know
    return found.model_copy(update={"told": tuple(told)})


_SDR_BITS = 8


def _bits(pix_fmt: str) -> int:
    """Bits a sample."""
    deep = re.search(r"(9|10|12|14|16|32)(le|be)$|^(?:p[0-4]|nv2|y2|xv|x2rgb|x2bgr)(10|12|16|20|30|36)", pix_fmt)
    return _SDR_BITS if deep is None else int(deep[1] or deep[3])


def _planar(rgb: str) -> str:
    deep = _bits(rgb) > _SDR_BITS or re.match("(rgb|bgr|gbra?p?)(48|64|1[0246])", rgb)
    return "gbrp16le" if deep else "gbrp"


#: Codecs that have no tags: there nobody can but guess.
_WITHOUT_TAGS = frozenset({"mpeg4", "flv1", "wmv2", "theora"})
# swscale's own names of matrices.
_SWS = {"bt709": "bt709", "smpte170m": "smpte170m", "bt470bg": "smpte170m", "bt2020nc": "bt2020", "fcc": "fcc",
        "smpte240m": "smpte240m"}  # fmt: skip


def _converted(**options: str) -> Step:
    return step("scale", **options, flags=SWS_FLAGS)


def _with_matrix(found: Look, settings: OutputSettings, size: tuple[int, int]) -> Look:
    """The matrix that is asked for, where the source has another."""
    wanted = {"source": found.matrix, "size": usual_matrix(*size), "bt601": "smpte170m", "bt709": "bt709"}
    untold = settings.video_codec in _WITHOUT_TAGS
    matrix = wanted["size" if untold and settings.color_matrix == "source" else settings.color_matrix]
    full = untold and found.color_range == "pc"  # nobody would know
    if found.dynamic != "SDR" or (not full and _SWS.get(matrix, matrix) == _SWS.get(found.matrix, found.matrix)):
        return found
    levels = "tv" if full else found.color_range
    if found.primaries == "bt2020":  # its red, green and blue are not what the others mean by these
        primaries = _OF_MATRIX[matrix][0]
        wide = _wide(found, found.color_range)
        made = {"matrix": matrix, "primaries": primaries, "transfer": "bt709"}
        steps = (step("zscale", **wide, **made, range="full" if levels == "pc" else "limited", agamma=0),)
        return found.model_copy(update={**made, "steps": steps, "color_range": levels})
    mixed = _converted(
        **{"in_color_matrix": _SWS.get(found.matrix, "auto"), "out_color_matrix": _SWS[matrix]},
        **({"in_range": "pc", "out_range": "tv"} if full else {}),
    )
    return found.model_copy(update={"steps": (mixed,), "matrix": matrix, "color_range": levels})


# zimg's own names of matrices.
_ZIMG = {"bt470bg": "bt470bg", "smpte170m": "smpte170m", "bt709": "bt709", "bt2020nc": "bt2020nc",
         "bt2020c": "bt2020c", "ictcp": "ictcp"}  # fmt: skip
_HABLE_WHITE = 100
"""cd/m² of what becomes white without the curve (ITU-R BT.2035: reference displays)."""
_USUAL_PEAK = 1000
"""cd/m² where the source does not say: what most HDR10 is mastered for, and HLG's nominal peak (ITU-R BT.2100)."""
_MOST_LIGHT = 10_000


def _wide(colour: Colour | Look, levels: str) -> dict[str, str]:
    return {
        "matrixin": _ZIMG.get(colour.matrix, "bt2020nc"),
        "primariesin": colour.primaries,
        "transferin": colour.transfer,
        "rangein": "full" if levels == "pc" else "limited",
    }


def _tone_mapped(colour: Colour, levels: str, *, odd: bool) -> tuple[Step, ...]:
    """To BT.709, with the light of the master folded into what a usual display has.

    `agamma=0`: zimg's quick curves differ by CPU. `peak`: else the filter takes it from each frame, and one frame
    without it would be darker than its neighbours.
    """
    linear = step("zscale", **_wide(colour, levels), transfer="linear", npl=_HABLE_WHITE, agamma=0)
    return (
        *((step("format", pix_fmts="yuv444p10le"),) if odd else ()),
        linear,
        step("format", pix_fmts="gbrpf32le"),
        step("zscale", primaries="bt709", agamma=0),
        step("tonemap", tonemap="hable", desat=0, peak=f"{_peak(colour) / _HABLE_WHITE:g}"),
        step("zscale", transfer="bt709", matrix="bt709", range="limited", agamma=0),
    )


def _peak(colour: Colour) -> float:
    """The brightest light of the film, in cd/m²."""
    brightest = float(colour.light.partition(",")[0] or 0)
    graded = re.search(r"L\((\d+),", colour.mastering)
    told = brightest or (int(graded[1]) / 10_000 if graded else 0) or _USUAL_PEAK
    return min(max(told, 2 * _HABLE_WHITE), _MOST_LIGHT)


_WITHOUT_LIGHT = tuple(
    step("sidedata", mode="delete", type=kind)
    for kind in ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL", "DYNAMIC_HDR_PLUS")
)


def _told_of_guess(colour: Colour, guessed: Sequence[str], *, rgb: bool) -> list[str]:
    if rgb or "matrix" not in guessed:
        return []
    return [f"The source does not say its colours; they are taken for {colour.matrix}, as players do by its size."]


_NO_BASE = "5"
_DOLBY_TOLD = "Dolby Vision"


def _told_of_dolby(settings: OutputSettings, colour: Colour) -> list[str]:
    profile, _, base = colour.dolby_vision.partition(".")
    if not profile:
        return []
    if profile == _NO_BASE and settings.tone_map == "auto":
        raise InvalidSetting(
            f"The source is Dolby Vision of profile {profile}, whose pictures only its own decoders can show in right "
            "colours; set tone_map=off to encode its values as they are."
        )
    kind = {"1": "HDR10", "2": "SDR", "4": "HLG", "6": "HDR10"}.get(base, "its own")
    return [f"{_DOLBY_TOLD} (profile {colour.dolby_vision}) falls back to its base layer ({kind})."]


# By codec: where its keys go, and what it calls the light of the master.
_PARAMS = {
    "libx264": ("x264-params", "mastering-display", "cll"),
    "libx265": ("x265-params", "master-display", "max-cll"),
    "libsvtav1": ("svtav1-params", "mastering-display", "content-light"),
}
_SPEAKS_DOLBY = frozenset({"libx265", "libsvtav1"})


def with_light(options: Options, look: Look) -> Options:
    """An encoder's options, and those by which its stream carries the light of the master.

    The frames carry it as well, but not each: a chunk that starts where the source does not repeat it would have other
    parameter sets than the first.
    """
    name = str(options.get("c:v"))
    found = dict(options)
    if look.base_layer and name in _SPEAKS_DOLBY:
        found["dolbyvision"] = "0"
    if name in _PARAMS and (look.mastering or look.light):
        option, display, light = _PARAMS[name]
        told = {display: _notation(name, look.mastering), light: look.light}
        keys = [f"{key}={value}" for key, value in told.items() if value]
        found[option] = ":".join([part for part in (found.get(option),) if part] + keys)
    return found


def _notation(encoder: str, mastering: str) -> str:
    """SVT-AV1 takes plain numbers where x264 and x265 take units of the standard's."""
    if encoder != "libsvtav1" or not mastering:
        return mastering
    units = re.sub(
        r"([GBRWP]+)\((\d+),(\d+)\)", lambda m: f"{m[1]}({int(m[2]) / 50_000:.5f},{int(m[3]) / 50_000:.5f})", mastering
    )
    return re.sub(r"L\((\d+),(\d+)\)", lambda m: f"L({int(m[1]) / 10_000:.4f},{int(m[2]) / 10_000:.4f})", units)
