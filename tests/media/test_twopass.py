"""A bit rate over a title in chunks: kept to within 2 %, with the same bytes however its chunks are put together."""

import asyncio
from fractions import Fraction
from pathlib import Path
from typing import Any

import clips
import pytest
from one_encode import Encode, made

from framemill.farm.orders import GroupOrder
from framemill.media.rate import leaky_bucket

SOURCES = (
    "testsrc2=size=160x90:rate=25:duration=3",
    "smptebars=size=160x90:rate=25:duration=2",
    "testsrc2=size=160x90:rate=25:duration=3,noise=alls=40:allf=t",
    "mandelbrot=size=160x90:rate=25:end_pts=75,trim=duration=3",
)
BITRATE = 150_000
LADDER = [{"height": 90, "bitrate": 120_000}, {"height": 60, "bitrate": 60_000}, {"height": 40, "crf": 30}]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven seconds: a moving picture, one that stands still, noise, and a slow zoom."""
    found = tmp_path_factory.mktemp("film") / "film.mp4"
    inputs = [argument for source in SOURCES for argument in ("-f", "lavfi", "-i", source)]
    joined = "concat=n=4:v=1:a=0,format=yuv420p"
    clips.encode(found, *inputs, "-filter_complex", joined, *clips.X264, "-g", "25", "-qp", "8")
    return found


async def encoded(film: Path, folder: Path, settings: dict[str, Any]) -> Encode:
    one = made(folder)
    await one.plan(film, {"passes": 2, "speed": "fast"} | settings, chunks=4)
    await one.encode()
    return one


@pytest.mark.parametrize("codec", ["h264", "h265", "vp9", "av1"])
def test_it_keeps_to_the_bit_rate(film: Path, tmp_path: Path, codec: str) -> None:
    container = "webm" if codec == "vp9" else "mp4"
    one = asyncio.run(encoded(film, tmp_path, {"video_codec": codec, "bitrate": BITRATE, "container": container}))

    assert len(one.title.pictured.plan.chunks) == 4
    assert abs(one.bitrate() / BITRATE - 1) < 0.02
    assert len(one.parameter_sets()) == 1
    shares = [chunk.shares[0] for chunk in one.title.pictured.plan.chunks]
    assert max(shares) == shares[2] > 3 * min(shares)  # the noise has most


def test_it_has_the_same_bytes_every_time_and_alone(film: Path, tmp_path: Path) -> None:
    """A ladder whose renditions are encoded together, and one by one in another farm."""
    settings = {"container": "package", "ladder": LADDER, "segment_seconds": 2}

    async def alone() -> Encode:
        one = made(tmp_path / "two")
        await one.plan(film, {"passes": 2, "speed": "fast"} | settings, chunks=4)
        for group in reversed(one.title.pictured.plan.groups):
            for rendition in (2, 0, 1):
                await one.do(GroupOrder(title_key=one.key, renditions=(rendition,), group=group.number))
        return one

    together, single = asyncio.run(encoded(film, tmp_path / "one", settings)), asyncio.run(alone())

    assert together.title.pictured.batches == (range(3),)
    for rendition, wanted in ((0, 120_000), (1, 60_000)):
        assert together.hashes(rendition) == single.hashes(rendition)
        assert abs(together.bitrate(rendition) / wanted - 1) < 0.02
    assert together.hashes(2) == single.hashes(2)
    assert {chunk.shares[2] for chunk in together.title.pictured.plan.chunks} == {0}


def test_a_maximum_is_kept_by_every_chunk(film: Path, tmp_path: Path) -> None:
    capped = {"bitrate": BITRATE, "maxrate": 250_000, "bufsize": 500_000}
    one = asyncio.run(encoded(film, tmp_path, capped))

    assert max(chunk.shares[0] for chunk in one.title.pictured.plan.chunks) <= 250_000
    assert abs(one.bitrate() / BITRATE - 1) < 0.02
    sizes = [bits // 8 for bits in one.sizes()]
    assert leaky_bucket(sizes, [Fraction(1, 25)] * len(sizes), 250_000, 500_000).underflows == 0
