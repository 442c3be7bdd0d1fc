"""ffmpeg's words, one by one: what is taken, what is refused, and what is said about it."""

from typing import Any

import pytest

from framemill.errors import InvalidSetting, UnknownSetting, WrongUse
from framemill.jobs.encoders.notation import Kind
from framemill.jobs.encoders.table import ENCODERS
from framemill.jobs.presets import PRESETS
from framemill.jobs.settings import OutputSettings, Rung
from framemill.jobs.words.readers import READERS
from framemill.jobs.words.reading import changes, codecs_said, read_words
from framemill.jobs.words.refused import WHY

H265, AV1, VP9, COPY = "-c:v libx265", "-c:v libsvtav1", "-c:v libvpx-vp9", "-c:v copy"


def said(line: str, base: OutputSettings | None = None, **assigned: str) -> dict[str, Any]:
    """What the words change, but for what another codec takes away with it."""
    base = base or OutputSettings()
    found = changes(read_words(line.split(" ") if line else []), base, assigned)
    fresh = OutputSettings().model_dump()
    return {name: value for name, value in found.items() if value != fresh[name]}


#: (words before it, option, a good value, what it changes, a bad value, what is said of that); None: it has no value.
TABLE: list[tuple[str, str, str | None, dict[str, Any], str | None, str]] = [
    ("", "c", "copy", {"video_codec": "copy", "audio_codec": "copy"}, "libx264", "say -c:v for the pictures and -c:a"),
    ("", "c:v", "libx265", {"video_codec": "h265"}, "libx266", "there are libx264, libx265, libsvtav1, libvpx-vp9"),
    ("", "codec:v", "libsvtav1", {"video_codec": "av1"}, "h264_nvenc", "there are libx264"),
    ("", "vcodec", "hevc", {"video_codec": "h265"}, "librav1e", "there are libx264"),
    ("", "c:v:0", "libaom-av1", {"video_codec": "av1", "encoder": "libaom-av1"}, "aom", "there are libx264"),
    ("", "c:v", "mpeg2video", {"video_codec": "mpeg2"}, "mpeg2", "there are libx264"),
    ("", "c:a", "libopus", {"audio_codec": "opus"}, "libfdk_aac", "there are aac, libopus, libmp3lame, flac, alac"),
    ("", "acodec", "copy", {"audio_codec": "copy"}, "mp2fixed", "there are aac"),
    ("", "c:a", "libmp3lame", {"audio_codec": "mp3"}, "vorbis", "there are aac"),
    ("", "c:a", "pcm_s16le", {"audio_codec": "pcm"}, "pcm_s24le", "there are aac"),
    ("", "codec:a:0", "flac", {"audio_codec": "flac"}, "opus", "there are aac"),
    ("", "vn", None, {"video_codec": "none"}, None, ""),
    ("", "an", None, {"audio_codec": "none"}, None, ""),
    ("", "sn", None, {"subtitles": "none"}, None, ""),
    ("", "dn", None, {}, None, ""),
    ("", "b:v", "2.5M", {"bitrate": 2_500_000}, "fast", "it takes bits, such as 800k or 2.5M"),
    ("", "b:v:0", "800k", {"bitrate": 800_000}, "800", "Input should be greater than or equal to 8000"),
    ("", "b", "1Mi", {"bitrate": 1_048_576}, "-1M", "it takes bits"),
    (VP9, "b:v", "0", {"video_codec": "vp9"}, "0x10", "it takes bits"),
    ("", "maxrate", "3000K", {"maxrate": 3_000_000}, "3000kb", "it takes bits"),
    ("", "maxrate:v", "1G", {"maxrate": 1_000_000_000}, "2G", "Input should be less than or equal to 1000000000"),
    ("", "bufsize", "6000000", {"bufsize": 6_000_000}, "i", "it takes bits"),
    ("", "minrate", "600k", {}, "slow", "it takes bits"),
    ("", "crf", "18.5", {"crf": 18.5}, "52", "libx264 takes a number from 0 to 51, not '52'"),
    (AV1, "crf", "35", {"video_codec": "av1", "crf": 35.0}, "35.5", "libsvtav1 takes a whole number from 1 to 63"),
    ("", "crf:v", "20", {"crf": 20.0}, "good", "Input should be a valid number"),
    ("", "qp", "0", {"qp": 0}, "70", "Input should be less than or equal to 69"),
    ("", "preset", "veryfast", {"encoder_preset": "veryfast"}, "8", "libx264 takes ultrafast, superfast"),
    (AV1, "preset:v", "8", {"video_codec": "av1", "encoder_preset": "8"}, "fast", "libsvtav1 takes a whole number"),
    (VP9, "cpu-used", "5", {"video_codec": "vp9", "encoder_preset": "5"}, "-5", "libvpx-vp9 takes a whole number"),
    (VP9, "speed", "1", {"video_codec": "vp9", "encoder_preset": "1"}, "99", "libvpx-vp9 takes a whole number"),
    ("", "tune", "film", {"tune": "film"}, "film,grain", "String should match pattern"),
    ("", "tune:v", "grain", {"tune": "grain"}, "vmaf", "libx264 takes film, animation"),
    ("", "profile:v", "main", {"profile": "main"}, "main10", "libx264 takes baseline, main, high"),
    ("", "profile", "high", {"profile": "high"}, "/etc/passwd", "String should match pattern"),
    ("", "level", "41", {"level": "4.1"}, "9.9", "libx264 takes 1.0, 1b"),
    ("", "level:v", "3.0", {"level": "3.0"}, "4.1.1", "String should match pattern"),
    ("", "g", "48", {"gop_frames": 48}, "0", "Input should be greater than or equal to 1"),
    ("", "pix_fmt", "yuv420p10le", {"pix_fmt": "yuv420p10le"}, "+yuv420p", "String should match pattern"),
    ("", "s", "1280x720", {"width": 1280, "height": 720}, "hd720", "it takes WIDTHxHEIGHT in pixels"),
    ("", "s:v", "16x16", {"width": 16, "height": 16}, "8x8", "Input should be greater than or equal to 16"),
    ("", "vf", "scale=-2:360", {"height": 360}, "scale=-1:-2", "scale takes W:H, one of them in pixels"),
    ("", "filter:v", "scale=w=640:height=-1", {"width": 640}, "movie=/etc/passwd", "is the setting overlays"),
    ("", "vf", "crop=640:360:0:8,transpose=2,scale=-2:360", {"crop": "640:360:0:8", "rotate": 270, "height": 360},
     "scale=-2:360,crop=64:64", "here the order is deinterlacing, crop, turn"),
    ("", "r", "30000/1001", {"fps": "30000/1001"}, "ntsc", "String should match pattern"),
    ("", "fpsmax", "29.97", {"fps": "30000/1001", "fps_mode": "cap"}, "0", "String should match pattern"),
    ("", "ss", "00:01:02.5", {"start": 62.5}, "-5", "Input should be greater than or equal to 0"),
    ("", "to", "90", {"end": 90.0}, "end", "Input should be a valid number"),
    ("", "t", "1500ms", {"duration": 1.5}, "1h", "Input should be a valid number"),
    ("-b:v 1M", "pass", "2", {"bitrate": 1_000_000, "passes": 2}, "1", "both passes are one job here; say -pass 2"),
    ("", "tag:v", "avc1", {}, "avc3", "what libx264 makes is tagged avc1, which every player knows"),
    (H265, "vtag", "hvc1", {"video_codec": "h265"}, "hev1", "what libx265 makes is tagged hvc1"),
    ("", "movflags", "+faststart", {}, "+faststart+frag_keyframe", "written with +faststart, and with no other flag"),
    ("", "ac", "2", {"audio_channels": 2}, "9", "Input should be less than or equal to 8"),
    ("", "ar", "44100", {"sample_rate": 44100}, "44.1k", "Input should be a valid integer"),
    ("", "b:a", "128k", {"audio_bitrate": 128_000}, "1k", "Input should be greater than or equal to 6000"),
    ("", "ab", "96k", {"audio_bitrate": 96_000}, "loud", "it takes bits"),
    ("-c:a libmp3lame", "b:a", "96k", {"audio_codec": "mp3", "audio_bitrate": 96_000}, "x", "it takes bits"),
    ("", "x264-params", "me=umh", {"encoder_options": {"me": "umh"}}, "me=star", "me takes dia, hex, umh, esa, tesa"),
    ("", "x264opts", "subme=9:no-mbtree", {"encoder_options": {"subme": "9", "mbtree": "0"}}, ":", "is no key of"),
    (H265, "x265-params", "no-sao=1:rd=4", {"video_codec": "h265", "encoder_options": {"sao": "0", "rd": "4"}},
     "rd=4:csv=x.csv", "csv reads or writes a file"),
    (AV1, "svtav1-params", "tune=0:lp=1", {"video_codec": "av1", "encoder_options": {"tune": "0"}},
     "lp=2", "lp is set here"),
    (VP9, "row-mt", "0", {"video_codec": "vp9"}, "1", "row-mt is set here"),
    (VP9, "deadline", "best", {"video_codec": "vp9", "encoder_options": {"deadline": "best"}},
     "realtime", "deadline takes good, best"),
    ("", "bf", "3", {"encoder_options": {"bframes": "3"}}, "17", "bframes takes a whole number from 0 to 16"),
    (H265, "refs", "4", {"video_codec": "h265", "encoder_options": {"ref": "4"}}, "x", "ref takes a whole number"),
    ("", "deblock", "-1:-1", {"encoder_options": {"deblock": "-1,-1"}}, "-1:/", "deblock takes two whole numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "option", "good", "changed", "bad", "reason"), TABLE)
def test_a_word_changes_its_field_and_refuses_what_does_not_fit(
    *, before: str, option: str, good: str | None, changed: dict[str, Any], bad: str | None, reason: str
) -> None:
    assert said(f"{before} -{option}{'' if good is None else f' {good}'}".strip()) == changed
    if bad is None:
        return
    with pytest.raises(InvalidSetting) as refused:
        said(f"{before} -{option} {bad}".strip())
    assert refused.value.message.startswith(f"-{option} {bad}".rstrip() + ": ")
    assert reason in refused.value.message
    assert "\n" not in refused.value.message


def test_the_table_has_every_word() -> None:
    aliases = {"codec": "c", "vcodec": "c", "acodec": "c", "vtag": "tag", "vf": "filter", "ab": "b"}
    shown = {aliases.get(option.partition(":")[0], option.partition(":")[0]) for _, option, *_ in TABLE}
    keys = {option for encoder in ENCODERS.values() for option in encoder.options}
    assert {name for name, _ in READERS} - keys <= shown


def example(kind: Kind) -> str:
    """A value that it takes."""
    candidates = ["1", "0", "16", "none", *kind.says.split(", ")]
    return next(text for text in candidates if kind.takes(text))


@pytest.mark.parametrize(
    ("codec", "option", "key"),
    [(codec, option, key) for codec, encoder in ENCODERS.items() for option, key in encoder.options.items()],
)
def test_an_encoders_options_set_its_keys(codec: str, option: str, key: str) -> None:
    encoder = ENCODERS[codec]
    chosen = f"-c:v {encoder.name}"
    if key in encoder.ours:
        assert "encoder_options" not in said(f"{chosen} -{option} {encoder.ours[key]}")
    else:
        value = example(encoder.keys[key])
        assert said(f"{chosen} -{option} {value}")["encoder_options"] == {key: value}
    with pytest.raises(InvalidSetting, match=f"^-{option} x/y: {key} "):
        said(f"{chosen} -{option} x/y")


@pytest.mark.parametrize("codec", ENCODERS)
def test_an_option_of_another_encoder_is_refused(codec: str) -> None:
    mine = ENCODERS[codec]
    for encoder in ENCODERS.values():
        for option in ({*encoder.options, *encoder.params}) - {*mine.options, *mine.params}:
            with pytest.raises(InvalidSetting, match=f"^-{option} 1: {mine.name} has no such option.$"):
                said(f"-c:v {mine.name} -{option} 1")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{AV1} -tune film", "-tune film: libsvtav1 has no tune."),
        (f"{AV1} -qp 30", "-qp 30: libsvtav1 has no qp."),
        (f"{VP9} -preset fast", "-preset fast: libvpx-vp9 has no such option; its speed is -cpu-used."),
        ("-cpu-used 2", "-cpu-used 2: libx264 has no such option; its speed is -preset."),
        (f"{VP9} -minrate 1M", "-minrate 1M: it would ask for a constant bit rate; say -b:v alone."),
        (f"{COPY} -crf 20", "-crf 20: copied pictures are not encoded."),
        (f"{COPY} -vf scale=640:360", "-vf scale=640:360: copied pictures are not encoded."),
        ("-vn -b:v 1M", "-b:v 1M: no pictures are encoded."),
        ("-an -ac 2", "-ac 2: no sound is encoded."),
        ("-c:a copy -b:a 128k", "-b:a 128k: no sound is encoded."),
        ("-c:a alac -b:a 128k", "-b:a 128k: alac keeps every sample and has no such option; -c:a aac or libopus has."),
        ("-crf", "-crf: its value is missing."),
        ("-an -c:v", "-c:v: its value is missing."),
        ("-b:v:1 2M", "-b:v:1: of streams only v and a are named, and number 0 of each."),
        ("-c:0 copy", "-c:0: of streams only v and a are named, and number 0 of each."),
        ("-b:m:language:eng 1M", "-b:m:language:eng: of streams only v and a are named, and number 0 of each."),
        ("-crf:a 20", "-crf:a: -crf is taken for other streams only."),
        ("-ac:v 2", "-ac:v: -ac is taken for other streams only."),
        ("-b:t 2M", "-b:t: -b is taken for other streams only."),
        ("-c:s mov_text", "-c:s: text tracks become what the container takes; -sn leaves them out."),
        ("-filter:a volume=2", "-filter:a: of ffmpeg's filters a chain of pictures' is taken, by -vf."),
        ("-vf scale=640:360,eq=gamma=2", "-vf scale=640:360,eq=gamma=2: brightness, contrast and colours stay the "
         "source's: no field changes them."),
        ("-vf [0:v]scale=640:360", "-vf [0:v]scale=640:360: of ffmpeg's filters a plain chain is taken, without labels "
         "and quotes."),
        ("-vf scale", "-vf scale: scale takes W:H, one of them in pixels."),
        ("-vf scale=640", "-vf scale=640: scale takes W:H, one of them in pixels."),
        ("-vf scale=iw:ih", "-vf scale=iw:ih: of scale's arguments W and H in pixels (or -1, -2) and "
         "force_original_aspect_ratio are taken."),
        ("-vf scale=640:360:lanczos", "-vf scale=640:360:lanczos: of scale's arguments W and H in pixels (or -1, -2) "
         "and force_original_aspect_ratio are taken."),
        ("-vf scale=640:360:flags=lanczos", "-vf scale=640:360:flags=lanczos: of scale's arguments W and H in pixels "
         "(or -1, -2) and force_original_aspect_ratio are taken."),
        ("-x264-params keyint=infinite",
         "-x264-params keyint=infinite: Input should be a valid integer, unable to parse string as an integer."),
        ("-x264-params open-gop=1",
         "-x264-params open-gop=1: open-gop is set here, so that every chunk has the same bytes on every machine."),
    ],
)  # fmt: skip
def test_what_does_not_go_is_said_in_one_sentence(line: str, message: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        said(line)
    assert refused.value.message == message


@pytest.mark.parametrize("name", WHY)
def test_what_is_our_own_business_is_refused_with_the_reason(name: str) -> None:
    for word in (f"-{name}", f"-{name}:v", f"-{name}:a:0"):
        with pytest.raises(InvalidSetting) as refused:
            read_words([word, "1"])
        assert refused.value.message == f"{word}: {WHY[name]}."
    assert name not in {taken for taken, _ in READERS}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("-crff", "-crff: no option of that name is taken here; did you mean -crf?"),
        ("-buffsize", "-buffsize: no option of that name is taken here; did you mean -bufsize?"),
        ("--crf", "--crf: no option of that name is taken here; did you mean -crf?"),
        ("-/filter:v", "-/filter:v: no option of that name is taken here; did you mean -filter?"),
        ("-xyzzy", "-xyzzy: no option of that name is taken here; the README lists what is taken."),
        ("-cr\nf", r"'-cr\nf': no option of that name is taken here; did you mean -crf?"),
    ],
)
def test_an_unknown_option_is_told_its_near_ones(word: str, message: str) -> None:
    with pytest.raises(UnknownSetting) as refused:
        read_words([word, "1"])
    assert refused.value.message == message


@pytest.mark.parametrize("word", ["out.mp4", "/etc/passwd", "https://example.org/x", "pipe:1", "-", "", "a\nb"])
def test_a_word_without_a_dash_is_no_output_file(word: str) -> None:
    with pytest.raises(InvalidSetting, match="here -o names the only one") as refused:
        read_words(["-an", word])
    assert "\n" not in refused.value.message


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(WrongUse) as refused:
        said("-vf movie=" + "x" * 5000)
    assert len(refused.value.message) < 300


def test_of_two_equal_words_the_last_wins_but_an_off_switch_always() -> None:
    assert said("-crf 18 -crf 20 -c:v libx264 -c:v libx265")["video_codec"] == "h265"
    assert said("-crf 18 -crf 20")["crf"] == 20
    assert said("-an -c:a flac") == {"audio_codec": "none"}
    assert codecs_said(read_words(["-c", "copy", "-c:a", "aac"])) == ("copy", "aac")
    assert codecs_said(()) == (None, None)


def test_a_size_takes_the_place_of_the_presets() -> None:
    box = PRESETS["h264-720p"].output
    assert changes(read_words(["-vf", "scale=-2:360"]), box, {}) == {"width": None, "height": 360}


def test_another_codec_comes_with_its_own_defaults() -> None:
    base = OutputSettings(qp=0, encoder_preset="ultrafast", tune="film", encoder_options={"me": "hex"}, gop_frames=9)
    changed = changes(read_words(["-c:v", "libvpx-vp9"]), base, {})
    assert OutputSettings.model_validate({**base.model_dump(), **changed}) == OutputSettings(video_codec="vp9")
    kept = changes(read_words(["-c:v", "libx264", "-x264-params", "ref=2"]), base, {})
    assert kept == {"video_codec": "h264", "encoder_options": {"me": "hex", "ref": "2"}}


def test_one_way_to_say_the_rate_takes_the_place_of_the_presets() -> None:
    lossless = PRESETS["lossless"].output
    assert changes(read_words(["-crf", "20"]), lossless, {}) == {"qp": None, "bitrate": None, "crf": 20.0}
    assert changes(read_words(["-tune", "film"]), lossless, {}) == {"tune": "film"}


def test_what_set_says_is_not_said_again() -> None:
    with pytest.raises(InvalidSetting) as refused:
        said("-crf 20", crf="18")
    assert refused.value.message == "-crf 20: --set crf says so, too; say it once."
    with pytest.raises(InvalidSetting, match=r"^-bf 2: --set encoder_options says so"):
        said("-bf 2", encoder_options="ref=3")
    assert said("-preset fast", video_codec="h265") == {"encoder_preset": "fast"}
    assert changes(read_words(["-c:v", "libx265"]), OutputSettings(), {"crf": "20"}).get("crf", "kept") == "kept"


def test_raw_presets_of_other_farms_are_read() -> None:
    """As another encoder's API keeps them: x264 with a fixed GOP at a constant rate."""
    line = (
        "-vf scale=-2:360 -c:v libx264 -profile:v baseline -level:v 3.0 "
        "-x264opts scenecut=0:open_gop=0:min-keyint=72:keyint=72 -minrate 600k -maxrate 600k -bufsize 600k -b:v 600k"
    )
    assert said(line) == {
        "height": 360,
        "profile": "baseline",
        "level": "3.0",
        "gop_frames": 72,
        "encoder_options": {"scenecut": "0", "min-keyint": "72"},
        "maxrate": 600_000,
        "bufsize": 600_000,
        "bitrate": 600_000,
    }


def test_x264s_own_names_of_our_fields_are_those_fields() -> None:
    line = "-x264-params crf=20:vbv_maxrate=600:vbv-bufsize=1200:level=31:keyint=50:keyint-min=5:threads=1:no-open-gop"
    assert said(line) == {
        "crf": 20.0,
        "maxrate": 600_000,
        "bufsize": 1_200_000,
        "level": "3.1",
        "gop_frames": 50,
        "encoder_options": {"min-keyint": "5"},
    }


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"crf": 20, "bitrate": 1_000_000}, "crf and bitrate exclude each other"),
        ({"qp": 20, "bitrate": 1_000_000}, "qp and bitrate exclude each other"),
        ({"qp": 20, "maxrate": 1_000_000, "bufsize": 1_000_000}, "a constant qp keeps to no maxrate"),
        ({"maxrate": 1_000_000}, "maxrate and bufsize go together"),
        ({"bufsize": 1_000_000}, "maxrate and bufsize go together"),
        ({"bitrate": 2_000_000, "maxrate": 1_000_000, "bufsize": 1_000_000}, "maxrate is below bitrate"),
        ({"video_codec": "vp9", "bitrate": 1_000_000, "maxrate": 1_000_000}, "keeps to bitrate on average"),
        ({"video_codec": "vp9", "bufsize": 1_000_000}, "keeps to bitrate on average"),
        ({"video_codec": "av1", "bitrate": 1_000_000, "maxrate": 2_000_000}, "takes maxrate alone, beside crf"),
        ({"video_codec": "av1", "maxrate": 1_000_000, "bufsize": 2_000_000}, "takes maxrate alone, beside crf"),
        ({"video_codec": "copy", "crf": 20}, "crf: with video_codec copy no pictures are encoded"),
        ({"video_codec": "copy", "encoder_options": {"me": "hex"}}, "encoder_options: with video_codec copy"),
        ({"encoder_preset": "8"}, "encoder_preset: libx264 takes ultrafast"),
        ({"encoder_options": {"stats": "x"}}, "encoder_options: stats reads or writes a file"),
        ({"container": "package", "gop_frames": 48}, "gop_frames: a package's keyframes begin its segments"),
        ({"container": "package", "encoder_options": {"scenecut": 0}}, "scenecut: a package's keyframes begin"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("(", r"\(")):
        OutputSettings.model_validate(settings)


def test_a_ladder_has_its_own_sizes_and_no_rate_for_all() -> None:
    ladder = (Rung(height=720, crf=23), Rung(height=360, crf=24))
    for settings in ({"bitrate": 1_000_000}, {"maxrate": 1_000_000, "bufsize": 1_000_000}):
        with pytest.raises(ValueError, match="does not fit a ladder of several renditions"):
            OutputSettings.model_validate({"container": "package", "ladder": ladder, **settings})
        OutputSettings.model_validate({"container": "package", "ladder": ladder[:1], **settings})
    with pytest.raises(ValueError, match="width and height are the rungs'"):
        OutputSettings(container="package", ladder=ladder, height=480)


@pytest.mark.parametrize(
    ("settings", "divided"),
    [
        ({}, True),
        ({"maxrate": 1_000_000, "bufsize": 1_000_000}, True),
        ({"video_codec": "h265", "maxrate": 1_000_000, "bufsize": 1_000_000}, True),
        ({"bitrate": 1_000_000}, False),
        ({"video_codec": "vp9", "crf": 20, "bitrate": 1_000_000}, False),
        ({"video_codec": "av1", "maxrate": 1_000_000}, False),
        ({"maxrate": 1_000_000, "bufsize": 1_000_000, "encoder_options": {"rc-lookahead": 0}}, False),
        ({"encoder_options": {"rc-lookahead": 0}}, True),
    ],
)
def test_what_is_shared_out_over_the_title_is_not_divided(settings: dict[str, Any], divided: bool) -> None:
    assert (OutputSettings.model_validate(settings).undivided == "") == divided
