"""How two films are paired and made alike, and what libvmaf writes."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from framemill.media.index import FirstFrame, FrameIndex
from framemill.media.quality import Footage, measured_format, parse_log, quality_command
from framemill.media.source import Source

Film = Callable[..., Footage]
LOG = Path("/log.csv")
ALIKE = (
    "scale=640:360:flags=bicubic+accurate_rnd+full_chroma_int+bitexact:out_range=tv[s2];[s2]format=yuv420p[s3];"
    "[s3]setparams=color_primaries=unknown:color_trc=unknown:colorspace=unknown:range=tv[s4]"
)


@pytest.fixture
def film(source: Source) -> Film:
    """Footage of that path with frames at these times, in 1/25 s; 640×360 unless said otherwise."""

    def make(path: str, pts: range | tuple[int, ...] = range(50), **first: object) -> Footage:
        assert source.first_picture is not None
        picture: FirstFrame = source.first_picture.model_copy(update=first)
        index = FrameIndex(time_base=Fraction(1, 25), pts=tuple(pts), last_duration=1, source="packets", why="told so")
        return Footage(source.model_copy(update={"path": path}), picture, index)

    return make


def graph(argv: list[str]) -> list[str]:
    """The filters, as they are without ffmpeg's escapes, which are for two parsers."""
    return argv[argv.index("-filter_complex") + 1].replace("\\", "").replace("'", "").split(";")


def test_films_of_equally_many_frames_are_paired_by_their_order(film: Film) -> None:
    argv = quality_command(film("/a.mp4"), film("/b.mp4"), LOG, by_order=True, threads=3)

    assert argv[:8] == ["-copyts", "-reinit_filter", "0", "-i", "/b.mp4", "-copyts", "-reinit_filter", "0"]
    assert argv[8:10] == ["-i", "/a.mp4"]
    assert argv[-10:] == [
        *("-f", "null", "-enc_time_base", "filter", "-fps_mode", "passthrough", "-"),
        *("-nostdin", "-v", "error"),
    ]
    filters = graph(argv)
    assert filters[0] == "[0:V:0]settb=1/25[s0]"
    assert filters[1] == "[s0]setpts=N[s1]"
    assert ";".join(filters[2:5]) == "[s1]" + ALIKE
    assert filters[5] == "[1:V:0]settb=1/25[s5]"
    assert filters[-1] == (
        "[s4][s9]libvmaf=feature=name=psnr|name=float_ssim:log_fmt=csv:log_path=/log.csv:model=version=vmaf_v0.6.1:"
        "n_threads=3:shortest=1:ts_sync_mode=nearest[s10]"
    )


def test_others_are_paired_by_the_time_since_their_first_frame(film: Film) -> None:
    filters = graph(quality_command(film("/a.mp4"), film("/b.mp4"), LOG, by_order=False, threads=1))

    assert filters[0] == "[0:V:0]setpts=PTS-STARTPTS[s0]"
    assert "settb" not in ";".join(filters)


def test_the_distorted_is_made_as_the_reference_is(film: Film) -> None:
    reference = film("/a.mp4", width=161, height=121, pix_fmt="yuvj422p", color_range="pc")

    filters = graph(quality_command(reference, film("/b.mp4"), LOG, by_order=True, threads=1))

    made = "scale=161:121:flags=bicubic+accurate_rnd+full_chroma_int+bitexact:out_range=pc["
    assert sum(made in step for step in filters) == 2
    assert sum("]format=yuv422p[" in step for step in filters) == 2


def test_a_film_against_itself_is_read_once(film: Film) -> None:
    argv = quality_command(film("/a.mp4"), film("/a.mp4"), LOG, by_order=True, threads=1)

    assert argv.count("-i") == 1
    assert "split=2" in ";".join(graph(argv))


@pytest.mark.parametrize(
    ("pix_fmt", "measured"),
    [
        ("yuv420p", "yuv420p"),
        ("yuvj420p", "yuv420p"),
        ("yuv422p10le", "yuv422p10le"),
        ("yuv444p16le", "yuv444p16le"),
        ("nv12", "yuv444p"),
        ("gray", "yuv444p"),
        ("rgb24", "yuv444p"),
        ("yuva420p", "yuv444p"),
        ("p010le", "yuv444p16le"),
        ("gray10be", "yuv444p16le"),
        ("yuv420p14le", "yuv444p16le"),
    ],
)
def test_what_libvmaf_does_not_take_is_measured_in_a_format_that_holds_its_luma(pix_fmt: str, measured: str) -> None:
    assert measured_format(pix_fmt) == measured


def test_times_count_from_the_first_frame_and_never_run_backwards(film: Film) -> None:
    footage = film("/a.mp4", (100, 125, 125, 150))

    assert footage.times == [0, 1, Fraction(26, 25), 2]
    assert footage.seconds == Fraction(51, 25)
    assert footage.frames == 4


def test_three_columns_of_the_log_are_read() -> None:
    log = ["Frame,psnr_y,psnr_cb,integer_adm2,float_ssim,vmaf,\n", "0,38.5,40.0,0.9,0.98,91.25,\n"]

    assert parse_log(log) == [(38.5, 0.98, 91.25)]
    assert parse_log(log[:1]) == []
