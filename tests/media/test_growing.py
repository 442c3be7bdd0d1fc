"""A package grows while its chunks and its sound come in; what was there early is in the finished one, byte by byte."""

import asyncio
import random
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import clips
import m3u8
import pytest
from one_package import TITLE, Film

from framemill.farm.intact import chunk_blob
from framemill.farm.orders import Grown, GrowOrder, Result
from framemill.farm.performing import perform
from framemill.jobs.settings import RunSettings
from framemill.media.boxes import top_boxes
from framemill.media.index import decoded
from framemill.media.readable import playlists_followed
from framemill.storage.local import LocalBlobs

LADDER = [{"height": 120, "crf": 30}, {"height": 90, "crf": 32}]


@pytest.fixture
def film(tmp_path: Path) -> Film:
    return Film(tmp_path, LocalBlobs(tmp_path / "blobs"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds, with a keyframe every second and sound beside them."""
    made = tmp_path_factory.mktemp("clips") / "clip.mp4"
    clips.encode(made, *clips.picture(8), *clips.sound(8), *clips.X264, "-g", "25", *clips.AAC)
    return made


def files(folder: Path, kind: str) -> dict[str, bytes]:
    found = (path for path in folder.rglob(kind) if path.is_file() and path.name[0] != ".")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


#: What players keep while they play on.
_KEPT = ("*.m4s", "init.mp4", "*.ts", "*.vtt", "media.mp4")


def kept(folder: Path) -> dict[str, bytes]:
    return {name: data for kind in _KEPT for name, data in files(folder, kind).items()}


def without_index(data: bytes) -> bytes:
    """A file of segments, whose index is written in the end."""
    boxes = [(kind, data[start:end]) for kind, start, end in top_boxes(data)]
    return b"".join(box if kind not in {"sidx", "free"} else bytes(len(box)) for kind, box in boxes)


def assert_grown_is_finished(film: Film) -> None:
    """Every file that players keep is the finished one's; nothing lies about."""
    early, late = kept(film.growing), kept(film.finished)
    assert {name: without_index(data) if name.endswith("media.mp4") else data for name, data in early.items()} == {
        name: without_index(data) if name.endswith("media.mp4") else data for name, data in late.items()
    }
    playlists = files(film.growing, "*.m3u8")
    assert playlists.keys() == files(film.finished, "*.m3u8").keys()
    for name, text in playlists.items():
        grown, final = m3u8.loads(text.decode()), m3u8.load(str(film.finished / name))
        if name == "master.m3u8" or "subtitles" in name:  # a text is there as a whole
            continue
        assert (grown.playlist_type, grown.is_endlist, final.playlist_type, final.is_endlist) == (
            "event", False, "vod", True,
        )  # fmt: skip
        assert grown.target_duration == final.target_duration
        assert named(grown) == named(final)
    early_master, master = (m3u8.load(str(folder / "master.m3u8")) for folder in (film.growing, film.finished))
    assert [(one.uri, one.name, one.language) for one in early_master.media] == [
        (one.uri, one.name, one.language) for one in master.media
    ]
    assert [one.uri for one in early_master.iframe_playlists] == [one.uri for one in master.iframe_playlists]
    for before, after in zip(early_master.playlists, master.playlists, strict=True):
        assert before.uri == after.uri
        assert before.stream_info.codecs == after.stream_info.codecs
        assert before.stream_info.frame_rate == after.stream_info.frame_rate
        assert before.stream_info.bandwidth >= after.stream_info.bandwidth


def named(playlist: Any) -> list[tuple[Any, ...]]:
    """Every segment that a playlist names, and its init segment."""
    return [
        (one.uri, one.duration, one.byterange, str(one.init_section) if one.init_section else None)
        for one in playlist.segments
    ]


def in_playlists(film: Film) -> set[int]:
    """How many segments each playlist names; all of them are there."""
    counts = set()
    for name in film.growing.rglob("playlist.m3u8"):
        playlist = m3u8.load(str(name))
        assert all((name.parent / segment.uri).exists() for segment in playlist.segments)
        counts.add(len(playlist.segments))
    return counts


def test_it_grows_in_order_and_becomes_the_finished_package(film: Film, clip: Path) -> None:
    async def scene() -> None:
        await film.plan(clip, RunSettings(), ladder=LADDER)
        groups = range(len(film.title.pictured.plan.groups))
        assert len(groups) >= 3
        await film.sound()
        assert await film.grow() == Grown(spans=0, total=8)
        await film.encode(1)  # too early: what is before it is not there
        assert await film.grow() == Grown(spans=0, total=8)
        assert not (film.growing / "master.m3u8").exists()
        await film.encode(0)
        first = await film.grow_all()
        bounds = [*film.title.pictured.plan.segments, 200]
        chunks = film.title.pictured.plan.chunks
        assert first.spans == bounds.index(chunks[1].end)
        assert in_playlists(film) == {first.spans}
        for group in groups[2:]:
            await film.encode(group)
            await film.grow_all()
        assert await film.grow() == Grown(spans=8, total=8)
        await film.finish()

    asyncio.run(scene())
    assert in_playlists(film) == {8}
    assert_grown_is_finished(film)
    assert {path.name for path in film.growing.glob(".*")} == {".state.json", ".lock"}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("vfr.mp4", {}),
        ("late_audio.mp4", {}),
        ("late_video.mp4", {"encoder_preset": "medium"}),
        ("cfr_29_97.mp4", {"audio_codec": "none"}),
        ("cfr_29_97.mp4", {"video_codec": "h265", "ladder": LADDER}),
        ("cfr_29_97.mp4", {"video_codec": "av1", "encoder_preset": "12"}),
        ("late_audio.mp4", {"segment_files": "ranges", "manifests": ["hls"]}),
        ("late_video.mp4", {"segments": "ts"}),
        ("cfr_29_97.mp4", {"segments": "ts", "segment_files": "ranges", "iframes": False}),
        ("languages.mp4", {"segment_files": "ranges", "audio_tracks": "all"}),
    ],
)
@pytest.mark.parametrize("run", [RunSettings(chunks=3), RunSettings(chunk_frames=17)], ids=["grid", "inside"])
def test_any_order_of_chunks_and_any_pace_of_the_sound_gives_the_same_files(
    film: Film, tmp_path: Path, name: str, settings: dict[str, object], run: RunSettings
) -> None:
    """Cut on the segments' grid, and inside segments."""

    async def scene() -> None:
        await film.plan(clips.CLIPS[name](tmp_path / "clips"), run, **settings)
        dice = random.Random(f"{name} {settings} {run}")  # noqa: S311 - which order it is does not matter
        groups = [*range(len(film.title.pictured.plan.groups))]
        dice.shuffle(groups)
        await film.sound()
        heard = film.title.sound
        if heard:
            film.hide_sound(1.5)
        for group in groups:
            await film.encode(group)
            await film.grow_all()
        if heard:
            assert (await film.grow()).unheard
            film.show_sound()
        grown = await film.grow_all()
        assert grown.spans == grown.total > 1
        await film.finish()

    asyncio.run(scene())
    assert_grown_is_finished(film)


def test_what_is_there_of_the_sound_bounds_what_can_be_played(film: Film, clip: Path) -> None:
    async def scene() -> list[tuple[int, bool]]:
        await film.plan(clip, RunSettings())
        found = []
        for group in range(len(film.title.pictured.plan.groups)):
            await film.encode(group)
        found.append(await film.grow())  # its encoder has not begun
        await film.sound()
        film.hide_sound(3.5)  # pieces of a second: where the fourth one ends is known when the fifth one begins
        found.append(await film.grow_all())
        film.show_sound()
        found.append(await film.grow_all())
        return [(grown.spans, grown.unheard) for grown in found]

    assert asyncio.run(scene()) == [(0, True), (2, True), (8, False)]


def test_a_growing_package_plays_as_far_as_it_goes(film: Film, clip: Path) -> None:
    async def scene() -> tuple[int, int, int]:
        await film.plan(clip, RunSettings())
        await film.sound()
        await film.encode(0)
        grown = await film.grow_all()
        # A live playlist: ffmpeg begins three segments before its end, unless told, and waits for more at its end.
        master = film.growing / "master.m3u8"
        for playlist in film.growing.rglob("playlist.m3u8"):
            playlist.write_text(playlist.read_text() + "#EXT-X-ENDLIST\n")
        with playlists_followed():
            frames, said = await decoded(str(master), "0:V:0")
            sound, heard = await decoded(str(film.growing / "audio" / "playlist.m3u8"), "0:a:0")
        assert (said.lines, heard.lines) == ((), ())
        return grown.spans, len(frames), sum(row.duration for row in sound)

    spans, frames, samples = asyncio.run(scene())
    assert frames == 25 * spans
    assert abs(Fraction(samples, 48000) - spans) < Fraction(1024, 48000)


def test_it_is_written_again_where_it_was_cut_off(film: Film, clip: Path) -> None:
    """Killed between any two files: the state is written last."""

    async def scene() -> None:
        await film.plan(clip, RunSettings())
        await film.sound()
        await film.encode(0)
        await film.grow_all()
        before = (film.growing / ".state.json").read_bytes()
        for group in range(1, len(film.title.pictured.plan.groups)):
            await film.encode(group)
        await film.grow_all()
        (film.growing / ".state.json").write_bytes(before)
        assert (await film.grow_all()).spans == 8
        await film.finish()

    asyncio.run(scene())
    assert_grown_is_finished(film)


def test_two_that_grow_it_at_once_do_it_once(film: Film, clip: Path) -> None:
    """One was asked by a coordinator that is no more."""

    async def scene() -> None:
        await film.plan(clip, RunSettings())
        await film.sound()
        for group in range(len(film.title.pictured.plan.groups)):
            await film.encode(group)
            await asyncio.gather(*(film.grow_all() for _ in range(3)))
        assert (await film.grow()).spans == 8
        await film.finish()

    asyncio.run(scene())
    assert in_playlists(film) == {8}
    assert_grown_is_finished(film)


def test_a_damaged_chunk_is_not_shown(film: Film, clip: Path) -> None:
    async def scene() -> Result:
        await film.plan(clip, RunSettings())
        await film.sound()
        await film.encode(0)
        title = film.title
        blob = film.blobs.path(chunk_blob(title.chunk_key(0, title.pictured.plan.chunks[0])))
        blob.write_bytes(blob.read_bytes()[:-1] + b"?")
        order = GrowOrder(title_key=TITLE, folder=str(film.growing))
        return await perform(order, lambda *_: None, film.blobs)

    result = asyncio.run(scene())
    assert result.reason is not None
    assert files(film.growing, "*") == {}


def test_nobody_grows_where_nobody_wants_it(film: Film, clip: Path) -> None:
    """The job was cancelled meanwhile: its folder does not come back."""

    async def scene() -> Result:
        await film.plan(clip, RunSettings())
        await film.sound()
        await film.encode(0)
        shutil.rmtree(film.growing)
        return await perform(GrowOrder(title_key=TITLE, folder=str(film.growing)), lambda *_: None, film.blobs)

    assert asyncio.run(scene()).reason is not None
    assert not film.growing.exists()


def test_a_plan_that_was_refuted_leaves_nothing_behind(film: Film, clip: Path) -> None:
    """What has grown by it does not count, and is written over."""

    async def scene() -> tuple[set[int], int]:
        await film.plan(clip, RunSettings())
        await film.sound()
        await film.encode(0)
        await film.grow_all()
        other = "titles/other.json"
        film.blobs.write(other, film.blobs.read(TITLE))
        grown = await film.do(GrowOrder(title_key=other, folder=str(film.growing)))
        assert isinstance(grown, Grown)
        return in_playlists(film), grown.spans

    counts, spans = asyncio.run(scene())
    assert counts == {spans}
