"""The judge is judged: a right output is exact, and each way of being wrong is noticed."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import clips
import oracle
import pytest

LOSSLESS = (
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-qp",
    "0",
    "-fps_mode",
    "passthrough",
    "-enc_time_base",
    "demux",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("oracle")


@pytest.fixture(scope="module")
def source(folder: Path) -> Path:
    return clips.CLIPS["cfr_29_97.mp4"](folder)


def encoded(source: Path, *args: str, vf: str = "null", name: str = "output.mp4") -> Path:
    """A lossless encode by plain ffmpeg."""
    output = source.with_name(name)
    clips.ffmpeg("-i", source, "-vf", vf, *LOSSLESS, "-c:a", "alac", *args, output)
    return output


def test_a_right_encode_is_exact(source: Path) -> None:
    verdict = oracle.compare(source, encoded(source))
    assert verdict.exact, verdict
    assert verdict.clean
    assert (verdict.frames_expected, verdict.frames_got, verdict.error_ticks) == (120, 120, 0)
    assert verdict.audio_shift == 0
    assert verdict.audio_missing == 0


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        ("select='not(eq(n,57))'", "From frame 57 (1.902 s) on: 1 missing."),
        ("select='not(between(n,118,119))'", "118 frames instead of 120"),
        ("loop=loop=1:size=1:start=57", "Instead of frame 57 (1.902 s) the frame before it is shown again."),
        ("setpts='PTS+eq(N,57)*400/30000/TB'", "Frame 57 is shown at 1.915233 s instead of 1.901900 s."),
        ("setpts='PTS+2*1001/30000/TB'", "Frame 0 is shown at 0.066733 s instead of 0.000000 s."),
        (
            "drawbox=x=100:y=100:w=1:h=1:color=white:t=fill:enable='eq(n,57)'",
            "The pixels of frame 57 (1.902 s) differ.",
        ),
        ("hflip", "The pixels of frame 0 (0.000 s) differ."),
    ],
    ids=["dropped", "cut off", "twice", "one late", "all late", "one pixel", "all pixels"],
)
def test_each_fault_is_noticed(source: Path, graph: str, words: str) -> None:
    verdict = oracle.compare(source, encoded(source, vf=graph))
    assert not verdict.exact
    assert verdict.difference.startswith(words), verdict


def test_less_than_a_tick_is_no_fault(source: Path) -> None:
    """Matroska rounds to milliseconds."""
    verdict = oracle.compare(source, encoded(source, name="output.mkv"))
    assert verdict.exact, verdict
    assert 0 < verdict.error_ticks <= 1


def test_other_pixels_are_compared_in_the_output_s_own(source: Path) -> None:
    graph = f"scale=160:90:{oracle.SCALER},format=yuv444p"
    assert oracle.compare(source, encoded(source, vf=graph)).exact
    assert not oracle.compare(source, encoded(source, vf="scale=160:90:flags=bilinear,format=yuv444p")).exact


def test_equal_times_may_move_but_pixels_may_not(folder: Path) -> None:
    source = clips.CLIPS["equal_pts.mkv"](folder)
    moved = "setpts='if(eq(N,21)+eq(N,42),PTS+1,PTS)'"
    assert oracle.compare(source, encoded(source, vf=moved)).exact
    assert not oracle.compare(source, encoded(source, vf=f"{moved},select='not(eq(n,21))'")).exact


def test_wounded_sources_are_not_clean(folder: Path) -> None:
    assert not oracle.is_clean(clips.CLIPS["damaged.ts"](folder))
    assert not oracle.is_clean(clips.CLIPS["no_moov.mp4"](folder))
    assert oracle.is_clean(clips.CLIPS["audio_only.flac"](folder))


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("late_video.mp4", {"vide": Fraction(1001, 2000), "soun": Fraction(0)}),
        ("edit_list.mp4", {"vide": Fraction(0), "soun": Fraction(0)}),
        ("fragmented.mp4", {"vide": Fraction(2, 25), "soun": Fraction(0)}),
    ],
)
def test_boxes_say_where_tracks_begin(folder: Path, name: str, starts: dict[str, Fraction]) -> None:
    assert {box.kind: box.start for box in oracle.box_starts(clips.CLIPS[name](folder))} == starts


def discarded(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(packet.is_discard for packet in container.demux(video=0))


def packets(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(bool(packet.size) for packet in container.demux(video=0))


def leading(path: Path) -> int:
    """How many packets after the second keyframe are shown before it."""
    with av.open(str(path)) as container:
        times = [(packet.is_keyframe, packet.pts or 0) for packet in container.demux(video=0) if packet.size]
    second = [index for index, (key, _) in enumerate(times) if key][1]
    return sum(pts < times[second][1] for _, pts in times[second:])


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        ("edit_list.mp4", lambda path: discarded(path) == 33),
        ("field_coded.mp4", lambda path: (packets(path), len(oracle.decode(path).frames)) == (104, 52)),
        ("lost_references_hevc.ts", lambda path: packets(path) == len(oracle.decode(path).frames) + 3),
        ("open_gop_h264.ts", lambda path: leading(path) == 3),
        ("pts_wrap.ts", lambda path: oracle.decode(path).frames[0].time < 0 < oracle.decode(path).frames[-1].time),
    ],
)
def test_odd_clips_are_odd(folder: Path, name: str, odd: Callable[[Path], bool]) -> None:
    path = clips.CLIPS[name](folder)
    assert odd(path)
    assert oracle.decode(path).clean
