"""Packages whose renditions are files, too: the same packets, in an order that plays while it is fetched."""

import asyncio
import functools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import av
import clips
import m3u8
import oracle
import pytest
from one_package import Film

from framemill.jobs.settings import RunSettings
from framemill.media import ffmpeg
from framemill.media.boxes import top_boxes
from framemill.services.verifying import verify_pair
from framemill.storage.local import LocalBlobs

LADDER = [
    {"height": 120, "crf": 30, "maxrate": 300_000, "bufsize": 600_000},
    {"height": 90, "crf": 32, "maxrate": 200_000, "bufsize": 400_000},
]
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "ts": {"segments": "ts"},
    "languages": {"audio_tracks": "all", "video_codec": "h265", "encoder_preset": "ultrafast"},
}


def made(folder: Path, source: Path, chunks: int = 3, **settings: object) -> Path:
    """The finished package of a source."""
    film = Film(folder, LocalBlobs(folder / "blobs"))
    wanted = {"ladder": LADDER, "progressive": True} | settings
    return asyncio.run(film.make(source, RunSettings(chunks=chunks), **wanted))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four and a bit seconds at NTSC's rate, with two sounds and a text."""
    return clips.CLIPS["languages.mp4"](tmp_path_factory.mktemp("clips"))


Packaged: TypeAlias = Callable[[str], Path]


@pytest.fixture(scope="module")
def packaged(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Packaged:
    """The finished package of the clip in that shape, made once; nobody changes it."""

    @functools.cache
    def package(shape: str) -> Path:
        return made(tmp_path_factory.mktemp("package"), clip, **SHAPES[shape])

    return package


def samples(path: Path) -> bytes:
    """What is heard of the first sound, as 32-bit floats."""
    argv = [ffmpeg.binary(), "-v", "error", "-i", str(path), "-map", "0:a:0", "-f", "f32le", "-"]
    ran = subprocess.run(argv, capture_output=True, check=True)
    assert not ran.stderr
    return ran.stdout


def same_sound(file: Path, segments: Path) -> bool:
    """A file says which of its first and last samples are filling; segments leave them to be heard."""
    heard, longer = samples(file), samples(segments)
    most = 2 * 1536 * 4 * 2  # bytes: a block at each end, of the longest kind, in stereo
    return len(heard) > most and heard in longer and len(longer) - len(heard) <= most


def boxes(path: Path) -> list[str]:
    return [kind for kind, _, _ in top_boxes(path.read_bytes())]


@pytest.mark.parametrize("shape", SHAPES)
def test_each_rendition_decodes_to_what_its_segments_show(shape: str, packaged: Packaged) -> None:
    folder = packaged(shape)

    assert {path.name for path in folder.glob("*.mp4")} == {"video.mp4", "120p.mp4", "90p.mp4"}
    for name in ("120p", "90p"):
        film, segments = oracle.decode(folder / f"{name}.mp4"), oracle.decode(folder / name / "playlist.m3u8")
        assert film.clean
        assert [frame.hash for frame in film.frames] == [frame.hash for frame in segments.frames]
        assert len(film.frames) == 129
        begins = segments.frames[0].time
        for one, other in zip(film.frames, segments.frames, strict=True):
            assert abs(one.time - (other.time - begins)) <= max(film.tick, segments.tick)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_rendition_has_the_sound_that_players_choose_and_no_other(shape: str, packaged: Packaged) -> None:
    folder = packaged(shape)

    heard = m3u8.load(str(folder / "master.m3u8")).media
    chosen = next(one for one in heard if one.type == "AUDIO" and one.default == "YES")
    for name in ("120p.mp4", "90p.mp4"):
        with av.open(str(folder / name)) as container:
            assert [stream.type for stream in container.streams] == ["video", "audio"]
        sound = oracle.audio_samples(folder / name)
        assert sound is not None
        assert sound.start == 0
        assert same_sound(folder / name, folder / chosen.uri)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_player_can_begin_before_all_of_the_file_has_come(shape: str, packaged: Packaged) -> None:
    for name in ("120p.mp4", "90p.mp4"):
        found = boxes(packaged(shape) / name)
        assert found.index("moov") < found.index("mdat")
        assert found.count("moov") == found.count("mdat") == 1
        assert "moof" not in found


def test_the_best_rendition_is_the_packages_own_file_where_nobody_hears_more(packaged: Packaged) -> None:
    plain, languages = packaged("plain"), packaged("languages")

    assert (plain / "120p.mp4").read_bytes() == (plain / "video.mp4").read_bytes()
    with av.open(str(languages / "video.mp4")) as own, av.open(str(languages / "120p.mp4")) as one:
        assert (len(own.streams.audio), len(one.streams.audio)) == (2, 1)


def test_whoever_made_the_chunks_the_files_have_the_same_bytes(packaged: Packaged, clip: Path, tmp_path: Path) -> None:
    again = made(tmp_path, clip, **SHAPES["plain"])

    for name in ("120p.mp4", "90p.mp4"):
        assert (again / name).read_bytes() == (packaged("plain") / name).read_bytes()


def test_without_being_asked_there_is_the_one_file_that_there_always_was(clip: Path, tmp_path: Path) -> None:
    folder = made(tmp_path, clip, progressive=False)

    assert [path.name for path in folder.glob("*.mp4")] == ["video.mp4"]


def test_whoever_verifies_the_package_verifies_them_too(packaged: Packaged, clip: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(packaged("plain"), tmp_path / "package")
    (folder / "90p.mp4").write_bytes((clips.CLIPS["cfr_29_97.mp4"](tmp_path)).read_bytes())

    checked = asyncio.run(verify_pair(str(clip), str(folder), full=False))

    failed = {Path(name).name: [check.what for check in found if not check.passed] for name, found in checked.items()}
    assert failed["120p.mp4"] == failed["video.mp4"] == []
    assert failed["90p.mp4"]


@pytest.mark.parametrize("codec", ["aac", "ac3"])
def test_of_sound_alone_there_is_one_file_of_sound(codec: str, tmp_path: Path) -> None:
    source = clips.CLIPS["audio_only.m4a"](tmp_path)
    folder = made(tmp_path / "package", source, audio_codec=codec)

    assert {path.name for path in folder.iterdir() if path.is_file()} == {
        *("audio.m4a", "video.mp4", "master.m3u8", "manifest.mpd")
    }
    sound = oracle.audio_samples(folder / "audio.m4a")
    assert sound is not None
    assert sound.start == 0
    assert same_sound(folder / "audio.m4a", folder / "audio" / "playlist.m3u8")
    found = boxes(folder / "audio.m4a")
    assert found.index("moov") < found.index("mdat")
    assert (folder / "audio.m4a").read_bytes()[8:12] == b"M4A "
