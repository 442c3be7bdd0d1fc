"""Open Encoder's presets as settings of outputs, and its places as ours: without a store or a request."""

import json
from typing import Any

import pytest

from framemill.api.openencoder.built_in import BUILT_IN
from framemill.api.openencoder.places import Stores, shown, source_of, target_of
from framemill.api.openencoder.preset_data import settings_of, usual_output
from framemill.errors import InvalidSetting, UnknownSetting, WrongUse
from framemill.jobs.settings import OutputSettings
from framemill.storage.access import FtpAccess, S3Access

S3 = Stores(access=S3Access(access_key_id="k"), inbound="in", outbound="out")
FTP = Stores(access=FtpAccess(user="u"), inbound="ftp.example:2121", outbound="ftp.example:2121")
HLS = "-c:v libx264 -b:v 800k -g 48 -x264opts keyint=48:min-keyint=48:scenecut=0 -f hls -hls_time 6 -hls_list_size 0"


def raw(*words: str) -> str:
    return json.dumps({"raw": list(words)})


def form(**groups: dict[str, Any]) -> str:
    usual: dict[str, dict[str, Any]] = {"format": {"container": "mp4"}, "video": {"codec": "libx264"}, "audio": {}}
    return json.dumps({name: {**usual.get(name, {}), **groups.get(name, {})} for name in {*usual, *groups}})


# Presets


@pytest.mark.parametrize("preset", BUILT_IN, ids=[one.name for one in BUILT_IN])
def test_the_five_of_every_farm_are_read_and_can_be_encoded_in_chunks(preset: Any) -> None:
    found = settings_of(preset.data, preset.output)
    assert found.undivided == "", "all machines work on one film"
    assert (found.container, found.passes) == (preset.output.rpartition(".")[2], 2)
    assert str(found.height) in preset.name
    assert f"{(found.bitrate or 0) // 1000}" in preset.name


def test_the_five_are_numbered_as_there() -> None:
    assert [one.number for one in BUILT_IN] == [1, 2, 3, 4, 5]
    assert BUILT_IN[4].output == "webm_vp9_3000_720.webm"


def test_a_baseline_preset_says_all_of_it() -> None:
    assert settings_of(BUILT_IN[0].data, BUILT_IN[0].output) == OutputSettings(
        height=360,
        upscale=True,
        profile="baseline",
        level="3.0",
        gop_frames=72,
        encoder_options={"scenecut": "0", "min-keyint": "72"},
        bitrate=600_000,
        maxrate=600_000,
        bufsize=600_000,
        passes=2,
    )


def test_a_quality_takes_one_pass() -> None:
    assert settings_of(raw("-c:v libx264", "-crf 23"), "a.mp4").passes == 1


def test_raw_wins_over_the_form_where_it_says_anything() -> None:
    both = json.dumps({"raw": ["-c:v libx265 -crf 20"], "video": {"codec": "libx264"}})
    neither = json.dumps({"raw": [], "video": {"codec": "libx264", "pass": "crf", "crf": 21}})
    assert settings_of(both, "a.mp4").video_codec == "h265"
    assert settings_of(neither, "a.mp4").crf == 21


def test_of_a_form_the_name_of_the_file_says_the_container() -> None:
    data = form(video={"codec": "libx264", "pass": "crf", "crf": "21"})
    assert [settings_of(data, f"film.{suffix}").container for suffix in ("mkv", "mov", "mp4")] == ["mkv", "mov", "mp4"]


def test_a_form_as_another_program_exports_it_is_taken() -> None:
    data = form(
        video={"codec": "x265", "pass": "crf", "crf": "28", "gopsize": "48"},
        audio={"codec": "aac", "sample_rate": "48000", "quality": "128k"},
        filters={"deinterlace": "frame"},
    )
    found = settings_of(data, "film.mp4")
    assert (found.video_codec, found.crf, found.gop_frames, found.sample_rate) == ("h265", 28, 48, 48000)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("<json string of ffmpeg preset data>", "no JSON"),
        ("[1]", "object"),
        ("[" * 40_000, "no JSON"),
        (raw("-vf movie=/etc/passwd"), "movie"),
        (raw("-i /etc/passwd"), "-i"),
        (raw("-c:v libx264", "out.mp4"), "out.mp4"),
        (raw("-c:v mpeg7"), "mpeg7"),
        (raw("-f matroska", "-c:v libx264", "-level 9.9"), "9.9"),
        (form(video={"tempo": "2"}), "tempo"),
        (form(video={"speed": "2"}), "speed"),
        (json.dumps({"raw": "-c:v libx264"}), "raw"),
        (json.dumps({"raw": [1]}), "raw"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name(data: str, why: str) -> None:
    with pytest.raises((InvalidSetting, UnknownSetting, WrongUse), match=why.replace("[", r"\[")):
        settings_of(data, "film.mp4")


@pytest.mark.parametrize("output", ["", ".", "..", "a/b.mp4", "../a.mp4", "a\\b.mp4", "a\n.mp4"])
def test_a_file_has_a_name_and_no_path(output: str) -> None:
    with pytest.raises(WrongUse, match="name of a file"):
        settings_of(raw("-c:v libx264 -crf 23"), output)


def test_hls_is_a_package_whose_keyframes_begin_the_segments() -> None:
    found = settings_of(raw(HLS), "film.m3u8")
    assert (found.container, found.manifests, found.segments) == ("package", ("hls",), "ts")
    assert (found.segment_seconds, found.gop_frames, found.encoder_options) == (6.0, None, {})
    assert (found.bitrate, found.passes, found.ladder) == (800_000, 2, ())
    assert settings_of(raw(HLS, "-hls_segment_type fmp4 -hls_flags single_file"), "film.m3u8").segments == "cmaf"


def test_a_form_may_ask_for_hls_by_the_name_of_its_file() -> None:
    found = settings_of(form(video={"codec": "libx264", "pass": "crf", "crf": "23", "gopsize": "48"}), "film.m3u8")
    assert (found.container, found.crf, found.gop_frames, found.segment_seconds) == ("package", 23, None, 2.0)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("-f mp4", "-f hls"),
        ("-f hls -hls_time soon", "hls_time"),
        ("-f hls -hls_key_info_file /etc/passwd", "hls_key_info_file"),
        ("-f hls -hls_segment_type ogg", "hls_segment_type"),
    ],
)
def test_of_hls_only_what_a_package_can_be_is_taken(words: str, why: str) -> None:
    with pytest.raises(InvalidSetting, match=why):
        settings_of(raw("-c:v libx264 -crf 23", words), "film.m3u8")


def test_a_file_without_a_name_is_called_after_its_preset() -> None:
    assert usual_output("My preset/1", raw("-c:v libx264")) == "My preset_1.mp4"
    assert usual_output("webm", raw("-c:v libvpx-vp9 -f webm")) == "webm.webm"
    assert usual_output("", raw("-c:v libx264")) == "output.mp4"


# Places


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ("src/a.mp4", "s3://in/src/a.mp4"),
        ("/src/a.mp4", "s3://in/src/a.mp4"),
        ("s3:///src/a.mp4", "s3://in/src/a.mp4"),
        ("S3:///src/a%20b.mp4", "s3://in/src/a b.mp4"),
        ("s3://films/src/a.mp4", "s3://films/src/a.mp4"),
    ],
)
def test_a_source_is_in_the_bucket_of_the_settings_unless_it_names_another(source: str, uri: str) -> None:
    found = source_of(source, S3)
    assert (found.uri, found.credentials) == (uri, S3.access)


@pytest.mark.parametrize("source", ["https://example.org/a.mp4?x=1", "http://example.org/a.mp4", "file:///films/a.mp4"])
def test_a_source_on_the_web_or_the_machine_is_what_it_says(source: str) -> None:
    found = source_of(source, S3)
    assert (found.uri, found.credentials) == (source, None)


@pytest.mark.parametrize("source", ["src/a.mp4", "/src/a.mp4", "s3:///src/a.mp4", "ftp:///src/a.mp4"])
def test_with_an_ftp_server_the_path_alone_counts(source: str) -> None:
    found = source_of(source, FTP)
    assert (found.uri, found.credentials) == ("ftp://ftp.example:2121/src/a.mp4", FTP.access)


@pytest.mark.parametrize(
    ("source", "stores", "why"),
    [
        ("s3:///", S3, "names no file"),
        ("src/", S3, "names no file"),
        ("gopher://example.org/a.mp4", S3, "gopher"),
        ("src/a.mp4", S3.model_copy(update={"inbound": ""}), "S3_INBOUND_BUCKET"),
        ("src/a.mp4", FTP.model_copy(update={"inbound": ""}), "FTP_ADDR"),
    ],
)
def test_a_source_that_is_none_is_refused(source: str, stores: Stores, why: str) -> None:
    with pytest.raises(WrongUse, match=why):
        source_of(source, stores)


@pytest.mark.parametrize("name", ["s3:///a/secret=1/token=2.mp4", "a/password=x.mp4", "file:///a/key=1?token=2.mp4"])
def test_what_stands_in_a_name_is_no_secret(name: str) -> None:
    assert shown(name) == name
    assert "hush" not in shown("https://u:hush@example.org/a.mp4?token=hush")
    assert "hush" not in shown("ftp://u:hush@example.org/a.mp4")


@pytest.mark.parametrize(
    ("dest", "stores", "uri"),
    [
        ("s3:///dst/a/", S3, "s3://out/dst/a/x.mp4"),
        ("s3:///dst/a", S3, "s3://out/dst/ax.mp4"),  # glued, as there
        ("dst/a/", S3, "s3://out/dst/a/x.mp4"),
        ("/", S3, "s3://out/x.mp4"),
        ("s3://films/dst/", S3, "s3://films/dst/x.mp4"),
        ("file:///films/out/", S3, "file:///films/out/x.mp4"),
        ("s3:///dst/a/", FTP, "ftp://ftp.example:2121/dst/a/x.mp4"),
    ],
)
def test_a_result_is_called_by_its_destination_with_its_name_behind_it(dest: str, stores: Stores, uri: str) -> None:
    found = target_of(dest, "x.mp4", OutputSettings(), stores)
    assert (found.uri, found.container) == (uri, "mp4")
    assert found.credentials == (None if uri.startswith("file:") else stores.access)


@pytest.mark.parametrize("dest", ["s3:///dst/a/", "s3:///dst/a", "file:///dst/a"])
def test_a_package_is_a_folder_however_that_is_written(dest: str) -> None:
    found = target_of(dest, "x.m3u8", OutputSettings(container="package", manifests=("hls",)), S3)
    assert found.uri == dest.rstrip("/").replace(":///", "://out/" if dest.startswith("s3") else ":///") + "/"


@pytest.mark.parametrize(
    ("dest", "stores", "why"),
    [
        ("https://example.org/", S3, "on the web"),
        ("gs://bucket/", S3, "gs://"),
        ("dst/", S3.model_copy(update={"outbound": ""}), "S3_OUTBOUND_BUCKET"),
    ],
)
def test_a_destination_that_takes_nothing_is_refused(dest: str, stores: Stores, why: str) -> None:
    with pytest.raises(WrongUse, match=why):
        target_of(dest, "x.mp4", OutputSettings(), stores)
