"""The sound and texts of outputs: what is heard, when, how loud; every track in every container, without a farm.

The source shows a white frame and sounds a beep in the same moment, every two seconds; so what is out of step shows.
"""

import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
from one_output import made
from one_title import planned
from shared_clips import shared_clip

from framemill.media import ffmpeg
from framemill.media.sound import Prepared, sound_command
from framemill.media.soundcodecs import AUDIO_CPU_FLAGS

pytestmark = pytest.mark.timeout(120)

RATE = 48_000
SECONDS = 7
MARKS = (1, 3, 5)
BEEP = 0.02
SYNC = 0.001
FAST = {"encoder_preset": "ultrafast", "video_codec": "h264", "crf": 40}


def run(*args: str | Path) -> bytes:
    argv = [ffmpeg.binary(), "-nostdin", "-v", "error", "-y", *map(str, args)]
    return subprocess.run(argv, check=True, capture_output=True).stdout


def beeps(frequency: int, seconds: float = SECONDS) -> str:
    """A beep at each mark."""
    tone = f"if(lt(mod(t-1,2),{BEEP})*gte(t,1),0.8*sin(2*PI*{frequency}*(t-1)),0)"
    return f"aevalsrc='{tone}':s={RATE}:d={seconds}"


FLASHES = "drawbox=t=fill:c=white:enable='lt(mod(t-1+0.001,2),0.04)*gte(t,0.99)'"
TEXT = """1
00:00:00,500 --> 00:00:02,500
One

2
00:00:03,000 --> 00:00:04,000
Two

3
00:00:05,000 --> 00:00:06,500
Three
"""


@pytest.fixture(scope="module")
def flashing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sounds, English and German, of which the second is the default; and a text track."""
    folder = tmp_path_factory.mktemp("flashing")
    (folder / "text.srt").write_text(TEXT)
    path = folder / "flashing.mkv"
    run(
        *("-f", "lavfi", "-i", f"color=black:s=64x48:r=25:d={SECONDS}"),
        *("-f", "lavfi", "-i", beeps(1000), "-f", "lavfi", "-i", beeps(2000), "-i", folder / "text.srt"),
        *("-map", "0", "-map", "1", "-map", "2", "-map", "3", "-vf", FLASHES, "-c:v", "libx264", "-g", "50"),
        *("-c:a", "flac", "-c:s", "srt", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger"),
        *("-metadata:s:a:1", "title=Deutsch", "-metadata:s:s:0", "language=ger"),
        *("-disposition:a:0", "0", "-disposition:a:1", "default"),
        *("-metadata", "title=Signals", "-metadata", "artist=Nobody", path),
    )
    return path


class Heard(NamedTuple):
    """A decoded sound."""

    start: float
    """Seconds."""
    samples: "np.ndarray[Any, np.dtype[np.float64]]"
    rate: int

    def marks(self, frequency: int = 2000) -> list[float]:
        """When each beep begins, found by what fits best: a lossy codec smears the first milliseconds."""
        template = np.sin(2 * np.pi * frequency * np.arange(round(BEEP * self.rate)) / self.rate)
        fits = np.correlate(self.samples, template, mode="valid")
        found: list[float] = []
        for at in np.flatnonzero(fits > fits.max() / 2):
            near = fits[max(at - self.rate // 10, 0) : at + self.rate // 10]
            if fits[at] == near.max():
                found.append(self.start + at / self.rate)
        return found


def heard(path: Path, track: int = 0) -> Heard:
    parts, start = [], None
    with av.open(str(path)) as container:
        stream = container.streams.audio[track]
        resampler = av.AudioResampler(format="dblp", layout="mono", rate=stream.rate)
        for frame in container.decode(stream):
            start = float(frame.time or 0) if start is None else start
            parts += [one.to_ndarray()[0] for one in resampler.resample(frame)]
        parts += [one.to_ndarray()[0] for one in resampler.resample(None)]
        return Heard(start or 0.0, np.concatenate(parts), stream.rate)


def flashes(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [
            float(frame.time or 0)
            for frame in container.decode(video=0)
            if frame.to_ndarray(format="gray").mean() > 128
        ]


def assert_in_step(path: Path, first: float = 0.0) -> None:
    """Every beep in the moment of its flash; marks count from `first` seconds of the source."""
    seen, sounded = flashes(path), heard(path).marks()
    wanted = [mark - first for mark in MARKS if mark >= first]
    origin = seen[0] - wanted[0]
    assert [time - origin for time in seen] == pytest.approx(wanted, abs=SYNC)
    assert len(sounded) == len(seen)
    assert sounded == pytest.approx(seen, abs=SYNC)


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        *(("mp4", codec) for codec in ("aac", "opus", "mp3", "ac3")),
        *(("mov", codec) for codec in ("alac", "pcm")),
        *(("mkv", codec) for codec in ("aac", "opus", "vorbis")),
        *(("ts", codec) for codec in ("aac", "ac3", "mp2", "opus")),
    ],
)
def test_sound_and_pictures_keep_step(flashing: Path, tmp_path: Path, container: str, codec: str) -> None:
    path, proof = made(flashing, tmp_path, FAST | {"container": container, "audio_codec": codec})
    assert proof["audio_packets"] > 0
    assert_in_step(path)


@pytest.mark.parametrize("codec", ["opus", "vorbis"])
def test_webm_keeps_step(flashing: Path, tmp_path: Path, codec: str) -> None:
    settings = {"container": "webm", "video_codec": "vp9", "encoder_preset": "8", "crf": 50, "audio_codec": codec}
    assert_in_step(made(flashing, tmp_path, settings)[0])


@pytest.mark.parametrize(
    ("container", "codec", "clip"),
    [
        ("mp4", "aac", {"start": 0.52, "end": 5.5}),
        ("mp4", "aac", {"start": 2.99}),
        ("mov", "pcm", {"duration": 4}),
        ("mkv", "opus", {"start": 2.99}),
        ("ts", "aac", {"start": 0.52, "end": 5.5}),
    ],
)
def test_a_clip_keeps_step(flashing: Path, tmp_path: Path, container: str, codec: str, clip: dict[str, float]) -> None:
    path, _ = made(flashing, tmp_path, FAST | {"container": container, "audio_codec": codec} | clip)
    seen, sounded = flashes(path), heard(path).marks()
    assert sounded == pytest.approx(seen, abs=SYNC)
    gaps = [after - before for before, after in pairwise(seen)]
    assert gaps == pytest.approx([2.0] * len(gaps), abs=SYNC)


def test_the_samples_of_a_clip_are_those_of_the_source(flashing: Path, tmp_path: Path) -> None:
    """From the first shown picture to the end of the last one, none more."""
    path, _ = made(flashing, tmp_path, FAST | {"container": "mov", "audio_codec": "pcm", "start": 0.5, "end": 5.01})
    # 25 frames a second: from 0.52 s to the end of the picture at 5.00 s
    graph = f"atrim=start_sample={round(0.52 * RATE)}:end_sample={round(5.04 * RATE)}"
    expected = run("-i", flashing, "-map", "0:a:1", "-af", graph, "-f", "s16le", "-")
    assert run("-i", path, "-map", "0:a:0", "-f", "s16le", "-") == expected


@pytest.mark.parametrize(
    ("container", "codec", "encoder"),
    [
        ("mp4", "aac", "aac"),
        ("mkv", "opus", "libopus"),
        ("mp4", "ac3", "ac3"),
        ("mkv", "vorbis", "libvorbis"),
        ("mp4", "opus", "libopus"),
        ("mp4", "mp3", "libmp3lame"),
    ],
)
def test_samples_are_those_of_a_plain_encode(
    flashing: Path, tmp_path: Path, container: str, codec: str, encoder: str
) -> None:
    path, _ = made(flashing, tmp_path, FAST | {"container": container, "audio_codec": codec, "audio_bitrate": 96_000})
    plain = tmp_path / f"plain.{container}"
    run(*AUDIO_CPU_FLAGS, "-i", flashing, "-map", "0:a:1", "-c:a", encoder, "-b:a", "96k", plain)
    decode = ("-map", "0:a:0", "-f", "f32le", "-")
    assert run(*AUDIO_CPU_FLAGS, "-i", path, *decode) == run(*AUDIO_CPU_FLAGS, "-i", plain, *decode)


def tracks(path: Path) -> list[tuple[str, bool]]:
    """(language, default) of each sound."""
    with av.open(str(path)) as container:
        default = av.stream.Disposition.default
        return [
            (stream.metadata.get("language", ""), bool(stream.disposition & default))
            for stream in container.streams.audio
        ]


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("mkv", "flac"), ("ts", "ac3"), ("mov", "pcm")])
def test_all_tracks_come_along_with_their_languages(flashing: Path, tmp_path: Path, container: str, codec: str) -> None:
    settings = {"container": container, "audio_codec": codec, "audio_tracks": "all"}
    path, proof = made(flashing, tmp_path, FAST | settings)
    found = tracks(path)
    assert [language for language, _ in found] == ["ger", "eng"]
    if container != "ts":  # which knows no such flag
        assert [default for _, default in found] == [True, False]
    for track, frequency in enumerate((2000, 1000)):
        assert heard(path, track).marks(frequency) == pytest.approx(flashes(path), abs=SYNC)
    assert len(proof["further_sounds"]) == 1


def test_chosen_tracks_come_in_the_asked_order(flashing: Path, tmp_path: Path) -> None:
    path, _ = made(flashing, tmp_path, FAST | {"container": "mkv", "audio_codec": "flac", "audio_tracks": (0,)})
    assert [language for language, _ in tracks(path)] == ["eng"]
    assert len(heard(path).marks(1000)) == len(MARKS)


def test_a_track_that_is_not_there_is_refused(flashing: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no audio track of rank 2; it has 2, ranks 0 to 1"):
        made(flashing, tmp_path, FAST | {"audio_tracks": (0, 2)})


@pytest.mark.parametrize(
    ("name", "shift", "marks"),
    [
        ("hole.mp4", "if(gte(TS*TB,2),0.5/TB,0)", [1, 3.5, 5.5]),
        ("hole.mkv", "if(gte(TS*TB,2),0.5/TB,0)", [1, 3.5, 5.5]),
        ("small.mp4", "if(gte(TS*TB,2),0.015/TB,0)", [1, 3.015, 5.015]),
        ("early.mkv", "0-if(gte(TS*TB,2),0.06/TB,0)", [1, 2.94, 4.94]),
        ("drift.mp4", "TS*0.0005", [1.0005, 3.0015, 5.0025]),
    ],
)
def test_sound_with_holes_or_drift_keeps_to_its_times(
    tmp_path: Path, name: str, shift: str, marks: list[float]
) -> None:
    source = tmp_path / name
    run(
        *("-f", "lavfi", "-i", f"color=black:s=64x48:r=25:d={SECONDS}", "-f", "lavfi", "-i", beeps(2000)),
        *("-c:v", "libx264", "-c:a", "aac", "-bsf:a", f"setts=ts='TS+{shift}'", source),
    )
    path, _ = made(source, tmp_path, FAST | {"container": "mov", "audio_codec": "pcm"})
    assert heard(path).marks() == pytest.approx(marks, abs=SYNC)


def loudness(path: Path) -> tuple[float, float]:
    """(LUFS, dBTP) as another meter, loudnorm, has them."""
    argv = [ffmpeg.binary(), "-nostdin", "-i", str(path), "-map", "0:a:0", "-af", "loudnorm=print_format=json"]
    said = subprocess.run([*argv, "-f", "null", "-"], check=True, capture_output=True, text=True).stderr
    found = dict(line.replace('"', "").split(" : ") for line in said.splitlines() if '" : "' in line)
    return float(found["\tinput_i"].strip(",")), float(found["\tinput_tp"].strip(","))


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quiet sound with a loud moment, as a speech with a clap."""
    path = tmp_path_factory.mktemp("quiet") / "quiet.wav"
    sound = "0.02*sin(2*PI*440*t)*(1+0.5*sin(t))+0.1*between(t,5,5.02)*sin(2*PI*1000*t)"
    run("-f", "lavfi", "-i", f"aevalsrc='{sound}':s=48000:d=10", path)
    return path


@pytest.mark.parametrize("target", [-23.0, -30.0])
def test_a_loudness_is_met(quiet: Path, tmp_path: Path, target: float) -> None:
    path, _ = made(quiet, tmp_path, {"container": "wav", "video_codec": "none", "loudness": target})
    found, peak = loudness(path)
    assert found == pytest.approx(target, abs=0.5)
    assert peak <= -0.9


def test_a_loudness_stops_at_the_true_peak(quiet: Path, tmp_path: Path) -> None:
    settings = {"container": "wav", "video_codec": "none", "loudness": -10, "true_peak": -3}
    _, peak = loudness(made(quiet, tmp_path, settings)[0])
    assert peak == pytest.approx(-3, abs=0.3)


def test_silence_has_no_loudness(tmp_path: Path) -> None:
    run("-f", "lavfi", "-i", "anullsrc=r=48000:d=2", "-t", "2", tmp_path / "silence.wav")
    path, _ = made(tmp_path / "silence.wav", tmp_path, {"container": "flac", "video_codec": "none", "loudness": -23})
    assert not heard(path).samples.any()


@pytest.mark.parametrize(
    ("container", "codec", "found"),
    [
        ("mp3", "mp3", "mp3"), ("wav", "pcm", "pcm_s24le"), ("ogg", "vorbis", "vorbis"), ("ogg", "opus", "opus"),
        ("ogg", "flac", "flac"), ("flac", "flac", "flac"), ("m4a", "aac", "aac"), ("m4a", "alac", "alac"),
        ("m4a", "ac3", "ac3"), ("opus", "opus", "opus"),
    ],
)  # fmt: skip
def test_a_file_of_sound_alone(flashing: Path, tmp_path: Path, container: str, codec: str, found: str) -> None:
    """With the source's tags, and where its beeps were."""
    path, proof = made(flashing, tmp_path, {"container": container, "video_codec": "none", "audio_codec": codec})
    with av.open(str(path)) as file:
        (stream,) = file.streams
        assert stream.codec_context.name.startswith(found) or found in stream.codec_context.codec.canonical_name
        told = {key.lower(): value for key, value in {**file.metadata, **stream.metadata}.items()}
    assert (told["title"], told["artist"]) == ("Signals", "Nobody")
    sound = heard(path)  # MP3 begins behind its priming
    assert [time - sound.start for time in sound.marks()] == pytest.approx(MARKS, abs=SYNC)
    assert proof["audio_packets"] > 0


def test_a_file_of_sound_from_sound(quiet: Path, tmp_path: Path) -> None:
    path, _ = made(quiet, tmp_path, {"container": "flac", "video_codec": "none", "start": 2, "end": 4.5})
    expected = run("-i", quiet, "-af", f"atrim=start_sample={2 * RATE}:end_sample={9 * RATE // 2}", "-f", "s16le", "-")
    assert run("-i", path, "-f", "s16le", "-") == expected


def test_channels_are_mixed_and_rates_kept_or_changed(tmp_path: Path) -> None:
    source = tmp_path / "six.wav"
    run("-f", "lavfi", "-i", "sine=r=96000:d=1", "-af", "aformat=channel_layouts=5.1", source)
    asked: list[tuple[dict[str, Any], int, int]] = [
        ({"container": "flac"}, 6, 96000),
        ({"container": "mp3"}, 2, 48000),
        ({"container": "wav", "audio_channels": 1, "sample_rate": 22050}, 1, 22050),
        ({"container": "opus"}, 6, 48000),
    ]
    for number, (settings, channels, rate) in enumerate(asked):
        path, _ = made(source, tmp_path / str(number), {"video_codec": "none"} | settings)
        with av.open(str(path)) as file:
            stream = file.streams.audio[0]
            assert (stream.channels, stream.rate) == (channels, rate)


def test_of_many_speakers_that_nobody_names_the_first_ones_are_kept(tmp_path: Path) -> None:
    source = tmp_path / "sixteen.mkv"  # Matroska does not keep where they stand
    ramp = "|".join(f"0.0{n:02}*sin(2*PI*t*400)" for n in range(1, 17))
    run("-f", "lavfi", "-i", f"aevalsrc={ramp}:c=hexadecagonal:d=1", "-c:a", "pcm_s16le", source)

    path, _ = made(source, tmp_path, {"container": "flac", "video_codec": "none"})

    expected = run("-i", source, "-af", "pan=7.1|" + "|".join(f"c{n}=c{n}" for n in range(8)), "-f", "s16le", "-")
    assert run("-i", path, "-f", "s16le", "-") == expected


def test_a_bit_rate_beyond_the_codec_is_refused(tmp_path: Path) -> None:
    run("-f", "lavfi", "-i", "sine=r=16000:d=1", tmp_path / "low.wav")
    settings = {"container": "mp3", "video_codec": "none", "audio_bitrate": 320_000}
    with pytest.raises(AssertionError, match="mp3 with 1 channel at 16000 Hz takes 8000 to 160000 bits a second"):
        made(tmp_path / "low.wav", tmp_path, settings)


def cues(path: Path, folder: Path) -> list[tuple[float, float, str]]:
    """(start, end, text) of the first text track."""
    text = run("-i", path, "-map", "0:s:0", "-f", "srt", "-").decode().replace("\r", "")
    found = []
    for block in text.strip().split("\n\n"):
        times, words = block.split("\n")[1:3]
        start, end = (
            sum(float(part) * 60**place for place, part in enumerate(reversed(stamp.replace(",", ".").split(":"))))
            for stamp in times.split(" --> ")
        )
        found.append((start, end, words))
    return found


@pytest.mark.parametrize(
    ("container", "more"),
    [("mp4", {}), ("mov", {}), ("mkv", {}), ("webm", {"video_codec": "vp9", "encoder_preset": "8", "crf": 50})],
)
def test_texts_are_carried_and_cut(flashing: Path, tmp_path: Path, container: str, more: dict[str, Any]) -> None:
    whole, _ = made(flashing, tmp_path / "whole", FAST | {"container": container} | more)
    expected = [(0.5, 2.5, "One"), (3.0, 4.0, "Two"), (5.0, 6.5, "Three")]
    assert cues(whole, tmp_path) == expected
    clip, _ = made(flashing, tmp_path / "clip", FAST | {"container": container, "start": 2, "end": 6} | more)
    assert cues(clip, tmp_path) == [(0.0, 0.5, "One"), (1.0, 2.0, "Two"), (3.0, 4.0, "Three")]
    with av.open(str(clip)) as file:
        assert file.streams.subtitles[0].metadata["language"] == "ger"


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        *(("mp4", codec) for codec in ("aac", "opus", "mp3", "ac3", "flac", "alac")),
        *(("mkv", codec) for codec in ("vorbis", "pcm")),
        ("ts", "mp2"),
    ],
)
def test_the_bytes_are_the_same_at_every_simd_level(tmp_path: Path, container: str, codec: str) -> None:
    """Mixed, resampled, stretched and made louder, from a lossy source."""
    source = tmp_path / "noise.mkv"
    noise = "anoisesrc=r=44100:d=1:seed=3,aformat=channel_layouts=5.1"
    run("-f", "lavfi", "-i", noise, "-c:a", "ac3", source)
    wanted = {"video_codec": "none", "audio_channels": 2, "sample_rate": 48_000, "loudness": -23}
    title = planned(source, {"container": container, "audio_codec": codec} | wanted)
    stretched = {"async": "240", "min_comp": "0.0001", "min_hard_comp": "0.005"}
    prepared = Prepared(title.voices[0], stretched, gain=-3.21)
    found = set()
    for level in (AUDIO_CPU_FLAGS[1], "sse2", "0") if AUDIO_CPU_FLAGS else ():
        argv = sound_command(title.source, prepared, title.settings, tmp_path / "sound")
        argv[argv.index("-cpuflags") + 1] = level
        run(*argv)
        found.add((tmp_path / "sound").read_bytes())
    assert len(found) <= 1


@pytest.mark.media
def test_subtitles_that_are_pictures_are_carried_where_the_container_takes_them(tmp_path: Path) -> None:
    source = shared_clip("sample_with_pgs_subtitles.mkv")
    settings = FAST | {"height": 90, "end": 1}
    kept, _ = made(source, tmp_path / "mkv", settings | {"container": "mkv"})
    with av.open(str(kept)) as file:
        (stream,) = file.streams.subtitles
        assert stream.codec_context.name == "pgssub"
        assert [packet.pts for packet in file.demux(stream) if packet.size] == [0]  # the next one comes at 1.24 s
    left, _ = made(source, tmp_path / "mp4", settings)
    with av.open(str(left)) as file:
        assert not file.streams.subtitles
