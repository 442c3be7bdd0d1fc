"""A package grows while its chunks and its sound come in; what was there early is in the finished one, byte by byte."""

import asyncio
import random
import shutil
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import clips
import m3u8
import pytest

from framemill.farm.growing import growing_sound
from framemill.farm.intact import chunk_blob
from framemill.farm.orders import (
    Encoded,
    ExtraOrder,
    GroupOrder,
    Grown,
    GrowOrder,
    Order,
    Planned,
    PlanOrder,
    Result,
    Stitched,
    StitchOrder,
)
from framemill.farm.performing import perform
from framemill.farm.titles import extras_of, ingest, load_title
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.media.index import decoded
from framemill.media.soundfile import fragments, read_head
from framemill.media.title import Title
from framemill.storage.local import LocalBlobs

TITLE = "titles/t.json"
LADDER = [{"height": 120, "crf": 30}, {"height": 90, "crf": 32}]
FAST = {"container": "package", "segment_seconds": 1, "encoder_preset": "ultrafast"}


@dataclass
class Film:
    """A planned package, whose orders are carried out one by one."""

    folder: Path
    blobs: LocalBlobs

    @property
    def title(self) -> Title:
        return load_title(self.blobs, TITLE)

    @property
    def growing(self) -> Path:
        return self.folder / ".live"

    @property
    def finished(self) -> Path:
        return self.folder / "output"

    async def do(self, order: Order) -> Result:
        result = await perform(order, lambda _: None, self.blobs)
        assert result.reason is None, result.message
        return result

    async def plan(self, source: Path, run: RunSettings, **settings: object) -> None:
        found = await ingest(str(source), source.name, self.blobs)
        wanted = OutputSettings.model_validate(FAST | settings)
        order = PlanOrder(title_key=TITLE, source_key=found.key, settings=wanted, run=run, decode=False, linear=False)
        assert isinstance(await self.do(order), Planned)
        self.growing.mkdir()

    async def encode(self, group: int) -> None:
        for rendition, _ in enumerate(self.title.pictured.pictures):
            assert isinstance(await self.do(GroupOrder(title_key=TITLE, rendition=rendition, group=group)), Encoded)

    async def sound(self) -> None:
        for order in extras_of(self.title, TITLE):
            assert isinstance(order, ExtraOrder)
            await self.do(order)

    async def grow(self) -> Grown:
        grown = await self.do(GrowOrder(title_key=TITLE, folder=str(self.growing)))
        assert isinstance(grown, Grown)
        return grown

    async def grow_all(self) -> Grown:
        while (grown := await self.grow()).more:
            pass
        return grown

    async def finish(self) -> None:
        order = StitchOrder(title_key=TITLE, folder=str(self.finished), name="video")
        assert isinstance(await self.do(order), Stitched)

    def hide_sound(self, seconds: float) -> None:
        """As if its encoder had come no further than that; `show_sound` ends it."""
        whole = self.blobs.path(f"sounds/{self.title.sound_key}")
        head = read_head(whole)
        assert head is not None
        there = [fragment for fragment in fragments(whole, head) if fragment.tick < seconds * head.scale]
        draft = self.blobs.draft(growing_sound(self.title))
        torn = whole.read_bytes()[: there[-1].end + 100]  # and a bit of the next fragment
        draft.write_bytes(torn)
        whole.rename(whole.with_name("hidden"))

    def show_sound(self) -> None:
        whole = self.blobs.path(f"sounds/{self.title.sound_key}")
        whole.with_name("hidden").rename(whole)


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


def assert_grown_is_finished(film: Film) -> None:
    """Every file that players keep is the finished one's; nothing lies about."""
    early = files(film.growing, "*.m4s") | files(film.growing, "init.mp4")
    assert early == files(film.finished, "*.m4s") | files(film.finished, "init.mp4")
    for name, text in files(film.growing, "playlist.m3u8").items():
        grown, final = m3u8.loads(text.decode()), m3u8.load(str(film.finished / name))
        assert (grown.playlist_type, grown.is_endlist, final.playlist_type, final.is_endlist) == (
            "event", False, "vod", True,
        )  # fmt: skip
        assert grown.target_duration == final.target_duration
        assert [(s.uri, s.duration) for s in grown.segments] == [(s.uri, s.duration) for s in final.segments]
        assert all(s.init_section.uri == "init.mp4" for s in grown.segments)
    early_master, master = (m3u8.load(str(folder / "master.m3u8")) for folder in (film.growing, film.finished))
    for before, after in zip(early_master.playlists, master.playlists, strict=True):
        assert before.uri == after.uri
        assert before.stream_info.codecs == after.stream_info.codecs
        assert before.stream_info.bandwidth >= after.stream_info.bandwidth


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
        return await perform(order, lambda _: None, film.blobs)

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
        return await perform(GrowOrder(title_key=TITLE, folder=str(film.growing)), lambda _: None, film.blobs)

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
