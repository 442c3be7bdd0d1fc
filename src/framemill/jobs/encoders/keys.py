"""The keys of the encoders' own that are let through, each with the values that it may have.

Such keys can do anything: read and write files, start threads, change what a chunk promises. So a key is here because
it does none of this, and no value holds a `:` or a `/`. Encoders only warn of a key that they do not know and go on
without it, so each of these is also tried on the real ones (tests/farm/test_ffmpeg_words.py).
"""

from collections.abc import Mapping
from types import MappingProxyType

from framemill.jobs.encoders.notation import FLAG, Kind, number, one_of, whole


def _all(kind: Kind, names: str) -> dict[str, Kind]:
    return dict.fromkeys(names.split(), kind)


X264_KEYS: Mapping[str, Kind] = MappingProxyType(
    {
        **_all(FLAG, "8x8dct aud cabac chroma-me constrained-intra dct-decimate fast-pskip mbtree"),
        **_all(FLAG, "mixed-refs no-deblock pic-struct psy weightb"),
        **_all(whole(0, 2), "b-adapt trellis weightp"),
        **_all(whole(0, 32), "deadzone-inter deadzone-intra slices"),
        **_all(number(0, 10), "ipratio pbratio"),
        **_all(number(0, 999), "cplxblur qblur"),
        **_all(whole(0, 69), "qpmin qpmax qpstep"),
        "aq-mode": whole(0, 3),
        "aq-strength": number(0, 3),
        "analyse": Kind("p8x8, p4x4, b8x8, i8x8, i4x4, none or all", "none|all|([pbi][48]x[48])(,[pbi][48]x[48])*"),
        "b-bias": whole(-100, 100),
        "b-pyramid": one_of("none strict normal 0 1 2"),
        "bframes": whole(0, 16),
        "chroma-qp-offset": whole(-12, 12),
        "cqm": one_of("flat jvt"),
        "crf-max": number(0, 51),
        "deblock": Kind("two whole numbers from -6 to 6", "-?[0-6](,-?[0-6])?"),
        "direct": one_of("none spatial temporal auto"),
        "me": one_of("dia hex umh esa tesa"),
        "merange": whole(4, 1024),
        "min-keyint": whole(1, 1_000_000),
        "nr": whole(0, 65536),
        "psy-rd": Kind("one or two numbers from 0 to 9", r"[0-9](\.[0-9]{1,4})?(,[0-9](\.[0-9]{1,4})?)?"),
        "qcomp": number(0, 1),
        "rc-lookahead": whole(0, 250),
        "ref": whole(1, 16),
        "scenecut": whole(0, 1000),
        "subme": whole(0, 11),
    }
)
X265_KEYS: Mapping[str, Kind] = MappingProxyType(
    {
        **_all(FLAG, "amp aq-motion aud b-intra b-pyramid constrained-intra cu-lossless cutree early-skip fades"),
        **_all(FLAG, "fast-intra hevc-aq high-tier limit-modes limit-sao lossless rc-grain rect sao sao-non-deblock"),
        **_all(FLAG, "signhide strong-intra-smoothing temporal-mvp tskip weightb weightp"),
        **_all(whole(0, 2), "b-adapt rdoq-level rskip"),
        **_all(whole(1, 4), "tu-inter-depth tu-intra-depth"),
        **_all(whole(0, 4), "limit-tu selective-sao"),
        **_all(number(0, 10), "ipratio pbratio"),
        **_all(whole(0, 69), "qpmin qpmax qpstep"),
        **_all(number(0, 51), "crf-max crf-min"),
        **_all(whole(-12, 12), "cbqpoffs crqpoffs"),
        **_all(whole(0, 2000), "nr-inter nr-intra"),
        "aq-mode": whole(0, 4),
        "aq-strength": number(0, 3),
        "bframe-bias": whole(-90, 100),
        "bframes": whole(0, 16),
        "ctu": one_of("16 32 64"),
        "deblock": Kind("0, 1, or two whole numbers from -6 to 6", "-?[0-6](,-?[0-6])?"),
        "limit-refs": whole(0, 3),
        "max-merge": whole(1, 5),
        "max-tu-size": one_of("4 8 16 32"),
        "me": one_of("dia hex umh star sea full"),
        "merange": whole(0, 32767),
        "min-cu-size": one_of("8 16 32"),
        "min-keyint": whole(1, 1_000_000),
        "psy-rd": number(0, 5),
        "psy-rdoq": number(0, 50),
        "qcomp": number(0.5, 1),
        "qg-size": one_of("8 16 32 64"),
        "rc-lookahead": whole(1, 250),
        "rd": whole(1, 6),
        "ref": whole(1, 8),
        "scenecut": whole(0, 100),
        "scenecut-bias": number(0, 100),
        "subme": whole(0, 7),
    }
)
SVT_KEYS: Mapping[str, Kind] = MappingProxyType(
    {
        **_all(FLAG, "enable-cdef enable-mfmv enable-overlays enable-qm enable-restoration enable-variance-boost"),
        **_all(FLAG, "adaptive-film-grain film-grain-denoise"),
        **_all(whole(0, 2), "aq-mode enable-dlf enable-tf fast-decode scm tune variance-boost-curve"),
        **_all(whole(0, 15), "qm-max qm-min"),
        **_all(whole(0, 100), "luminance-qp-bias mbr-overshoot-pct overshoot-pct undershoot-pct"),
        **_all(whole(1, 63), "max-qp min-qp"),
        "ac-bias": number(0, 8),
        "film-grain": whole(0, 50),
        "hierarchical-levels": whole(2, 5),
        "lookahead": whole(0, 120),
        "max-tx-size": one_of("32 64"),
        "qp-scale-compress-strength": whole(0, 3),
        "sharpness": whole(-7, 7),
        "tf-strength": whole(0, 4),
        "tile-columns": whole(0, 4),
        "tile-rows": whole(0, 6),
        "variance-boost-strength": whole(1, 4),
        "variance-octile": whole(1, 8),
    }
)
VPX_KEYS: Mapping[str, Kind] = MappingProxyType(
    {
        **_all(FLAG, "enable-tpl frame-parallel"),
        **_all(whole(0, 63), "qmax qmin"),
        **_all(whole(0, 6), "arnr-strength auto-alt-ref tile-columns"),
        "aq-mode": whole(0, 4),
        "arnr-maxframes": whole(0, 15),
        "arnr-type": whole(1, 3),
        "corpus-complexity": whole(0, 10_000),
        "deadline": one_of("good best"),
        "lag-in-frames": whole(0, 25),
        "max-intra-rate": whole(0, 100_000),
        "min-gf-interval": whole(0, 20),
        "noise-sensitivity": whole(0, 4),
        "overshoot-pct": whole(0, 100),
        "sharpness": whole(0, 7),
        "static-thresh": whole(0, 100_000),
        "tile-rows": whole(0, 2),
        "tune-content": one_of("default screen film"),
        "undershoot-pct": whole(0, 100),
    }
)
