"""The list of frames: when packets may stand for it, and what is read from a decode."""

import itertools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framemill.media.index import (
    FirstFrame,
    FrameIndex,
    HashedFrame,
    SeekPoint,
    from_packets,
    mistrust,
    parse_framehash,
    seek_points,
)
from framemill.media.inspection import Inspection, Packets

TICK = Fraction(1, 25)
FIRST = FirstFrame(time_base=TICK, pts=0)


def packets(*pts: int | None, keys: tuple[int, ...] = (0,), unclean: tuple[int, ...] = (), **more: Any) -> Packets:
    """Packets in file order; `keys` and `unclean` count them."""
    places = range(len(pts))
    return Packets(
        pts=list(pts),
        keys=[at for at in places if at in keys],
        clean=[at for at in places if at in keys and at not in unclean],
        **{"last_duration": 1, **more},
    )


GOOD = packets(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("found", "first", "why"),
    [
        ({}, FIRST, None),
        ({"codec_name": "rawvideo"}, FIRST, "for rawvideo it is not proven that a packet is a frame"),
        ({"format": "avi"}, FIRST, "packets of avi carry no frame times to rely on"),
        ({"packets": packets()}, FIRST, "the stream has no packets"),
        ({"packets": packets(0, None, 2)}, FIRST, "packets without a time"),
        ({"packets": packets(0, 1, 1)}, FIRST, "two packets with one time"),
        ({"packets": packets(0, 1, flawed=2)}, FIRST, "2 packets are corrupt, cut off or hidden by an edit list"),
        ({"packets": packets(0, 1, reconfigured=1)}, FIRST, "the stream changes its parameters on the way"),
        ({"packets": packets(0, 1, keys=(1,))}, FIRST, "the first packet is no keyframe"),
        ({"packets": packets(2, 0, 1, 3)}, FIRST, "pictures before the first keyframe"),
        ({}, FirstFrame(time_base=TICK, pts=1), "the first decoded frame is not the first packet"),
        ({}, None, "the first decoded frame is not the first packet"),
        ({"time_base": "1/50"}, FIRST, "the decoder counts in another time base"),
        # The first that holds is told.
        ({"format": "avi", "codec_name": "rv40"}, None, "for rv40 it is not proven that a packet is a frame"),
    ],
)
def test_packets_are_trusted_only_where_nothing_speaks_against_it(
    make_inspection: Callable[..., Inspection], found: dict[str, Any], first: FirstFrame | None, why: str | None
) -> None:
    assert mistrust(make_inspection(**{"packets": GOOD, **found}), first) == why


@pytest.mark.parametrize("name", ["mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts"])
def test_a_format_goes_by_any_of_its_names(make_inspection: Callable[..., Inspection], name: str) -> None:
    assert mistrust(make_inspection(packets=GOOD, format=name), FIRST) is None


def test_b_frames_are_sorted() -> None:
    index = from_packets(packets(10, 13, 11, 12, 16, 14, 15, keys=(0, 4)), TICK)
    assert index.pts == (10, 11, 12, 13, 14, 15, 16)
    assert index.seek_points == (
        SeekPoint(pts=10, frame=0, clean=True),
        SeekPoint(pts=16, frame=6, clean=False),  # 14 and 15 follow it in the file
    )
    assert (index.source, index.time_base, index.last_duration) == ("packets", TICK, 1)
    assert index.increasing


@given(st.permutations(range(12)))
def test_the_order_of_packets_does_not_matter_to_the_list_of_frames(order: list[int]) -> None:
    assert from_packets(packets(*order), TICK).pts == tuple(range(12))


@pytest.mark.parametrize(("pts", "expected"), [((0, 3, 9), 6), ((0, 9, 3), 6), ((7,), 1), ((0, 40), 40)])
def test_a_last_frame_of_unknown_length_is_shown_as_long_as_the_one_before(pts: tuple[int, ...], expected: int) -> None:
    assert from_packets(packets(*pts, last_duration=0), TICK).last_duration == expected


def test_a_lone_frame_is_shown_for_a_25th_of_a_second() -> None:
    assert from_packets(packets(0, last_duration=0), Fraction(1, 90000)).last_duration == 3600
    assert from_packets(packets(0, last_duration=0), Fraction(1)).last_duration == 1


def test_a_keyframe_with_leading_pictures_is_not_clean() -> None:
    open_gop = packets(0, 1, 2, 5, 3, 4, 6, 7, keys=(0, 3, 7))
    assert [(point.frame, point.clean) for point in seek_points(open_gop, range(8))] == [
        (0, True),
        (5, False),
        (7, True),
    ]


def test_a_keyframe_that_later_frames_may_look_behind_is_not_clean() -> None:
    recovery_point = packets(0, 1, 2, 3, keys=(0, 2), unclean=(2,))
    assert [(point.frame, point.clean) for point in seek_points(recovery_point, range(4))] == [(0, True), (2, False)]


def test_a_keyframe_that_is_no_frame_is_no_seek_point() -> None:
    assert [point.pts for point in seek_points(packets(0, 1, 2, 3, keys=(0, 1, 3)), (0, 2, 3))] == [0, 3]
    assert [point.frame for point in seek_points(packets(0, 1, 2, 3, keys=(0, 1, 3)), (0, 2, 3))] == [0, 2]


def test_nobody_seeks_among_packets_without_times() -> None:
    assert seek_points(packets(0, None, 2, keys=(0, 2)), (0, 1, 2)) == ()
    assert seek_points(packets(), ()) == ()


@given(st.permutations(range(9)), st.sets(st.integers(0, 8)))
def test_after_a_clean_keyframe_nothing_earlier_comes(order: list[int], keys: set[int]) -> None:
    points = seek_points(packets(*order, keys=tuple(keys)), range(9))
    assert [point.pts for point in points] == sorted(order[at] for at in keys)
    for point in points:
        assert point.clean == all(pts >= point.pts for pts in order[order.index(point.pts) :])


FRAMEHASH = """\
#format: frame checksums
#version: 2
#hash: murmur3
#software: Lavf61.7.100
#tb 0: 1001/30000
#media_type 0: video
#codec_id 0: rawvideo
#dimensions 0: 64x48
#sar 0: 4/3
#stream#, dts,        pts, duration,     size, hash
0,         -2,         -2,        1,     4608, 2f1d0a3c9b6e4f7788a1c2d3e4f50617
0,         -1,         -1,        1,     4608, 00000000000000000000000000000000

0,          3,          3,       12,     4608, ffffffffffffffffffffffffffffffff
"""


def test_a_framehash_is_read() -> None:
    header, rows = parse_framehash(FRAMEHASH)
    assert {key: header[key] for key in ("tb", "dimensions", "sar", "hash", "media_type")} == {
        "tb": "1001/30000",
        "dimensions": "64x48",
        "sar": "4/3",
        "hash": "murmur3",
        "media_type": "video",
    }
    assert rows == [
        HashedFrame(-2, 1, "2f1d0a3c9b6e4f7788a1c2d3e4f50617"),
        HashedFrame(-1, 1, "0" * 32),
        HashedFrame(3, 12, "f" * 32),
    ]


def test_a_framehash_of_nothing_has_no_rows() -> None:
    assert parse_framehash("") == ({}, [])
    assert parse_framehash("#tb 0: 1/25\n") == ({"tb": "1/25"}, [])


BASE = FrameIndex(time_base=TICK, pts=(0, 1, 2), last_duration=1, hashes=("a", "b", "c"), source="decode", why="")


@pytest.mark.parametrize(
    "change",
    [
        {"pts": (0, 1, 3)},
        {"pts": (0, 1), "hashes": ("a", "b")},
        {"hashes": ("a", "b", "d")},
        {"hashes": ()},
        {"time_base": Fraction(1, 24)},
        {"source": "packets"},
    ],
)
def test_the_fingerprint_changes_with_the_list_of_frames(change: dict[str, Any]) -> None:
    assert BASE.model_copy(update=change).fingerprint != BASE.fingerprint


def test_the_fingerprint_is_of_the_frames_alone() -> None:
    told = {"why": "asked for", "complaints": ("error while decoding",)}
    assert BASE.model_copy(update=told).fingerprint == BASE.fingerprint
    assert BASE.fingerprint == "101998fa6310692adb1ea247a45178bd"  # the same on every machine


@given(st.lists(st.integers(-5, 5), min_size=1))
def test_increasing_means_strictly(pts: list[int]) -> None:
    index = BASE.model_copy(update={"pts": tuple(pts)})
    assert index.increasing == all(a < b for a, b in itertools.pairwise(pts))


def test_a_frame_has_its_time_in_seconds() -> None:
    assert BASE.seconds(2) == Fraction(2, 25)
    assert FirstFrame(time_base=Fraction(1, 90000), pts=126000).seconds == Fraction(7, 5)
