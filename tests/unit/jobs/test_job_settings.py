"""`key=value` assignments onto the two settings."""

from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from framemill.errors import InvalidSetting, UnknownSetting
from framemill.jobs.settings import OutputSettings, Rung, RunSettings, apply_assignments

NOTHING = OutputSettings(), RunSettings()


def applied(**assignments: str) -> tuple[OutputSettings, RunSettings]:
    return apply_assignments(*NOTHING, assignments)


def test_a_key_finds_its_settings() -> None:
    assert applied(crf="18.5", height="720", chunks="4", encoder_preset="veryfast") == (
        OutputSettings(crf=18.5, height=720, encoder_preset="veryfast"),
        RunSettings(chunks=4),
    )
    assert applied() == NOTHING


def test_what_is_not_assigned_stays() -> None:
    before = OutputSettings(crf=18, tune="film"), RunSettings(chunks=4)
    assert apply_assignments(*before, {"tune": "grain"}) == (
        OutputSettings(crf=18, tune="grain"),
        RunSettings(chunks=4),
    )
    assert before == (OutputSettings(crf=18, tune="film"), RunSettings(chunks=4))


def test_null_takes_a_value_back() -> None:
    before = OutputSettings(crf=18), RunSettings(chunks=4)
    assert apply_assignments(*before, {"crf": "null", "qp": "0", "chunks": "null", "chunk_frames": "48"}) == (
        OutputSettings(qp=0),
        RunSettings(chunk_frames=48),
    )


def test_a_ladder_is_json() -> None:
    output, _ = applied(ladder='[{"height": 720, "crf": 22}, {"height": 360, "crf": 24.5}]')
    assert output.ladder == (Rung(height=720, crf=22), Rung(height=360, crf=24.5))
    assert apply_assignments(output, RunSettings(), {"ladder": "[]"})[0].ladder == ()


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("cfr", "There is no setting 'cfr'; did you mean crf?"),
        ("chunk", "There is no setting 'chunk'; did you mean chunks or chunk_frames or chunk_seconds?"),
        (
            "audio_bit_rate",
            "There is no setting 'audio_bit_rate'; did you mean audio_bitrate or bitrate or audio_channels?",
        ),
    ],
)
def test_a_key_that_does_not_exist_is_told_its_near_ones(key: str, message: str) -> None:
    with pytest.raises(UnknownSetting) as refused:
        applied(**{key: "1"})
    assert refused.value.message == message


def test_a_key_like_no_other_is_told_them_all() -> None:
    with pytest.raises(UnknownSetting) as refused:
        applied(xyzzy="1")
    named = refused.value.message.partition("; there are: ")[2].removesuffix(".").split(", ")
    assert named == sorted({*OutputSettings.model_fields, *RunSettings.model_fields})


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        ({"crf": "good"}, "Setting crf: Input should be a valid number"),
        ({"crf": "64"}, "Setting crf: Input should be less than or equal to 63"),
        ({"height": "15"}, "Setting height: Input should be greater than or equal to 16"),
        ({"height": "720p"}, "Setting height: Input should be a valid integer"),
        ({"chunks": "0"}, "Setting chunks: Input should be greater than or equal to 1"),
        ({"container": "avi"}, "Setting container: Input should be 'mp4', 'mov', 'mkv', 'webm' or 'package'"),
        ({"container": "null"}, "Setting container: Input should be 'mp4', 'mov', 'mkv', 'webm' or 'package'"),
        ({"pix_fmt": "yuv420p;rm"}, "Setting pix_fmt: String should match pattern"),
        ({"encoder_preset": "slow:threads=8"}, "Setting encoder_preset: String should match pattern"),
        ({"ladder": "720,360"}, "Setting ladder: Input should be a valid tuple"),
        ({"ladder": '[{"height": 720'}, "Setting ladder: Input should be a valid tuple"),
        ({"ladder": '[{"height": 720}]'}, "Setting ladder.0.crf: Field required"),
        ({"ladder": '[{"height": 720, "crf": 22, "fps": 25}]'}, "Setting ladder.0.fps: Extra inputs are not permitted"),
        ({"crf": "18", "qp": "0"}, "Settings: crf and qp exclude each other."),
        ({"qp": "0", "video_codec": "av1"}, "Settings: qp is for h264 and h265; set crf for av1."),
        ({"container": "webm"}, "Settings: webm takes vp9 or av1 pictures (set video_codec)."),
        ({"container": "webm", "video_codec": "vp9"}, "Settings: webm takes opus sound (set audio_codec)."),
        ({"container": "package", "video_codec": "vp9"}, "Settings: a package takes h264, h265 or av1 pictures"),
        ({"container": "package", "audio_codec": "opus"}, "Settings: a package takes h264, h265 or av1 pictures"),
        ({"container": "mov", "audio_codec": "flac"}, "Settings: mov takes h264 or h265 pictures and aac or alac"),
        ({"video_codec": "none", "audio_codec": "none"}, "Settings: nothing is left of the source"),
        ({"chunks": "4", "chunk_frames": "48"}, "Settings: chunks, chunk_frames and chunk_seconds exclude each other."),
        ({"chunk_frames": "4", "chunk_seconds": "4"}, "Settings: chunks, chunk_frames and chunk_seconds exclude"),
    ],
)
def test_a_wrong_value_is_refused_with_its_reason(assignments: Mapping[str, str], message: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        apply_assignments(*NOTHING, assignments)
    assert refused.value.message.startswith(message)


def test_a_message_names_no_url_and_no_class() -> None:
    with pytest.raises(InvalidSetting) as refused:
        applied(crf="good")
    assert "http" not in refused.value.message
    assert "OutputSettings" not in refused.value.message


def test_settings_are_frozen_and_know_their_fields() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        OutputSettings().crf = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        OutputSettings.model_validate({"cfr": 3})


def test_every_field_says_what_it_is() -> None:
    fields = {**OutputSettings.model_fields, **RunSettings.model_fields}
    assert [name for name, field in fields.items() if not field.description] == []
