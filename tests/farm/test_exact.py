"""However a clip is cut, its frames and their times are those of one plain ffmpeg run over the whole file."""

import csv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import clips
import oracle
import pytest
from shared_clips import FOLDER, shared_clip

pytestmark = pytest.mark.oracle

#: One sample of the slowest sound among the clips.
SAMPLE = Fraction(1, 8000)
CUTS = ({"chunks": 7}, {"chunk_frames": 12})


def catalogue() -> list[str]:
    """The shared clips, or one name that says that they are missing."""
    if not FOLDER.is_dir():
        return ["(no shared clips)"]
    with (FOLDER / "CATALOG.tsv").open(newline="") as file:
        return [row["file"] for row in csv.DictReader(file, delimiter="\t")]


def expected_chunks(cut: dict[str, int], frames: int) -> int:
    """How many chunks the cut promises at least."""
    return min(cut["chunks"], frames) if "chunks" in cut else -(-frames // cut["chunk_frames"])


def judge(encode: Callable[..., dict[str, Any]], source: Path, cut: dict[str, int], target: Path) -> None:
    """Exact; or refused with a reason, and only where plain ffmpeg is not clean either."""
    row = encode(source, target.name, "lossless", **cut)
    if row["state"] != "completed":
        assert not oracle.is_clean(source), f"refused, but plain ffmpeg decodes it without a word: {row['message']}"
        assert row["message"]
        assert not target.exists()
        return
    verdict = oracle.compare(source, target)
    assert verdict.exact, verdict.difference
    assert abs(verdict.audio_shift or Fraction(0)) <= SAMPLE, verdict.audio_shift
    chunks = row["report"]["plan"]["chunks"]
    assert len(chunks) >= expected_chunks(cut, verdict.frames_expected)
    assert [chunk["end"] for chunk in chunks[:-1]] == [chunk["first"] for chunk in chunks[1:]]


def judge_all_cuts(encode: Callable[..., dict[str, Any]], source: Path, folder: Path) -> None:
    """Both ways of cutting, side by side: the farm has two slots."""
    with ThreadPoolExecutor(len(CUTS)) as pool:
        jobs = [pool.submit(judge, encode, source, cut, folder / f"{number}.mp4") for number, cut in enumerate(CUTS)]
    for job in jobs:
        job.result()


@pytest.mark.parametrize("name", clips.CLIPS)
def test_a_generated_clip_is_exact(
    name: str, clip: Callable[[str], Path], encode: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    judge_all_cuts(encode, clip(name), tmp_path)


@pytest.mark.media
@pytest.mark.parametrize("name", catalogue())
def test_a_shared_clip_is_exact(name: str, encode: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    judge_all_cuts(encode, shared_clip(name), tmp_path)
