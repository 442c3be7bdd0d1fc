"""`key=value` assignments onto the two settings."""

from collections.abc import Mapping
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from framemill.errors import InvalidSetting, UnknownSetting
from framemill.jobs.settings import Container, OutputSettings, Rung, RunSettings, apply_assignments
from framemill.jobs.settings.kinds import FITTINGS

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
        ("cfr", "There is no setting 'cfr'; did you mean crf or crop?"),
        ("chunk", "There is no setting 'chunk'; did you mean chunks or count or chunk_frames?"),
        (
            "audio_bit_rate",
            "There is no setting 'audio_bit_rate'; did you mean audio_bitrate or audio_tracks or bitrate?",
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
        ({"container": "rm"}, "Setting container: Input should be 'mp4', 'mov', 'mkv', 'webm', 'ts', 'avi'"),
        ({"container": "null"}, "Setting container: Input should be 'mp4', 'mov', 'mkv', 'webm', 'ts', 'avi'"),
        ({"pix_fmt": "yuv420p;rm"}, "Setting pix_fmt: String should match pattern"),
        ({"encoder_preset": "slow:threads=8"}, "Setting encoder_preset: String should match pattern"),
        ({"ladder": "720,360"}, "Setting ladder: Input should be a valid tuple"),
        ({"ladder": '[{"height": 720'}, "Setting ladder: Input should be a valid tuple"),
        ({"ladder": '[{"crf": 20}]'}, "Setting ladder.0.height: Field required"),
        (
            {"ladder": '[{"height": 720, "crf": 22, "rate": 9}]'},
            "Setting ladder.0.rate: Extra inputs are not permitted",
        ),
        ({"crf": "18", "qp": "0"}, "Settings: crf and qp exclude each other."),
        ({"qp": "0", "video_codec": "av1"}, "Settings: qp is for h264 and h265; set crf for av1."),
        ({"container": "webm", "video_codec": "h264"}, "Settings: webm takes vp9 or av1 pictures, not h264 (set vid"),
        ({"container": "webm", "audio_codec": "aac"}, "Settings: webm takes opus or vorbis sound, not aac (set aud"),
        ({"container": "package", "video_codec": "vp9"}, "Settings: package takes h264 or h265 or av1 pictures, not"),
        ({"container": "package", "audio_codec": "opus"}, "Settings: package takes aac or ac3 sound, not opus"),
        ({"container": "mov", "audio_codec": "flac"}, "Settings: mov takes aac or alac or pcm or ac3 or mp3 sound"),
        ({"container": "mp3", "video_codec": "h264"}, "Settings: mp3 takes no pictures, not h264"),
        ({"container": "png", "audio_codec": "aac"}, "Settings: png takes no sound, not aac"),
        ({"segments": "ts"}, "Settings: segments: only a package has segments (set container)."),
        ({"iframes": "false"}, "Settings: iframes: only a package has segments (set container)."),
        ({"progressive": "true"}, "Settings: progressive: only a package has renditions (set container)."),
        ({"container": "package", "progressive": "some"}, "Setting progressive: Input should be a valid boolean"),
        ({"container": "package", "manifests": "[]"}, "Setting manifests: Tuple should have at least 1 item"),
        (
            {"container": "package", "segments": "ts", "manifests": '["hls", "dash"]'},
            "Settings: manifests: DASH names CMAF segments; TS segments are for hls alone.",
        ),
        (
            {"container": "package", "segments": "ts", "video_codec": "av1"},
            "Settings: segments: a transport stream takes h264 or h265, not av1.",
        ),
        ({"speed": "fast", "encoder_preset": "slow"}, "Settings: speed and encoder_preset exclude each other."),
        ({"end": "3", "duration": "2"}, "Settings: end and duration exclude each other."),
        ({"start": "4", "end": "0:03.5"}, "Settings: the output would end before it begins"),
        ({"start": "abc"}, "Setting start: Input should be a valid number"),
        ({"fps": "0"}, "Setting fps: String should match pattern"),
        ({"fps": "25/0"}, "Setting fps: String should match pattern"),
        ({"fit": "pad", "width": "640"}, "Settings: fit=pad needs a whole box (set size, or width and height)."),
        ({"video_codec": "none", "audio_codec": "none"}, "Settings: nothing is left of the source"),
        ({"chunks": "4", "chunk_frames": "48"}, "Settings: chunks, chunk_frames and chunk_seconds exclude each other."),
        ({"chunk_frames": "4", "chunk_seconds": "4"}, "Settings: chunks, chunk_frames and chunk_seconds exclude"),
    ],
)
def test_a_wrong_value_is_refused_with_its_reason(assignments: Mapping[str, str], message: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        apply_assignments(*NOTHING, assignments)
    assert refused.value.message.startswith(message)


@pytest.mark.parametrize(
    ("said", "rate"),
    [("25", "25"), ("25.0", "25"), ("29.97", "30000/1001"), ("23.976", "24000/1001"), ("59.94", "60000/1001"),
     ("30000/1001", "30000/1001"), ("50/2", "25"), ("12.5", "25/2"), ("29.5", "59/2")],
)  # fmt: skip
def test_a_rate_is_a_fraction(said: str, rate: str) -> None:
    assert applied(fps=said)[0].fps == rate


def test_a_choice_of_numbers_may_be_text() -> None:
    output, _ = applied(passes="2", bitrate="900000", bit_depth="10", rotate="90")
    assert (output.passes, output.bit_depth, output.rotate) == (2, 10, 90)
    with pytest.raises(InvalidSetting, match="Setting rotate: Input should be 0, 90, 180 or 270"):
        applied(rotate="45")


@pytest.mark.parametrize(("said", "seconds"), [("90", 90), ("1:30", 90), ("0:01:30.25", 90.25), ("1.5", 1.5)])
def test_a_time_is_seconds_or_a_clock(said: str, seconds: float) -> None:
    assert applied(start=said)[0].start == seconds


@pytest.mark.parametrize(
    ("said", "manifests", "grows"),
    [({}, ("hls", "dash"), True), ({"segments": "ts"}, ("hls",), True), ({"manifests": ["dash"]}, ("dash",), False)],
)
def test_manifests_follow_the_segments(said: dict[str, Any], manifests: tuple[str, ...], grows: bool) -> None:
    settings = OutputSettings.model_validate({"container": "package", **said})
    assert (settings.manifests, settings.grows) == (manifests, grows)


@pytest.mark.parametrize("container", get_args(Container))
def test_a_container_alone_takes_its_usual_codecs(container: Container) -> None:
    fitting = FITTINGS[container]
    output, _ = applied(container=container)
    assert (output.video_codec, output.audio_codec) == (
        next(iter(fitting.video), "none"),
        next(iter(fitting.audio), "none"),
    )


@pytest.mark.parametrize(
    ("said", "several", "folder", "grows"),
    [
        ({}, False, False, False),
        ({"cut_count": 3}, True, True, False),
        ({"cut_count": 3, "archive": True}, True, False, False),
        ({"cut_count": 3, "archive_above": 2}, True, True, False),
        ({"cut_seconds": 5, "container": "avi"}, True, True, False),
        ({"cut_spans": [{"start": 1, "end": 2}], "container": "mp3"}, True, True, False),
        ({"container": "package"}, True, True, True),
        ({"container": "package", "archive": True}, True, False, False),
        ({"container": "package", "archive_above": 9}, True, True, False),
        ({"container": "jpg", "picture": "thumbnails", "archive": True}, True, False, False),
    ],
    ids=str,
)
def test_several_files_are_a_folder_or_one_archive(
    said: dict[str, Any], several: bool, folder: bool, grows: bool
) -> None:
    found = OutputSettings.model_validate(said)
    assert (found.several, found.folder, found.grows) == (several, folder, grows)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"archive": True}, "is one file"),
        ({"archive_above": 2}, "is one file"),
        ({"cut_count": 2, "archive": True, "archive_above": 2}, "archive and archive_above exclude each other"),
        ({"cut_count": 2, "cut_seconds": 2}, "cut_seconds and cut_count exclude each other"),
        ({"cut_count": 2, "container": "package"}, "make files, and no package"),
        ({"cut_count": 2, "container": "jpg"}, "make files, and no picture"),
        ({"cut_count": 2, "video_codec": "copy", "audio_codec": "copy"}, "have to be encoded"),
        ({"cut_spans": [{"end": 2}], "end": 3}, "cut_spans say where"),
        ({"cut_spans": [{"start": 2, "end": 2}]}, "it would end before it begins"),
        ({"crop": "9:9", "crop_edges": "1:1:1:1"}, "crop and crop_edges exclude each other"),
    ],
    ids=str,
)
def test_what_does_not_fit_several_files_is_refused(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        OutputSettings.model_validate(said)


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
