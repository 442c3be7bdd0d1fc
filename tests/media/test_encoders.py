"""Every encoder that can be asked for: chunks that fit together, of the asked depth, with the same bytes every time."""

import asyncio
from pathlib import Path
from typing import Any

import av
import clips
import pytest
from one_encode import Encode, made


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second and a half, in motion."""
    found = tmp_path_factory.mktemp("film") / "film.mp4"
    clips.encode(found, *clips.picture(1.52, size="160x90"), *clips.X264, "-g", "12")
    return found


async def encoded(film: Path, folder: Path, settings: dict[str, Any]) -> Encode:
    one = made(folder)
    await one.plan(film, {"speed": "fast"} | settings, chunks=2)
    await one.encode()
    return one


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize(
    "asked",
    [
        {"video_codec": "h264"},
        {"video_codec": "h265"},
        {"video_codec": "av1"},
        {"video_codec": "av1", "encoder": "libaom-av1"},
        {"video_codec": "vp9", "container": "webm"},
    ],
    ids=lambda asked: asked.get("encoder", asked["video_codec"]),
)
def test_an_encoder_does_the_same_again(film: Path, tmp_path: Path, asked: dict[str, Any], depth: int) -> None:
    one, again = (asyncio.run(encoded(film, tmp_path / name, asked | {"bit_depth": depth})) for name in "ab")

    assert len(one.hashes()) == 2
    assert one.hashes() == again.hashes()
    assert len(one.parameter_sets()) == 1
    with av.open(str(one.files()[1])) as chunk:
        shown = next(chunk.decode(video=0)).format.name
    assert shown == ("yuv420p10le" if depth == 10 else "yuv420p")
