"""What is encoded in one piece tells how far it is, too."""

import asyncio
from pathlib import Path
from typing import Any

import clips
import pytest

from framemill.farm.orders import PlanOrder
from framemill.farm.performing import perform
from framemill.farm.titles import extras_of, ingest, load_title
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.storage.local import LocalBlobs


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of a tone, and as much of small pictures."""
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    clips.ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=30", "-f", "lavfi", "-i", "sine=duration=30"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", path),
    )
    return path


@pytest.mark.parametrize(
    "settings",
    [
        {"audio_codec": "opus", "container": "webm", "video_codec": "none"},
        {"container": "mp3", "start": 20},
        {"video_codec": "copy", "audio_codec": "copy"},
        {"container": "gif", "picture": "animation", "duration": 5},
    ],
    ids=["sound", "clip", "copy", "animation"],
)
def test_an_extra_tells_its_share(settings: dict[str, Any], film: Path, tmp_path: Path) -> None:
    shares: list[float] = []

    async def done() -> None:
        blobs = LocalBlobs(tmp_path / "blobs")
        found = await ingest(str(film), film.name, blobs)
        wanted = OutputSettings.model_validate(settings)
        plan = PlanOrder(
            title_key="t", source_key=found.key, settings=wanted, run=RunSettings(), decode=False, linear=False
        )
        assert (await perform(plan, lambda *_: None, blobs)).reason is None
        (order,) = extras_of(load_title(blobs, "t"), "t")
        result = await perform(order, lambda share, _size=0: shares.append(share), blobs)
        assert result.reason is None, result.message

    asyncio.run(done())
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0, abs=0.02)
