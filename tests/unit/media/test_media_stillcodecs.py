"""Pixels, transparency and quality of pictures."""

import zipfile
from pathlib import Path

import pytest

from framemill.jobs.settings import OutputSettings
from framemill.media.bundle import pack, unpack
from framemill.media.stillcodecs import canvas, has_alpha, last_steps, pixels, still_options


@pytest.mark.parametrize(
    ("container", "source", "wanted"),
    [
        ("png", "yuvj420p", "rgb24"),
        ("png", "rgba", "rgba"),
        ("png", "yuva420p", "rgba"),
        ("png", "gray", "gray"),
        ("png", "rgb48be", "rgb48be"),
        ("png", "rgba64be", "rgba64be"),
        ("png", "gray16be", "gray16be"),
        ("tiff", "rgb48be", "rgb48le"),
        ("jpg", "rgba", "yuvj420p"),
        ("jpg", "rgb48be", "yuvj420p"),
        ("webp", "bgra", "yuva420p"),
        ("webp", "bgr24", "yuv420p"),
        ("bmp", "rgba", "bgr24"),
    ],
)
def test_a_picture_keeps_what_its_format_takes(container: str, source: str, wanted: str) -> None:
    assert pixels(container, source, still=True) == wanted  # type: ignore[arg-type]


def test_of_film_no_picture_keeps_more_than_8_bits() -> None:
    assert canvas("yuv420p10le") == "yuv420p"
    assert canvas("p010le") == "yuv420p"
    assert canvas("gbrp12le") == "gbrp"
    assert canvas("rgb48be") == "rgb48be"
    assert pixels("png", "gray16be", still=False) == "gray"


def test_a_palette_is_drawn_in_colours() -> None:
    assert canvas("pal8") == "rgba"
    assert has_alpha(canvas("pal8"))


def test_what_is_transparent_lies_on_white_where_there_is_no_room_for_it() -> None:
    assert "premultiply" in [step.name for step in last_steps("jpg", "rgba", still=True)]
    assert "premultiply" not in [step.name for step in last_steps("png", "rgba", still=True)]
    assert "premultiply" not in [step.name for step in last_steps("jpg", "rgb24", still=True)]


def test_better_pictures_have_a_finer_quantiser() -> None:
    def scale(quality: int) -> int:
        settings = OutputSettings(container="jpg", video_codec="none", audio_codec="none", picture_quality=quality)
        return int(still_options(settings)["q:v"] or 0)

    scales = [scale(quality) for quality in range(1, 101)]
    assert scales == sorted(scales, reverse=True)
    assert (scales[0], scale(85), scales[-1]) == (31, 5, 1)


def test_an_archive_depends_on_nothing_but_its_files(tmp_path: Path) -> None:
    files = [tmp_path / "b.jpg", tmp_path / "a.vtt"]
    for file in files:
        file.write_text(file.name * 100)
    pack(files, tmp_path / "one.zip")
    for file in files:
        file.touch()
    pack(files, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == ["b.jpg", "a.vtt"]
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
    (tmp_path / "out").mkdir()
    unpack(tmp_path / "one.zip", tmp_path / "out")
    assert (tmp_path / "out" / "a.vtt").read_text() == "a.vtt" * 100


def test_an_archive_of_a_folder_has_its_paths(tmp_path: Path) -> None:
    (tmp_path / "720p").mkdir()
    files = [tmp_path / "720p" / "00000.ts", tmp_path / "master.m3u8"]
    for file in files:
        file.write_text(file.name)
    pack(files, tmp_path / "one.zip", tmp_path)
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == ["720p/00000.ts", "master.m3u8"]
        assert archive.read("720p/00000.ts") == b"00000.ts"
