"""Files of older kinds, whose pictures one process encodes: frames, times and sound as planned, in sync."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from carried_out import Refused, carried_out
from clips import AAC, UNEVEN, X264, encode, picture, sound

BEEPS = "aevalsrc='if(lt(mod(t,1),0.02),sin(2*PI*1000*t),0)':s=48000:d=3"
WHOLES: list[dict[str, Any]] = [
    {"container": "avi"},
    {"container": "avi", "video_codec": "h264", "audio_codec": "ac3"},
    {"container": "avi", "audio_codec": "pcm"},
    {"container": "flv"},
    {"container": "flv", "video_codec": "flv1", "audio_codec": "mp3"},
    {"container": "mpg"},
    {"container": "wmv"},
    {"container": "ogv"},
    {"container": "3gp"},
    {"container": "3gp", "video_codec": "mpeg4"},
]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds with a beep at each of them, and uneven times."""
    out = tmp_path_factory.mktemp("film") / "beeps.mp4"
    uneven = ("-vf", UNEVEN, "-fps_mode", "passthrough", "-enc_time_base", "filter")
    encode(out, *picture(3, "25", "160x90"), "-f", "lavfi", "-i", BEEPS, *uneven, *X264, *AAC)
    return out


def first_picture(path: Path) -> float:
    if path.suffix == ".avi":  # it counts frames, and libav guesses how many are decoded before the first is shown
        return 0.0
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return float((frame.pts or 0) * (frame.time_base or 0))


def beeps(path: Path) -> list[float]:
    """Seconds at which they are heard, by the file's own clock."""
    found: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            if frame.pts is None or frame.time_base is None:
                continue
            loud = np.abs(frame.to_ndarray()[0].astype(float)) / (32768 if "s16" in frame.format.name else 1)
            at = np.nonzero(loud > 0.3)[0]
            if len(at):
                heard = float(frame.pts * frame.time_base) + int(at[0]) / frame.sample_rate
                if not found or heard - found[-1] > 0.5:
                    found.append(heard)
    return found


@pytest.mark.parametrize("settings", WHOLES, ids=lambda one: "-".join(one.values()))
def test_frames_times_and_sound_are_what_was_planned(film: Path, settings: dict[str, Any], tmp_path: Path) -> None:
    made = carried_out(film, settings, tmp_path)
    shown = made.title.pictured.shown
    assert made.proof["frames"] == made.proof["decoded"]["frames"] == len(shown.pts)
    assert made.proof["audio_packets"] > 20
    assert len(made.title.pictured.plan.chunks) == 1
    assert "one process" in made.title.pictured.plan.chunks[0].why
    if settings["container"] == "wmv":  # libav's reader does not time its first packets
        return
    start = first_picture(made.file)
    heard = [at - start for at in beeps(made.file)]
    for second in (1, 2):
        assert min(abs(at - second) for at in heard) < 0.0015, heard


@pytest.mark.parametrize("container", ["avi", "mpg", "wmv", "flv", "ogv"])
def test_a_part_of_it_in_another_size(film: Path, container: str, tmp_path: Path) -> None:
    made = carried_out(film, {"container": container, "start": 0.5, "duration": 1, "height": 60}, tmp_path)
    with av.open(str(made.file)) as opened:
        stream = opened.streams.video[0]
        assert (stream.codec_context.width, stream.codec_context.height) == (106, 60)
    assert abs(float(made.title.span.end or 0) - float(made.title.span.begin) - 1) < 0.1


def test_the_same_bytes_each_time(film: Path, tmp_path: Path) -> None:
    for container in ("avi", "mpg", "wmv", "flv", "ogv", "3gp"):
        files = [carried_out(film, {"container": container}, tmp_path / f"{container}{run}").file for run in (1, 2)]
        assert files[0].read_bytes() == files[1].read_bytes(), container


def test_a_rate_that_mpeg_cannot_say_is_refused(film: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="MPEG-2 knows"):
        carried_out(film, {"container": "mpg", "fps": "12"}, tmp_path)


def test_packets_are_copied_where_they_fit(film: Path, tmp_path: Path) -> None:
    copied = {"video_codec": "copy", "audio_codec": "copy"}
    for container in ("flv", "3gp"):
        made = carried_out(film, {"container": container, **copied}, tmp_path / container)
        with av.open(str(made.file)) as opened:
            assert [stream.codec_context.name for stream in opened.streams.get()] == ["h264", "aac"]


def test_packets_that_do_not_fit_are_refused_with_the_reason(film: Path, tmp_path: Path) -> None:
    for container in ("mpg", "wmv", "ogv"):
        with pytest.raises(Refused, match=f"{container} does not take h264"):
            carried_out(film, {"container": container, "video_codec": "copy"}, tmp_path / container)
    silent = tmp_path / "tone.mp4"
    encode(silent, *sound(1), "-c:a", "alac")
    with pytest.raises(Refused, match="flv does not take alac"):
        carried_out(silent, {"container": "flv", "video_codec": "copy", "audio_codec": "copy"}, tmp_path / "flv")
