"""Where a title is cut, by example and for any list of frames."""

import itertools
import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.media.index import FrameIndex, SeekPoint
from framemill.media.inspection import Packets
from framemill.media.plan import (
    Group,
    VideoPlan,
    decode_groups,
    eased,
    frame_efforts,
    plan_video,
    presentation_times,
    scene_cuts,
    seek_point,
    segment_starts,
)

FILE = OutputSettings()
SMALL = 100  # bytes of a decoded frame
HD = 1920 * 1080 * 3


def package(seconds: float = 4) -> OutputSettings:
    return OutputSettings(container="package", segment_seconds=seconds)


def film(
    count: int, *keys: int, unclean: tuple[int, ...] = (), pts: tuple[int, ...] = (), last_duration: int = 1
) -> FrameIndex:
    """Frames at 25 a second, with keyframes at those numbers."""
    times = pts or tuple(range(count))
    points = tuple(SeekPoint(pts=times[key], frame=key, clean=key not in unclean) for key in keys)
    return FrameIndex(
        time_base=Fraction(1, 25), pts=times, last_duration=last_duration, seek_points=points, source="packets", why=""
    )


def firsts(plan: VideoPlan) -> list[int]:
    return [chunk.first for chunk in plan.chunks]


@st.composite
def indexes(draw: st.DrawFn) -> FrameIndex:
    """Even, uneven, repeated or backwards times; keyframes anywhere, clean or not."""
    count = draw(st.integers(1, 500))
    least = draw(st.sampled_from([1, 0, -20]))
    pattern = draw(st.lists(st.integers(least, 20), min_size=1, max_size=12))
    gaps = itertools.islice(itertools.cycle(pattern), count - 1)
    pts = tuple(itertools.accumulate(gaps, initial=draw(st.integers(-1000, 1000))))
    frames = draw(st.just(set(range(count))) | st.sets(st.integers(0, count - 1), max_size=12))
    clean = draw(st.lists(st.booleans(), min_size=1, max_size=5))
    points = [
        SeekPoint(pts=pts[frame], frame=frame, clean=ok)
        for frame, ok in zip(sorted(frames), itertools.cycle(clean), strict=False)
    ]
    return FrameIndex(
        time_base=draw(st.sampled_from([Fraction(1, 25), Fraction(1, 30), Fraction(1, 1000), Fraction(1001, 30000)])),
        pts=pts,
        last_duration=draw(st.integers(1, 2000)),
        seek_points=tuple(points),
        source="packets",
        why="",
    )


runs = st.one_of(
    st.just(RunSettings()),
    st.integers(1, 600).map(lambda chunks: RunSettings(chunks=chunks)),
    st.integers(1, 600).map(lambda frames: RunSettings(chunk_frames=frames)),
    st.sampled_from([0.5, 1.001, 4, 30]).map(lambda seconds: RunSettings(chunk_seconds=seconds)),
)
containers = st.just(FILE) | st.sampled_from([0.5, 2.002, 4, 60]).map(package)


@settings(deadline=None)
@given(indexes(), runs, containers, st.sampled_from([SMALL, HD, 1 << 30]))
def test_chunks_tile_the_frames_and_groups_the_chunks(
    index: FrameIndex, run: RunSettings, output: OutputSettings, frame_bytes: int
) -> None:
    plan = plan_video(index, output, run, frame_bytes)
    assert [frame for chunk in plan.chunks for frame in range(chunk.first, chunk.end)] == list(range(len(index.pts)))
    assert [chunk.number for chunk in plan.chunks] == list(range(len(plan.chunks)))
    grouped = [chunk for group in plan.groups for chunk in plan.group_chunks(group)]
    assert grouped == list(plan.chunks)
    assert [group.number for group in plan.groups] == list(range(len(plan.groups)))
    assert all(chunk.frames > 0 for chunk in plan.chunks)
    assert all(group.end_chunk > group.first_chunk for group in plan.groups)
    assert plan.trim_by == ("pts" if index.increasing else "number")


@settings(deadline=None)
@given(indexes(), runs, containers)
def test_decoding_starts_at_or_before_what_it_is_for(
    index: FrameIndex, run: RunSettings, output: OutputSettings
) -> None:
    plan = plan_video(index, output, run, SMALL)
    for group in plan.groups:
        first, end = plan.chunks[group.first_chunk].first, plan.chunks[group.end_chunk - 1].end
        before = [point for point in index.seek_points if point.frame <= first]
        if len(before) == 1 and not before[0].clean and before[0].frame > 0:
            continue  # told apart in `test_a_keyframe_that_is_not_clean_needs_another_before_it`
        begin = before[-1 if before[-1].clean else max(-2, -len(before))] if before else None
        assert group.seek == (begin.pts if begin and begin.pts > index.pts[0] else None)
        assert group.decoded == end - (begin.frame if begin else 0)
        assert end - first <= group.decoded


@settings(deadline=None)
@given(indexes(), runs, containers)
def test_the_rule_for_chunks_is_kept(index: FrameIndex, run: RunSettings, output: OutputSettings) -> None:
    plan, count = plan_video(index, output, run, SMALL), len(index.pts)
    if run.chunk_frames is not None:
        assert firsts(plan) == list(range(0, count, run.chunk_frames))
    if run.chunks is not None:
        assert len(plan.chunks) >= min(run.chunks, count)
        if not plan.segments:
            assert len(plan.chunks) == min(run.chunks, count)


@settings(deadline=None)
@given(indexes(), runs, containers)
def test_every_segment_starts_with_an_idr(index: FrameIndex, run: RunSettings, output: OutputSettings) -> None:
    plan = plan_video(index, output, run, SMALL)
    forced = {chunk.first + idr for chunk in plan.chunks for idr in chunk.idrs}
    assert forced == set(plan.segments) - set(firsts(plan))
    assert all(0 < idr < chunk.frames for chunk in plan.chunks for idr in chunk.idrs)
    if output.container == "package":
        assert plan.segments[0] == 0
        assert all(a < b for a, b in itertools.pairwise(plan.segments))
        if run.chunks is None and run.chunk_frames is None:
            assert set(firsts(plan)) <= set(plan.segments)
    else:
        assert plan.segments == ()


@settings(deadline=None)
@given(indexes(), runs, containers)
def test_the_same_title_is_cut_alike(index: FrameIndex, run: RunSettings, output: OutputSettings) -> None:
    again = FrameIndex.model_validate_json(index.model_dump_json())
    plan = plan_video(index, output, run, HD)
    assert plan_video(again, output, run, HD) == plan
    assert VideoPlan.model_validate_json(plan.model_dump_json()) == plan


@settings(deadline=None)
@given(indexes(), st.sampled_from([0.5, 2.002, 4, 60]))
def test_a_segment_starts_at_the_first_frame_of_its_span(index: FrameIndex, seconds: float) -> None:
    """Compared with a walk over all frames that knows nothing of searching."""
    length = Fraction(seconds).limit_denominator(1000) / index.time_base
    latest, expected, spans = index.pts[0], [], set()
    for frame, pts in enumerate(index.pts):
        latest = max(latest, pts)
        span = (latest - index.pts[0]) // length
        if span not in spans:
            expected.append(frame)
            spans.add(span)
    assert list(segment_starts(index, seconds)) == expected


@given(st.lists(st.integers(-100, 100)))
def test_presentation_times_strictly_increase(pts: list[int]) -> None:
    times = presentation_times(pts)
    assert len(times) == len(pts)
    assert all(a < b for a, b in itertools.pairwise(times))
    assert all(time >= before for time, before in zip(times, pts, strict=True))


@given(st.sets(st.integers()))
def test_times_that_strictly_increase_are_not_moved(pts: set[int]) -> None:
    assert presentation_times(sorted(pts)) == sorted(pts)


def test_times_that_repeat_or_run_backwards_move_by_as_little_as_can_be() -> None:
    assert presentation_times([5, 5, 5, 3, 9]) == [5, 6, 7, 8, 9]


def test_a_boundary_of_a_file_moves_to_a_keyframe_that_lies_near() -> None:
    plan = plan_video(film(800, 0, 120, 230, 350, 470), FILE, RunSettings(chunk_seconds=4), SMALL)
    assert [(chunk.first, chunk.why) for chunk in plan.chunks][:6] == [
        (0, "start"),
        (120, "source keyframe"),
        (230, "source keyframe"),
        (300, "no source keyframe near"),  # 350 is more than a third of a chunk away
        (400, "no source keyframe near"),
        (470, "source keyframe"),
    ]


def test_few_chunks_move_little_lest_one_of_them_ends_long_after_the_others() -> None:
    assert firsts(plan_video(film(400, 0, 120, 230, 350), FILE, RunSettings(chunk_seconds=4), SMALL)) == [
        0,
        100,
        200,
        300,
    ]


def test_boundaries_inside_a_still_frame_are_one() -> None:
    still = film(5, 0, pts=(0, 1, 2, 100, 101))
    assert firsts(plan_video(still, FILE, RunSettings(chunk_seconds=0.8), SMALL)) == [0, 3]


def test_usual_chunks_come_in_pairs_neither_short_nor_long() -> None:
    def chunks(seconds: int) -> int:
        return len(plan_video(film(25 * seconds, 0, 1), FILE, RunSettings(), SMALL).chunks)

    lengths = {1: 1, 2: 2, 3: 2, 10: 2, 20: 2, 30: 4, 60: 8, 120: 16, 240: 16, 241: 17, 600: 40}
    assert {seconds: chunks(seconds) for seconds in lengths} == lengths


def test_a_boundary_rather_moves_to_a_scene_cut_than_to_a_nearer_keyframe() -> None:
    # Every 100 frames at the latest, and at 130, out of turn.
    index = film(800, 0, 100, 130, *range(230, 800, 100))
    plan = plan_video(index, FILE, RunSettings(chunk_seconds=4), SMALL)
    assert [(chunk.first, chunk.why) for chunk in plan.chunks][:3] == [
        (0, "start"),
        (130, "scene cut"),
        (230, "source keyframe"),
    ]


def test_chunks_of_a_file_take_equal_effort() -> None:
    index = film(750, 0)
    plan = plan_video(index, FILE, RunSettings(), SMALL, [1] * 500 + [6] * 250)
    assert [chunk.effort for chunk in plan.chunks] == [500, 504, 498, 498]
    assert firsts(plan) == [0, 500, 584, 667]


def test_effort_is_half_alike_and_half_what_the_source_has_spent() -> None:
    index = film(4, 0)
    packets = Packets(pts=[0, 2, 1, 3], sizes=[30, 10, 0, 0])
    assert frame_efforts(index, packets) == [40 + 4 * 30, 40, 40 + 4 * 10, 40]
    assert frame_efforts(index, Packets(pts=[None, 1, 2, 3], sizes=[1, 1, 1, 1])) == []
    assert frame_efforts(index, Packets()) == []


def test_a_source_whose_keyframes_are_all_in_turn_tells_nothing_of_its_scenes() -> None:
    assert scene_cuts(range(400), [0, 100, 199, 300]) == []
    assert scene_cuts(range(400), [0]) == []
    assert scene_cuts(range(400), range(400)) == []


def test_asked_for_chunks_are_equal_parts_wherever_the_keyframes_are() -> None:
    plan = plan_video(film(10, 0, 4), FILE, RunSettings(chunks=3), SMALL)
    assert firsts(plan) == [0, 3, 6]
    assert firsts(plan_video(film(3, 0), FILE, RunSettings(chunks=1000), SMALL)) == [0, 1, 2]


def test_one_chunk_encodes_whole() -> None:
    for output in (FILE, package()):
        (chunk,) = plan_video(film(1000, 0, 500), output, RunSettings(chunks=1), SMALL).chunks
        assert (chunk.first, chunk.end) == (0, 1000)


def test_a_package_is_cut_on_its_segments() -> None:
    plan = plan_video(film(1000, 0, 500), package(), RunSettings(chunk_seconds=8), SMALL)
    assert plan.segments == tuple(range(0, 1000, 100))
    assert [(chunk.first, chunk.idrs) for chunk in plan.chunks] == [(first, (100,)) for first in range(0, 1000, 200)]


def test_a_package_begins_with_short_chunks() -> None:
    """One segment, two, four… up to the usual length: who wants to watch waits for one segment."""

    def segments(seconds: int, length: float = 4) -> list[int]:
        plan = plan_video(film(25 * seconds, 0, 1), package(length), RunSettings(), SMALL)
        return [len(chunk.idrs) + 1 for chunk in plan.chunks]

    assert segments(3) == [1]
    assert segments(8) == [1, 1]
    assert segments(12) == [1, 1, 1]
    assert segments(30) == [1, 1, 2, 2, 2]
    assert segments(600)[:4] == [1, 2, 3, 4]
    assert segments(600, 1)[:6] == [1, 2, 4, 8, 15, 15]
    assert max(segments(1200)) == 4


@given(st.integers(1, 2000), st.integers(1, 200))
def test_short_chunks_at_the_start_are_few_and_cost_nothing_later(count: int, parts: int) -> None:
    starts = eased(range(count), parts)
    lengths = [after - before for before, after in itertools.pairwise([*starts, count])]
    evenly = math.ceil(count / min(parts, count))
    assert starts[0] == 0
    assert all(length > 0 for length in lengths)
    assert lengths[0] == 1
    assert max(lengths) <= evenly  # the longest ends last
    assert len(lengths) <= parts + math.ceil(math.log2(evenly + 1)) + 1
    # While the first half of it plays, the other half is encoded.
    assert all(after <= 2 * before + 1 for before, after in itertools.pairwise(itertools.accumulate(lengths)))


def test_the_short_chunks_wait_for_no_others_of_their_group() -> None:
    """Though a keyframe every ten seconds has them decode more than they need."""
    index = film(25 * 120, *range(0, 25 * 120, 250))
    plan = plan_video(index, package(), RunSettings(), SMALL)
    sizes = [group.end_chunk - group.first_chunk for group in plan.groups]
    assert [chunk.frames for chunk in plan.chunks[:4]] == [100, 100, 200, 200]
    assert sizes[:2] == [1, 1]
    assert max(sizes[2:]) > 1
    linear = plan_video(film(25 * 600, 0), package(), RunSettings(), SMALL)
    assert len(linear.groups) <= 4


def test_who_asks_for_chunks_gets_those() -> None:
    for run in (RunSettings(chunks=2), RunSettings(chunk_seconds=20)):
        assert firsts(plan_video(film(1000, 0, 500), package(), run, SMALL)) == [0, 500]


def test_more_chunks_than_segments_are_cut_inside_them() -> None:
    plan = plan_video(film(200, 0), package(), RunSettings(chunks=4), SMALL)
    assert [(chunk.first, chunk.why) for chunk in plan.chunks] == [
        (0, "segment grid"),
        (50, "one of 4 equal parts"),
        (100, "segment grid"),
        (150, "one of 4 equal parts"),
    ]


def test_a_still_picture_longer_than_a_segment_leaves_no_empty_segment() -> None:
    assert segment_starts(film(4, 0, pts=(0, 10, 410, 420)), 4) == (0, 2)


def test_the_awkward_last_segment_is_kept() -> None:
    assert segment_starts(film(101, 0), 4) == (0, 100)
    assert segment_starts(film(100, 0), 4) == (0,)


def test_segments_of_29_97_fps_are_counted_in_fractions() -> None:
    index = FrameIndex(
        time_base=Fraction(1, 30000),
        pts=tuple(range(0, 1000 * 1001, 1001)),
        last_duration=1001,
        source="packets",
        why="",
    )
    assert segment_starts(index, 4) == (0, 120, 240, 360, 480, 600, 720, 840, 960)


def test_a_title_with_one_keyframe_is_decoded_few_times() -> None:
    for index in (film(3000, 0), film(3000)):
        plan = plan_video(index, FILE, RunSettings(chunk_seconds=4), SMALL)
        assert (len(plan.chunks), len(plan.groups)) == (30, 4)
        assert {group.seek for group in plan.groups} == {None}
        usual = plan_video(index, FILE, RunSettings(), SMALL)
        assert len(usual.chunks) == 4


def test_chunks_that_need_no_preroll_share_no_decode() -> None:
    plan = plan_video(film(400, *range(0, 400, 100)), FILE, RunSettings(chunk_frames=100), SMALL)
    assert plan.groups == tuple(
        Group(number=n, first_chunk=n, end_chunk=n + 1, seek=n * 100 or None, decoded=100) for n in range(4)
    )


def test_chunks_between_two_keyframes_share_a_decode_until_it_pays() -> None:
    plan = plan_video(film(300, 0, 100), FILE, RunSettings(chunk_frames=50), SMALL)
    assert [(group.first_chunk, group.end_chunk, group.seek, group.decoded) for group in plan.groups] == [
        (0, 1, None, 50),
        (1, 2, None, 100),  # the next chunk needs none of what this one decodes
        (2, 3, 100, 50),
        (3, 5, 100, 150),  # 50 frames thrown away for 100: just not wasteful
        (5, 6, 100, 200),
    ]


def test_a_group_is_bounded_by_the_memory_of_its_encoders() -> None:
    index = film(600, 0, 1)
    small = plan_video(index, FILE, RunSettings(chunk_frames=10), SMALL)
    large = plan_video(index, FILE, RunSettings(chunk_frames=10), HD)
    assert max(group.end_chunk - group.first_chunk for group in small.groups) == 31
    assert max(group.end_chunk - group.first_chunk for group in large.groups) == 6
    huge = plan_video(index, FILE, RunSettings(chunk_frames=10), 1 << 30)
    assert all(group.end_chunk - group.first_chunk == 1 for group in huge.groups)


def test_a_keyframe_that_is_not_clean_needs_another_before_it() -> None:
    index = film(300, 0, 100, 200, unclean=(200,))
    assert seek_point(index.seek_points, 250) == index.seek_points[1]
    assert seek_point(index.seek_points, 199) == index.seek_points[1]
    assert seek_point(index.seek_points, 99) == index.seek_points[0]
    assert seek_point((), 99) is None
    assert seek_point(index.seek_points[1:], 99) is None


def test_before_the_first_keyframe_there_is_the_start() -> None:
    assert seek_point(film(300, 100, 200, unclean=(100,)).seek_points, 150) is None


def test_the_frames_of_a_group_never_cross_a_keyframe_that_starts_a_chunk() -> None:
    index = film(400, 0, 200)
    plan = plan_video(index, FILE, RunSettings(chunk_frames=20), SMALL)
    assert all(not (group.first_chunk < 10 < group.end_chunk) for group in plan.groups)
    assert decode_groups(index, plan.chunks, SMALL) == plan.groups


def test_segments_may_be_as_short_as_the_settings_allow() -> None:
    assert segment_starts(film(3, 0), 0.0004) == (0, 1, 2)


def test_a_rate_that_is_shared_out_is_encoded_in_one_piece() -> None:
    index = film(3000, *range(0, 3000, 50))
    for output in (OutputSettings(bitrate=1_000_000), OutputSettings(video_codec="av1", maxrate=1_000_000)):
        (chunk,) = plan_video(index, output, RunSettings(chunks=7), SMALL).chunks
        assert (chunk.first, chunk.end) == (0, 3000)
        assert chunk.why == output.undivided
    (chunk,) = plan_video(index, package().model_copy(update={"bitrate": 1_000_000}), RunSettings(), SMALL).chunks
    assert chunk.idrs == tuple(range(100, 3000, 100))


def test_a_chunk_of_a_capped_rate_is_as_long_as_what_the_buffer_plays() -> None:
    index = film(1000, 0, 500)
    for bufsize, expected in ((2_000_000, 50), (2_020_000, 51), (100_000, 10), (1_000_000_000, 1000)):
        output = OutputSettings(maxrate=1_000_000, bufsize=bufsize)
        starts = firsts(plan_video(index, output, RunSettings(chunk_frames=10), SMALL))
        steps = [b - a for a, b in itertools.pairwise([*starts, 1000])]
        assert min(steps[:-1], default=1000) == -(-expected // 10) * 10
        assert starts[0] == 0
    capped = package(2).model_copy(update={"maxrate": 1_000_000, "bufsize": 3_000_000})
    plan = plan_video(index, capped, RunSettings(chunks=20), SMALL)
    assert firsts(plan) == list(range(0, 1000, 100))
    assert plan.chunks[0].idrs == (50,)
