"""What each video encoder takes: speeds, tunes, profiles, levels, keys of its own; and why it refuses the rest."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from framemill.jobs.encoders.keys import SVT_KEYS, VPX_KEYS, X264_KEYS, X265_KEYS
from framemill.jobs.encoders.notation import Kind, number, one_of, shown, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """What one encoder takes."""

    name: str
    """What ffmpeg calls it."""
    tag: str
    """What MP4 calls its streams."""
    crf: Kind
    encoder_preset: Kind
    qp: Kind | None = None
    tune: Kind | None = None
    profile: Kind | None = None
    level: Kind
    keys: Mapping[str, Kind]
    """Keys of its own that are let through."""
    ours: Mapping[str, str | None]
    """Keys that this project sets, to what; None: to what the plan says."""
    params: tuple[str, ...] = ()
    """ffmpeg's options that hold such keys, the usual one first; none: each key is an option of ffmpeg's."""
    speed_options: tuple[str, ...] = ("preset",)
    """ffmpeg's options for `encoder_preset`."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Further options of ffmpeg's, and the keys that they set."""


_X26X_SPEEDS = one_of("ultrafast superfast veryfast faster fast medium slow slower veryslow placebo")


def _named_alike(names: str) -> dict[str, str]:
    return {name: name for name in names.split()}


def _planned(names: str) -> dict[str, str | None]:
    return dict.fromkeys(names.split())


_LIBX264 = Encoder(
    name="libx264",
    tag="avc1",
    crf=number(0, 51),
    qp=whole(0, 69),
    encoder_preset=_X26X_SPEEDS,
    tune=one_of("film animation grain stillimage psnr ssim fastdecode zerolatency"),
    profile=one_of("baseline main high high10 high422 high444"),
    level=one_of("1.0 1b 1.1 1.2 1.3 2.0 2.1 2.2 3.0 3.1 3.2 4.0 4.1 4.2 5.0 5.1 5.2 6.0 6.1 6.2"),
    keys=X264_KEYS,
    ours=MappingProxyType(
        {"threads": "1", "cpu-independent": "1", "stitchable": "1", "open-gop": "0", "vbv-init": None, "asm": None}
        | _planned("lookahead-threads sliced-threads sync-lookahead n-deterministic deterministic opencl")
        | _planned("annexb repeat-headers global-header sps-id force-cfr vfr-input intra-refresh log")
    ),
    params=("x264-params", "x264opts"),
    options=MappingProxyType(
        {"bf": "bframes", "refs": "ref", "keyint_min": "min-keyint", "sc_threshold": "scenecut", "subq": "subme"}
        | {"qmin": "qpmin", "qmax": "qpmax", "qdiff": "qpstep", "me_range": "merange", "me_method": "me"}
        | {"motion-est": "me", "b_strategy": "b-adapt", "partitions": "analyse", "direct-pred": "direct"}
        | {"crf_max": "crf-max", "chromaoffset": "chroma-qp-offset", "noise_reduction": "nr"}
        | _named_alike("8x8dct aq-mode aq-strength aud b-bias b-pyramid cplxblur deblock fast-pskip")
        | _named_alike("mbtree mixed-refs psy psy-rd qcomp rc-lookahead trellis weightb weightp")
    ),
)
_LIBX265 = Encoder(
    name="libx265",
    tag="hvc1",
    crf=number(0, 51),
    qp=whole(0, 69),
    encoder_preset=_X26X_SPEEDS,
    tune=one_of("psnr ssim grain zerolatency fastdecode animation"),
    profile=one_of("main main10 main12 main422-10 main422-12 main444-8 main444-10 main444-12"),
    level=one_of("1.0 2.0 2.1 3.0 3.1 4.0 4.1 5.0 5.1 5.2 6.0 6.1 6.2"),
    keys=X265_KEYS,
    ours=MappingProxyType(
        {"info": "0", "pools": "none", "frame-threads": "1", "open-gop": "0", "repeat-headers": "0", "vbv-init": None}
        | _planned("asm wpp pmode pme slices lookahead-slices lookahead-threads log log-level annexb")
        | _planned("frame-dup intra-refresh idr-recovery-sei radl temporal-layers")
    ),
    params=("x265-params",),
    options=MappingProxyType(
        {"bf": "bframes", "refs": "ref", "keyint_min": "min-keyint", "qmin": "qpmin", "qmax": "qpmax", "qcomp": "qcomp"}
    ),
)
_LIBSVTAV1 = Encoder(
    name="libsvtav1",
    tag="av01",
    crf=whole(1, 63),  # 0 would be read as "not given"
    encoder_preset=whole(0, 13),
    profile=one_of("main"),
    level=one_of("2.0 2.1 2.2 2.3 3.0 3.1 3.2 3.3 4.0 4.1 4.2 4.3 5.0 5.1 5.2 5.3 6.0 6.1 6.2 6.3"),
    keys=SVT_KEYS,
    ours=MappingProxyType(
        {"lp": "1", "scd": "0"} | _planned("pin ss asm irefresh-type pred-struct passes pass resize-mode superres-mode")
    ),
    params=("svtav1-params",),
)
_LIBVPX_VP9 = Encoder(
    name="libvpx-vp9",
    tag="vp09",
    crf=whole(0, 63),
    encoder_preset=whole(0, 8),
    tune=one_of("psnr ssim"),
    profile=one_of("0 1 2 3"),
    level=one_of("1.0 1.1 2.0 2.1 3.0 3.1 4.0 4.1 5.0 5.1 5.2 6.0 6.1 6.2"),
    keys=VPX_KEYS,
    ours=MappingProxyType({"threads": "1", "row-mt": "0", "drop-threshold": "0", "error-resilient": "0"}),
    speed_options=("cpu-used", "speed"),
    options=MappingProxyType(
        _named_alike(" ".join(VPX_KEYS) + " row-mt drop-threshold error-resilient") | {"quality": "deadline"}
    ),
)
#: By our name of the codec.
ENCODERS: Mapping[str, Encoder] = MappingProxyType(
    {"h264": _LIBX264, "h265": _LIBX265, "av1": _LIBSVTAV1, "vp9": _LIBVPX_VP9}
)
#: Fields of the output settings whose values an encoder judges.
JUDGED = ("crf", "qp", "encoder_preset", "tune", "profile", "level")

# Keys of all encoders that name files: said apart, since that is why somebody tries them.
_FILES = frozenset(
    _planned(
        "stats qpfile csv csv-log-level analysis-save analysis-load analysis-reuse-file zonefile lambda-file recon"
        " input output dhdr10-info dolby-vision-rpu dump-yuv cqmfile tcfile-in opencl-clbin nalu-file scaling-list"
        " fgs-table roi-map-file use-q-file film-grain aom-film-grain"
    )
)
# A hypothetical decoder's buffer is signalled for one encode; the seam between two would break the promise.
_SIGNALLED = frozenset({"hrd", "nal-hrd", "filler", "strict-cbr", "bluray-compat"})
#: Keys that are settings here, and ffmpeg's option for them.
_SETTINGS = MappingProxyType(
    {
        "crf": "crf (-crf)", "qp": "qp (-qp)", "keyint": "gop_frames (-g)", "level": "level (-level)",
        "level-idc": "level (-level)", "profile": "profile (-profile:v)", "preset": "encoder_preset (-preset)",
        "tune": "tune (-tune)", "bitrate": "bitrate (-b:v)", "tbr": "bitrate (-b:v)", "mbr": "maxrate (-maxrate)",
        "vbv-maxrate": "maxrate (-maxrate)", "vbv-bufsize": "bufsize (-bufsize)", "buf-sz": "bufsize (-bufsize)",
        "cpu-used": "encoder_preset (-cpu-used)",
    }
)  # fmt: skip


def misfit(codec: str, name: str, value: object) -> str | None:
    """Why the codec's encoder does not take this value of that field (one of `JUDGED`); None: it does."""
    encoder = ENCODERS.get(codec)
    if encoder is None:
        return _unjudged(codec)
    kind: Kind | None = getattr(encoder, name)
    if kind is None:
        return f"{encoder.name} has no {name}"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return None if kind.takes(text) else f"{encoder.name} takes {kind.says}, not {shown(text)!r}"


def _unjudged(codec: str) -> str:
    if codec in {"copy", "none"}:
        return f"with video_codec {codec} no pictures are encoded"
    return f"the {codec} encoder has none; it takes bitrate or quality, and gop_frames"


def misfit_key(codec: str, key: str, value: str) -> str | None:
    """Why that key of the encoder's own is not let through with this value; None: it is."""
    encoder = ENCODERS.get(codec)
    if encoder is None:
        return _unjudged(codec)
    if key in encoder.keys:
        kind = encoder.keys[key]
        return None if kind.takes(value) else f"{key} takes {kind.says}, not {shown(value)!r}"
    return _kept_out(encoder, key)


def _kept_out(encoder: Encoder, key: str) -> str:
    if key in encoder.ours:
        return f"{key} is set here, so that every chunk has the same bytes on every machine"
    if key in _FILES:
        return f"{key} reads or writes a file"
    if key in _SIGNALLED:
        return f"{key} signals a buffer for one encode, which does not hold over chunks"
    if key in _SETTINGS:
        return f"{key} has a word of its own: {_SETTINGS[key]}"
    near = difflib.get_close_matches(key, encoder.keys, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(sorted(encoder.keys))}"
    return f"{shown(key)!r} is no key of {encoder.name} that is taken here; {hint}"
