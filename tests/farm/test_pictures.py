"""Pictures and older files through a whole farm: what is delivered, and where."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from clips import ffmpeg

Encode = Callable[..., dict[str, Any]]
Clip = Callable[[str], Path]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48", "-frames:v", "1", path)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif"])
def test_a_photo_becomes_another_kind_of_picture(photo: Path, encode: Encode, tmp_path: Path, suffix: str) -> None:
    row = encode(photo, f"out.{suffix}")
    assert row["state"] == "completed", row["message"]
    with av.open(str(tmp_path / f"out.{suffix}")) as opened:
        frame = next(opened.decode(video=0))
    assert (frame.width, frame.height) == (64, 48)
    (output,) = row["report"]["outputs"]
    assert output["proof"]["written"] == "whole, by one process"
    assert output["proof"]["pictures"] == 1


def test_several_pictures_are_a_folder_of_that_name(clip: Clip, encode: Encode, tmp_path: Path) -> None:
    row = encode(clip("cfr_29_97.mp4"), "stills.jpg", picture="thumbnails", count=3, width=80)
    assert row["state"] == "completed", row["message"]
    assert sorted(path.name for path in (tmp_path / "stills").iterdir()) == ["0001.jpg", "0002.jpg", "0003.jpg"]
    assert not (tmp_path / "stills.jpg").exists()


def test_a_storyboard_as_one_archive(clip: Clip, encode: Encode, tmp_path: Path) -> None:
    row = encode(clip("cfr_29_97.mp4"), "board.jpg", picture="storyboard", every=1, archive="true")
    assert row["state"] == "completed", row["message"]
    with zipfile.ZipFile(tmp_path / "board.zip") as archive:
        assert archive.namelist() == ["storyboard-001.jpg", "storyboard.vtt"]


def test_an_older_file_says_that_one_process_wrote_its_pictures(clip: Clip, encode: Encode, tmp_path: Path) -> None:
    row = encode(clip("cfr_29_97.mp4"), "out.avi")
    assert row["state"] == "completed", row["message"]
    (chunk,) = row["report"]["plan"]["chunks"]
    assert chunk["why"] == "avi is written by one process"
    (output,) = row["report"]["outputs"]
    assert output["proof"]["frames"] == row["report"]["plan"]["frames"] == 120
    assert output["proof"]["audio_packets"] > 100
    assert (tmp_path / "out.avi").stat().st_size == output["files"][0]["size"]


def test_no_picture_is_refused(tmp_path: Path, encode: Encode) -> None:
    (tmp_path / "text.jpg").write_text("nothing to see\n" * 9)
    row = encode(tmp_path / "text.jpg", "out.png")
    assert (row["state"], row["reason"]) == ("failed", "unreadable_source")
    assert not (tmp_path / "out.png").exists()
