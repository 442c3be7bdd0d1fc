"""What is read of a source, and when: the pictures and the fingerprint at once, the sound when it is to be encoded."""

import asyncio
import hashlib
from pathlib import Path

import clips
import pytest

from framemill.errors import SourceEncrypted, SourceMissing
from framemill.media.inspect import fingerprint as hashed
from framemill.media.inspect import follow, inspect
from framemill.media.inspection import FileRequest, InspectRequest, SoundRequest, followed
from framemill.media.source import read_source

PICTURES = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=2")
SOUND = ("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=2")
SMALL = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-c:a", "aac")
KEY = (
    *("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb"),
    *("-encryption_kid", "a7e61c373e219033c21091fa607bf3b8"),
)


@pytest.fixture(params=["mp4", "mkv"])
def holed(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Fifty frames, a keyframe every twenty, and sound that is silent from 0.5 to 1.2 s by having no packets there."""
    path = tmp_path / f"holed.{request.param}"
    clips.ffmpeg(*PICTURES, *SOUND, "-af", "aselect='not(between(t,0.5,1.2))'", *SMALL, path)
    return path


def test_the_pictures_are_listed(holed: Path) -> None:
    found = inspect(InspectRequest(path=str(holed)))
    assert (found.video, found.audio, found.sha256) == (0, 1, "")
    assert len(found.packets.pts) == len(set(found.packets.pts)) == 50
    assert (found.packets.keys, found.packets.clean) == ([0, 20, 40], [0, 20, 40])
    assert sum(found.packets.sizes) < holed.stat().st_size
    assert not inspect(InspectRequest(path=str(holed), packets=False)).packets.pts


def test_the_sound_is_followed_for_itself_where_that_reads_nothing_else(holed: Path) -> None:
    beside = inspect(InspectRequest(path=str(holed))).sound
    times = asyncio.run(followed(SoundRequest(path=str(holed), stream=1)))
    assert beside == (times if holed.suffix == ".mkv" else None)
    assert not times.backwards
    if holed.suffix == ".mkv":  # MP4 has the gap in the duration of the packet before it
        assert times.widest_gap_seconds == pytest.approx(0.7, abs=0.05)


def test_a_source_is_read_with_its_fingerprint_unless_that_is_known(holed: Path) -> None:
    source = asyncio.run(read_source(str(holed)))
    assert source.sha256 == hashlib.sha256(holed.read_bytes()).hexdigest()
    assert len(source.inspection.packets.pts) == 50
    assert source.first_picture is not None
    assert source.first_sound is not None
    assert asyncio.run(read_source(str(holed), sha256="known")).sha256 == "known"


def test_sound_that_takes_a_key_is_refused_by_whoever_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    clips.ffmpeg(*SOUND, "-c:a", "aac", *KEY, path)
    told = r"film\.mp4 is encrypted; decrypt it first"
    with pytest.raises(SourceEncrypted, match=told):
        inspect(InspectRequest(path=str(path), name="film.mp4"))
    with pytest.raises(SourceEncrypted, match=told):
        follow(SoundRequest(path=str(path), stream=0, name="film.mp4"))


def test_what_is_not_there_is_missing_to_each_of_them(tmp_path: Path) -> None:
    path = str(tmp_path / "film.mp4")
    with pytest.raises(SourceMissing, match=r"There is no file .*film\.mp4"):
        hashed(FileRequest(path=path))
    with pytest.raises(SourceMissing, match="There is no file mine"):
        follow(SoundRequest(path=path, stream=0, name="mine"))
    with pytest.raises(SourceMissing, match="There is no file mine"):
        asyncio.run(read_source(path, "mine"))
