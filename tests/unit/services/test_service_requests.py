"""What a front door may ask for, and what becomes of it."""

import contextlib
from pathlib import Path

import pytest

from framemill.errors import FramemillError, InvalidSetting, SourceMissing, UnknownPreset, UnknownSetting, WrongUse
from framemill.jobs.presets import PRESETS
from framemill.jobs.settings import Container, OutputSettings, RunSettings
from framemill.services.requests import EncodeRequest, container_of, encode_request, openers_for

FROM_URL = "https://example.org/in.mp4"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.mp4"
    path.write_bytes(b"film")
    return path


def asked(destination: str, preset: str | None = None, **assignments: str) -> OutputSettings:
    """The output of a request whose source nobody looks at."""
    return encode_request(FROM_URL, destination, preset, assignments).output


@pytest.mark.parametrize(
    ("destination", "container"),
    [
        ("a.mp4", "mp4"),
        ("a.MOV", "mov"),
        ("a.b.mkv", "mkv"),
        ("/x/a.webm", "webm"),
        ("a", "package"),
        ("a/", "package"),
        ("a.mp4/", "package"),
        ("a.avi/", "package"),
        (".hidden", "package"),
    ],
)
def test_a_destination_is_a_file_by_its_suffix_or_a_folder(destination: str, container: Container) -> None:
    assert container_of(destination) == container


def test_a_folder_that_is_there_is_a_folder_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "season.1").mkdir()
    assert container_of(str(tmp_path / "season.1")) == "package"


def test_a_suffix_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(WrongUse) as refused:
        container_of("out.rm")
    assert refused.value.message == (
        "out.rm: a file ends in .mp4, .mov, .mkv, .webm, .ts, .avi, .flv, .mpg, .wmv, .ogv, .3gp, .mp3, .wav, .ogg, "
        ".flac, .m4a, .opus, .jpg, .png, .webp, .bmp, .gif, .tiff, .m4v, .m2ts, .mpeg, .3gpp, .jpeg, .tif, .oga; "
        "a name without a suffix is a folder for a package."
    )


def test_a_name_that_is_too_long_for_a_file_system_says_as_much_as_any_other() -> None:
    assert container_of(f"/{'x' * 300}.mp4") == "mp4"


@pytest.mark.parametrize(
    ("destination", "preset"),
    [("a.mp4", "h264"), ("a.mov", "h264"), ("a.mkv", "h264"), ("a.webm", "vp9"), ("a", "hls")],
)
def test_a_destination_has_a_usual_preset(destination: str, preset: str) -> None:
    request = encode_request(FROM_URL, f"/x/{destination}")
    usual = PRESETS[preset].output.model_copy(update={"container": container_of(destination)})
    assert request == EncodeRequest(
        source=FROM_URL, destination=f"/x/{destination}", preset=preset, output=usual, run=RunSettings()
    )


def test_assignments_are_laid_over_the_preset(source: Path, tmp_path: Path) -> None:
    request = encode_request(str(source), str(tmp_path / "a.mkv"), "h264-720p", {"crf": "18", "chunks": "3"})
    assert request.output == OutputSettings(container="mkv", width=1280, height=720, crf=18)
    assert request.run == RunSettings(chunks=3)
    assert (request.source, request.destination) == (str(source), str(tmp_path / "a.mkv"))


def test_paths_become_absolute(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source.parent)
    request = encode_request("in.mp4", "out.mp4")
    assert (request.source, request.destination) == (str(source), str(source.parent / "out.mp4"))


def test_codecs_that_the_container_does_not_hold_are_replaced_by_its_usual_ones() -> None:
    assert asked("a.webm", "av1").audio_codec == "opus"
    assert asked("a.webm", "copy").audio_codec == "copy"
    assert asked("a", "h265").audio_codec == "aac"
    assert asked("a.mp4", "vp9") == OutputSettings(container="mp4", video_codec="vp9", audio_codec="opus")


@pytest.mark.parametrize(
    ("destination", "preset", "message"),
    [
        ("a.webm", "h264", "A .webm file does not hold h264; it holds vp9 or av1."),
        ("a.webm", "lossless", "A .webm file does not hold h264; it holds vp9 or av1."),
        ("a.mov", "vp9", "A .mov file does not hold vp9; it holds h264 or h265."),
        ("a.mov", "av1", "A .mov file does not hold av1; it holds h264 or h265."),
        ("a", "vp9", "A package takes h264, h265 or av1; give the destination a suffix for a file."),
        ("a", "copy", "A package takes h264, h265 or av1; give the destination a suffix for a file."),
        ("a", "lossless", "A package takes h264, h265 or av1; give the destination a suffix for a file."),
    ],
)
def test_a_preset_that_the_container_does_not_hold_is_refused(destination: str, preset: str, message: str) -> None:
    with pytest.raises(WrongUse) as refused:
        asked(destination, preset)
    assert refused.value.message == message


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("destination", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a"])
def test_a_preset_fits_or_is_refused_in_words(destination: str, preset: str) -> None:
    holds_all = destination in {"a.mp4", "a.mkv"}
    with contextlib.nullcontext() if holds_all else contextlib.suppress(WrongUse):
        assert asked(destination, preset).container == container_of(destination)


def test_what_does_not_exist_is_told() -> None:
    with pytest.raises(UnknownPreset):
        asked("a.mp4", "h266")
    with pytest.raises(UnknownSetting):
        asked("a.mp4", None, cfr="3")
    with pytest.raises(InvalidSetting):
        asked("a.mp4", None, crf="-3")


def test_the_source_is_no_destination(source: Path) -> None:
    link, hard, dotted = source.with_name("link.mp4"), source.with_name("hard.mp4"), source.parent / "." / "in.mp4"
    link.symlink_to(source)
    hard.hardlink_to(source)
    for place in (source, link, hard, dotted):
        with pytest.raises(WrongUse, match="would be overwritten by its own encode; name another destination"):
            encode_request(str(source), str(place))
    with pytest.raises(WrongUse, match="would be overwritten"):
        encode_request(str(link), str(source))


def test_a_source_is_not_replaced_by_its_own_rendition(source: Path) -> None:
    film = source.rename(source.with_name("720p.mp4"))
    with pytest.raises(WrongUse, match=r"720p\.mp4 might be overwritten by a rendition of its own; name another"):
        encode_request(str(film), str(film.parent), None, {"progressive": "true"})
    assert not encode_request(str(film), str(film.parent)).output.progressive
    assert encode_request(str(film), str(film.parent / "inside"), None, {"progressive": "true"}).output.progressive


def test_a_source_inside_a_package_is_not_replaced_by_it(source: Path) -> None:
    video = source.rename(source.with_name("video.mp4"))
    with pytest.raises(WrongUse):
        encode_request(str(video), str(video.parent))


@pytest.mark.parametrize("container", ["mkv", "package"])
def test_the_container_is_the_destinations(container: str) -> None:
    try:
        assert asked("a.mp4", None, container=container).container == "mp4"
    except FramemillError:
        return


def test_a_file_has_no_ladder() -> None:
    assert asked("a.mp4", "hls").ladder == ()


def test_a_source_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing) as refused:
        encode_request(str(tmp_path / "in.mp4"), "a.mp4")
    assert refused.value.message == f"There is no file {tmp_path / 'in.mp4'}. Check the path."


def test_a_folder_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing) as refused:
        encode_request(str(tmp_path), "a.mp4")
    assert refused.value.message == f"{tmp_path} is a folder; name a file in it."


def test_a_remote_source_is_not_looked_for() -> None:
    assert encode_request(FROM_URL, "/x/a.mp4").source == FROM_URL
    assert encode_request("ftp://example.org/in.mp4", "/x/a.mp4").source == "ftp://example.org/in.mp4"
    with pytest.raises(SourceMissing):
        encode_request("gopher://example.org/in.mp4", "/x/a.mp4")


def test_further_sources_are_looked_at_like_the_first(tmp_path: Path) -> None:
    film, other = tmp_path / "a.mp4", tmp_path / "b.mp4"
    for path in (film, other):
        path.write_bytes(b"film")

    assert encode_request(str(film), "/x/a.mkv", join=[str(other), FROM_URL]).join == (str(other), FROM_URL)
    with pytest.raises(SourceMissing, match=r"no\.mp4"):
        encode_request(str(film), "/x/a.mkv", join=[str(tmp_path / "no.mp4")])
    with pytest.raises(WrongUse, match="overwritten"):
        encode_request(FROM_URL, str(other), join=[str(other)])
    with pytest.raises(InvalidSetting, match=r"cannot be joined into /x/a\.mkv"):
        encode_request(FROM_URL, "/x/a.mkv", None, {"video_codec": "copy"}, join=[FROM_URL])


def worded(line: str, destination: str = "/x/a.mp4", preset: str | None = None, **assignments: str) -> EncodeRequest:
    """A request in ffmpeg's words."""
    return encode_request(FROM_URL, destination, preset, assignments, line.split())


@pytest.mark.parametrize(
    ("line", "destination", "preset", "output"),
    [
        ("-crf 20", "a.mp4", "h264", OutputSettings(crf=20)),
        ("-c:v libx265", "a.mp4", "h265", OutputSettings(video_codec="h265")),
        ("-c:v libsvtav1", "a.webm", "av1", OutputSettings(container="webm", video_codec="av1", audio_codec="opus")),
        ("-c:v libvpx-vp9", "a.mp4", "vp9", OutputSettings(video_codec="vp9", audio_codec="opus")),
        ("-c copy", "a.mkv", "copy", OutputSettings(container="mkv", video_codec="copy", audio_codec="copy")),
        ("-c:v copy", "a.mp4", "h264", OutputSettings(video_codec="copy")),
        ("-vn", "a.mp4", "h264", OutputSettings(video_codec="none")),
        ("-vn -c:v libx265", "a.mp4", "h264", OutputSettings(video_codec="none")),
    ],
)
def test_words_choose_the_preset_of_their_codec(
    line: str, destination: str, preset: str, output: OutputSettings
) -> None:
    request = worded(line, destination)
    assert (request.preset, request.output) == (preset, output)


def test_words_win_over_the_preset() -> None:
    request = worded("-vf scale=-2:360 -crf 20", preset="h264-720p", chunks="3")
    assert request.output == OutputSettings(height=360, crf=20)
    assert request.run == RunSettings(chunks=3)
    assert worded("-c:v libx265", "/x/folder").output.ladder == PRESETS["hls"].output.ladder


@pytest.mark.parametrize(
    ("line", "destination", "message"),
    [
        (
            "-vf movie=/etc/passwd",
            "a.mp4",
            "-vf movie=/etc/passwd: a picture over the film is the setting overlays.",
        ),
        ("-pix_fmt yuv999", "a.mp4", "libx264 takes no yuv999; it takes yuv420p, "),
        ("-c:v libx265 -pix_fmt rgb24", "a.mp4", "libx265 takes no rgb24; it takes yuv420p, "),
        ("-c:v libx264", "a.webm", "A .webm file does not hold h264; it holds vp9 or av1."),
        ("-c:v copy", "folder", "Settings: package takes h264 or h265 or av1 pictures, not copy (set video_codec)."),
        (
            "-c:a flac",
            "a.mov",
            "Settings: mov takes aac or alac or pcm or ac3 or mp3 sound, not flac (set audio_codec).",
        ),
        ("-b:v 2M", "folder", "Settings: one bitrate or maxrate does not fit a ladder of several renditions"),
        ("-s 640x360", "folder", "Settings: width and height are the rungs' in a ladder"),
        ("-maxrate 1M", "a.mp4", "Settings: maxrate and bufsize go together: one without the other holds nothing."),
        ("-vn -an", "a.mp4", "Settings: nothing is left of the source"),
    ],
)
def test_words_that_do_not_fit_are_refused_before_anything_is_read(
    line: str, destination: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(WrongUse) as refused:
        encode_request(str(tmp_path / "nothing.mp4"), str(tmp_path / destination), None, {}, line.split())
    assert refused.value.message.startswith(message)


def test_a_word_and_a_setting_that_say_the_same_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="--set crf says so, too"):
        worded("-crf 20", crf="18")


@pytest.mark.parametrize(
    ("source", "destination", "openers"),
    [
        ("/in.mov", "/out.mp4", (None, None)),
        ("s3://in/a.mov", "/out.mp4", ("corp", None)),
        ("/in.mov", "s3://out/a.mp4", (None, "corp")),
        ("s3://in/a.mov", "s3://out/a.mp4", ("corp", "corp")),
        ("https://example.org/in.mov", "s3://out/a.mp4", (None, "corp")),
        ("https://example.org/in.mov", "/out.mp4", ("corp", None)),
    ],
)
def test_who_is_opened_by_the_credentials_that_are_named(
    source: str, destination: str, openers: tuple[str | None, str | None]
) -> None:
    assert openers_for(source, destination, "corp") == openers
    assert openers_for(source, destination, "corp", "other")[1] == (openers[1] and "other")
