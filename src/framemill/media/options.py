"""Which encoder a codec takes and with which options; built and never run here.

The pinned options make the bytes independent of the machine: one thread an encode, no CPU-dependent choices, no
name of the CPU in the stream (recipe: one determinism class = ffmpeg build and CPU architecture).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from framemill.errors import InvalidSetting
from framemill.jobs.choices import Rate, chosen
from framemill.jobs.settings import OutputSettings
from framemill.media.oldcodecs import OLD_CODECS, old_encoder

Options: TypeAlias = dict[str, str | None]
"""Options of one ffmpeg input or output by name, without the dash; None: a flag that takes no value."""

#: Every scaler, also those that ffmpeg inserts by itself: without these flags its SIMD code gives other pixels.
SWS_FLAGS = "bicubic+accurate_rnd+full_chroma_int+bitexact"


@dataclass(frozen=True, slots=True)
class VideoEncoder:
    """One encoder, as this project drives it."""

    name: str
    """What ffmpeg calls it."""
    crf: float
    """Usual quality."""
    preset: str
    """Usual speed."""
    pix_fmts: tuple[str, ...]
    """What it takes, the usual one first."""
    usual: tuple[str, ...]
    """What a source keeps of its own format, where nothing else was asked for."""


_H264_FORMATS = (
    "yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "nv16", "nv21",
    "yuv420p10le", "yuv422p10le", "yuv444p10le", "nv20le", "gray",
)  # fmt: skip
_H265_FORMATS = (
    "yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "gbrp",
    "yuv420p10le", "yuv422p10le", "yuv444p10le", "gbrp10le",
    "yuv420p12le", "yuv422p12le", "yuv444p12le", "gbrp12le", "gray", "gray10le", "gray12le",
)  # fmt: skip
ENCODERS: dict[str, VideoEncoder] = {
    "h264": VideoEncoder("libx264", 23, "medium", _H264_FORMATS, ("yuv420p", "yuvj420p")),
    "h265": VideoEncoder("libx265", 26, "medium", _H265_FORMATS, ("yuv420p", "yuvj420p", "yuv420p10le")),
    "av1": VideoEncoder("libsvtav1", 32, "8", ("yuv420p", "yuv420p10le"), ("yuv420p", "yuv420p10le")),
    "vp9": VideoEncoder(
        "libvpx-vp9", 32, "2",
        ("yuv420p", "yuva420p", "yuv422p", "yuv440p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv440p10le",
         "yuv444p10le", "yuv420p12le", "yuv422p12le", "yuv440p12le", "yuv444p12le", "gbrp", "gbrp10le", "gbrp12le"),
        ("yuv420p", "yuva420p", "yuv420p10le"),
    ),
    **{codec: VideoEncoder(old.name, 0, "", ("yuv420p",), ("yuv420p",)) for codec, old in OLD_CODECS.items()},
}  # fmt: skip
LIBAOM = VideoEncoder("libaom-av1", 32, "6", ("yuv420p", "yuv420p10le"), ("yuv420p", "yuv420p10le"))
X264_RGB = VideoEncoder("libx264rgb", 23, "medium", ("bgr0", "bgr24", "rgb24"), ("bgr0", "bgr24", "rgb24"))


def encoder_of(settings: OutputSettings) -> VideoEncoder:
    """The encoder of the pictures: the one asked for, else the codec's usual one."""
    return LIBAOM if settings.encoder == LIBAOM.name else ENCODERS[settings.video_codec]


#: What a source's format becomes, where H.264 does not take it as it is and nothing may be lost: the nearest one
#: that holds every value.
_NEAREST = {
    "gbrp": "rgb24", "gbrap": "rgb24", "rgba": "rgb24", "bgra": "rgb24", "argb": "rgb24", "abgr": "rgb24",
    "0rgb": "rgb24", "rgb0": "rgb24", "0bgr": "rgb24", "pal8": "rgb24", "rgb8": "rgb24", "bgr8": "rgb24",
    "rgb4_byte": "rgb24", "bgr4_byte": "rgb24", "rgb555le": "rgb24", "rgb565le": "rgb24", "bgr555le": "rgb24",
    "bgr565le": "rgb24", "rgb444le": "rgb24", "bayer_rggb8": "rgb24",
    "monow": "gray", "monob": "gray", "ya8": "gray", "ayuv": "yuv444p", "vuya": "yuv444p", "vuyx": "yuv444p",
    "yuva420p": "yuv420p", "yuva422p": "yuv422p", "yuva444p": "yuv444p",
    "yuv410p": "yuv444p", "yuv411p": "yuv444p", "yuvj411p": "yuvj444p", "yuv440p": "yuv444p", "yuvj440p": "yuvj444p",
    "uyvy422": "yuv422p", "yuyv422": "yuv422p", "yvyu422": "yuv422p", "uyyvyy411": "yuv444p", "nv24": "yuv444p",
}  # fmt: skip


def is_rgb(pix_fmt: str) -> bool:
    """Whether a pixel format holds red, green and blue, or a palette of them."""
    return pix_fmt.startswith(
        ("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2rgb", "x2bgr", "bayer", "xyz")
    )


def lossless_pix_fmt(source: str) -> str:
    """The pixel format in which x264 keeps a source's pixels, or comes nearest to it.

    Formats that x264 does not know go to one that holds every value; deep ones to 10 bits, all that x264 has.
    """
    if source in _H264_FORMATS or source in X264_RGB.pix_fmts:
        return source
    if source in _NEAREST:
        return _NEAREST[source]
    if is_rgb(source):
        return "rgb24"
    if source.startswith(("gray", "ya")):  # x264's deep gray is read back as 4:2:0
        return "yuv420p10le"
    return next((deep for parts, deep in _DEEP if any(part in source for part in parts)), "yuv444p")


_DEEP = (
    (("420", "p010", "p012", "p016"), "yuv420p10le"),
    (("422", "p210", "p212", "p216", "y210", "y212", "y216"), "yuv422p10le"),
    (
        ("444", "440", "p410", "p412", "p416", "y410", "y412", "y416", "xv30", "v30x", "xv36", "xv48", "ayuv64"),
        "yuv444p10le",
    ),
)


def pix_fmt(settings: OutputSettings, source: str, *, odd_size: bool = False) -> str:
    """The pixel format that the encoder gets. Raises `InvalidSetting` when the encoder does not take the one asked for.

    A lossless output of an odd size cannot be 4:2:0 or 4:2:2 in H.264 (its crop counts chroma samples): it is 4:4:4.
    """
    encoder = encoder_of(settings)
    if settings.pix_fmt == "source":
        kept = lossless_pix_fmt(source) if settings.video_codec == "h264" else source
        if kept not in (*encoder.pix_fmts, *_RGB_OF.get(encoder.name, ())):
            kept = next(
                (known for known in encoder.usual if "10" in known and "10" in lossless_pix_fmt(source)), "yuv420p"
            )
        return _WITHOUT_SUBSAMPLING.get(kept, kept) if odd_size else kept
    if settings.bit_depth == _DEEP_BITS:
        return "yuv420p10le"
    if settings.bit_depth is not None:
        return source if source in {"yuv420p", "yuvj420p"} else "yuv420p"
    if settings.pix_fmt is None:
        return source if source in encoder.usual else encoder.usual[0]
    if settings.pix_fmt not in (*encoder.pix_fmts, *_RGB_OF.get(encoder.name, ())):
        raise InvalidSetting(f"{encoder.name} takes no {settings.pix_fmt}; it takes {', '.join(encoder.pix_fmts)}.")
    return settings.pix_fmt


_DEEP_BITS = 10
_RGB_OF = {"libx264": X264_RGB.pix_fmts}
_WITHOUT_SUBSAMPLING = {
    "yuv420p": "yuv444p", "yuvj420p": "yuvj444p", "yuv422p": "yuv444p", "yuvj422p": "yuvj444p", "nv12": "yuv444p",
    "nv21": "yuv444p", "nv16": "yuv444p", "nv20le": "yuv444p10le", "yuv420p10le": "yuv444p10le",
    "yuv422p10le": "yuv444p10le",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pass:
    """One of two passes over a chunk."""

    number: Literal[1, 2]
    log: str
    """Beginning of the name of the encoder's notes; ffmpeg adds `-N.log`, where N counts its outputs."""
    bitrate: int
    """Bits per second that the chunk shall have."""
    maxrate: int | None = None
    """Less than the rendition's, where an encode before this one would have run a player dry."""


def video_encoder(
    settings: OutputSettings,
    pixels: str,
    rate: Rate | None,
    idrs: Sequence[int],
    *,
    grid: bool,
    first: bool = True,
    whole: bool = False,
    during: Pass | None = None,
) -> Options:
    """ffmpeg's output options for one chunk. `idrs`: its frames that must be IDR; `grid`: only those may be.

    Without a grid, scene cuts and the keyframe interval stay the encoder's own; GOPs are closed either way, since a
    chunk must stand by itself. `rate`: of the rendition (none: what the settings alone say); `first`: the chunk begins
    the title; `whole`: it is the title.
    """
    encoder, rate = encoder_of(settings), rate or chosen(settings)
    if settings.video_codec in OLD_CODECS:
        return old_encoder(settings, rate)
    quality = rate.crf if rate.crf is not None else encoder.crf
    speed = "cpu-used" if encoder.name in {"libvpx-vp9", LIBAOM.name} else "preset"
    options: Options = {"c:v": encoder.name, speed: rate.encoder_preset or encoder.preset, "crf": f"{quality:g}"}
    if settings.tune:
        options["tune"] = settings.tune
    if settings.profile:
        options["profile:v"] = settings.profile
    if rate.gop_frames is not None:
        options["g"] = str(rate.gop_frames)
    if idrs:
        options["force_key_frames"] = "expr:" + "+".join(f"eq(n,{frame})" for frame in idrs)
    if rate.qp is not None:
        del options["crf"]
        options["qp"] = str(rate.qp)
    if during is not None:
        rate = rate.model_copy(update={"maxrate": during.maxrate or rate.maxrate})
        del options["crf"]
        options |= _during(encoder, during)
        during = during if encoder.name in TWO_PASSES else None
    elif rate.bitrate is not None:
        if rate.crf is None:
            del options["crf"]
        options["b:v"] = str(rate.bitrate)
    place = _Place(grid=grid, first=first, whole=whole, during=0 if during is None else during.number)
    pinned = _aom if encoder is LIBAOM else _PINNED[settings.video_codec]
    return options | _buffer(rate, place) | pinned(settings, pixels, rate, place)


#: Encoders that look at a chunk first. SVT-AV1's own two passes crash on small pictures (ffmpeg 9.0.2, 160×90), so its
#: chunks are encoded in one, and again where they miss their share.
TWO_PASSES = frozenset({"libx264", "libx265", "libvpx-vp9", LIBAOM.name})
#: Of those the ones whose first pass encodes at one quality.
_AT_ONE_QUALITY = frozenset({"libx264", "libx265"})


def _during(encoder: VideoEncoder, during: Pass) -> Options:
    if encoder.name not in TWO_PASSES:
        return {"b:v": str(during.bitrate)}
    noted: Options = {"pass": str(during.number), "passlogfile": during.log}
    if during.number == 1 and encoder.name in _AT_ONE_QUALITY:
        return noted | {"crf": f"{encoder.crf:g}"}
    return noted | {"b:v": str(during.bitrate)}


@dataclass(frozen=True, slots=True)
class _Place:
    """What a chunk is in its title, and which pass over it this is (0: the only one)."""

    grid: bool
    first: bool
    whole: bool
    during: int = 0


def _buffer(rate: Rate, place: _Place) -> Options:
    """The player's buffer that the encoder keeps from running empty.

    Each encode begins with the buffer of its model as full as it likes to have it; the player's is as full as the chunk
    before has left it. So a chunk works with half of it, and begins with that half full (`vbv-init`). Measured:
    4-second chunks with the whole buffer ran a player dry in 528 of 720 frames, with half of it in none.
    """
    if place.during == 1:  # which looks for what the pictures need, not for what there is
        return {}
    sizes = {"maxrate": rate.maxrate, "bufsize": rate.bufsize}
    share = 1 if place.whole else 2
    return {name: str(size // share if name == "bufsize" else size) for name, size in sizes.items() if size is not None}


#: Without lookahead an encoder ends every chunk with an empty buffer, however full it began: 4-second chunks ran a
#: player dry in 100 to 410 of 500 to 720 frames. With 5 frames of it, and 10 and 20, in none (noise, bursts, and film).
LOOKAHEAD = 10


def _looks_nowhere(settings: OutputSettings, rate: Rate) -> bool:
    """Whether the encoder would look no frame ahead."""
    x264 = settings.video_codec == "h264" and rate.encoder_preset in {"ultrafast", "superfast"}
    return x264 or settings.tune == "zerolatency"


# x264 gives an IDR frame 1/1.4 of a P-frame's quantiser (`ipratio`; 1/1.1 with `-tune grain`), but not to the first
# frame of an encode. A zone of that one frame does, and then a chunk begins with the very bits that one encode of the
# whole has there; without it, the 24 frames after a seam lose half a point of VMAF on film.
_IP_RATIO = {"grain": "1.1"}


def _first_idr(settings: OutputSettings, place: _Place) -> dict[str, str]:
    if place.first or place.during or settings.qp is not None:  # two passes know by themselves what an IDR frame needs
        return {}
    ratio = settings.encoder_options.get("ipratio", _IP_RATIO.get(settings.tune or "", "1.4"))
    return {"zones": f"0,0,b={ratio}"}


def _x264(settings: OutputSettings, pixels: str, rate: Rate, place: _Place) -> Options:
    # cpu-independent: the same choices everywhere. stitchable: parameter sets that do not depend on the quality.
    params = {"cpu-independent": "1", "stitchable": "1", "open-gop": "0"}
    params |= {"scenecut": "0", "keyint": "infinite"} if place.grid else {}
    params |= _first_idr(settings, place)
    if settings.container == "avi":  # it keeps one order of frames: that of decoding
        params["bframes"] = "0"
    rgb: Options = {"c:v": X264_RGB.name} if pixels in X264_RGB.pix_fmts else {}
    level: Options = {"level": rate.level} if rate.level else {}
    return {"threads": "1", "x264-params": _params(params, settings, rate, place)} | level | rgb


def _x265(settings: OutputSettings, _: str, rate: Rate, place: _Place) -> Options:
    # info=0: its SEI would name the CPU. repeat-headers=0: parameter sets live in hvcC alone.
    params = {"log-level": "error", "info": "0", "pools": "none", "frame-threads": "1", "open-gop": "0"}
    params |= {"repeat-headers": "0"} | ({"scenecut": "0", "keyint": "-1"} if place.grid else {})
    if rate.level:  # ffmpeg's own -level does not reach it; and a level alone would mean its high tier
        params |= {"level-idc": rate.level, "high-tier": "0"}
    return {"x265-params": _params(params, settings, rate, place), "forced-idr": "1", "tag:v": "hvc1"}


def _svtav1(settings: OutputSettings, _: str, rate: Rate, place: _Place) -> Options:
    # lp=1: one thread, and the same bytes whatever the number of cores.
    params = {"lp": "1", "scd": "0"} | ({"level": settings.level.replace(".", "")} if settings.level else {})
    options: Options = {"svtav1-params": _params(params, settings, rate, place)}
    return options | ({"g": _NEVER} if place.grid else {})


def _vp9(settings: OutputSettings, _: str, rate: Rate, place: _Place) -> Options:
    options: Options = {"threads": "1", "row-mt": "0", "deadline": "good"}
    if rate.bitrate is None:  # quality alone, else the default of 256 kbit/s would limit it
        options["b:v"] = "0"
    if settings.level:
        options["level"] = settings.level
    return options | dict(settings.encoder_options) | ({"g": _NEVER} if place.grid else {})


def _aom(settings: OutputSettings, _: str, rate: Rate, place: _Place) -> Options:
    options: Options = {"threads": "1", "row-mt": "0", "usage": "good"}
    if rate.bitrate is None:
        options["b:v"] = "0"
    return options | ({"g": _NEVER} if place.grid else {})


def _params(ours: dict[str, str], settings: OutputSettings, rate: Rate, place: _Place) -> str:
    """The encoder's own keys: ours, and those asked for, none of which `jobs.encoders` lets be one that must not."""
    buffered = settings.video_codec in {"h264", "h265"} and rate.maxrate is not None and place.during != 1
    seams = {"vbv-init": "0.5"} if buffered and not place.whole else {}
    # Both passes must look equally far.
    looks = rate.maxrate is not None and not place.whole and _looks_nowhere(settings, rate)
    ahead = {"rc-lookahead": str(LOOKAHEAD)} if looks else {}
    return ":".join(f"{key}={value}" for key, value in {**ours, **ahead, **settings.encoder_options, **seams}.items())


_PINNED = {"h264": _x264, "h265": _x265, "av1": _svtav1, "vp9": _vp9}
_NEVER = str(1 << 20)  # a keyframe interval longer than any chunk
