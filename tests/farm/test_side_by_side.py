"""Packages and pictures of one source in one job, on a real farm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import oracle
import pytest

from framemill.services.inputs import InputRequest
from framemill.services.local import LocalSession
from framemill.services.parts import OutputRequest
from framemill.services.submission import JobRequest

Clip = Callable[[str], Path]

LADDER = [
    {"height": 1080, "bitrate": 4_000_000, "maxrate": 5_000_000, "bufsize": 10_000_000},
    {"height": 120, "bitrate": 200_000, "maxrate": 300_000, "bufsize": 600_000},
]
PACKAGE = {"encoder_preset": "ultrafast", "segment_seconds": 1, "progressive": True, "ladder": LADDER, "passes": 2}


@pytest.fixture
def run(farm: LocalSession, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """A package and a poster of that source, below the test's own folder; the job's row."""

    def both(source: Path, **more: Any) -> dict[str, Any]:
        package = OutputRequest(target=str(tmp_path / "package"), settings=PACKAGE)
        poster = OutputRequest(target=str(tmp_path / "poster.jpg"))
        request = JobRequest(inputs=(InputRequest(uri=str(source)),), outputs=(package, poster), **more)
        return farm.run(request, lambda _: None)

    return both


def test_a_film_gives_both_and_the_report_tells_of_each_rendition(
    clip: Clip, run: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    row = run(clip("cfr_29_97.mp4"))

    assert row["state"] == "completed", row["message"]
    package, _ = row["report"]["outputs"]
    wanted = ("name", "width", "height", "codec", "maxrate", "progressive")
    assert [tuple(one[name] for name in wanted) for one in package["renditions"]] == [
        ("180p", 320, 180, "h264", 5_000_000, "180p.mp4"),
        ("120p", 214, 120, "h264", 300_000, "120p.mp4"),
    ]
    files = {file["path"]: file["size"] for file in package["files"]}
    for one in package["renditions"]:
        assert files[one["progressive"]] == (tmp_path / "package" / one["progressive"]).stat().st_size
        proof = package["proof"]["progressive"][one["progressive"]]
        assert proof["frames"] == proof["frames_planned"] == len(oracle.decode(clip("cfr_29_97.mp4")).frames)
        assert proof["bucket"]["underflows"] == 0


def test_what_shows_nothing_gives_the_package_and_a_warning_of_the_poster(
    clip: Clip, run: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    row = run(clip("audio_only.m4a"), on_output_error="keep")

    assert row["state"] == "completed", row["message"]
    (warning,) = row["report"]["warnings"]
    assert warning.startswith("poster.jpg could not be made: ")
    assert "holds nothing of what the output asks for: it has sound" in warning
    assert sorted(path.name for path in (tmp_path / "package").iterdir()) == [
        *("audio", "audio.m4a", "manifest.mpd", "master.m3u8", "video.mp4")
    ]
    assert not (tmp_path / "poster.jpg").exists()
    assert [output["name"] for output in row["report"]["outputs"]] == ["package"]


def test_what_shows_nothing_fails_where_all_is_asked_for(clip: Clip, run: Callable[..., dict[str, Any]]) -> None:
    row = run(clip("audio_only.m4a"))

    assert (row["state"], row["reason"]) == ("failed", "unreadable_source")
    assert "it has sound" in row["message"]
