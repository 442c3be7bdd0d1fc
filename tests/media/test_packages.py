"""Packages of every shape: read back by libav's own demuxers, and by hand where these look away."""

import asyncio
import functools
import io
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree as ET

import av
import clips
import m3u8
import pytest
from one_package import Film

from framemill.errors import VerificationFailed
from framemill.jobs.settings import RunSettings
from framemill.media import ffmpeg
from framemill.media.listing import Heard, Listed, Subtitle, Variant
from framemill.media.manifests import CheckRequest, check
from framemill.media.segments import Segments
from framemill.storage.local import LocalBlobs

LADDER = [{"height": 120, "crf": 30}, {"height": 90, "crf": 32}]
SHAPES: dict[str, dict[str, object]] = {
    "files": {},
    "ranges": {"segment_files": "ranges"},
    "ts": {"segments": "ts"},
    "ts ranges": {"segments": "ts", "segment_files": "ranges"},
    "hls": {"manifests": ["hls"], "iframes": False},
    "dash": {"manifests": ["dash"]},
    "h265": {"video_codec": "h265"},
    "h265 ts": {"video_codec": "h265", "segments": "ts"},
    "av1": {"video_codec": "av1", "encoder_preset": "12", "segment_files": "ranges"},
    "ac3": {"audio_codec": "ac3"},
    "languages": {"audio_tracks": "all"},
    "languages ts": {"audio_tracks": "all", "segments": "ts"},
}
_MPD = "{urn:mpeg:dash:schema:mpd:2011}"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four and a bit seconds at NTSC's rate, with two sounds and a text."""
    return clips.CLIPS["languages.mp4"](tmp_path_factory.mktemp("clips"))


def made(folder: Path, source: Path, **settings: object) -> Path:
    """The finished package of a source."""
    film = Film(folder, LocalBlobs(folder / "blobs"))
    return asyncio.run(film.make(source, RunSettings(chunks=3), ladder=LADDER, **settings))


Packaged: TypeAlias = Callable[[str], Path]


@pytest.fixture(scope="module")
def packaged(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Packaged:
    """The finished package of the clip in that shape, made once; nobody changes it."""

    @functools.cache
    def package(shape: str) -> Path:
        return made(tmp_path_factory.mktemp("package"), clip, **SHAPES[shape])

    return package


@dataclass
class Read:
    """A track as libav's demuxers read it."""

    times: list[Fraction]
    width: int = 0


def read(manifest: Path, kind: str) -> list[Read]:
    """Every stream of that kind (`v`, `a`), read by ffmpeg without decoding it."""
    texts = ("-allowed_extensions", "ALL") if manifest.suffix == ".mpd" else ()  # ffmpeg opens no `.vtt` of itself
    argv = [ffmpeg.binary(), "-v", "error", "-copyts", *texts, "-i", str(manifest), "-map", f"0:{kind}"]
    ran = subprocess.run([*argv, "-c", "copy", "-f", "framecrc", "-"], capture_output=True, text=True, check=True)
    assert not ran.stderr
    found: dict[str, Read] = {}
    bases: dict[str, Fraction] = {}
    for line in ran.stdout.splitlines():
        name, _, value = line.partition(": ")
        if name.startswith("#tb"):
            bases[name[4:]] = Fraction(value)
            found[name[4:]] = Read([])
        elif name.startswith("#dimensions"):
            found[name[12:]].width = int(value.partition("x")[0])
        elif not line.startswith("#"):
            stream, _, pts, *_ = line.replace(" ", "").split(",")
            found[stream].times.append(int(pts) * bases[stream])
    for one in found.values():
        one.times.sort()
    return list(found.values())


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_read_back_by_libavs_demuxers(shape: str, packaged: Packaged) -> None:
    folder = packaged(shape)

    manifests = [path for path in (folder / "master.m3u8", folder / "manifest.mpd") if path.exists()]
    assert [path.name for path in manifests] == (
        ["manifest.mpd"] if shape == "dash" else ["master.m3u8"] if "ts" in shape or shape == "hls"
        else ["master.m3u8", "manifest.mpd"]
    )  # fmt: skip
    origin = 10 if "ts" in shape else 0
    for manifest in manifests:
        pictures = read(manifest, "v")
        assert sorted(one.width for one in pictures) == [160, 214]
        for one in pictures:
            assert len(one.times) == 129
            for number, time in enumerate(one.times):
                assert abs(time - origin - number * Fraction(1001, 30000)) < Fraction(1, 30000)
        sounds = read(manifest, "a")
        assert len(sounds) == (2 if "languages" in shape else 1)
        for sound in sounds:
            assert abs(sound.times[0] - origin) <= Fraction(1024, 44100)
            assert abs(sound.times[-1] - origin - Fraction("4.3")) < Fraction(1, 10)


@pytest.mark.parametrize("shape", ["files", "ranges", "ts", "ts ranges", "av1"])
def test_a_keyframe_is_decoded_from_its_range_alone(shape: str, packaged: Packaged) -> None:
    folder = packaged(shape)

    master = m3u8.load(str(folder / "master.m3u8"))
    assert [one.uri.split("/")[0] for one in master.iframe_playlists] == ["120p", "90p"]
    for one in master.iframe_playlists:
        playlist = m3u8.load(str(folder / one.uri))
        assert (playlist.is_i_frames_only, playlist.is_endlist) == (True, True)
        assert len(playlist.segments) == 5
        assert sum(segment.duration for segment in playlist.segments) == pytest.approx(4.3043, abs=1e-4)
        for number, data in enumerate(pieces(folder / one.uri)):
            container: Any
            with av.open(io.BytesIO(data)) as container:
                frames = list(container.decode(video=0))
            assert len(frames) == 1
            assert frames[0].key_frame
            assert abs(frames[0].time - (10 if "ts" in shape else 0) - number * 1.001) < 0.001 or shape == "av1"


def pieces(playlist: Path) -> Iterator[bytes]:
    """Each segment of a playlist, behind its init segment."""
    init: Any
    for segment in m3u8.load(str(playlist)).segments:
        data = b""
        if (init := segment.init_section) is not None:
            data += ranged(playlist.parent / init.uri, init.byterange)
        yield data + ranged(playlist.parent / segment.uri, segment.byterange)


def ranged(path: Path, byterange: str | None) -> bytes:
    data = path.read_bytes()
    if byterange is None:
        return data
    size, _, first = byterange.partition("@")
    assert int(first) + int(size) <= len(data)
    return data[int(first) : int(first) + int(size)]


def test_the_master_playlist_says_what_there_is(packaged: Packaged) -> None:
    folder = packaged("files")

    master = m3u8.load(str(folder / "master.m3u8"))
    for one in master.playlists:
        info = one.stream_info
        name = one.uri.split("/")[0]
        sizes = [path.stat().st_size for path in sorted((folder / name).glob("*.m4s"))]
        heard = [path.stat().st_size for path in sorted((folder / "audio").glob("*.m4s"))]
        spoken = [segment.duration for segment in m3u8.load(str(folder / "audio" / "playlist.m3u8")).segments]
        shown = [segment.duration for segment in m3u8.load(str(folder / one.uri)).segments]
        peak = sum(
            max(8 * size / length for size, length in zip(some, lengths, strict=True))
            for some, lengths in ((sizes, shown), (heard, spoken))
        )
        assert 0 <= info.bandwidth - peak < 2
        average = 8 * sum(sizes) / sum(shown) + 8 * sum(heard) / sum(spoken)
        assert 0 <= info.average_bandwidth - average <= 2
        assert info.frame_rate == pytest.approx(29.97)
        assert info.codecs.endswith(",mp4a.40.2")
        assert (info.audio, info.subtitles) == ("audio", "subtitles")
    assert [one.stream_info.resolution for one in master.playlists] == [(214, 120), (160, 90)]
    assert [(media.type, media.language, media.channels) for media in master.media] == [
        ("AUDIO", "en", "1"), ("SUBTITLES", "en", None),
    ]  # fmt: skip


@pytest.mark.parametrize("shape", ["languages", "languages ts"])
def test_every_language_can_be_chosen(shape: str, packaged: Packaged) -> None:
    folder = packaged(shape)

    sounds = [media for media in m3u8.load(str(folder / "master.m3u8")).media if media.type == "AUDIO"]
    assert [(one.name, one.language, one.default, one.autoselect) for one in sounds] == [
        ("en", "en", "YES", "YES"), ("de", "de", "NO", "YES"),
    ]  # fmt: skip
    assert [one.uri for one in sounds] == ["audio/playlist.m3u8", "audio-2/playlist.m3u8"]
    if shape == "languages":
        root = ET.parse(folder / "manifest.mpd").getroot()  # noqa: S314 - our own
        told = [(one.get("lang"), one.findall(f"{_MPD}Role")) for one in root.iter(f"{_MPD}AdaptationSet")]
        assert [(lang, roles[0].get("value")) for lang, roles in told if roles] == [
            ("en", "main"), ("de", "alternate"), ("en", "subtitle"),
        ]  # fmt: skip


@pytest.mark.parametrize("shape", ["files", "ts"])
def test_a_text_keeps_its_times(shape: str, packaged: Packaged) -> None:
    folder = packaged(shape)

    text = (folder / "subtitles" / "subtitles.vtt").read_text()
    assert "00:00.500 --> 00:01.500\nHello" in text
    assert ("X-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000" in text) == (shape == "ts")
    playlist = m3u8.load(str(folder / "subtitles" / "playlist.m3u8"))
    assert [(segment.uri, segment.duration) for segment in playlist.segments] == [("subtitles.vtt", 4.3043)]
    assert playlist.is_endlist


def test_continuity_counters_go_on_from_segment_to_segment(packaged: Packaged) -> None:
    folder = packaged("ts")

    for track in ("120p", "90p", "audio"):
        whole = b"".join(path.read_bytes() for path in sorted((folder / track).glob("*.ts")))
        following: dict[int, int] = {}
        for at in range(0, len(whole), 188):
            packet = whole[at : at + 188]
            assert packet[0] == 0x47
            pid = (packet[1] & 0x1F) << 8 | packet[2]
            if packet[3] & 0x10:
                assert packet[3] & 0x0F == following.get(pid, 0)
                following[pid] = (packet[3] + 1) & 0x0F
        assert len(following) == 4  # tables and the track
        assert len(list((folder / track).glob("*.ts"))) == 5


@pytest.mark.parametrize("shape", ["files", "ranges", "ts", "ts ranges"])
def test_chunks_do_not_show_in_the_bytes(shape: str, packaged: Packaged, clip: Path, tmp_path: Path) -> None:
    """However many orders it took, the same chunks give the same package."""
    one, other = packaged(shape), made(tmp_path, clip, **SHAPES[shape])

    def files(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert files(one) == files(other)
    assert len(files(one)) >= 8


def test_the_manifest_of_dash_tells_times_and_rates(packaged: Packaged) -> None:
    folder = packaged("files")

    root = ET.parse(folder / "manifest.mpd").getroot()  # noqa: S314 - our own
    assert root.get("type") == "static"
    assert float(root.get("mediaPresentationDuration", "")[2:-1]) == pytest.approx(4.3043, abs=0.03)
    pictures, sound, text = root.iter(f"{_MPD}AdaptationSet")
    assert [row.get("frameRate") for row in pictures.iter(f"{_MPD}Representation")] == ["30000/1001"] * 2
    assert (sound.get("contentType"), text.get("mimeType"), text.get("lang")) == ("audio", "text/vtt", "en")
    for one in (pictures, sound):
        for template in one.iter(f"{_MPD}SegmentTemplate"):
            rows = list(template.iter(f"{_MPD}S"))
            length = sum(int(row.get("d", "0")) * (1 + int(row.get("r", "0"))) for row in rows)
            assert length / int(template.get("timescale", "1")) == pytest.approx(4.3043, abs=0.03)


def test_sound_alone_is_a_package_too(tmp_path: Path) -> None:
    source = clips.CLIPS["audio_only.m4a"](tmp_path)
    folder = made(tmp_path / "package", source, segment_files="ranges")

    for name in ("master.m3u8", "manifest.mpd"):
        (sound,) = read(folder / name, "a")
        assert abs(sound.times[-1] - 3) < Fraction(1, 10)


@pytest.mark.parametrize("late", [False, True], ids=["itself", "late"])
def test_a_manifest_that_tells_another_time_than_the_boxes_is_caught(
    late: bool, packaged: Packaged, tmp_path: Path
) -> None:
    folder = shutil.copytree(packaged("files"), tmp_path / "package")
    request = CheckRequest(folder=str(folder), listed=listed(folder), manifests=("dash",))
    manifest = folder / "manifest.mpd"
    moved = manifest.read_text()
    if late:  # the second and the third segment meet a tick later
        moved = moved.replace('d="30030" r="3"/>', 'd="30030"/><S d="30031"/><S d="30029"/><S d="30030"/>')
    manifest.write_text(moved)
    if late:
        with pytest.raises(VerificationFailed):
            check(request)
    else:
        check(request)


@pytest.mark.parametrize("shape", ["files", "ranges"])
@pytest.mark.parametrize("wound", ["gone", "short"])
def test_a_manifest_that_names_what_is_not_there_is_caught(
    shape: str, wound: str, packaged: Packaged, tmp_path: Path
) -> None:
    folder = shutil.copytree(packaged(shape), tmp_path / "package")
    request = CheckRequest(folder=str(folder), listed=listed(folder), manifests=("hls", "dash"))
    assert set(check(request).named) == {"hls", "dash"}
    victim = folder / "90p" / ("media.mp4" if shape == "ranges" else "00002.m4s")
    data = victim.read_bytes()
    victim.unlink()
    if wound == "short":
        victim.write_bytes(data[: len(data) // 2])

    for manifest in ("hls", "dash"):
        with pytest.raises(VerificationFailed):
            check(request.model_copy(update={"manifests": (manifest,)}))


def listed(folder: Path) -> Listed:
    """What was written there, as the gate is told of it."""
    root = ET.parse(folder / "manifest.mpd").getroot()  # noqa: S314 - our own

    def track(name: str) -> dict[str, Any]:
        (row,) = (row for row in root.iter(f"{_MPD}Representation") if row.get("id") == name)
        rows = list(row.iter(f"{_MPD}S"))
        end = sum(int(step.get("d", "0")) * (1 + int(step.get("r", "0"))) for step in rows)
        playlist: Any = m3u8.load(str(folder / name / "playlist.m3u8"))
        init = playlist.segment_map[0]
        segments = Segments(
            names=[segment.uri for segment in playlist.segments],
            durations=[],
            sizes=[],
            codecs="",
            init=init.uri,
            init_size=int(init.byterange.partition("@")[0]) if init.byterange else 0,
            scale=int(next(row.iter(f"{_MPD}SegmentTemplate")).get("timescale", "")) if rows else 1,
            bounds=[0, end],
        )
        return {"folder": name, "segments": segments}

    return Listed(
        videos=[Variant(**track(name)) for name in ("120p", "90p")],
        sounds=[Heard(**track("audio"))],
        subtitles=[Subtitle(folder="subtitles", name="en")],
        iframes=True,
    )
