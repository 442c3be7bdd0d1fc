"""Both sides of a benchmark are asked for the same, and the farm never twice for the same source."""

from pathlib import Path

from benchmarks.film import Wanted, free_box, fresh

from framemill.jobs.settings import OutputSettings, RunSettings, apply_assignments
from framemill.media.options import video_encoder
from framemill.media.soundcodecs import audio_encoder


def test_both_sides_are_asked_for_the_same() -> None:
    wanted = Wanted.usual("av1", preset="6", crf=30)
    command = wanted.command(Path("in.mp4"), Path("out.mp4"))
    settings, _ = apply_assignments(OutputSettings(), RunSettings(), wanted.assignments())
    video = video_encoder(settings, "yuv420p", None, (), grid=False)
    sound = audio_encoder(settings, {"sample_rate": "48000", "channels": 2})

    asked = {name: video[name] for name in ("c:v", "preset", "crf")} | {name: sound[name] for name in ("c:a", "b:a")}
    assert asked == {name: command[command.index(f"-{name}") + 1] for name in asked}


def test_a_codec_has_its_usual_speed_and_quality() -> None:
    assert Wanted.usual("h264") == Wanted("h264", "medium", 23)


def test_a_fresh_copy_differs_by_a_box_that_nobody_reads(tmp_path: Path) -> None:
    source = tmp_path / "film.mp4"
    source.write_bytes(b"a film")

    first, second = fresh(source, tmp_path, "1"), fresh(source, tmp_path, "2")

    assert first.read_bytes() == b"a film" + free_box(b"1")
    assert first.read_bytes() != second.read_bytes()


def test_a_copy_is_made_once(tmp_path: Path) -> None:
    source = tmp_path / "film.mp4"
    source.write_bytes(b"a film")
    fresh(source, tmp_path, "1")
    source.write_bytes(b"another")

    assert fresh(source, tmp_path, "1").read_bytes() == b"a film" + free_box(b"1")


def test_a_box_says_its_own_length() -> None:
    assert free_box(b"12") == b"\x00\x00\x00\x0afree12"
