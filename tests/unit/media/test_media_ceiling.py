"""How much a child may write, at most."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.media.ceiling import chunk_bytes, extra_bytes
from framemill.media.index import FrameIndex
from framemill.media.source import Source
from framemill.media.title import Title, plan_title

MIB = 1 << 20
FRAME = 640 * 360
"""Pixels of the source."""
Plan = Callable[..., Title]


@pytest.fixture
def plan(source: Source) -> Plan:
    """A thousand frames at 25 a second in four chunks, with those settings."""
    index = FrameIndex(
        time_base=Fraction(1, 25), pts=tuple(range(1000)), last_duration=1, seek_points=(), source="packets", why=""
    )

    def make(**settings: Any) -> Title:
        return plan_title(source, index, OutputSettings.model_validate(settings), RunSettings(chunks=4), "build")

    return make


def test_a_chunk_may_be_as_large_as_its_frames_are_bare_and_not_much_larger(plan: Plan) -> None:
    film = plan().pictured
    picture = film.pictures[0]
    bare = sum(chunk.frames for chunk in film.plan.chunks[:1]) * picture.width * picture.height * 3
    most = chunk_bytes(film, [0], film.plan.chunks)
    assert 2 * bare < most < 8 * bare + 300 * MIB


def test_of_several_renditions_the_largest_counts(plan: Plan) -> None:
    film = plan(container="package", ladder=[{"height": 90, "crf": 30}, {"height": 48, "crf": 30}]).pictured
    large, small = (chunk_bytes(film, [number], film.plan.chunks) for number in (0, 1))
    assert large > small
    assert chunk_bytes(film, [0, 1], film.plan.chunks) == large


@pytest.mark.parametrize("kind", ["sound", "text"])
def test_a_sound_may_be_as_long_as_the_output(kind: str, plan: Plan) -> None:
    hour, minute = extra_bytes(plan(), kind, 3600), extra_bytes(plan(), kind, 60)
    assert hour - minute > 3540 * 8 * 48_000 * 4  # bare samples of eight channels
    assert extra_bytes(plan(), kind, 0) >= 100 * MIB  # of which nobody knows how long it is


def test_pictures_may_be_as_large_as_ffmpeg_draws_them(plan: Plan) -> None:
    moving = plan(container="gif", video_codec="none", audio_codec="none", picture="animation")
    assert extra_bytes(moving, "whole", 40) > 1000 * FRAME * 4
    assert extra_bytes(moving, "remux", 40) < 1 << 30
