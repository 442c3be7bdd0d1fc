"""What pictures' numbers mean, and what becomes of that."""

from typing import Any

import pytest

from framemill.errors import InvalidSetting
from framemill.jobs.settings import OutputSettings
from framemill.media.colour import Colour, Look, filled, look, read_colour, told_colour, usual_matrix, with_light
from framemill.media.drawing import Step

MASTER = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
HDR10 = Colour(matrix="bt2020nc", primaries="bt2020", transfer="smpte2084", mastering=MASTER, light="1000,400")
HLG = Colour(matrix="bt2020nc", primaries="bt2020", transfer="arib-std-b67")
HD = Colour(matrix="bt709", primaries="bt709", transfer="bt709")
SAID = """
    Side data:
      DOVI configuration record: version: 1.0, profile: 8, level: 6, rpu flag: 1, el flag: 0, bl flag: 1, \
compatibility id: 1, compression: 0
[Parsed_showinfo_0 @ 0x1] n:   0 pts:      0 fmt:yuv420p10le cl:left sar:1/1 s:320x180 i:P iskey:1 type:I
[Parsed_showinfo_0 @ 0x1]   side data - Mastering display metadata: has_primaries:1 has_luminance:1 \
r(0.6800,0.3200) g(0.2650,0.6900) b(0.1500 0.0600) wp(0.3127, 0.3290) min_luminance=0.005000, max_luminance=1000.000000
[Parsed_showinfo_0 @ 0x1]   side data - Content light level metadata: MaxCLL=1000, MaxFALL=400
[Parsed_showinfo_0 @ 0x1] color_range:tv color_space:bt2020nc color_primaries:bt2020 color_trc:smpte2084
[Parsed_showinfo_0 @ 0x1] color_range:tv color_space:bt709 color_primaries:bt709 color_trc:bt709
"""


def seen(
    colour: Colour = HD,
    *,
    size: tuple[int, int] = (1280, 720),
    to: tuple[int, int] | None = None,
    formats: tuple[str, str] = ("yuv420p", "yuv420p"),
    levels: str = "tv",
    **settings: Any,
) -> Look:
    return look(OutputSettings.model_validate(settings), size, to or size, formats, (colour, levels))


def names(steps: tuple[Step, ...]) -> list[str]:
    return [step.name for step in steps]


def tags(found: Look) -> tuple[str, str, str, str]:
    return found.color_range, found.matrix, found.primaries, found.transfer


def test_what_ffmpeg_says_of_the_first_picture_is_read() -> None:
    assert read_colour(SAID) == HDR10.model_copy(update={"dolby_vision": "8.1"})
    assert read_colour("") == Colour()
    assert read_colour("color_range:unknown color_space:reserved color_primaries:unknown color_trc:bt709") == Colour(
        transfer="bt709"
    )
    assert read_colour("Content light level metadata: MaxCLL=0, MaxFALL=0").light == ""


def test_what_a_probe_says_is_read() -> None:
    facts = {"color_space": "bt2020nc", "color_primaries": "bt2020", "color_transfer": "arib-std-b67"}
    assert (told_colour(facts), told_colour({})) == (HLG, Colour())
    assert [colour.dynamic for colour in (HDR10, HLG, HD, Colour())] == ["PQ", "HLG", "SDR", "SDR"]


@pytest.mark.parametrize(
    ("size", "matrix"),
    [
        ((720, 480), "smpte170m"),
        ((720, 576), "bt470bg"),
        ((1024, 576), "bt470bg"),
        ((1280, 534), "bt709"),
        ((720, 1280), "bt709"),
        ((352, 288), "smpte170m"),
    ],
)
def test_by_its_size_players_guess_what_says_nothing(size: tuple[int, int], matrix: str) -> None:
    assert usual_matrix(*size) == matrix
    colour, levels, guessed = filled(Colour(), "unknown", *size, rgb=False)
    assert (colour.matrix, levels, guessed) == (matrix, "tv", ["matrix", "primaries", "transfer"])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Colour(matrix="smpte170m"), ("smpte170m", "smpte170m", "smpte170m")),
        (Colour(primaries="bt2020"), ("bt2020nc", "bt2020", "bt2020-10")),
        (Colour(transfer="smpte2084"), ("bt2020nc", "bt2020", "smpte2084")),
        (Colour(matrix="ycgco"), ("ycgco", "bt709", "bt709")),
        (Colour(matrix="smpte170m", primaries="bt709"), ("smpte170m", "bt709", "smpte170m")),
    ],
)
def test_what_is_said_stays_and_the_rest_follows_from_it(said: Colour, expected: tuple[str, str, str]) -> None:
    colour, _, _ = filled(said, "pc", 1920, 1080, rgb=False)
    assert (colour.matrix, colour.primaries, colour.transfer) == expected


def test_a_smaller_picture_keeps_its_matrix_and_says_so() -> None:
    """A player that reads no tags would guess another one; those that do are right, and no pixel is changed twice."""
    found = seen(HD, to=(640, 360))
    assert (tags(found), found.steps, found.told) == (("tv", "bt709", "bt709", "bt709"), (), ())
    guessed = seen(Colour(), to=(640, 360))
    assert tags(guessed) == ("tv", "bt709", "bt709", "bt709")
    assert "taken for bt709" in guessed.told[0]
    (written,) = guessed.tags
    assert dict(written.options) == {
        "range": "tv", "colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("colour", "wanted", "matrix", "made_of"),
    [
        (HD, "size", "smpte170m", ["scale"]),
        (HD, "bt601", "smpte170m", ["scale"]),
        (HD, "bt709", "bt709", []),
        (Colour(matrix="bt470bg"), "bt601", "bt470bg", []),
        (Colour(matrix="bt2020nc", primaries="bt2020", transfer="bt709"), "bt709", "bt709", ["zscale"]),
        (HDR10, "bt709", "bt2020nc", []),
    ],
)
def test_another_matrix_is_converted_where_it_is_asked_for(
    colour: Colour, wanted: str, matrix: str, made_of: list[str]
) -> None:
    deep = ("yuv420p10le", "yuv420p10le")
    found = seen(colour, to=(640, 360), formats=deep, video_codec="h265", color_matrix=wanted)
    assert (found.matrix, names(found.steps)) == (matrix, made_of)


@pytest.mark.parametrize("container", ["avi", "flv", "wmv", "ogv"])
def test_a_codec_without_tags_has_what_players_guess(container: str) -> None:
    codec = {"avi": "mpeg4", "flv": "flv1", "wmv": "wmv2", "ogv": "theora"}[container]
    asked: dict[str, Any] = {"container": container, "video_codec": codec}
    found = seen(HD, to=(640, 360), **asked)
    assert (found.matrix, found.color_range, names(found.steps)) == ("smpte170m", "tv", ["scale"])
    assert seen(HD, **asked).steps == ()
    full = seen(HD, levels="pc", **asked)
    assert (full.color_range, dict(full.steps[0].options)["out_range"]) == ("tv", "tv")
    kept = seen(HDR10, formats=("yuv420p10le", "yuv420p"), tone_map="off", **asked)
    assert (kept.dynamic, kept.steps) == ("SDR", ())
    wide = seen(Colour(matrix="bt2020nc", primaries="bt2020", transfer="bt709"), levels="pc", **asked)
    assert (wide.matrix, wide.color_range, names(wide.steps)) == ("bt709", "tv", ["zscale"])


def test_high_dynamic_range_becomes_standard_where_eight_bits_are_left() -> None:
    found = seen(HDR10, formats=("yuv420p10le", "yuv420p"))
    mapped = ["zscale", "format", "zscale", "tonemap", "zscale"]
    assert names(found.steps) == [*mapped, "sidedata", "sidedata", "sidedata"]
    assert dict(found.steps[3].options)["peak"] == "10"
    assert all(dict(step.options)["agamma"] == "0" for step in found.steps if step.name == "zscale")
    assert (tags(found), found.mastering, found.light) == (("tv", "bt709", "bt709", "bt709"), "", "")
    assert "High dynamic range (PQ) becomes standard" in found.told[0]
    odd = seen(HLG, to=(853, 479), formats=("yuv420p10le", "yuv444p"))
    assert names(odd.steps)[:2] == ["format", "zscale"]


@pytest.mark.parametrize(
    ("light", "mastering", "peak"),
    [("4000,400", MASTER, "40"), ("", MASTER, "10"), ("", "", "10"), ("80,20", "", "2"), ("60000,1", "", "100")],
)
def test_the_brightest_light_is_the_masters(light: str, mastering: str, peak: str) -> None:
    colour = HDR10.model_copy(update={"light": light, "mastering": mastering})
    found = seen(colour, formats=("yuv420p10le", "yuv420p"))
    assert dict(found.steps[3].options)["peak"] == peak


@pytest.mark.parametrize("formats", [("yuv420p10le", "yuv420p10le"), ("p010le", "yuv420p10le")])
def test_ten_bits_carry_high_dynamic_range(formats: tuple[str, str]) -> None:
    found = seen(HDR10, formats=formats, video_codec="h265")
    assert (found.steps, found.mastering, found.light) == ((), MASTER, "1000,400")
    assert (tags(found), found.dynamic) == (("tv", "bt2020nc", "bt2020", "smpte2084"), "PQ")
    assert seen(HLG, formats=formats, video_codec="h265").dynamic == "HLG"


def test_without_tone_mapping_the_values_stay() -> None:
    found = seen(HDR10, formats=("yuv420p10le", "yuv420p"), tone_map="off")
    assert (found.steps, found.transfer, found.mastering) == ((), "smpte2084", MASTER)


def test_eight_bits_of_high_dynamic_range_stay_where_the_sources_pixels_are_asked_for() -> None:
    found = seen(HLG, pix_fmt="source", qp=0)
    assert (found.steps, found.dynamic, found.told) == ((), "HLG", seen(HD).told)
    assert seen(HLG).dynamic == "SDR"


def test_rgb_becomes_what_players_take_a_picture_of_that_size_for() -> None:
    for size, matrix in (((1920, 1080), "bt709"), ((640, 480), "smpte170m")):
        found = seen(Colour(), size=(1920, 1080), to=size, formats=("rgb24", "yuv420p"), levels="pc")
        assert (found.color_range, found.matrix, names(found.steps)) == ("tv", matrix, ["format", "scale"])
        assert found.told == ()
    deep = seen(Colour(), formats=("gbrp10le", "yuv420p10le"), video_codec="h265")
    assert dict(deep.steps[0].options) == {"pix_fmts": "gbrp16le"}


def test_yuv_that_becomes_rgb_is_told_which_it_was() -> None:
    found = seen(Colour(), formats=("yuv420p", "rgb24"))
    assert dict(found.before[0].options) == {"colorspace": "bt709", "range": "tv"}
    assert (found.matrix, found.color_range) == ("gbr", "")
    assert seen(HD, formats=("yuv420p", "rgb24")).before == ()


def test_dolby_vision_falls_back_to_its_base_layer_and_says_so() -> None:
    dolby = HDR10.model_copy(update={"dolby_vision": "8.1"})
    found = seen(dolby, formats=("yuv420p10le", "yuv420p10le"), video_codec="h265")
    assert (found.base_layer, found.mastering) == (True, MASTER)
    assert found.told == ("Dolby Vision (profile 8.1) falls back to its base layer (HDR10).",)
    assert found.warnings == found.told
    assert seen(Colour()).warnings == ()
    alone = dolby.model_copy(update={"dolby_vision": "5.0"})
    with pytest.raises(InvalidSetting, match="set tone_map=off"):
        seen(alone, formats=("yuv420p10le", "yuv420p10le"), video_codec="h265")
    assert seen(alone, formats=("yuv420p10le", "yuv420p10le"), tone_map="off").base_layer


HDR = Look(mastering=MASTER, light="1000,400")


@pytest.mark.parametrize(
    ("encoder", "option", "told"),
    [
        ("libx265", "x265-params", f"info=0:master-display={MASTER}:max-cll=1000,400"),
        ("libx264", "x264-params", f"info=0:mastering-display={MASTER}:cll=1000,400"),
        (
            "libsvtav1",
            "svtav1-params",
            "info=0:mastering-display=G(0.26500,0.69000)B(0.15000,0.06000)R(0.68000,0.32000)WP(0.31270,0.32900)"
            "L(1000.0000,0.0050):content-light=1000,400",
        ),
    ],
)
def test_each_encoder_is_told_the_light_of_the_master(encoder: str, option: str, told: str) -> None:
    assert with_light({"c:v": encoder, option: "info=0"}, HDR) == {"c:v": encoder, option: told}
    assert with_light({"c:v": encoder, option: "info=0"}, Look()) == {"c:v": encoder, option: "info=0"}


def test_an_encoder_without_such_words_takes_it_from_the_frames() -> None:
    assert with_light({"c:v": "libvpx-vp9"}, HDR) == {"c:v": "libvpx-vp9"}
    dolby = Look(base_layer=True)
    assert with_light({"c:v": "libx265"}, dolby) == {"c:v": "libx265", "dolbyvision": "0"}
    assert with_light({"c:v": "libx264"}, dolby) == {"c:v": "libx264"}
