"""Which sounds and texts of a source an output carries."""

from fractions import Fraction
from typing import Any

import pytest

from framemill.errors import InvalidSetting, SourceUnreadable
from framemill.jobs.settings import OutputSettings
from framemill.media.index import FirstFrame
from framemill.media.source import Source
from framemill.media.tracks import Voice, asked_ranks, voices

ENGLISH = {"index": 5, "codec_type": "audio", "codec_name": "ac3", "tags": {"language": "eng", "title": "Comments"}}
UNKNOWN = {"index": 6, "codec_type": "audio", "codec_name": "mp3", "tags": {"language": "und"}}


@pytest.fixture
def several(source: Source) -> Source:
    """Three sounds: the default one from 1 s on, English from 0.5 s on, and one that cannot be decoded."""
    source.inspection.facts["streams"] += [ENGLISH, UNKNOWN]
    first = FirstFrame(time_base=Fraction(1, 48000), pts=24000)
    return source.model_copy(update={"further_sounds": ((1, first),)})


def chosen(
    source: Source, begin: Fraction | None = None, end: Fraction | None = None, **said: Any
) -> tuple[Voice, ...]:
    return voices(source, OutputSettings(container="mkv", **said), begin, end)


@pytest.mark.parametrize(
    ("tracks", "ranks"), [("first", (0,)), ("all", (0, 1, 2)), ((1,), (1,)), ((2, 0), (2, 0)), (None, ())]
)
def test_ranks_are_as_asked(several: Source, tracks: Any, ranks: tuple[int, ...]) -> None:
    said = {"audio_codec": "none"} if tracks is None else {"audio_tracks": tracks}
    assert asked_ranks(several, OutputSettings(container="mkv", **said)) == ranks


def test_the_default_comes_first_among_all(several: Source) -> None:
    later = several.inspection.model_copy(update={"audio": 5})
    assert asked_ranks(several.model_copy(update={"inspection": later}), OutputSettings(audio_tracks="all")) == (
        1,
        0,
        2,
    )


def test_each_sound_has_its_place_and_name(several: Source) -> None:
    german, english = chosen(several, audio_tracks="all")  # what cannot be decoded is left out of all
    assert german == Voice(rank=0, stream=1, begin=Fraction(1))
    assert english == Voice(rank=1, stream=5, begin=Fraction(1, 2), language="eng", name="Comments", default=False)


def test_a_clip_cuts_what_began_before(several: Source) -> None:
    german, english = chosen(several, Fraction(3, 4), Fraction(2), audio_tracks="all")
    assert (german.begin, german.end, german.cut) == (Fraction(1), Fraction(2), False)
    assert (english.begin, english.end, english.cut) == (Fraction(3, 4), Fraction(2), True)


def test_a_sound_that_begins_behind_the_clip_is_not_heard(several: Source) -> None:
    (only,) = chosen(several, Fraction(1, 2), Fraction(1), audio_tracks="all")
    assert only.rank == 1


def test_a_rank_that_is_not_there_is_refused(several: Source) -> None:
    with pytest.raises(InvalidSetting, match="no audio track of rank 3; it has 3, ranks 0 to 2") as refused:
        chosen(several, audio_tracks=(3,))
    assert refused.value.param == "audio_tracks"


def test_a_chosen_sound_that_cannot_be_decoded_is_refused(several: Source) -> None:
    with pytest.raises(SourceUnreadable, match=r"Audio track 2 of .* cannot be decoded"):
        chosen(several, audio_tracks=(0, 2))


def test_a_source_without_sound_has_none(source: Source) -> None:
    silent = source.model_copy(
        update={"first_sound": None, "inspection": source.inspection.model_copy(update={"audio": None})}
    )
    assert chosen(silent, audio_tracks="all") == ()
