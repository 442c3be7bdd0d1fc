"""Presets of Open Encoder, in both of their shapes."""

import copy
import json
from typing import Any

import pytest

from framemill.errors import InvalidSetting, WrongUse
from framemill.jobs.commander import FIELDS, read_preset
from framemill.jobs.settings import OutputSettings

H264 = "-x264opts scenecut=0:open_gop=0:min-keyint=72:keyint=72"
#: The five that Open Encoder brings along.
BUILT_IN = {
    "h264_baseline_360p_600.mp4": ("libx264", 360, "baseline", "3.0", 600),
    "h264_main_480p_1000.mp4": ("libx264", 480, "main", "3.1", 1000),
    "h264_main_720p_3000.mp4": ("libx264", 720, "main", "4.0", 3000),
    "h264_main_1080p_6000.mp4": ("libx264", 1080, "main", "4.2", 6000),
}
TEMPLATE: dict[str, Any] = {
    "format": {"container": "mp4", "clip": False},
    "video": {
        "codec": "libx264", "preset": "none", "pass": "1", "crf": 23, "bitrate": "3000k", "minrate": "3000k",
        "maxrate": "3000k", "bufsize": "3000k", "pixel_format": "auto", "frame_rate": "auto", "speed": "auto",
        "tune": "none", "profile": "none", "level": "none", "faststart": False, "size": "source", "width": "1080",
        "height": "1920", "format": "widescreen", "aspect": "auto", "scaling": "auto", "codec_options": "",
    },
    "audio": {"codec": "copy", "channel": "source", "quality": "auto", "sampleRate": "auto", "volume": "100"},
    "filter": {
        "deband": False, "deshake": False, "deflicker": False, "dejudder": False, "denoise": "none",
        "deinterlace": "none", "brightness": "0", "contrast": "1", "saturation": "0", "gamma": "0", "acontrast": "33",
    },
}  # fmt: skip


def form(**changed: Any) -> dict[str, Any]:
    """The template with other values: `video__codec="x265"`."""
    made = copy.deepcopy(TEMPLATE)
    for path, value in changed.items():
        group, _, field = path.partition("__")
        made[group][field] = value
    return made


def settings(**changed: Any) -> dict[str, Any]:
    """What such a form asks for, but for what is usual."""
    found = read_preset(json.dumps(form(**changed))).settings
    usual = OutputSettings(container=found.container)
    return {name: value for name, value in found if value != getattr(usual, name)}


@pytest.mark.parametrize("output", BUILT_IN)
def test_the_built_in_presets_are_read(output: str) -> None:
    codec, height, profile, level, kilobits = BUILT_IN[output]
    rate = f"{kilobits}k"
    items = [f"-vf scale=-2:{height}", f"-c:v {codec}", f"-profile:v {profile}", f"-level:v {level}", H264]
    items += [f"-minrate {rate}", f"-maxrate {rate}", f"-bufsize {rate}", f"-b:v {rate}", "-y"]
    found = read_preset(json.dumps({"raw": items}), output)
    assert found.told == ()
    assert found.settings == OutputSettings(
        height=height,
        upscale=True,
        profile=profile,
        level=level,
        gop_frames=72,
        encoder_options={"scenecut": "0", "min-keyint": "72"},
        bitrate=kilobits * 1000,
        maxrate=kilobits * 1000,
        bufsize=kilobits * 1000,
    )


def test_the_built_in_webm_is_read() -> None:
    items = ["-vf scale=-2:720", "-c:v libvpx-vp9", "-level:v 4.0", "-pix_fmt yuv420p", "-b:v 3000k", "-f webm", "-y"]
    found = read_preset({"raw": items}, "webm_vp9_3000_720.webm").settings
    assert found == OutputSettings(
        container="webm", video_codec="vp9", height=720, upscale=True, level="4.0", pix_fmt="yuv420p", bitrate=3_000_000
    )


def test_the_template_itself_is_read() -> None:
    assert settings() == {"bitrate": 3_000_000, "maxrate": 3_000_000, "bufsize": 3_000_000, "audio_codec": "copy"}


RATES = {"bitrate": 3_000_000, "maxrate": 3_000_000, "bufsize": 3_000_000, "audio_codec": "copy"}
CRF = {"maxrate": 3_000_000, "bufsize": 3_000_000, "audio_codec": "copy"}


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"video__pass": "2"}, {**RATES, "passes": 2}),
        ({"video__pass": "crf", "video__crf": "21"}, {**CRF, "crf": 21.0}),
        ({"video__preset": "veryfast"}, {**RATES, "encoder_preset": "veryfast"}),
        ({"video__codec": "x265", "video__tune": "grain"}, {**RATES, "video_codec": "h265", "tune": "grain"}),
        ({"video__pixel_format": "yuv420p10le"}, {**RATES, "pix_fmt": "yuv420p10le"}),
        ({"video__frame_rate": "29.97"}, {**RATES, "fps": "30000/1001"}),
        ({"video__frame_rate": 25}, {**RATES, "fps": "25"}),
        ({"video__profile": "high", "video__level": "4.1"}, {**RATES, "profile": "high", "level": "4.1"}),
        ({"video__size": "1280"}, {**RATES, "width": 1280, "upscale": True}),
        ({"video__size": "720", "video__format": "fullscreen"}, {**RATES, "height": 720, "upscale": True}),
        ({"video__size": "custom"}, {**RATES, "width": 1080, "height": 1920, "upscale": True}),
        ({"video__size": "custom", "video__height": "auto"}, {**RATES, "width": 1080, "upscale": True}),
        ({"video__gopsize": "50"}, {**RATES, "gop_frames": 50}),
        ({"video__codec_options": "ref=3:bframes=2"}, {**RATES, "encoder_options": {"bframes": "2", "ref": "3"}}),
        ({"video__faststart": True, "video__aspect": "16:9", "video__scaling": "bicubic"}, RATES),
        ({"video__codec": "copy"}, {"video_codec": "copy", "audio_codec": "copy"}),
        ({"format__clip": True, "format__startTime": "00:01:00", "format__stopTime": "90"},
         {**RATES, "audio_codec": "aac", "start": 60.0, "end": 90.0}),
        ({"format__clip": False, "format__startTime": "00:01:00"}, RATES),
        ({"audio__codec": "aac", "audio__channel": "stereo", "audio__quality": "128k", "audio__sampleRate": "44100"},
         {**RATES, "audio_codec": "aac", "audio_channels": 2, "audio_bitrate": 128_000, "sample_rate": 44100}),
        ({"audio__codec": "opus", "audio__sample_rate": 48000}, {**RATES, "audio_codec": "opus", "sample_rate": 48000}),
        ({"audio__codec": "aac", "audio__quality": "custom", "audio__bitrate": "96"},
         {**RATES, "audio_codec": "aac", "audio_bitrate": 96_000}),
        ({"audio__codec": "none"}, {**RATES, "audio_codec": "none"}),
        ({"filter__deinterlace": "field_nospatial", "filter__denoise": "heavy", "video__size": "640"},
         {**RATES, "deinterlace": "field", "denoise": "heavy", "width": 640, "upscale": True}),
        ({"filter__denoise": "default"}, RATES),
        ({"format__container": "webm", "video__codec": "vp9", "audio__codec": "vorbis"},
         {"bitrate": 3_000_000, "audio_codec": "vorbis"}),
        ({"format__container": "matroska"}, RATES),
        ({"video__codec": "vp9", "video__preset": "4"},
         {"bitrate": 3_000_000, "video_codec": "vp9", "encoder_preset": "4", "audio_codec": "copy"}),
    ],
)  # fmt: skip
def test_each_field_of_the_form_means_something(changed: dict[str, Any], fields: dict[str, Any]) -> None:
    found = settings(**changed)
    assert {name: value if value != "aac" else None for name, value in found.items()} == {
        name: value for name, value in fields.items() if value != "aac"
    }


@pytest.mark.parametrize(
    ("codec", "meant"),
    [("h264_nvenc", "h264"), ("hevc_qsv", "h265"), ("av1_nvenc", "av1"), ("vp9_vaapi", "vp9")],
)
def test_an_encoder_of_hardware_stands_for_its_codec(codec: str, meant: str) -> None:
    found = settings(video__codec=codec)
    assert found == settings(video__codec={"h264": "x264", "h265": "x265"}.get(meant, meant))
    assert found.get("video_codec", "h264") == meant


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"video__codec": "libfoo"}, "-c:v libfoo: there are"),
        ({"video__speed": "2"}, "video.speed=2: the speed stays the source's"),
        ({"video__scaling": "lanczos"}, "video.scaling=lanczos: one kernel"),
        ({"video__size": "huge"}, "video.size=huge: it is source, custom, or a number of pixels"),
        ({"video__size": "custom", "video__width": "", "video__height": "x"}, "it needs width or height in pixels"),
        ({"video__pass": "3"}, "video.pass=3: it is 1, 2 or crf"),
        ({"video__codec_options": "stats=x"}, "stats reads or writes a file"),
        ({"video__codec": "vp9", "video__codec_options": "a=b"}, "keys of the encoder's own are taken for x264"),
        ({"video__profile": "main10"}, "-profile:v main10: libx264 takes"),
        ({"audio__volume": "150"}, "audio.volume=150: the level is the setting loudness"),
        ({"audio__channel": "3"}, "audio.channel=3: it is source, mono"),
        ({"filter__deband": True}, "filter.deband=true: no setting has this filter"),
        ({"filter__deshake": "true"}, "filter.deshake=true"),
        ({"filter__brightness": "0.1"}, "filter.brightness=0.1: brightness, contrast"),
        ({"filter__contrast": "1.2"}, "filter.contrast=1.2"),
        ({"filter__gamma": "2"}, "filter.gamma=2"),
        ({"filter__acontrast": "50"}, "filter.acontrast=50: the sound's dynamics stay"),
        ({"filter__denoise": "extreme"}, "filter.denoise=extreme: it is none, default, light"),
        ({"filter__deinterlace": "kernel"}, "filter.deinterlace=kernel: it is none, frame"),
        ({"format__container": "exe"}, "'exe' is no container that is written here"),
        ({"format__container": "package"}, "'package' is no container"),
        ({"video__nonsense": "1"}, "video.nonsense: a preset has no such field"),
        ({"video__maxrate": "1000k"}, "The preset: maxrate is below bitrate."),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_field_and_the_reason(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(WrongUse) as refused:
        settings(**changed)
    assert reason in refused.value.message
    assert "\n" not in refused.value.message


def test_every_field_of_the_template_is_known() -> None:
    fields = {f"{group}.{field}" for group, values in TEMPLATE.items() for field in values}
    assert fields <= FIELDS.keys()


def test_todays_export_is_read_as_well() -> None:
    made = form(video__codec="x264", video__gop_size=48)
    made["filters"] = made.pop("filter")
    made["output"], made["raw"] = "x.mkv", []
    found = read_preset(made, "x.mkv").settings
    assert (found.container, found.gop_frames) == ("mp4", 48)  # the form names its container


def test_without_filters_and_with_nothing_at_all() -> None:
    assert read_preset({"format": {}, "video": {"codec": "libx264"}}, "a.mkv").settings == OutputSettings(
        container="mkv"
    )
    assert read_preset("{}", "dir.v1/a").settings == OutputSettings()
    assert read_preset({"video": None}, "").settings == OutputSettings()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("{", "The preset is no JSON"),
        ("[]", "A preset is an object with raw"),
        ('{"raw": "-y"}', "raw is a list of texts"),
        ('{"raw": ["-i /etc/passwd"]}', "the source is the command's first word"),
        ('{"raw": ["-f tee"]}', "'tee' is no container"),
        ('{"raw": ["-vf movie=/etc/passwd"]}', "is the setting overlays"),
        ('{"video": 5}', "video is a group of fields"),
        ('{"video": {"codec": ["a"]}}', "video.codec is one value"),
    ],
)
def test_what_is_no_preset_is_refused(data: str, reason: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        read_preset(data)
    assert reason in refused.value.message


def test_what_is_made_otherwise_is_told() -> None:
    told = read_preset(form(video__codec="vp9", filter__deinterlace="frame", filter__denoise="light")).told
    assert [sentence.split(" ")[0] for sentence in told] == ["maxrate", "deinterlacing", "denoising"]
    cut = read_preset(form(format__clip=True, format__stopTime="5"))
    assert (cut.settings.audio_codec, cut.told[0].split(" ")[:2]) == ("aac", ["the", "sound"])
