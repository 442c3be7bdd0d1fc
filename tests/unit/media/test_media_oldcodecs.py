"""Encoders of older codecs, and what older containers take as it is."""

from typing import Any

import pytest
from pydantic import ValidationError

from framemill.errors import InvalidSetting
from framemill.jobs.choices import chosen
from framemill.jobs.settings import OutputSettings
from framemill.media.copying import check_copied
from framemill.media.oldcodecs import OLD_CODECS, carrier_of, old_encoder


def old(**settings: Any) -> dict[str, str | None]:
    output = OutputSettings.model_validate({"container": "avi", **settings})
    return old_encoder(output, chosen(output))


def test_a_word_is_a_quantiser() -> None:
    assert [old(quality=word)["q:v"] for word in ("good", "better", "best")] == ["4", "3", "2"]
    assert [old(container="ogv", quality=word)["q:v"] for word in ("good", "better", "best")] == ["7", "8", "10"]
    assert old()["q:v"] == old(quality="good")["q:v"]


def test_a_bit_rate_stands_instead() -> None:
    told = old(bitrate=800_000, maxrate=1_000_000, bufsize=2_000_000, gop_frames=50)
    assert {key: told[key] for key in ("b:v", "maxrate", "bufsize", "g")} == {
        "b:v": "800000", "maxrate": "1000000", "bufsize": "2000000", "g": "50",
    }  # fmt: skip
    assert "q:v" not in told


@pytest.mark.parametrize("field", [{"crf": 20}, {"speed": "fast"}, {"bit_depth": 10}, {"tune": "film"}, {"passes": 2}])
def test_what_such_an_encoder_does_not_know_is_refused(field: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(field))):
        OutputSettings.model_validate({"container": "avi", "bitrate": None, **field})


def test_each_travels_in_a_file_that_keeps_its_times() -> None:
    assert carrier_of("h264") == "mp4"
    assert {carrier_of(codec) for codec in OLD_CODECS} == {"mp4", "nut"}


def copied(container: str, video: str | None, sound: str | None) -> None:
    settings = {"container": container, "video_codec": "copy", "audio_codec": "copy"}
    facts = [None if codec is None else {"codec_name": codec} for codec in (video, sound)]
    check_copied(OutputSettings.model_validate(settings), *facts)


def test_packets_are_copied_where_a_container_knows_them() -> None:
    copied("avi", "mpeg4", "pcm_s16le")
    copied("flv", None, "mp3")
    for container, video, sound, message in (
        ("avi", "h264", "mp3", "video_codec: avi does not take h264"),
        ("mpg", "mpeg2video", "aac", "audio_codec: mpg does not take aac"),
        ("ogv", "theora", "pcm_s16le", "ogv does not take pcm_s16le"),
    ):
        with pytest.raises(InvalidSetting, match=message):
            copied(container, video, sound)
