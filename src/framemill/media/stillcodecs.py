"""Which encoder a picture's container takes, with which pixels, and what becomes of transparency: built, never run."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from framemill.jobs.settings import Container, OutputSettings
from framemill.media.drawing import Step, step
from framemill.media.options import SWS_FLAGS, Options


class StillCodec(NamedTuple):
    """One kind of picture."""

    name: str
    """What ffmpeg calls its encoder."""
    codec: str
    """What a decoder calls what comes out."""
    plain: str
    """The pixels that it gets."""
    clear: str = ""
    """And with transparency; empty: it has none, and the picture lies on white."""
    gray: str = ""
    """And without colour, where it is smaller so."""
    deep: Mapping[str, str] = MappingProxyType({})
    """What it takes of a still's 16 bits, by the pixels that it would get with 8."""
    longest: int = 65_535
    """Pixels of a side that the format can hold."""


_DEEP = {"rgb24": "rgb48", "rgba": "rgba64", "gray": "gray16"}
CODECS: Mapping[Container, StillCodec] = MappingProxyType(
    {
        "jpg": StillCodec("mjpeg", "mjpeg", "yuvj420p", longest=65_500),
        "png": StillCodec(
            "png", "png", "rgb24", "rgba", "gray", {pixels: f"{deep}be" for pixels, deep in _DEEP.items()}
        ),
        "webp": StillCodec("libwebp", "webp", "yuv420p", "yuva420p", longest=16_383),
        "bmp": StillCodec("bmp", "bmp", "bgr24"),
        "gif": StillCodec("gif", "gif", "pal8", "pal8"),
        "tiff": StillCodec(
            "tiff", "tiff", "rgb24", "rgba", "gray", {pixels: f"{deep}le" for pixels, deep in _DEEP.items()}
        ),
    }
)


def has_alpha(pix_fmt: str) -> bool:
    """Whether a pixel format has room for transparency; of a palette nobody knows before it is decoded."""
    return pix_fmt in {"pal8", "rgba", "bgra", "argb", "abgr", "ya8", "vuya", "ayuv"} or pix_fmt.startswith(
        ("yuva", "gbrap", "rgba", "bgra", "ya16", "ayuv")
    )


def canvas(source: str) -> str:
    """The pixel format that frames of a source are drawn in before they become pictures: a palette takes no scaling,
    and of film no picture keeps more than 8 bits."""
    plain = {"pal8": "rgba", "monow": "gray", "monob": "gray", "p010le": "yuv420p", "p010be": "yuv420p"}
    return plain.get(source) or re.sub(r"^(yuva?4[0-9]{2}p|gbra?p)[0-9]+[lb]e$", r"\1", source)


def pixels(container: Container, source: str, *, still: bool) -> str:
    """The pixel format that a picture of that container gets. `still`: the source is a picture, whose depth is kept."""
    codec = CODECS[container]
    chosen = codec.plain
    if has_alpha(source) and codec.clear:
        chosen = codec.clear
    elif source.startswith(("gray", "mono")) and codec.gray:
        chosen = codec.gray
    deep = still and source.removesuffix("le").removesuffix("be").endswith(("16", "48", "64"))
    return codec.deep.get(chosen, chosen) if deep else chosen


def last_steps(container: Container, source: str, *, still: bool) -> tuple[Step, ...]:
    """How frames of that pixel format get those of the container; without room for it, what is transparent is white."""
    target = pixels(container, source, still=still)
    steps: list[Step] = []
    if has_alpha(source) and not CODECS[container].clear:
        # Each colour times its own opacity lies on black; done with the negative, it lies on white.
        steps += [_sws(), step("format", pix_fmts="gbrap"), step("negate"), step("premultiply", inplace=1)]
        steps += [step("negate"), step("format", pix_fmts="gbrp")]
    if target == "pal8":  # its palette is made of the pictures themselves
        return (*steps, _sws(), step("format", pix_fmts="bgra" if has_alpha(source) else "bgr24"))
    if target == "yuvj420p":  # all that JFIF knows
        return (*steps, _sws(out_color_matrix="bt601", out_range="full"), step("format", pix_fmts=target))
    if target.startswith("yuv"):  # WebP's, RFC 9649: as in VP8
        return (*steps, _sws(out_color_matrix="bt601", out_range="limited"), step("format", pix_fmts=target))
    return (*steps, _sws(), step("format", pix_fmts=target))


def _sws(**options: object) -> Step:
    return step("scale", **options, flags=SWS_FLAGS)


def still_options(settings: OutputSettings, *, animated: bool = False) -> Options:
    """ffmpeg's output options for the pictures; the same bytes on every machine."""
    quality = settings.picture_quality
    bare: Options = {"fflags": "+bitexact", "flags:v": "+bitexact", "threads": "1", "map_metadata": "-1"}
    match settings.container:
        case "jpg":
            return bare | {"c:v": "mjpeg", "q:v": str(_jpeg_scale(quality)), "qmin": "1", "huffman": "optimal"}
        case "webp":
            name = "libwebp_anim" if animated else "libwebp"
            return bare | {"c:v": name, "quality": str(quality), "compression_level": "4"}
        case "tiff":
            return bare | {"c:v": "tiff", "compression_algo": "lzw"}
        case container:
            return bare | {"c:v": CODECS[container].name}


#: MPEG's default intra matrix, which ffmpeg's JPEG encoder scales by its quantiser over 8, has 0.46 of the sum of the
#: table in JPEG's Annex K, which others scale by quality.
_ANNEX_K = 8 / 0.46
_HALF, _COARSEST = 50, 31


def _jpeg_scale(quality: int) -> int:
    """ffmpeg's quantiser scale for the usual 1…100 of other JPEG encoders."""
    share = (200 - 2 * quality) / 100 if quality >= _HALF else _HALF / quality
    return min(max(round(share * _ANNEX_K), 1), _COARSEST)
