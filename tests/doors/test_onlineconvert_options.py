"""What options of online-convert's clients mean, and which are refused."""

from typing import Any

import pytest

from framemill.api.onlineconvert.options import Source, checked, outputs_of
from framemill.errors import WrongUse
from framemill.jobs.settings import OutputSettings
from framemill.services.requests import settings_for

FILM = Source(0, "film.mov")


def settings(target: str, options: dict[str, Any], source: Source = FILM) -> OutputSettings:
    """Those of the one output that comes of it."""
    (output,) = outputs_of(checked(target, None, options), [source])
    return settings_for("it", output.settings["container"], output.preset, output.settings)[1]


def refused(target: str, options: Any, category: str | None = None) -> tuple[str, str]:
    """The field, and what is said of it."""
    with pytest.raises(WrongUse) as caught:
        checked(target, category, options)
    return caught.value.param or "", caught.value.message


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"width": 320, "height": 180}, {"width": 320, "height": 180, "fit": "fit", "upscale": True}),
        ({"width": 320, "height": 320, "resize_handling": "keep_aspect_ratio_crop"}, {"fit": "fill"}),
        ({"width": 320, "aspect_ratio": "4:3"}, {"width": 320, "height": 240, "fit": "stretch"}),
        ({"height": 240, "aspect_ratio": "16:9"}, {"width": 427, "height": 240}),
        ({"crop_top": 8, "crop_left": 4}, {"crop_edges": "8:0:0:4"}),
        (
            {"crop_width": 64, "crop_height": 48, "crop_origin_x": 1, "crop_origin_y": 2},
            {"crop": "64:48:1:2"},
        ),
        ({"crop_width": 64, "crop_height": 48}, {"crop": "64:48"}),
        ({"rotate": 90}, {"rotate": 90}),
        ({"audio_bitrate": 128, "channels": "mono"}, {"audio_bitrate": 128_000, "audio_channels": 1}),
        ({"channel": "stereo", "frequency": 44100}, {"audio_channels": 2, "sample_rate": 44_100}),
        ({"audio_codec": "mp3"}, {"audio_codec": "mp3"}),
        ({"video_codec": "h265", "video_bitrate": 900}, {"video_codec": "h265", "bitrate": 900_000}),
        ({"framerate": 29.97}, {"fps": "30000/1001"}),
        ({"framerate": 25}, {"fps": "25"}),
        ({"start": "00:00:01.5", "end": "00:01:00"}, {"start": 1.5, "end": 60.0}),
        ({"disable_audio": True}, {"audio_codec": "none"}),
        ({"constant_rate_factor": 20, "tune": "film", "profile": "high"}, {"crf": 20, "tune": "film"}),
        ({"bframes": 2}, {"encoder_options": {"bframes": "2"}}),
        ({"download_password": "open", "allow_multiple_outputs": True}, {"folder": False}),
        ({"normalize": True}, {"loudness": -23.0}),
        ({"normalize": False, "disable_audio": True}, {"loudness": None, "audio_codec": "none"}),
        ({"start": 90, "end": 100.5}, {"start": 90.0, "end": 100.5}),
        ({}, {"audio_codec": "aac", "video_codec": "h264"}),
    ],
    ids=str,
)
def test_what_options_of_a_film_mean(options: dict[str, Any], expected: dict[str, Any]) -> None:
    found = settings("mp4", options)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("target", "options", "param"),
    [
        ("mp4", {"width": "abc"}, "options.width"),  # check 7
        ("mp4", {"width": 70_000}, "options.width"),
        ("mp4", {"width": True}, "options.width"),
        ("mp4", {"quality": 3}, "options.quality"),
        ("mp4", {"audio_bitrate": 100}, "options.audio_bitrate"),
        ("mp4", {"start": "soon"}, "options.start"),
        ("mp4", {"start": "5", "end": "2"}, "options.end"),
        ("mp4", {"aspect_ratio": "4:3"}, "options.aspect_ratio"),
        ("mp4", {"aspect_ratio": "4:3", "width": 320, "height": 240}, "options.aspect_ratio"),
        ("mp4", {"resize_handling": "keep_aspect_ratio_crop", "width": 320}, "options.resize_handling"),
        ("mp4", {"resize_handling": "squeeze"}, "options.resize_handling"),
        ("mp4", {"crop_top": 2, "crop_width": 3, "crop_height": 3}, "options.crop_top"),
        ("mp4", {"crop_width": 64}, "options.crop_width"),
        ("mp4", {"crop_width": 64, "crop_height": 64, "crop_origin_x": 1}, "options.crop_origin_x"),
        ("mp4", {"channel": "mono", "channels": "stereo"}, "options.channel"),
        ("mp4", {"disable_audio": True, "audio_bitrate": 128}, "options.audio_bitrate"),
        ("mp4", {"disable_audio": True, "normalize": True}, "options.normalize"),
        ("mp3", {"audio_vbr": True}, "options.audio_vbr"),
        ("avi", {"merge": True}, "options.merge"),
        ("mp4", {"output_filename": "a/b"}, "options.output_filename"),
        ("mp4", {"output_filename": ".."}, "options.output_filename"),
        ("mp4", {"output_filename": ""}, "options.output_filename"),
        ("mp4", {"start": True}, "options.start"),
        ("mp4", {"preset": 7}, "options.preset"),
        ("compress", {"quality": 50, "compression_level": "low"}, "options.quality"),
        ("hls", {"audio_codec": "copy"}, "options.audio_codec"),
        ("mp4", {"video_codec": "h265", "tune": "film"}, "options.tune"),
        ("mp4", {"video_codec": "av1", "bframes": 2}, "options.bframes"),
        ("mp4", {"video_bitrate": 900, "constant_rate_factor": 20}, "options.constant_rate_factor"),
        ("mp4", {"audio_codec": "flac", "audio_bitrate": 128}, "options.audio_bitrate"),
        ("webm", {"video_codec": "h264"}, "options.video_codec"),
        ("mp3", {"width": 320}, "options.width"),
        ("mp4", {"allow_multiple_outputs_threshold": 3}, "options.allow_multiple_outputs_threshold"),
        ("hls", {"allow_multiple_outputs_threshold": 3}, "options.allow_multiple_outputs_threshold"),
        ("cut-video", {}, "options.cut_points"),
        ("cut-video", {"length": 3, "number_of_parts": 3}, "options.number_of_parts"),
        ("cut-video", {"cut_points": [{"start": "1"}]}, "options.cut_points"),
        ("cut-video", {"cut_points": [{"start": "4", "end": "2"}]}, "options.cut_points"),
        ("cut-video", {"cut_points": [{"start": "1", "end": "2"}], "end_video": "3"}, "options.end_video"),
        ("thumbnail", {"time": "1", "count": 3}, "options.count"),
        ("thumbnail", {"size": "320x180", "width": 10}, "options.size"),
        ("mp4", ["width"], "options"),
        ("nope", {}, "target"),  # check 7
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_by_its_name(target: str, options: Any, param: str) -> None:
    field, said = refused(target, options)
    assert field.startswith(param), said
    assert said.endswith(".")


def test_no_options_may_be_a_list_as_php_writes_it() -> None:
    assert checked("mp4", "video", []).options == {}


def test_each_input_is_an_output_of_its_own() -> None:
    made = outputs_of(checked("m4v", None, {}), [Source(0, "a.mov"), Source("b-id", "b.mkv"), Source(2)])
    assert [(one.inputs, one.name) for one in made] == [
        ((0,), "a.m4v"),
        (("b-id",), "b.m4v"),
        ((2,), "output.m4v"),
    ]
    assert outputs_of(checked("mp4", None, {}), []) == ()


@pytest.mark.parametrize(
    ("target", "options", "name"),
    [
        ("mp4", {"output_filename": "mine"}, "mine.mp4"),
        ("m4v", {"output_filename": "my.mine"}, "my.mine.m4v"),
        ("mp3", {"output_filename": 2024}, "2024.mp3"),
        ("thumbnail", {"output_filename": "mine"}, "mine.png"),
        ("cut-video", {"output_filename": "mine", "end_video": "3"}, "mine.mov"),
        ("hls", {"output_filename": "my.mp4"}, "my_mp4"),
        ("mp4", {}, None),
    ],
)
def test_an_output_is_called_as_its_client_says(target: str, options: dict[str, Any], name: str | None) -> None:
    (output,) = outputs_of(checked(target, None, options), [FILM])
    assert output.name == name


@pytest.mark.parametrize("target", ["mp4", "hls"])
def test_inputs_are_merged_into_one_film_where_that_is_asked_for(target: str) -> None:
    sources = [Source(0, "a.mkv"), Source(1, "b.mp4")]
    (made,) = outputs_of(checked(target, None, {"merge": True}), sources)
    assert made.inputs == (0, 1)
    assert not settings_for("it", made.settings["container"], None, made.settings)[1].unjoinable
    assert len(outputs_of(checked(target, None, {"merge": False}), sources)) == 2


def test_numbers_are_the_text_that_is_meant() -> None:
    found = checked("cut-video", None, {"cut_points": [{"start": 1, "end": 2.5}], "download_password": 4711}).options
    assert found == {"cut_points": [{"start": "1", "end": "2.5"}], "download_password": "4711"}


def test_what_is_merged_is_one_output() -> None:
    (made,) = outputs_of(checked("merge-streams", None, {"width": 320}), [Source(0, "a.mkv"), Source(1, "b.mp4")])
    assert (made.inputs, made.settings["container"]) == ((0, 1), "mkv")
    found = settings_for("it", "mkv", None, made.settings)[1]
    assert not found.unjoinable


@pytest.mark.parametrize(
    ("filename", "container"),
    [("a.mkv", "mkv"), ("a.MOV", "mov"), ("a.avi", "mp4"), ("a.jpg", "mp4"), ("a", "mp4"), (None, "mp4")],
)
def test_a_film_is_cut_into_files_of_its_own_kind(filename: str | None, container: str) -> None:
    assert settings("cut-video", {"length": 5}, Source(0, filename)).container == container


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"cut_points": [{"start": "00:00:01", "end": "2.5"}]}, {"archive": True, "folder": False}),
        ({"length": 60, "end_video": "00:10:00"}, {"cut_seconds": 60, "end": 600.0, "archive": True}),
        ({"number_of_parts": 3, "allow_multiple_outputs": True}, {"cut_count": 3, "archive": False, "folder": True}),
        (
            {"number_of_parts": 3, "allow_multiple_outputs": True, "allow_multiple_outputs_threshold": 2},
            {"archive_above": 2},
        ),
        ({"number_of_parts": 3, "allow_multiple_outputs": False}, {"archive": True}),
    ],
    ids=str,
)
def test_several_files_of_one_conversion_are_one_zip_unless_they_may_be_several(
    options: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = settings("cut-video", options)
    assert {name: getattr(found, name) for name in expected} == expected


def test_only_an_end_is_one_shorter_file() -> None:
    found = settings("cut-video", {"end_video": "00:00:05"})
    assert (found.until, found.several) == (5.0, False)


def test_a_package_is_one_zip_too() -> None:
    found = settings("hls", {})
    assert (found.container, found.manifests, found.archive, found.grows) == ("package", ("hls",), True, False)
    assert len(found.ladder) > 1
    single = settings("hls", {"width": 320, "height": 180, "allow_multiple_outputs": True})
    assert (single.ladder, single.width, single.folder) == ((), 320, True)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"container": "png", "picture": "frame"}),
        ({"width": 300, "pages": "first", "dpi": 150, "interlace": True}, {"container": "png", "width": 300}),
        ({"pages": 1}, {"container": "png"}),
        ({"time": "00:00:02.5"}, {"at": (2.5,), "picture": "frame"}),
        ({"count": 1, "size": "320x180"}, {"picture": "frame", "width": 320, "height": 180}),
        ({"count": 4}, {"picture": "thumbnails", "count": 4, "archive": True}),
        ({"count": 4, "allow_multiple_outputs": True}, {"picture": "thumbnails", "archive": False}),
        ({"thumbnail_target": "png", "width": 64}, {"container": "png", "width": 64}),
    ],
    ids=str,
)
def test_thumbnails(options: dict[str, Any], expected: dict[str, Any]) -> None:
    found = settings("thumbnail", options)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    "filename", ["a.mp4", "a.webm", "a.avi", "a.mpg", "a.mp3", "a.flac", "a.jpg", "a.gif", "a.xyz"]
)
def test_smaller_is_the_same_kind_of_file(filename: str) -> None:
    found = [settings("compress", {"compression_level": level}, Source(0, filename)) for level in ("low", "high")]
    assert {one.container for one in found} == {"mp4" if filename == "a.xyz" else filename.partition(".")[2]}


def test_each_level_of_compression_is_smaller_than_the_one_before() -> None:
    factors = [settings("compress", {"compression_level": level}).crf or 0 for level in ("low", "medium", "high")]
    assert factors == sorted(factors)
    assert len(set(factors)) == 3


def test_the_better_the_quality_the_more_is_kept() -> None:
    for filename in ("film.mp4", "film.webm"):
        factors = [settings("compress", {"quality": at}, Source(0, filename)).crf or 0 for at in (100, 75, 50, 25, 1)]
        assert factors == sorted(set(factors))
        levels = [
            settings("compress", {"compression_level": level}, Source(0, filename)).crf
            for level in ("low", "medium", "high")
        ]
        assert factors[1:4] == levels
    assert settings("compress", {"quality": 30}, Source(0, "a.jpg")).picture_quality == 30
    bits = [settings("compress", {"quality": at}, Source(0, "a.mp3")).audio_bitrate for at in (1, 50, 100)]
    assert bits == [64_000, 128_000, 192_000]
    assert settings("compress", {"quality": 100}, Source(0, "a.mpg")).container == "mpg"


@pytest.mark.parametrize(("target", "picture"), [("gif", "animation"), ("png", "frame"), ("bmp", "frame")])
def test_what_a_film_is_as_a_picture(target: str, picture: str) -> None:
    assert settings(target, {"width": 64, "height": 64}).picture == picture


def test_a_preset_of_the_farms_own_lies_below_the_options() -> None:
    (made,) = outputs_of(checked("mp4", None, {"preset": "h265", "constant_rate_factor": 30}, "h265"), [FILM])
    found = settings_for("it", "mp4", made.preset, made.settings)[1]
    assert (found.video_codec, found.crf) == ("h265", 30)


def test_a_preset_that_does_not_fit_its_target_is_refused() -> None:
    with pytest.raises(WrongUse) as caught:
        checked("hls", None, {"preset": "vp9"}, "vp9")
    assert caught.value.param == "options.preset"
