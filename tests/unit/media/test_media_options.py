"""What is asked of each encoder, as whole option dicts."""

from typing import Any

import pytest

from framemill.errors import InvalidSetting
from framemill.jobs.choices import chosen
from framemill.jobs.settings import OutputSettings, Rung, VideoCodec
from framemill.media.options import (
    ENCODERS,
    X264_RGB,
    Options,
    lossless_pix_fmt,
    pix_fmt,
    video_encoder,
)

X264 = "cpu-independent=1:stitchable=1:open-gop=0"
X265 = "log-level=error:info=0:pools=none:frame-threads=1:open-gop=0:repeat-headers=0"


@pytest.mark.parametrize(
    ("codec", "grid", "expected"),
    [
        (
            "h264",
            False,
            {"c:v": "libx264", "preset": "medium", "crf": "23", "threads": "1", "x264-params": X264},
        ),
        (
            "h264",
            True,
            {
                "c:v": "libx264", "preset": "medium", "crf": "23", "threads": "1",
                "x264-params": X264 + ":scenecut=0:keyint=infinite",
            },
        ),
        (
            "h265",
            False,
            {
                "c:v": "libx265", "preset": "medium", "crf": "26", "x265-params": X265, "forced-idr": "1",
                "tag:v": "hvc1",
            },
        ),
        (
            "h265",
            True,
            {
                "c:v": "libx265", "preset": "medium", "crf": "26", "x265-params": X265 + ":scenecut=0:keyint=-1",
                "forced-idr": "1", "tag:v": "hvc1",
            },
        ),
        ("av1", False, {"c:v": "libsvtav1", "preset": "8", "crf": "32", "svtav1-params": "lp=1:scd=0"}),
        (
            "av1",
            True,
            {"c:v": "libsvtav1", "preset": "8", "crf": "32", "svtav1-params": "lp=1:scd=0", "g": "1048576"},
        ),
        (
            "vp9",
            False,
            {
                "c:v": "libvpx-vp9", "cpu-used": "2", "crf": "32", "threads": "1", "row-mt": "0", "b:v": "0",
                "deadline": "good",
            },
        ),
        (
            "vp9",
            True,
            {
                "c:v": "libvpx-vp9", "cpu-used": "2", "crf": "32", "threads": "1", "row-mt": "0", "b:v": "0",
                "deadline": "good", "g": "1048576",
            },
        ),
    ],
)  # fmt: skip
def test_each_codec_is_pinned(codec: VideoCodec, grid: bool, expected: Options) -> None:
    assert video_encoder(OutputSettings(video_codec=codec), "yuv420p", None, (), grid=grid) == expected


@pytest.mark.parametrize(
    ("settings", "rung", "crf"),
    [({}, None, "23"), ({}, 21.5, "21.5"), ({"crf": 18}, None, "18"), ({"crf": 18.25}, 21.5, "18.25"), ({}, 0, "0")],
)
def test_quality_is_asked_for_or_the_rungs_or_the_usual(settings: dict[str, Any], rung: float | None, crf: str) -> None:
    asked = OutputSettings(**settings)
    rate = chosen(asked, rung=Rung(height=720, crf=rung))
    assert video_encoder(asked, "yuv420p", rate, (), grid=False)["crf"] == crf


def test_a_quantiser_takes_the_place_of_the_quality() -> None:
    settings = OutputSettings(qp=0, encoder_preset="ultrafast", tune="film")
    rate = chosen(settings, rung=Rung(height=720, crf=23))
    assert video_encoder(settings, "yuv444p", rate, (), grid=False) == {
        "c:v": "libx264",
        "preset": "ultrafast",
        "tune": "film",
        "qp": "0",
        "threads": "1",
        "x264-params": X264,
    }


def test_idrs_are_forced_by_frame_number() -> None:
    options = video_encoder(OutputSettings(), "yuv420p", None, (96, 192), grid=True)
    assert options["force_key_frames"] == "expr:eq(n,96)+eq(n,192)"


def test_rgb_has_an_encoder_of_its_own() -> None:
    assert video_encoder(OutputSettings(qp=0), "rgb24", None, (), grid=False)["c:v"] == "libx264rgb"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"profile": "main", "level": "4.1", "gop_frames": 48, "encoder_options": {"ref": 2, "me": "umh"}},
            {
                "c:v": "libx264", "preset": "medium", "crf": "23", "profile:v": "main", "level": "4.1", "g": "48",
                "threads": "1", "x264-params": X264 + ":me=umh:ref=2",
            },
        ),
        (
            {"video_codec": "h265", "level": "4.1", "profile": "main10", "encoder_options": {"sao": 0}},
            {
                "c:v": "libx265", "preset": "medium", "crf": "26", "profile:v": "main10",
                "x265-params": X265 + ":level-idc=4.1:high-tier=0:sao=0", "forced-idr": "1", "tag:v": "hvc1",
            },
        ),
        (
            {"video_codec": "h265", "level": "5.1", "encoder_options": {"high-tier": 1}},
            {
                "c:v": "libx265", "preset": "medium", "crf": "26", "forced-idr": "1", "tag:v": "hvc1",
                "x265-params": X265 + ":level-idc=5.1:high-tier=1",
            },
        ),
        (
            {"video_codec": "av1", "level": "4.0", "encoder_options": {"tune": 0}},
            {"c:v": "libsvtav1", "preset": "8", "crf": "32", "svtav1-params": "lp=1:scd=0:level=40:tune=0"},
        ),
        (
            {"video_codec": "vp9", "level": "4.1", "tune": "ssim", "encoder_options": {"deadline": "best"}},
            {
                "c:v": "libvpx-vp9", "cpu-used": "2", "crf": "32", "tune": "ssim", "threads": "1", "row-mt": "0",
                "deadline": "best", "b:v": "0", "level": "4.1",
            },
        ),
        (
            {"bitrate": 1_000_000},
            {"c:v": "libx264", "preset": "medium", "b:v": "1000000", "threads": "1", "x264-params": X264},
        ),
        (
            {"video_codec": "vp9", "crf": 30, "bitrate": 1_000_000},
            {
                "c:v": "libvpx-vp9", "cpu-used": "2", "crf": "30", "b:v": "1000000", "threads": "1", "row-mt": "0",
                "deadline": "good",
            },
        ),
        (
            {"video_codec": "av1", "crf": 30, "maxrate": 1_000_000},
            {"c:v": "libsvtav1", "preset": "8", "crf": "30", "maxrate": "1000000", "svtav1-params": "lp=1:scd=0"},
        ),
    ],
)  # fmt: skip
def test_what_was_asked_for_is_told_the_encoder(settings: dict[str, Any], expected: Options) -> None:
    assert video_encoder(OutputSettings(**settings), "yuv420p", None, (), grid=False, whole=True) == expected


@pytest.mark.parametrize(
    ("settings", "whole", "bufsize", "params"),
    [
        ({}, True, "2000000", X264),
        ({}, False, "1000000", X264 + ":vbv-init=0.5"),
        ({"video_codec": "h265"}, True, "2000000", X265),
        ({"video_codec": "h265"}, False, "1000000", X265 + ":vbv-init=0.5"),
        ({"encoder_preset": "superfast"}, True, "2000000", X264),
        ({"encoder_preset": "superfast"}, False, "1000000", X264 + ":rc-lookahead=10:vbv-init=0.5"),
        ({"tune": "zerolatency"}, False, "1000000", X264 + ":rc-lookahead=10:vbv-init=0.5"),
        ({"encoder_preset": "veryfast"}, False, "1000000", X264 + ":vbv-init=0.5"),
        ({"video_codec": "h265", "encoder_preset": "ultrafast"}, False, "1000000", X265 + ":vbv-init=0.5"),
        (
            {"tune": "zerolatency", "encoder_options": {"rc-lookahead": 5}},
            False,
            "1000000",
            X264 + ":rc-lookahead=5:vbv-init=0.5",
        ),
    ],
)
def test_a_chunk_keeps_to_half_of_the_players_buffer(
    settings: dict[str, Any], whole: bool, bufsize: str, params: str
) -> None:
    capped = OutputSettings(maxrate=1_000_000, bufsize=2_000_000, **settings)
    made = video_encoder(capped, "yuv420p", None, (), grid=False, whole=whole)
    assert (made["maxrate"], made["bufsize"]) == ("1000000", bufsize)
    assert made.get("x264-params", made.get("x265-params")) == params
    assert "b:v" not in made


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("yuv420p", "yuv420p"),
        ("yuvj422p", "yuvj422p"),
        ("nv12", "nv12"),
        ("yuv422p10le", "yuv422p10le"),
        ("gray", "gray"),
        ("bgr24", "bgr24"),
        ("bgra", "rgb24"),
        ("pal8", "rgb24"),
        ("gbrp", "rgb24"),
        ("gbrp10le", "rgb24"),
        ("rgb48le", "rgb24"),
        ("monow", "gray"),
        ("gray16le", "yuv420p10le"),
        ("gray14le", "yuv420p10le"),
        ("yuva444p", "yuv444p"),
        ("yuv410p", "yuv444p"),
        ("yuvj440p", "yuvj444p"),
        ("uyvy422", "yuv422p"),
        ("yuv420p12le", "yuv420p10le"),
        ("yuv422p9le", "yuv422p10le"),
        ("yuv440p12le", "yuv444p10le"),
        ("yuva444p16le", "yuv444p10le"),
        ("something", "yuv444p"),
        ("p010le", "yuv420p10le"),
        ("y210le", "yuv422p10le"),
        ("p410le", "yuv444p10le"),
    ],
)
def test_lossless_goes_to_a_format_that_holds_every_value(source: str, kept: str) -> None:
    assert lossless_pix_fmt(source) == kept
    assert kept in (*ENCODERS["h264"].pix_fmts, *X264_RGB.pix_fmts)
    assert pix_fmt(OutputSettings(pix_fmt="source"), source) == kept


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("yuv420p", "yuv444p"),
        ("yuvj420p", "yuvj444p"),
        ("yuv422p10le", "yuv444p10le"),
        ("yuv444p", "yuv444p"),
        ("gray", "gray"),
        ("rgb24", "rgb24"),
        ("nv12", "yuv444p"),
        ("nv16", "yuv444p"),
        ("nv20le", "yuv444p10le"),
    ],
)
def test_a_lossless_output_of_an_odd_size_has_all_its_chroma(source: str, kept: str) -> None:
    assert pix_fmt(OutputSettings(pix_fmt="source"), source, odd_size=True) == kept


@pytest.mark.parametrize(
    ("codec", "source", "usual"),
    [
        ("h264", "yuv420p", "yuv420p"),
        ("h264", "yuvj420p", "yuvj420p"),
        ("h264", "yuv420p10le", "yuv420p"),  # many players know no 10-bit H.264
        ("h264", "rgb24", "yuv420p"),
        ("h265", "yuv420p10le", "yuv420p10le"),
        ("h265", "yuv444p", "yuv420p"),
        ("av1", "yuv420p10le", "yuv420p10le"),
        ("vp9", "yuva420p", "yuva420p"),
    ],
)
def test_a_source_keeps_its_format_where_players_know_it(codec: VideoCodec, source: str, usual: str) -> None:
    assert pix_fmt(OutputSettings(video_codec=codec), source) == usual


def test_a_format_is_taken_as_asked_or_refused() -> None:
    assert pix_fmt(OutputSettings(pix_fmt="yuv444p"), "yuv420p") == "yuv444p"
    assert pix_fmt(OutputSettings(pix_fmt="rgb24"), "yuv420p") == "rgb24"
    with pytest.raises(InvalidSetting) as refused:
        pix_fmt(OutputSettings(video_codec="av1", pix_fmt="yuv444p"), "yuv420p")
    assert refused.value.message == "libsvtav1 takes no yuv444p; it takes yuv420p, yuv420p10le."
    with pytest.raises(InvalidSetting, match="libx265 takes no rgb24"):
        pix_fmt(OutputSettings(video_codec="h265", pix_fmt="rgb24"), "yuv420p")


@pytest.mark.parametrize(("codec", "source"), [("av1", "yuv444p"), ("h265", "rgb24"), ("vp9", "gray")])
def test_the_sources_format_is_taken_or_refused_by_the_encoder_in_use(codec: VideoCodec, source: str) -> None:
    try:
        kept = pix_fmt(OutputSettings(video_codec=codec, pix_fmt="source"), source)
    except InvalidSetting:
        return
    assert kept in ENCODERS[codec].pix_fmts


@pytest.mark.parametrize(
    ("settings", "zone"),
    [
        ({}, "zones=0,0,b=1.4"),
        ({"tune": "grain"}, "zones=0,0,b=1.1"),
        ({"encoder_options": {"ipratio": "1.2"}}, "zones=0,0,b=1.2"),
        ({"qp": 0}, ""),  # x264 treats all IDR frames alike there
    ],
)
def test_a_later_chunk_of_x264_begins_as_good_as_any_idr(settings: dict[str, Any], zone: str) -> None:
    asked = OutputSettings(**settings)
    later = str(video_encoder(asked, "yuv420p", None, (), grid=False, first=False)["x264-params"])
    first = str(video_encoder(asked, "yuv420p", None, (), grid=False)["x264-params"])
    assert "zones" not in first
    assert zone in later
    assert ("zones" in later) is bool(zone)
