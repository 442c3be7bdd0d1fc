"""What several inputs have in common when they are joined, and where each begins."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from framemill.errors import InvalidSetting, SourceUnreadable
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.media.colour import Colour, Look
from framemill.media.index import FirstFrame, FrameIndex
from framemill.media.joining import Part, dubbed, matched, plan_join, usual_rate
from framemill.media.joinsound import part_samples
from framemill.media.source import Source
from framemill.media.title import Title


def index(times: list[int], base: str = "1/1000") -> FrameIndex:
    last = times[-1] - times[-2] if len(times) > 1 else 40
    return FrameIndex(time_base=Fraction(base), pts=tuple(times), last_duration=last, source="packets", why="")


def even(count: int, rate: str = "25") -> FrameIndex:
    each = Fraction(rate)
    times = tuple(number * each.denominator for number in range(count))
    tick = 1 / Fraction(each.numerator)
    return FrameIndex(time_base=tick, pts=times, last_duration=each.denominator, source="packets", why="")


@pytest.mark.parametrize(
    ("times", "base", "rate"),
    [
        ([n * 40 for n in range(50)], "1/1000", "25"),
        ([round(n * 1001 / 30) for n in range(90)], "1/1000", "30000/1001"),
        ([round(n * 1001 / 24) for n in range(90)], "1/1000", "24000/1001"),
        ([n * 3003 for n in range(9)], "1/90000", "30000/1001"),
        ([n * 3750 for n in range(9)], "1/90000", "24"),
        ([n * 40 + (2000 if n > 20 else 0) for n in range(50)], "1/1000", "25"),  # one hole
        ([n * 70 for n in range(9)], "1/1000", "100/7"),
        ([0], "1/1000", "25"),
        ([0, 0, 40, 40, 80], "1/1000", "25"),
    ],
)
def test_the_rate_is_that_of_most_frames(times: list[int], base: str, rate: str) -> None:
    assert usual_rate(index(times, base)) == Fraction(rate)


@pytest.fixture
def part(source: Source) -> Any:
    def make(count: int = 100, rate: str = "25", **first: Any) -> Part:
        shape = FirstFrame(**{**dict(source.first_picture or {}), **first})
        return Part(source.model_copy(update={"first_picture": shape}), even(count, rate))

    return make


@pytest.fixture
def voice(source: Source) -> Any:
    """An input that has only sound."""

    def make() -> Part:
        heard = source.inspection.model_copy(update={"video": None, "sha256": "v" * 64})
        return Part(source.model_copy(update={"first_picture": None, "inspection": heard}), None)

    return make


def joined(parts: list[Part], settings: dict[str, Any] | None = None, **run: Any) -> Title:
    return plan_join(parts, OutputSettings.model_validate(settings or {}), RunSettings(**run), "build").title


def test_the_first_input_says_what_the_others_become(part: Any) -> None:
    wide = {"width": 640, "height": 360, "sample_aspect_ratio": "1/1"}
    parts = [part(50, "25", **wide), part(60, "60", **{**wide, "width": 480}), part(24, "24", **wide)]

    title = joined(parts, chunk_frames=20)

    film = title.pictured
    assert [len(one.pictured.shown.pts) for one in title.parts] == [50, 25, 25]
    assert film.shown.pts == tuple(range(100))
    assert film.shown.seconds(99) == Fraction(99, 25)
    assert [(chunk.number, chunk.first, chunk.end) for chunk in film.plan.chunks] == [
        *((0, 0, 20), (1, 20, 40), (2, 40, 50)),
        *((3, 50, 70), (4, 70, 75)),
        *((5, 75, 95), (6, 95, 100)),
    ]
    for one in title.parts:
        (picture,) = one.pictured.pictures
        assert (picture.width, picture.height, picture.look) == (640, 360, film.pictures[0].look)
    steps = [[step.name for step in one.pictured.pictures[0].steps] for one in title.parts]
    assert steps == [["scale"], ["scale", "pad"], ["scale"]]


def test_an_anamorphic_first_input_keeps_its_pixels(part: Any) -> None:
    first = part(10, width=720, height=576, sample_aspect_ratio="64/45")
    title = joined([first, part(10, width=1920, height=1080, sample_aspect_ratio="1/1")])

    other = title.parts[1].pictured.pictures[0]

    assert (other.width, other.height, other.sample_aspect_ratio) == (720, 576, "64/45")
    assert [dict(step.options).get("w") for step in other.steps] == ["1024", "1024", "720"]


def test_places_in_the_joined_title_lead_to_the_part(part: Any) -> None:
    title = joined([part(50), part(30)], chunk_frames=20)

    groups = [title.part_of(group.number) for group in title.pictured.plan.groups]

    assert [(one is title.parts[1], group.number) for one, group in groups][-1] == (True, 1)
    assert [title.part_at(frame)[1] for frame in (0, 49, 50, 79)] == [0, 0, 50, 50]
    assert title.part_at(50)[0] is title.parts[1]


def test_a_part_has_its_share_of_so_many_chunks(part: Any) -> None:
    title = joined([part(300), part(100)], chunks=8)

    assert [len(one.pictured.plan.chunks) for one in title.parts] == [6, 2]


def test_keys_do_not_depend_on_the_place_but_for_a_capped_rate(part: Any) -> None:
    def keys(title: Title) -> list[str]:
        return [title.chunk_key(0, chunk) for chunk in title.pictured.plan.chunks]

    one, other = part(50), part(40)
    assert set(keys(joined([one, other]))) == set(keys(joined([other, one])))
    same = {"maxrate": 1_000_000, "bufsize": 1_000_000}
    capped = joined([one, other], same)
    free = capped.model_copy(
        update={"parts": tuple(each.model_copy(update={"joined": False}) for each in capped.parts)}
    )
    assert set(keys(capped)).isdisjoint(keys(free))


def test_samples_follow_the_pictures_without_drift(part: Any) -> None:
    title = joined([part(1, "30000/1001") for _ in range(30)])

    counts = part_samples(title, 44_100)

    assert {count for count in counts if count is not None} == {1471, 1472}
    assert sum(count or 0 for count in counts) == round(Fraction(30 * 1001, 30_000) * 44_100)


def test_another_sound_or_length_is_another_track(part: Any) -> None:
    one, other = part(50), part(40)
    tracks = [joined([one, other]), joined([other, one]), joined([one, one]), joined([one, other], {"fps": "24"})]

    assert len({title.sound_keys for title in tracks}) == 4


def test_more_light_is_refused() -> None:
    with pytest.raises(InvalidSetting, match=r"high dynamic range \(PQ\) cannot be joined"):
        matched(Look(transfer="smpte2084"), Look(transfer="bt709"), "yuv420p10le")


def test_light_of_another_kind_is_refused_or_left_out(part: Any) -> None:
    dark = part(10)
    bright = part(10, colour=Colour(matrix="bt2020nc", primaries="bt2020", transfer="smpte2084"), pix_fmt="yuv420p10le")
    settings = OutputSettings(pix_fmt="yuv420p10le", video_codec="h265")

    with pytest.raises(InvalidSetting):
        plan_join([dark, bright], settings, RunSettings(), "build")
    plan = plan_join([dark, bright], settings, RunSettings(), "build", keep=True)

    assert len(plan.title.parts) == 1
    assert "cannot be joined" in plan.left_out[0]
    assert len(joined([dark, bright]).parts) == 2  # of 8 bits everything has standard range


def test_nothing_is_left_where_no_input_has_pictures_to_show(part: Any) -> None:
    nothing = Part(part(10).source, even(10), start=5.0)

    with pytest.raises(SourceUnreadable, match="No picture lies"):
        plan_join([nothing, nothing], OutputSettings(), RunSettings(), "build", keep=True)


def test_an_input_whose_pictures_cannot_be_shown_is_refused_or_left_out(part: Any) -> None:
    blind = Part(part(10).source.model_copy(update={"first_picture": None}), None)

    with pytest.raises(SourceUnreadable, match="holds no pictures"):
        joined([part(10), blind])
    plan = plan_join([part(10), blind], OutputSettings(), RunSettings(), "build", keep=True)

    assert len(plan.title.parts) == 1
    assert "holds no pictures" in plan.left_out[0]


def named(one: Part, name: str) -> Part:
    return replace(one, source=one.source.model_copy(update={"name": name}))


def test_a_sound_alone_is_heard_with_the_pictures_before_it(part: Any, voice: Any) -> None:
    films, sounds = [named(part(10), name) for name in "AB"], [named(voice(), name) for name in "xy"]

    def heard(*parts: Part) -> list[tuple[str, str]]:
        return [(one.source.name, "" if one.dub is None else one.dub.source.name) for one in dubbed(parts)]

    assert heard(films[0], sounds[0], films[1]) == [("A", "x"), ("B", "")]
    assert heard(films[0], films[1], sounds[0]) == [("A", ""), ("B", "x")]
    assert heard(sounds[0], films[0], films[1]) == [("A", "x"), ("B", "")]
    assert heard(films[0], sounds[0], films[1], sounds[1]) == [("A", "x"), ("B", "y")]
    for two in ((films[0], sounds[0], sounds[1]), (sounds[0], films[0], sounds[1]), (sounds[0], sounds[1], films[0])):
        with pytest.raises(InvalidSetting, match="have no pictures, and stand beside the same ones"):
            dubbed(two)


def test_what_is_heard_with_pictures_makes_another_track_and_the_same_chunks(part: Any, voice: Any) -> None:
    own, dub = joined([part(50)]), joined([part(50), voice()])

    assert dub.sound_keys != own.sound_keys
    assert dub.pictured == own.pictured
    assert joined([part(50), voice()], {"audio_codec": "none"}).sound_keys == ()
