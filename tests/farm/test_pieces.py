"""Outputs of several files through a whole farm: parts of a film, and what is put into one zip."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

Encode = Callable[..., dict[str, Any]]
Clip = Callable[[str], Path]


def frames(path: Path) -> int:
    with av.open(str(path)) as opened:
        return sum(1 for _ in opened.decode(video=0))


def test_parts_of_a_film_are_files_in_a_folder(clip: Clip, encode: Encode, tmp_path: Path) -> None:
    spans = '[{"start": 0, "end": 1}, {"start": 0.5, "end": 2}]'
    row = encode(clip("cfr_29_97.mp4"), "parts.mp4", cut_spans=spans)
    assert row["state"] == "completed", row["message"]
    folder = tmp_path / "parts"
    assert sorted(path.name for path in folder.iterdir()) == ["0001.mp4", "0002.mp4"]
    assert [frames(folder / name) for name in ("0001.mp4", "0002.mp4")] == [30, 45]
    (output,) = row["report"]["outputs"]
    assert output["proof"]["frames"] == output["proof"]["frames_planned"] == 75
    assert all(part["audio_packets"] for part in output["proof"]["parts"].values())


@pytest.mark.parametrize("name", ["parts.mp4", "parts.avi"])
def test_parts_of_a_film_are_one_archive(clip: Clip, encode: Encode, tmp_path: Path, name: str) -> None:
    row = encode(clip("cfr_29_97.mp4"), name, cut_count=2, archive="true")
    assert row["state"] == "completed", row["message"]
    with zipfile.ZipFile(tmp_path / "parts.zip") as archive:
        assert archive.namelist() == [f"0001{Path(name).suffix}", f"0002{Path(name).suffix}"]
        assert archive.testzip() is None
        archive.extractall(tmp_path / "out")
    assert sum(frames(path) for path in (tmp_path / "out").iterdir()) == 120
    (file,) = row["report"]["outputs"][0]["files"]
    assert file["size"] == (tmp_path / "parts.zip").stat().st_size


def test_parts_of_a_sound(clip: Clip, encode: Encode, tmp_path: Path) -> None:
    row = encode(clip("cfr_29_97.mp4"), "sound.mp3", cut_seconds=3)
    assert row["state"] == "completed", row["message"]
    assert sorted(path.name for path in (tmp_path / "sound").iterdir()) == ["0001.mp3", "0002.mp3"]


def test_the_bits_of_each_part_are_shared_out_in_two_passes(clip: Clip, encode: Encode, tmp_path: Path) -> None:
    row = encode(clip("cfr_29_97.mp4"), "parts.mp4", cut_count=2, bitrate=100_000, passes=2)
    assert row["state"] == "completed", row["message"]
    assert len(list((tmp_path / "parts").iterdir())) == 2


def test_a_package_is_one_archive_with_all_that_it_names(clip: Clip, encode: Encode, tmp_path: Path) -> None:
    row = encode(clip("cfr_29_97.mp4"), "film", archive="true", ladder="[]", segments="ts")
    assert row["state"] == "completed", row["message"]
    with zipfile.ZipFile(tmp_path / "film.zip") as archive:
        names = set(archive.namelist())
        assert {"master.m3u8", "video.mp4"} <= names
        lists = [name for name in names if name.endswith("playlist.m3u8")]
        for name in lists:
            folder = Path(name).parent
            lines = archive.read(name).decode().splitlines()
            assert {str(folder / line) for line in lines if line and not line.startswith("#")} <= names
        assert lists
    assert not (tmp_path / "film").exists()


@pytest.mark.parametrize(("most", "files"), [(2, ["0001.mp4", "0002.mp4"]), (1, ["output.zip"])])
def test_more_files_than_are_wanted_are_one_archive(
    clip: Clip, encode: Encode, tmp_path: Path, most: int, files: list[str]
) -> None:
    row = encode(clip("cfr_29_97.mp4"), "parts.mp4", cut_count=2, archive_above=most)
    assert row["state"] == "completed", row["message"]
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == files


def test_edges_are_cut_off(clip: Clip, encode: Encode, tmp_path: Path) -> None:
    row = encode(clip("cfr_29_97.mp4"), "small.mp4", crop_edges="10:20:30:40")
    assert row["state"] == "completed", row["message"]
    with av.open(str(clip("cfr_29_97.mp4"))) as before, av.open(str(tmp_path / "small.mp4")) as after:
        width, height = before.streams.video[0].width, before.streams.video[0].height
        assert (after.streams.video[0].width, after.streams.video[0].height) == (width - 60, height - 40)
