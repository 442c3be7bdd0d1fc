"""Outputs of several inputs, by the very orders that workers carry out, without a farm."""

import array
import asyncio
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import clips
import m3u8
import pytest
from clips import ffmpeg, picture, sound
from joined_title import samples
from one_package import TITLE, Film
from one_title import frame_hashes

from framemill.farm.intact import chunk_blob
from framemill.farm.orders import JoinedSource, Planned, PlanOrder, ShareOrder, Surveyed, SurveyOrder
from framemill.farm.report import command_of, plan_facts
from framemill.farm.surveying import draft_key
from framemill.farm.titles import ingest, load_title
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.media.index import decoded
from framemill.media.inspection import InspectRequest, inspected
from framemill.media.title import Film as PlannedFilm
from framemill.storage.local import LocalBlobs

FAST = {"encoder_preset": "ultrafast"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Three seconds with sound, two of another size and rate with sound, and one without."""
    folder = tmp_path_factory.mktemp("sources")
    shapes = (("3", "25", "160x120"), ("2", "30", "192x108"), ("1", "25", "160x120"))
    found = []
    for number, (seconds, rate, size) in enumerate(shapes):
        heard = sound(float(seconds), 44_100) if number < 2 else ()
        found.append(folder / f"{number}.mp4")
        ffmpeg(*picture(float(seconds), rate, size), *heard, "-c:v", "libx264", "-preset", "ultrafast", found[-1])
    return tuple(found)


class Joining(Film):
    """A planned output of several inputs."""

    async def join(self, paths: tuple[Path, ...], run: RunSettings, **settings: object) -> Planned:
        found = [await ingest(str(path), path.name, self.blobs) for path in paths]
        order = PlanOrder(
            title_key=TITLE,
            source_key=found[0].key,
            joined=tuple(JoinedSource(source_key=one.key) for one in found),
            settings=OutputSettings.model_validate((FAST if "video_codec" not in settings else {}) | settings),
            run=run,
            decode=False,
            linear=False,
        )
        planned = await self.do(order)
        assert isinstance(planned, Planned)
        return planned

    async def made(self) -> Path:
        for group in range(len(self.title.pictured.plan.groups)):
            await self.encode(group)
        await self.sound()
        await self.finish()
        return self.finished


@pytest.fixture
def film(tmp_path: Path) -> Joining:
    return Joining(tmp_path, LocalBlobs(tmp_path / "blobs"))


def test_several_inputs_become_one_verified_file(film: Joining, sources: tuple[Path, ...]) -> None:
    async def scene() -> Path:
        await film.join(sources, RunSettings(chunk_seconds=1), audio_codec="aac")
        return await film.made()

    folder = asyncio.run(scene())

    title, file = film.title, folder / "video"
    inspection = asyncio.run(inspected(InspectRequest(path=str(file), name="video")))
    times = sorted(pts for pts in inspection.packets.pts if pts is not None)
    (base,) = {Fraction(s["time_base"]) for s in inspection.facts["streams"] if s["codec_type"] == "video"}
    assert [time * base for time in times] == [Fraction(frame, 25) for frame in range(150)]
    assert len(frame_hashes(file)) == 150
    sounds = [stream for stream in inspection.facts["streams"] if stream["codec_type"] == "audio"]
    assert [float(stream["duration"]) for stream in sounds] == [pytest.approx(6.0, abs=1024 / 44_100)]
    facts = plan_facts(title)
    assert [(part["first_frame"], part["frames"]) for part in facts["parts"]] == [(0, 75), (75, 50), (125, 25)]
    assert [chunk["first"] for chunk in facts["chunks"]] == [0, 25, 50, 75, 100, 125]
    assert str(sources[1]) in command_of(title, 0, title.pictured.plan.groups[-2])


def test_a_sound_alone_is_heard_with_the_pictures_before_it(
    film: Joining, sources: tuple[Path, ...], tmp_path: Path
) -> None:
    narration = tmp_path / "narration.mp3"
    ffmpeg("-f", "lavfi", "-i", "sine=frequency=880:sample_rate=44100:duration=9", "-c:a", "libmp3lame", narration)

    async def scene() -> Path:
        await film.join((sources[0], narration), RunSettings(chunk_seconds=1), audio_codec="flac")
        return await film.made()

    file = asyncio.run(scene()) / "video"

    assert len(frame_hashes(file)) == 75
    heard = asyncio.run(inspected(InspectRequest(path=str(file), name="video")))
    (stream,) = [one for one in heard.facts["streams"] if one["codec_type"] == "audio"]
    assert float(stream["duration"]) == pytest.approx(3.0, abs=0.001)  # as long as the pictures
    assert crossings(file) == pytest.approx(880 * 3 * 2, rel=0.02)  # the narration's note, and not the film's


def crossings(path: Path) -> int:
    """How often the sound passes through zero."""
    wave = array.array("h", samples(path, 44_100))[::2]
    return sum((before < 0) != (after < 0) for before, after in pairwise(wave))


def test_texts_that_are_left_out_are_told_of(film: Joining, sources: tuple[Path, ...], tmp_path: Path) -> None:
    told = clips.CLIPS["mov_text.mp4"](tmp_path)

    planned = asyncio.run(film.join((sources[0], told), RunSettings()))

    assert planned.warning == f"The text tracks of {told.name} are left out: those of several inputs are not joined."


def test_a_package_of_several_inputs_has_one_grid_and_grows(film: Joining, sources: tuple[Path, ...]) -> None:
    async def scene() -> Path:
        ladder = [{"height": 120, "crf": 30}, {"height": 90, "crf": 30}]
        package = {"container": "package", "segment_seconds": 2, "ladder": ladder}
        await film.join(sources, RunSettings(), **package)
        film.growing.mkdir()
        await film.sound()
        for group in range(len(film.title.pictured.plan.groups)):
            await film.encode(group)
        assert (await film.grow_all()).spans == 3
        await film.finish()
        return film.finished

    folder = asyncio.run(scene())

    master = m3u8.load(str(folder / "master.m3u8"))
    assert len(master.playlists) == 2
    for variant in master.playlists:
        playlist = m3u8.load(str(folder / variant.uri))
        assert [segment.duration for segment in playlist.segments] == [2.0, 2.0, 2.0]


def test_an_input_that_is_shown_twice_is_encoded_once(film: Joining, sources: tuple[Path, ...]) -> None:
    async def scene() -> Path:
        await film.join((sources[2], sources[2]), RunSettings())
        await film.encode(0)  # and the other group's chunk has the same address
        await film.sound()
        await film.finish()
        return film.finished

    folder = asyncio.run(scene())

    title = film.title
    keys = [title.chunk_key(0, chunk) for chunk in title.pictured.plan.chunks]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert film.blobs.has(chunk_blob(keys[0]))
    hashes = frame_hashes(folder / "video")
    assert hashes[:25] == hashes[25:]
    assert len(hashes) == 50


@pytest.mark.parametrize("container", ["mp3", "flac", "wav"])
def test_sounds_of_several_inputs_become_one_file(film: Joining, sources: tuple[Path, ...], container: str) -> None:
    async def scene() -> Path:
        await film.join(sources[:2], RunSettings(), container=container, video_codec="none")
        await film.sound()
        await film.finish()
        return film.finished

    folder = asyncio.run(scene())

    rows, said = asyncio.run(decoded(str(folder / "video"), "0:a:0"))
    assert said.lines == ()
    assert abs(sum(row.duration for row in rows) - 5 * 44_100) <= (2000 if container == "mp3" else 0)


def test_bits_are_shared_out_over_all_inputs(film: Joining, sources: tuple[Path, ...]) -> None:
    async def scene() -> Path:
        paths = (*sources[:2], *sources[:2])
        await film.join(paths, RunSettings(chunk_seconds=1), bitrate=200_000, passes=2, audio_codec="none")
        written = film.blobs.path(TITLE)
        written.rename(film.blobs.path(draft_key(TITLE)))
        for group in film_of(film).plan.groups:
            survey = SurveyOrder(title_key=draft_key(TITLE), renditions=(0,), group=group.number)
            assert isinstance(await film.do(survey), Surveyed)
        await film.do(ShareOrder(title_key=TITLE, draft_key=draft_key(TITLE)))
        return await film.made()

    folder = asyncio.run(scene())

    shares = {chunk.shares[0] for chunk in film.title.pictured.plan.chunks}
    assert len(shares) > 2
    assert [chunk.shares for part in film.title.parts for chunk in part.pictured.plan.chunks] == [
        chunk.shares for chunk in film.title.pictured.plan.chunks
    ]
    assert (folder / "video").stat().st_size * 8 / 10 == pytest.approx(200_000, rel=0.05)


def film_of(film: Joining) -> PlannedFilm:
    return load_title(film.blobs, draft_key(TITLE)).pictured


def test_a_capped_rate_holds_over_the_seams_of_inputs(film: Joining, sources: tuple[Path, ...]) -> None:
    async def scene() -> Path:
        settings = {"maxrate": 150_000, "bufsize": 150_000, "crf": 18, "audio_codec": "none"}
        await film.join((*sources, *sources), RunSettings(), **settings)
        return await film.made()

    assert (asyncio.run(scene()) / "video").exists()  # the gate reads the player's buffer
