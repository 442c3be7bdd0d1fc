"""Films measured against films by the real libvmaf."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clips
import pytest

from framemill.errors import SourceUnreadable, WrongUse
from framemill.services.comparing import Comparison, compare, compare_request
from framemill.services.comparison_page import partner, write_page

Clip = Callable[[str], Path]
Encode = Callable[..., dict[str, Any]]


def measured(reference: Path, distorted: Path, **asked: Any) -> Comparison:
    """B against A, without a page."""
    request = compare_request(str(reference), str(distorted), usual_page=False, **asked)
    return asyncio.run(compare(request, lambda _: None))


def made(out: Path, source: Path, *words: str) -> Path:
    """An encode by plain ffmpeg."""
    clips.ffmpeg("-i", source, "-an", "-c:v", "libx264", "-preset", "ultrafast", *words, out)
    return out


def framemill(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "framemill", *map(str, words)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_a_film_against_itself_has_no_flaw(clip: Clip) -> None:
    found = measured(clip("cfr_29_97.mp4"), clip("cfr_29_97.mp4"))

    assert found.means.vmaf >= 99
    assert (found.means.psnr, found.means.ssim) == (60, 1)
    assert (found.quality.paired_by, len(found.quality.frames)) == ("order", 120)
    assert found.seams == (30, 60, 90)


def test_a_bad_encode_is_worse_than_a_good_one(clip: Clip, tmp_path: Path) -> None:
    good = measured(clip("cfr_29_97.mp4"), made(tmp_path / "good.mp4", clip("cfr_29_97.mp4"), "-crf", "18"))
    bad = measured(clip("cfr_29_97.mp4"), made(tmp_path / "bad.mp4", clip("cfr_29_97.mp4"), "-crf", "45"))

    assert bad.means.vmaf < good.means.vmaf - 20
    assert bad.means.psnr < good.means.psnr - 5
    assert bad.means.ssim < good.means.ssim
    assert bad.p1 <= bad.worst_second.vmaf <= bad.means.vmaf


def test_another_size_and_depth_are_made_as_the_references(clip: Clip, tmp_path: Path) -> None:
    words = ("-vf", "scale=480:270", "-pix_fmt", "yuv420p10le", "-crf", "10")
    larger = made(tmp_path / "larger.mp4", clip("cfr_29_97.mp4"), *words)

    found = measured(clip("cfr_29_97.mp4"), larger)

    assert found.means.vmaf > 90
    assert found.quality.paired_by == "order"


@pytest.mark.parametrize("name", ["rotated.mp4", "odd_size_444.mp4", "full_range.mp4", "gray.mkv", "sar.mp4"])
def test_a_lossless_encode_has_no_flaw_whatever_the_picture(
    name: str, clip: Clip, encode: Encode, tmp_path: Path
) -> None:
    row = encode(clip(name), "out.mp4", "lossless", chunks=3)
    assert row["state"] == "completed", row["message"]

    found = measured(clip(name), tmp_path / "out.mp4")

    assert {frame.psnr for frame in found.quality.frames} == {60}
    assert found.quality.paired_by == "order"


@pytest.mark.parametrize(("levels", "pix_fmt"), [("full", "yuvj420p"), ("limited", "yuv420p")])
def test_black_is_black_whatever_the_levels(levels: str, pix_fmt: str, clip: Clip, tmp_path: Path) -> None:
    """The same picture with the other levels has other numbers, and looks the same."""
    words = ("-vf", f"scale=out_range={levels},format={pix_fmt}", "-qp", "0")
    converted = made(tmp_path / "converted.mkv", clip("full_range.mp4"), *words)

    for pair in ((clip("full_range.mp4"), converted), (converted, clip("full_range.mp4"))):
        assert measured(*pair).means.psnr > 50


def test_a_film_that_starts_late_and_unevenly_is_paired_by_order(clip: Clip, tmp_path: Path) -> None:
    late = tmp_path / "late.mkv"
    clips.copy(clip("vfr.mp4"), late, "-output_ts_offset", "10")

    found = measured(clip("vfr.mp4"), late)

    assert found.quality.paired_by == "order"
    assert found.means.psnr == 60
    assert found.quality.frames[0].seconds == 0


def test_a_film_that_lost_frames_is_paired_by_time(clip: Clip, tmp_path: Path) -> None:
    words = ("-vf", "select='not(between(n,30,39))'", "-fps_mode", "passthrough", "-qp", "0", "-output_ts_offset", "5")
    lossy = made(tmp_path / "lossy.mp4", clip("cfr_29_97.mp4"), *words)

    found = measured(clip("cfr_29_97.mp4"), lossy)

    assert found.quality.paired_by == "time"
    assert (found.quality.reference_frames, found.quality.distorted_frames) == (120, 110)
    assert {frame.psnr for frame in found.quality.frames} == {60}
    assert [partner(found, frame) for frame in (0, 29, 30, 109)] == [0, 29, 40, 119]


def test_a_longer_film_is_compared_as_far_as_the_reference_goes(clip: Clip, tmp_path: Path) -> None:
    short = made(tmp_path / "short.mkv", clip("cfr_29_97.mp4"), "-frames:v", "70", "-qp", "0")

    found = measured(short, made(tmp_path / "long.mkv", clip("cfr_29_97.mp4"), "-qp", "0"))

    assert len(found.quality.frames) == 70
    assert found.means.psnr == 60


def test_a_film_that_changes_its_size_is_compared_to_its_end(clip: Clip) -> None:
    found = measured(clip("size_change.ts"), clip("size_change.ts"))

    assert len(found.quality.frames) == found.quality.distorted_frames == 100
    assert found.means.psnr == 60


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("audio_only.m4a", " holds sound but no pictures"),
        ("cover.mp3", " holds sound but no pictures"),
        ("no_moov.mp4", ""),
    ],
)
def test_what_has_no_pictures_is_said(name: str, said: str, clip: Clip) -> None:
    with pytest.raises(SourceUnreadable, match=name + said):
        measured(clip("cfr_29_97.mp4"), clip(name))
    with pytest.raises(SourceUnreadable, match=name + said):
        measured(clip(name), clip("cfr_29_97.mp4"))


def test_a_seam_that_is_not_in_the_film_is_refused(clip: Clip) -> None:
    with pytest.raises(WrongUse, match=r"no seam at frame 120: .* has 120 frames"):
        measured(clip("cfr_29_97.mp4"), clip("cfr_29_97.mp4"), seams=[60, 120])


def test_the_report_of_an_encode_tells_the_seams(clip: Clip, tmp_path: Path) -> None:
    source, out, report = clip("cfr_29_97.mp4"), tmp_path / "out.mp4", tmp_path / "report.json"
    encoded = framemill("encode", source, "-o", out, "--set", "chunk_frames=50", "--set", "crf=35", "--json")
    report.write_text(encoded.stdout)

    done = framemill("compare", source, out, "--report", report, "--json", "-o", tmp_path / "page.html")

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["seams"] == {"from": "report", "frames": [50, 100]}
    assert found["around_seams"]["seams"] == 2
    assert (found["paired_by"], found["pairs"], found["distorted"]["frames"]) == ("order", 120, 120)
    assert all(len(column) == 120 for column in found["frames"].values())
    assert 50 < found["vmaf"]["p1"] < found["vmaf"]["mean"] < 99
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/webp;base64,UklGR") == 6  # RIFF

    other = framemill("compare", source, source, "--report", report, "--seams", "3")
    assert (other.returncode, other.stderr.count("\n")) == (2, 1)


def test_a_report_of_another_encode_is_refused(clip: Clip, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"plan": {"chunks": [{"first": 0, "end": 90}]}}')

    with pytest.raises(WrongUse, match=r"tells of 90 frames, and .* has 120"):
        measured(clip("cfr_29_97.mp4"), clip("cfr_29_97.mp4"), report=str(tmp_path / "report.json"))


def test_the_command_prints_a_table_and_writes_a_page_beside_b(clip: Clip, tmp_path: Path) -> None:
    bad = made(tmp_path / "bad.mp4", clip("cfr_29_97.mp4"), "-crf", "40")

    done = framemill("compare", clip("cfr_29_97.mp4"), bad, "--seams", "60")

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "VMAF worst second" in done.stdout
    assert "Both have 120 frames" in done.stdout
    assert done.stdout.splitlines()[-1] == str(tmp_path / "bad.compare.html")
    assert sorted(os.listdir(tmp_path)) == ["bad.compare.html", "bad.mp4"]

    quiet = framemill("compare", clip("cfr_29_97.mp4"), bad, "--json")
    assert json.loads(quiet.stdout)["page"] is None


def test_the_pictures_of_a_page_are_the_frames_that_were_compared(clip: Clip, tmp_path: Path) -> None:
    """One frame of B is black: it is the worst, and its picture is black where A's is not."""
    words = ("-vf", "drawbox=color=black:t=fill:enable='eq(n,77)'", "-qp", "0")
    flawed = made(tmp_path / "flawed.mkv", clip("cfr_29_97.mp4"), *words)
    found = measured(clip("cfr_29_97.mp4"), flawed, seams=[40])

    asyncio.run(write_page(found, tmp_path / "page.html"))

    assert found.lowest == 77
    sizes = [len(part) for part in (tmp_path / "page.html").read_text().split("data:image/webp;base64,")[1:]]
    assert len(sizes) == 6
    assert sizes[1] < sizes[0] / 5
