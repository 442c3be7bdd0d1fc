"""Output options in ffmpeg's own words, on real encoders: what comes out, and what is refused."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import clips
import pytest

from framemill.jobs.encoders.notation import Kind
from framemill.jobs.encoders.table import ENCODERS
from framemill.jobs.settings import OutputSettings
from framemill.media.ffmpeg import binary
from framemill.media.options import video_encoder
from framemill.media.rate import Bucket, leaky_bucket
from framemill.services.local import LocalSession
from framemill.services.requests import encode_request

Clip = Callable[[str], Path]
Worded = Callable[..., dict[str, Any]]
COMMAND = [sys.executable, "-m", "framemill"]
WORDS = "-c:v libx265 -crf 28 -preset ultrafast -vf scale=-2:90 -c:a libopus -ac 1"


@pytest.fixture
def worded(farm: LocalSession, tmp_path: Path) -> Worded:
    """Encode a source into a file of the test's own with those words; the job's row."""

    def run(source: Path, name: str, line: str, **settings: object) -> dict[str, Any]:
        assigned = {key: str(value) for key, value in settings.items()}
        request = encode_request(str(source), str(tmp_path / name), None, assigned, line.split())
        return farm.encode(request, lambda _: None)

    return run


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds that no encoder gets small: what a cap is for."""
    path = tmp_path_factory.mktemp("noise") / "noise.mkv"
    picture = ("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=12,noise=alls=60:allf=t:all_seed=1")
    clips.encode(path, *picture, "-c:v", "ffv1")
    return path


def played(path: Path, rate: int, buffer: int) -> Bucket:
    """How a player's buffer fares with that file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        base = stream.time_base
        packets = [(packet.dts or 0, packet.size) for packet in container.demux(stream) if packet.size]
    assert base is not None
    ends = [dts for dts, _ in packets[1:]] + [2 * packets[-1][0] - packets[-2][0]]
    durations = [(end - dts) * base for (dts, _), end in zip(packets, ends, strict=True)]
    return leaky_bucket([size for _, size in packets], durations, rate, buffer)


def looked_at(path: Path) -> dict[str, Any]:
    """The streams' codecs, and the pictures' profile, tag, size and keyframes."""
    with av.open(str(path)) as container:
        found: dict[str, Any] = {stream.type: stream.codec_context.name for stream in container.streams}
        pictures = container.streams.video[0]
        context = pictures.codec_context
        found |= {"profile": context.profile, "tag": context.codec_tag, "size": (context.width, context.height)}
        found["keys"] = [
            n for n, packet in enumerate(p for p in container.demux(pictures) if p.size) if packet.is_keyframe
        ]
    return found


def test_the_command_takes_ffmpegs_words(clip: Clip, tmp_path: Path) -> None:
    command = [*COMMAND, "encode", str(clip("cfr_29_97.mp4")), "-o", str(tmp_path / "out.mp4"), "--set", "chunks=3"]

    done = subprocess.run([*command, "--json", "--", *WORDS.split()], check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert len(report["plan"]["chunks"]) == 3
    found = looked_at(tmp_path / "out.mp4")
    assert {key: found[key] for key in ("video", "audio", "tag", "size")} == {
        "video": "hevc", "audio": "opus", "tag": "hvc1", "size": (160, 90)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-vf", "movie=/etc/passwd"], "-vf movie=/etc/passwd: a picture over the film is the setting overlays."),
        (["-x264-params", "dump-yuv=frames.yuv"], "-x264-params dump-yuv=frames.yuv: dump-yuv reads or writes a file."),
        (["-crf", "20", "other.mp4"], "other.mp4: ffmpeg would take a word without a dash for an output file; "
         "here -o names the only one."),
        (["-maxrate", "1M"], "Settings: maxrate and bufsize go together: one without the other holds nothing."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["encode", "plan"])
def test_what_is_refused_is_exit_2_one_line_and_no_output(
    command: str, words: list[str], said: str, clip: Clip, tmp_path: Path
) -> None:
    argv = [*COMMAND, command, str(clip("cfr_29_97.mp4")), "-o", str(tmp_path / "out.mp4"), "--", *words]

    done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=tmp_path)

    assert done.returncode == 2
    assert done.stderr == f"framemill: {said}\n"
    assert done.stdout == ""
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "words", ["-c:v libx264 -preset ultrafast", "-preset veryfast", "-c:v libx265 -preset ultrafast"]
)
def test_a_capped_rate_holds_over_chunks(words: str, noise: Path, worded: Worded, tmp_path: Path) -> None:
    rate, buffer = 300_000, 600_000

    row = worded(noise, "out.mp4", f"{words} -crf 10 -maxrate {rate} -bufsize {buffer}", chunks=4)

    assert row["state"] == "completed", row["message"]
    assert len(row["report"]["plan"]["chunks"]) == 4
    assert played(tmp_path / "out.mp4", rate, buffer).underflows == 0
    assert played(tmp_path / "out.mp4", rate * 4 // 5, buffer).underflows > 0  # it can fail


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("-b:v 100k -preset ultrafast", "a bit rate is shared out over the whole title"),
        ("-b:v 100k -maxrate 150k -bufsize 150k -preset ultrafast", "a bit rate is shared out over the whole title"),
        ("-c:v libsvtav1 -preset 12 -b:v 100k", "a bit rate is shared out over the whole title"),
        ("-c:v libvpx-vp9 -cpu-used 8 -b:v 100k -crf 30", "a bit rate is shared out over the whole title"),
        (
            "-c:v libsvtav1 -preset 12 -crf 30 -maxrate 100k",
            "the av1 encoder keeps to its maximum within one encode only",
        ),
    ],
)
def test_a_rate_that_is_shared_out_is_encoded_in_one_piece(
    words: str, why: str, clip: Clip, worded: Worded, tmp_path: Path
) -> None:
    row = worded(clip("cfr_29_97.mp4"), "out.mp4", words, chunks=4, audio_codec="none")

    assert row["state"] == "completed", row["message"]
    assert [chunk["why"] for chunk in row["report"]["plan"]["chunks"]] == [why]
    seconds = 120 * 1001 / 30000
    assert 8 * (tmp_path / "out.mp4").stat().st_size / seconds < 250_000


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "-preset veryfast -profile:v main -level 3.1 -bf 2 -refs 2 -g 10 -keyint_min 10 -sc_threshold 0 "
            "-x264-params me=hex:subme=4:aq-mode=3:no-mbtree -movflags +faststart",
            {"video": "h264", "profile": "Main", "keys": list(range(0, 120, 10))},
        ),
        ("-tune zerolatency -profile:v baseline -preset veryfast", {"profile": "Constrained Baseline"}),
        (
            "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -profile:v main10 -level 4.1 -tune grain "
            "-x265-params no-sao=1:aq-mode=1:keyint=20:min-keyint=20:scenecut=0",
            {"video": "hevc", "profile": "Main 10"},
        ),
        (
            "-c:v libsvtav1 -preset 12 -crf 45 -g 20 -level 4.0 -svtav1-params tune=0:film-grain=8",
            {"video": "libdav1d", "keys": [0, 20, 40, 60, 80, 100]},
        ),
        (
            "-c:v libvpx-vp9 -cpu-used 8 -b:v 0 -crf 45 -level 4.1 -tune ssim -lag-in-frames 16 -aq-mode 2",
            {"video": "vp9"},
        ),
    ],
)
def test_what_the_words_say_is_in_the_output(
    words: str, expected: dict[str, Any], clip: Clip, worded: Worded, tmp_path: Path
) -> None:
    row = worded(clip("cfr_29_97.mp4"), "out.mp4", words, chunk_frames=40)

    assert row["state"] == "completed", row["message"]
    assert len(row["report"]["plan"]["chunks"]) == 3
    found = looked_at(tmp_path / "out.mp4")
    assert {key: found[key] for key in expected} == expected


def test_copies_and_mixes_as_ffmpeg_does(clip: Clip, worded: Worded, tmp_path: Path) -> None:
    copied = worded(clip("cfr_29_97.mp4"), "copied.mkv", "-c copy")
    mixed = worded(clip("cfr_29_97.mp4"), "mixed.mp4", "-c:v copy -c:a aac -ac 1 -ar 22050 -b:a 32k")
    alone = worded(clip("cfr_29_97.mp4"), "alone.mp4", "-an -preset ultrafast")

    assert [row["state"] for row in (copied, mixed, alone)] == ["completed"] * 3
    assert looked_at(tmp_path / "copied.mkv")["video"] == looked_at(clip("cfr_29_97.mp4"))["video"]
    with av.open(str(tmp_path / "mixed.mp4")) as container:
        sound = container.streams.audio[0].codec_context
        assert (sound.layout.name, sound.sample_rate) == ("mono", 22050)
    assert "audio" not in looked_at(tmp_path / "alone.mp4")


def examples(kind: Kind) -> list[str]:
    """The least and the most that it takes, or its first and last word."""
    if kind.low is not None:
        return [str(kind.low), str(kind.high)]
    words = [word for word in ("1", "0", "1,1", *kind.says.split(", ")) if kind.takes(word)]
    return [words[0], words[-1]]


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("codec", ENCODERS)
def test_the_encoders_know_every_key_that_is_let_through(codec: str, at: int) -> None:
    """They only warn of those that they do not know, and encode without them."""
    keys = {key: examples(kind)[at] for key, kind in ENCODERS[codec].keys.items()}
    settings = OutputSettings.model_validate({"video_codec": codec, "encoder_options": keys})

    told = complaints(video_encoder(settings, "yuv420p", None, (), grid=False))

    assert [line for line in told if "parsing option" in line or "nknown option" in line or "recognized" in line] == []


def test_an_encoder_warns_of_a_key_that_it_does_not_know() -> None:
    """The test above can fail."""
    for params in ({"c:v": "libx264", "x264-params": "xyzzy=1"}, {"c:v": "libx265", "x265-params": "xyzzy=1"}):
        assert any("parsing option" in line or "nknown option" in line for line in complaints(dict(params)))


def complaints(options: dict[str, str | None]) -> list[str]:
    """What ffmpeg warns of when it encodes a few frames with these options."""
    argv = [binary(), "-nostdin", "-v", "warning", "-f", "lavfi", "-i", "testsrc2=s=64x64:d=0.2", "-pix_fmt", "yuv420p"]
    for name, value in options.items():
        argv += [f"-{name}", *([value] if value is not None else [])]
    return subprocess.run([*argv, "-f", "null", "-"], check=False, capture_output=True, text=True).stderr.splitlines()
