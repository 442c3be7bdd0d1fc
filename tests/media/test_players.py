"""Packages of every shape, played by the players that the web uses."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import clips
import pytest
from browser import Watched, browsing
from one_package import Film
from players import begun, ended, served, watched

from framemill.jobs.settings import RunSettings
from framemill.storage.local import LocalBlobs

# hls.js says so of every transport stream of sound alone, ffmpeg's own too: it appends an init segment, and wonders
# that nothing is buffered yet. It goes on.
QUIRK = "mediaError bufferAppendNoProgress audio 0 "

pytestmark = pytest.mark.servers

SECONDS = 8
SHAPES: dict[str, dict[str, object]] = {
    "files": {"audio_tracks": "all"},
    "ranges": {"segment_files": "ranges", "audio_tracks": "all"},
    "ts": {"segments": "ts"},
    "tsranges": {"segments": "ts", "segment_files": "ranges"},
    "av1": {"video_codec": "av1", "encoder_preset": "12", "manifests": ["dash"]},
}
PLAYED = [
    (shape, player, manifest)
    for shape in SHAPES
    for player in ("hls.js", "shaka")
    for manifest in ("master.m3u8", "manifest.mpd")
    if not (manifest == "manifest.mpd" and (player == "hls.js" or "ts" in shape))
    and not (manifest == "master.m3u8" and shape == "av1")
]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sounds and a text."""
    folder = tmp_path_factory.mktemp("clip")
    clip, words = folder / "clip.mkv", folder / "words.srt"
    words.write_text("1\n00:00:00,500 --> 00:00:01,500\nHello\n\n2\n00:00:06,000 --> 00:00:07,000\nthere\n")
    maps = ("-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:s", "-metadata:s:a:0", "language=eng")
    tags = ("-metadata:s:a:1", "language=ger", "-metadata:s:s:0", "language=eng")
    inputs = (*clips.picture(SECONDS), *clips.sound(SECONDS), *clips.sound(SECONDS))
    clips.encode(clip, *inputs, "-i", words, *maps, *tags, *clips.X264, *clips.AAC)
    return clip


@pytest.fixture(scope="module")
def cache(request: pytest.FixtureRequest) -> Path:
    """Where what npm has fetched is kept."""
    assert request.config.cache is not None
    return request.config.cache.mkdir("npm")


@pytest.fixture(scope="module")
def site(clip: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Every shape of one clip, over HTTP."""
    folder = tmp_path_factory.mktemp("site")
    for shape, settings in SHAPES.items():
        film = Film(folder / shape, LocalBlobs(folder / "blobs" / shape))
        (folder / shape).mkdir()
        ladder = [{"height": 180, "crf": 30}, {"height": 90, "crf": 32}]
        asyncio.run(film.make(clip, RunSettings(chunks=2), ladder=ladder, **settings))
    with served(folder, cache) as address:
        yield address


@pytest.fixture
def browser() -> Iterator[Watched]:
    with browsing() as window:
        yield window


@pytest.mark.parametrize(("shape", "player", "manifest"), PLAYED, ids=[" ".join(played) for played in PLAYED])
def test_it_plays_to_the_end(shape: str, player: str, manifest: str, site: str, browser: Watched) -> None:
    found = watched(browser.page, site, player, f"/{shape}/output/{manifest}")

    assert [error for error in found["errors"] if error != QUIRK] == []
    assert browser.complaints == []
    assert found["duration"] == pytest.approx(SECONDS, abs=0.1)
    assert found["at"] == pytest.approx(SECONDS, abs=0.1)
    assert sorted(found["heights"]) == [90, 180]
    assert found["switched"]
    assert found["corrupted"] == 0
    assert found["texts"] == ["en"]
    assert [0.5, 1.5, "Hello"] in [[round(start, 2), round(end, 2), text] for start, end, text in found["cues"]]
    assert found["languages"] == (["en", "de"] if shape in {"files", "ranges"} else found["languages"])


@pytest.mark.parametrize(
    ("shape", "player"), [(shape, player) for shape in ("files", "ranges", "ts") for player in ("hls.js", "shaka")]
)
def test_what_grows_plays_on_until_it_is_finished(  # noqa: PLR0917
    shape: str, player: str, clip: Path, cache: Path, browser: Watched, tmp_path: Path
) -> None:
    """Begun with the first segments, and never begun again; the finished package takes the place of the growing one."""
    film = Film(tmp_path, LocalBlobs(tmp_path / "blobs"))

    async def first() -> int:
        await film.plan(clip, RunSettings(), **SHAPES[shape])
        await film.sound()
        await film.encode(0)
        return (await film.grow_all()).spans

    async def more(group: int) -> None:
        await film.encode(group)
        await film.grow_all()

    # Playwright keeps an event loop in this thread.
    with ThreadPoolExecutor(1) as beside, served(tmp_path, cache) as address:
        assert 0 < beside.submit(asyncio.run, first()).result() < SECONDS
        begun(browser.page, address, player, "/.live/master.m3u8")
        for group in range(1, len(film.title.pictured.plan.groups)):
            beside.submit(asyncio.run, more(group)).result()
        beside.submit(asyncio.run, film.finish()).result()
        film.growing.rename(tmp_path / "gone")
        film.finished.rename(film.growing)
        found = ended(browser.page)

    # Where encoding is slower than playing, hls.js says that it waits.
    assert [error for error in found["errors"] if error != QUIRK and "bufferStalledError" not in error] == []
    assert found["at"] == pytest.approx(SECONDS, abs=0.1)
