"""`framemill verify` and `framemill doctor`, and what the report tells of the cost and the proof."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from framemill.media.ffmpeg import binary

Clip = Callable[[str], Path]
Encode = Callable[..., dict[str, Any]]
COMMAND = [sys.executable, "-m", "framemill"]


def verify(*words: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run([*COMMAND, "verify", *words, "--json"], check=False, capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def failed(told: dict[str, Any]) -> list[str]:
    return [check["what"] for checks in told["files"].values() for check in checks if not check["passed"]]


def test_a_file_and_a_package_of_ours_pass(clip: Clip, encode: Encode, tmp_path: Path) -> None:
    source = clip("cfr_29_97.mp4")
    encode(source, "out.mkv", encoder_preset="ultrafast")
    encode(source, "pkg", encoder_preset="ultrafast", segment_seconds=1)

    code, told = verify(str(source), str(tmp_path / "out.mkv"), "--full")
    assert (code, told["passed"], failed(told)) == (0, True, [])
    code, told = verify(str(source), str(tmp_path / "pkg"))
    assert (code, told["passed"]) == (0, True)
    assert [Path(path).name for path in told["files"]] == ["video.mp4", *["playlist.m3u8"] * (len(told["files"]) - 1)]
    assert len(told["files"]) >= 3


def test_a_file_that_lost_frames_is_found_out(clip: Clip, tmp_path: Path) -> None:
    source, lossy = clip("cfr_29_97.mp4"), tmp_path / "lossy.mp4"
    half = ["-vf", "fps=15", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]
    subprocess.run([binary(), "-v", "error", "-i", str(source), *half, str(lossy)], check=True)
    code, told = verify(str(source), str(lossy))
    assert code == 1
    assert {"frames", "times"} <= set(failed(told))


def test_what_cannot_be_read_is_one_line_and_exit_1(clip: Clip, tmp_path: Path) -> None:
    words = ["verify", str(clip("cfr_29_97.mp4")), str(tmp_path / "none.mp4")]
    done = subprocess.run([*COMMAND, *words], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "There is no file" in done.stderr


def test_the_report_tells_what_each_stage_took_and_what_was_proved(clip: Clip, encode: Encode, tmp_path: Path) -> None:
    settings = {"chunks": 3, "verify": "full", "encoder_preset": "ultrafast", "crf": 31.5, "audio_bitrate": 77_000}
    report = encode(clip("cfr_29_97.mp4"), "out.mp4", **settings)[
        "report"
    ]  # settings of no other test: nothing is reused

    assert {"read", "plan", "encode", "sound", "join", "verify", "checksum"} <= set(report["stages"])
    assert all(stage["seconds"] >= 0 and stage["cpu_seconds"] >= 0 for stage in report["stages"].values())
    assert report["stages"]["encode"]["peak_bytes"] > 10 << 20
    assert report["cpu_seconds"] == pytest.approx(
        sum(stage["cpu_seconds"] for stage in report["stages"].values()), abs=0.01
    )
    (output,) = report["outputs"]
    (rendition,) = output["renditions"]
    proof = output["proof"]
    assert rendition["encoder"] == "libx264"
    assert rendition["frames"] == proof["frames"] == proof["frames_planned"] == proof["decoded"]["frames"]
    assert proof["audio_samples"] == proof["decoded"]["samples"]
    assert 0 < rendition["video_bytes"] < output["files"][0]["size"]
    assert rendition["bitrate"] > 0
    assert rendition["encode_cpu_seconds"] == pytest.approx(report["stages"]["encode"]["cpu_seconds"], abs=0.01)
    assert len(output["files"][0]["sha256"]) == 64
    assert len(output["files"][0]["md5"]) == 32


def test_an_embedded_farm_tells_what_its_start_took(clip: Clip, tmp_path: Path) -> None:
    words = [
        "encode",
        str(clip("cfr_29_97.mp4")),
        "-o",
        str(tmp_path / "o.mp4"),
        "--json",
        "--",
        "-preset",
        "ultrafast",
    ]
    done = subprocess.run([*COMMAND, *words], check=True, capture_output=True, text=True)
    stages = json.loads(done.stdout)["stages"]
    assert stages["farm_start"]["seconds"] > 0.5
    assert stages["farm_start"]["cpu_seconds"] > 0.5
    assert stages["coordinate"]["cpu_seconds"] >= 0


def test_the_doctor_finds_what_the_presets_need(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "doctor", "-o", str(tmp_path), "--json"], check=False, capture_output=True, text=True
    )
    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    works = {tried["encoder"] for tried in told["encoders"] if tried["encodes"] and tried["decodes"]}
    assert {"libx264", "libx265", "libsvtav1", "libvpx-vp9", "aac", "libopus", "flac", "alac"} <= works
    assert told["ray_seconds"] > 0
    assert not [problem for problem in told["problems"] if problem["grave"]]


def without(folder: Path, encoder: str) -> dict[str, str]:
    """An environment with an ffmpeg that lacks an encoder, and nothing in the cache."""
    poor = folder / "ffmpeg"
    refusal = f'*{encoder}*) echo "[error] Unknown encoder {encoder}" >&2; exit 8;;'
    poor.write_text(f'#!/bin/sh\ncase "$*" in {refusal} esac\nexec {binary()} "$@"\n')
    poor.chmod(0o755)
    return {"FRAMEMILL_FFMPEG": str(poor), "XDG_CACHE_HOME": str(folder / "cache"), "PATH": "/usr/bin:/bin"}


def test_the_doctor_names_an_ffmpeg_that_cannot_encode(tmp_path: Path) -> None:
    environment = without(tmp_path, "libx265")
    words = ["doctor", "-o", str(tmp_path), "--json"]
    done = subprocess.run([*COMMAND, *words], check=False, capture_output=True, text=True, env=environment)
    (problem,) = [problem for problem in json.loads(done.stdout)["problems"] if problem["grave"]]
    assert done.returncode == 1
    assert "libx265: Unknown encoder libx265" in problem["what"]
    assert "FRAMEMILL_FFMPEG" in problem["next"]


def test_an_encoder_that_is_missing_is_told_before_anything_is_done(clip: Clip, tmp_path: Path) -> None:
    environment = without(tmp_path, "libsvtav1")
    words = ["encode", str(clip("cfr_29_97.mp4")), "-o", str(tmp_path / "out" / "o.mp4"), "--preset", "av1"]
    done = subprocess.run([*COMMAND, *words], check=False, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "cannot encode with libsvtav1: Unknown encoder libsvtav1" in done.stderr
    assert "framemill doctor" in done.stderr
