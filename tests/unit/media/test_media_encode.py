"""Whole command lines of chunk encodes, and what the witness looks at."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.media.encode import expected_times, group_command, output_times, watched_frames, witnessed
from framemill.media.index import FrameIndex, HashedFrame, SeekPoint
from framemill.media.inspection import Packets
from framemill.media.source import Source
from framemill.media.title import Title, plan_title

MakeTitle = Callable[..., Title]

TAGS = "setparams=color_primaries=smpte170m:color_trc=smpte170m:colorspace=smpte170m:range=tv"
SCALE = "scale=flags=bicubic+accurate_rnd+full_chroma_int+bitexact:h=360:w=640"
ENCODE = [
    *("-f", "mp4", "-c:v", "libx264", "-crf", "23", "-enc_time_base", "filter", "-fflags", "+bitexact"),
    *("-fps_mode", "passthrough", "-map_metadata", "-1", "-preset", "medium", "-threads", "1"),
    *("-x264-params", "cpu-independent=1:stitchable=1:open-gop=0"),
]
LATER = [*ENCODE[:-1], "cpu-independent=1:stitchable=1:open-gop=0:zones=0,0,b=1.4"]
WITNESS = ["-f", "framehash", "-enc_time_base", "filter", "-fps_mode", "passthrough", "-hash", "murmur3", "/witness"]
TOOLS = ["-nostdin", "-v", "level+warning", "-max_error_rate", "1", "-filter_complex_threads", "1", "-y"]


def film(pts: tuple[int, ...], *keys: int, hashes: tuple[str, ...] = ()) -> FrameIndex:
    return FrameIndex(
        time_base=Fraction(1, 25),
        pts=pts,
        last_duration=1,
        seek_points=tuple(SeekPoint(pts=pts[key], frame=key, clean=True) for key in keys),
        hashes=hashes,
        source="decode" if hashes else "packets",
        why="",
    )


@pytest.fixture
def make_title(source: Source) -> MakeTitle:
    """Fifty frames from 0.4 s on, with keyframes at 0 and 20, cut every ten frames."""

    def make(index: FrameIndex | None = None, settings: OutputSettings | None = None, chunk_frames: int = 10) -> Title:
        index = index or film(tuple(range(10, 60)), 0, 20)
        return plan_title(source, index, settings or OutputSettings(), RunSettings(chunk_frames=chunk_frames), "build")

    return make


def command(title: Title, number: int) -> list[str]:
    group = title.pictured.plan.groups[number]
    chunks = range(group.first_chunk, group.end_chunk)
    return group_command(title, [0], group, [Path(f"/{chunk}.mp4") for chunk in chunks], Path("/witness"))


def test_the_first_chunk_is_decoded_from_the_start(make_title: MakeTitle) -> None:
    graph = (
        "[0:V:0]split=2[s0][s1];"
        f"[s0]trim=end_pts=20[s2];[s2]setpts=PTS-(10)[s3];[s3]{SCALE}[s4];[s4]setsar=1/1[s5];[s5]format=yuv420p[s6];"
        f"[s6]{TAGS}[s7];[s1]trim=end_pts=22:start_pts=20[s8]"
    )
    assert command(make_title(), 0) == [
        *("-copyts", "-threads", "1", "-i", "/in.mkv", "-filter_complex", graph),
        *("-map", "[s7]", *ENCODE, "/0.mp4"),
        *("-map", "[s8]", *WITNESS),
        *TOOLS,
    ]


def test_a_later_group_seeks_trims_and_watches_both_its_seams(make_title: MakeTitle) -> None:
    """Two chunks from one decode; the last has no end, so that frames nobody knows of are found out."""
    graph = (
        "[0:V:0]split=3[s0][s1][s2];"
        "[s0]trim=end_pts=50:start_pts=40[s3];[s3]setpts=PTS-(40)[s4];"
        f"[s4]{SCALE}[s5];[s5]setsar=1/1[s6];[s6]format=yuv420p[s7];[s7]{TAGS}[s8];"
        "[s1]trim=start_pts=50[s9];[s9]setpts=PTS-(50)[s10];"
        f"[s10]{SCALE}[s11];[s11]setsar=1/1[s12];[s12]format=yuv420p[s13];[s13]{TAGS}[s14];"
        "[s2]trim=end_pts=42:start_pts=40[s15]"
    )
    assert command(make_title(), 3) == [
        *("-copyts", "-noaccurate_seek", "-seek_timestamp", "1", "-ss", "1.200000", "-threads", "1", "-i", "/in.mkv"),
        *("-filter_complex", graph),
        *("-map", "[s8]", *LATER, "/3.mp4"),
        *("-map", "[s14]", *LATER, "/4.mp4"),
        *("-map", "[s15]", *WITNESS),
        *TOOLS,
    ]


def test_a_witness_of_two_seams_selects_them(make_title: MakeTitle) -> None:
    argv = command(make_title(), 1)
    assert argv[argv.index("-filter_complex") + 1].endswith(
        "[s1]trim=end_pts=32:start_pts=20[s8];[s8]select=between(pts\\,20\\,21)+between(pts\\,30\\,31)[s9]"
    )


def test_a_source_whose_times_run_backwards_is_trimmed_by_number(make_title: MakeTitle) -> None:
    """Linear, unwatched, and with a graph that is never rebuilt: it would count anew."""
    title = make_title(film((0, 1, 2, 2, 1, 5)), chunk_frames=2)
    graph = (
        f"[0:V:0]split=1[s0];[s0]trim=end_frame=4:start_frame=2[s1];[s1]setpts=N[s2];[s2]setparams=range=tv[s3];"
        f"[s3]{SCALE}[s4];[s4]setsar=1/1[s5];[s5]format=yuv420p[s6];[s6]{TAGS}[s7]"
    )
    assert command(title, 1) == [
        *("-copyts", "-reinit_filter", "0", "-threads", "1", "-i", "/in.mkv", "-filter_complex", graph),
        *("-map", "[s7]", *LATER, "/1.mp4"),
        *TOOLS,
    ]


def test_a_package_forces_the_idrs_of_its_segments_and_no_others(make_title: MakeTitle) -> None:
    settings = OutputSettings(container="package", segment_seconds=0.2)
    argv = command(make_title(settings=settings, chunk_frames=50), 0)
    graph = (
        f"[0:V:0]split=1[s0];[s0]setpts=PTS-(10)[s1];[s1]{SCALE}[s2];[s2]setsar=1/1[s3];"
        f"[s3]format=yuv420p[s4];[s4]{TAGS}[s5]"
    )
    assert argv == [
        *("-copyts", "-threads", "1", "-i", "/in.mkv", "-filter_complex", graph, "-map", "[s5]"),
        *("-f", "mp4", "-c:v", "libx264", "-crf", "23", "-enc_time_base", "filter", "-fflags", "+bitexact"),
        "-force_key_frames",
        "expr:" + "+".join(f"eq(n,{frame})" for frame in range(5, 50, 5)),
        *("-fps_mode", "passthrough", "-map_metadata", "-1", "-preset", "medium", "-threads", "1"),
        *("-x264-params", "cpu-independent=1:stitchable=1:open-gop=0:scenecut=0:keyint=infinite", "/0.mp4"),
        *TOOLS,
    ]


def watched(index: FrameIndex, title: Title) -> list[tuple[range, ...]]:
    film = title.pictured.model_copy(update={"index": index})
    return [watched_frames(film, group) for group in film.plan.groups]


def test_two_frames_are_watched_on_both_sides_of_each_seam(make_title: MakeTitle) -> None:
    title = make_title()
    assert watched(title.pictured.index, title) == [
        (range(10, 12),),
        (range(10, 12), range(20, 22)),
        (range(20, 22), range(30, 32)),
        (range(30, 32),),
    ]


def test_every_frame_after_a_seek_is_watched_where_its_hash_is_known(make_title: MakeTitle) -> None:
    index = film(tuple(range(10, 60)), 0, 20, hashes=("hash",) * 50)
    assert watched(index, make_title(index)) == [(), (), (range(20, 30),), (range(30, 50),)]


def test_one_frame_is_all_there_is_to_watch_of_a_chunk_of_one(make_title: MakeTitle) -> None:
    index = film((0, 1, 2), 0, 1, 2)
    assert watched(index, make_title(index, chunk_frames=1)) == [
        (range(1, 3),),
        (range(1, 2), range(2, 3)),
        (range(2, 3),),
    ]


def test_one_decode_has_no_seam(make_title: MakeTitle) -> None:
    title = make_title(chunk_frames=50)
    assert watched(title.pictured.index, title) == [()]


def test_the_witness_knows_frames_by_their_times() -> None:
    rows = [HashedFrame(11, 1, "a"), HashedFrame(12, 1, "b"), HashedFrame(99, 1, "c")]
    assert witnessed(film((10, 11, 12)), rows) == {1: "a", 2: "b"}


def test_a_chunks_times_count_from_its_first_frame(make_title: MakeTitle) -> None:
    title = make_title(film((0, 1, 4, 9, 16, 25), 0), chunk_frames=3)
    assert expected_times(title.pictured.index, title.pictured.plan.chunks[1]) == [0, 7, 16]
    title = make_title(film((0, 1, 1, 0, 4, 4)), chunk_frames=3)
    assert expected_times(title.pictured.index, title.pictured.plan.chunks[1]) == [0, 1, 2]


def test_output_times_count_from_the_earliest_stream() -> None:
    def times(pts: tuple[int, ...], zero: Fraction) -> list[int]:
        found, time_base = output_times(film(pts), zero)
        assert time_base == Fraction(1, 25)
        return found

    assert times((10, 11, 15), Fraction(10, 25)) == [0, 1, 5]
    assert times((10, 11, 15), Fraction(1, 5)) == [5, 6, 10]
    assert times((10, 11, 11, 12), Fraction(10, 25)) == [0, 1, 2, 3]
    assert times((10, 11), Fraction(39, 100)) == [0, 1]  # sound that starts a quarter of a tick earlier


def test_frames_too_far_apart_for_any_container_are_counted_in_coarser_ticks() -> None:
    index = film((0, 1, 1 << 32))
    assert output_times(index, Fraction(0)) == ([0, 1, round((1 << 32) * 11 / 25)], Fraction(1, 11))
    assert index.increasing
    assert not index.encodable


def test_a_chunk_of_frames_too_far_apart_is_encoded_by_their_numbers(make_title: MakeTitle) -> None:
    title = make_title(film((0, 1, 1 << 32), 0), chunk_frames=3)
    assert expected_times(title.pictured.index, title.pictured.plan.chunks[0]) == [0, 1, 2]
    argv = command(title, 0)
    assert "[s0]setpts=N[s1]" in argv[argv.index("-filter_complex") + 1]


def test_lossless_rgb_goes_by_planes_and_says_what_it_is(source: Source) -> None:
    assert source.first_picture is not None
    palette = source.model_copy(update={"first_picture": source.first_picture.model_copy(update={"pix_fmt": "pal8"})})
    settings = OutputSettings(qp=0, pix_fmt="source")
    argv = command(plan_title(palette, film((0, 1)), settings, RunSettings(chunks=1), "build"), 0)
    assert argv[argv.index("-filter_complex") + 1] == (
        f"[0:V:0]split=1[s0];[s0]setpts=PTS-(0)[s1];[s1]{SCALE}[s2];[s2]setsar=1/1[s3];[s3]format=gbrp[s4];"
        f"[s4]{SCALE.replace(':h=360:w=640', '')}[s5];[s5]format=rgb24[s6];[s6]sidedata=delete:type=STEREO3D[s7];"
        "[s7]setparams=colorspace=gbr[s8]"
    )
    assert argv[argv.index("-c:v") + 1] == "libx264rgb"


def test_a_chunks_key_is_made_of_all_that_its_bytes_depend_on(make_title: MakeTitle) -> None:
    def keys(title: Title) -> list[str]:
        return [title.chunk_key(0, chunk) for chunk in title.pictured.plan.chunks]

    usual = keys(make_title())
    assert len(set(usual)) == 5
    assert keys(make_title()) == usual
    assert keys(make_title(settings=OutputSettings(container="mkv", audio_codec="none"))) == usual
    for other in (
        make_title(settings=OutputSettings(crf=20)),
        make_title(settings=OutputSettings(height=180)),
        make_title(settings=OutputSettings(container="package", segment_seconds=0.4)),
        make_title(film(tuple(range(11, 61)), 0, 20)),
        make_title(chunk_frames=7),
        make_title().model_copy(update={"build": "another"}),
    ):
        assert not set(keys(other)) & set(usual)


def test_a_title_leaves_the_packets_behind(make_title: MakeTitle) -> None:
    assert make_title().source.inspection.packets == Packets()
    assert Title.model_validate_json(make_title().model_dump_json()) == make_title()
