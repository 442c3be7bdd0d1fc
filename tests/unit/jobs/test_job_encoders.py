"""What the tables of the encoders let through, and how it is written."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from framemill.jobs.encoders.notation import (
    Kind,
    normal_level,
    normal_params,
    number,
    one_of,
    shown,
    split_params,
    whole,
)
from framemill.jobs.encoders.table import ENCODERS, JUDGED, misfit, misfit_key
from framemill.jobs.settings import OutputSettings
from framemill.media import options

KEYS = [(codec, key, kind) for codec, encoder in ENCODERS.items() for key, kind in encoder.keys.items()]


@pytest.mark.parametrize(
    ("kind", "taken", "refused"),
    [
        (whole(-3, 16), ["-3", "0", "16"], ["-4", "17", "1.0", "1.5", "", "x", "1 ", "+1", "٣", "1\n", "99999999"]),
        (number(0, 2.5), ["0", "2.5", "1.25"], ["-0.1", "2.6", ".5", "1.", "1e0", "nan", "inf", "1,5"]),
        (one_of("a b.c"), ["a", "b.c"], ["", "ab", "bxc", "A", "a b.c"]),
    ],
)
def test_a_kind_knows_its_values(kind: Kind, taken: list[str], refused: list[str]) -> None:
    assert [text for text in taken if not kind.takes(text)] == []
    assert [text for text in refused if kind.takes(text)] == []


@pytest.mark.parametrize(("codec", "key", "kind"), KEYS)
def test_no_key_takes_what_could_be_a_path_or_another_key(codec: str, key: str, kind: Kind) -> None:
    for value in ("/etc/passwd", "x:stats=y", "1:threads=8", "file:x", "1/2", "1=2", "", "-", "%", "1;2", "1 2"):
        assert misfit_key(codec, key, value) is not None
    assert re.fullmatch("[a-z0-9-]+", key)


@pytest.mark.parametrize("codec", ENCODERS)
def test_what_is_set_here_is_let_through_for_nobody(codec: str) -> None:
    encoder = ENCODERS[codec]
    assert encoder.keys.keys() & encoder.ours.keys() == set()
    assert set(encoder.options.values()) <= encoder.keys.keys() | encoder.ours.keys()
    for given in ({}, {"level": "4.0"}):
        settings = OutputSettings.model_validate({"video_codec": codec, **given})
        for grid in (False, True):
            made = options.video_encoder(settings, "yuv420p", None, (), grid=grid)
            inside = {key for name in encoder.params for key, _ in split_params(made.get(name) or "") if key}
            assert inside - encoder.ours.keys() <= {"scenecut", "keyint", "level", "level-idc", "high-tier"}
    assert encoder.name == options.ENCODERS[codec].name
    assert misfit(codec, "encoder_preset", options.ENCODERS[codec].preset) is None
    assert misfit(codec, "crf", options.ENCODERS[codec].crf) is None


@pytest.mark.parametrize(
    ("codec", "key", "value", "reason"),
    [
        ("h264", "me", "star", "me takes dia, hex, umh, esa, tesa, not 'star'"),
        ("h264", "threads", "2", "threads is set here, so that every chunk has the same bytes on every machine"),
        ("h264", "stats", "/var/x", "stats reads or writes a file"),
        ("h265", "csv", "x", "csv reads or writes a file"),
        ("h265", "film-grain", "x", "film-grain reads or writes a file"),
        ("h265", "scaling-list", "x", "scaling-list reads or writes a file"),
        ("h264", "nal-hrd", "vbr", "nal-hrd signals a buffer for one encode, which does not hold over chunks"),
        ("h264", "vbv-init", "1", "vbv-init is set here, so that every chunk has the same bytes on every machine"),
        ("h264", "keyint", "48", "keyint has a word of its own: gop_frames (-g)"),
        ("av1", "crf", "30", "crf has a word of its own: crf (-crf)"),
        ("h264", "subm", "1", "'subm' is no key of libx264 that is taken here; did you mean subme?"),
        ("copy", "me", "hex", "with video_codec copy no pictures are encoded"),
    ],
)
def test_a_key_is_refused_with_its_reason(codec: str, key: str, value: str, reason: str) -> None:
    assert misfit_key(codec, key, value) == reason


def test_a_key_like_no_other_is_told_them_all() -> None:
    told = misfit_key("vp9", "xyzzy", "1") or ""
    assert told.startswith("'xyzzy' is no key of libvpx-vp9 that is taken here; there are: aq-mode, arnr-maxframes, ")


@pytest.mark.parametrize(
    ("codec", "field", "good", "bad"),
    [
        ("h264", "crf", 51.0, 51.5),
        ("h265", "crf", 17.5, 52.0),
        ("av1", "crf", 1.0, 0.0),
        ("av1", "crf", 63.0, 30.5),
        ("vp9", "crf", 0.0, 30.5),
        ("h264", "qp", 0, 70),
        ("h264", "encoder_preset", "placebo", "8"),
        ("av1", "encoder_preset", "13", "14"),
        ("vp9", "encoder_preset", "0", "fast"),
        ("h264", "tune", "film", "vmaf"),
        ("h265", "tune", "grain", "film"),
        ("vp9", "tune", "ssim", "film"),
        ("h264", "profile", "high10", "main10"),
        ("h265", "profile", "main10", "high"),
        ("vp9", "profile", "2", "4"),
        ("h264", "level", "1b", "2.3"),
        ("h265", "level", "6.2", "1b"),
        ("av1", "level", "2.3", "1.0"),
    ],
)
def test_each_encoder_judges_its_values(codec: str, field: str, good: Any, bad: Any) -> None:
    assert misfit(codec, field, good) is None
    assert f"{ENCODERS[codec].name} takes " in (misfit(codec, field, bad) or "")


def test_an_encoder_says_what_it_has_not() -> None:
    assert misfit("av1", "tune", "film") == "libsvtav1 has no tune"
    assert misfit("vp9", "qp", 3) == "libvpx-vp9 has no qp"
    assert misfit("none", "crf", 3) == "with video_codec none no pictures are encoded"
    assert {name for name in JUDGED if misfit("h264", name, "?") is None} == set()


@pytest.mark.parametrize(
    ("given", "level"),
    [
        (4, "4.0"), ("4", "4.0"), (4.0, "4.0"), ("4.0", "4.0"), (41, "4.1"), ("41", "4.1"), (4.1, "4.1"),
        ("1b", "1b"), (None, None), ("x", "x"), ("4.10", "4.10"), ("410", "410"),
    ],
)  # fmt: skip
def test_a_level_has_its_point(given: Any, level: Any) -> None:
    assert normal_level(given) == level


@pytest.mark.parametrize(
    ("given", "params"),
    [
        ("ref=5:aq_mode=3", {"aq-mode": "3", "ref": "5"}),
        ("cabac", {"cabac": "1"}),
        ({"ref": 5, "aq_mode": 3, "psy": True, "qcomp": 0.6, "me": "hex"},
         {"aq-mode": "3", "me": "hex", "psy": "1", "qcomp": "0.6", "ref": "5"}),
        ("", {}),
        ({}, {}),
    ],
)  # fmt: skip
def test_keys_are_text_in_order(given: Any, params: dict[str, str]) -> None:
    assert list(normal_params(given).items()) == list(params.items())
    assert OutputSettings(encoder_options=given).encoder_options == params


def test_keys_are_a_mapping() -> None:
    with pytest.raises(ValidationError, match="valid dictionary"):
        OutputSettings.model_validate({"encoder_options": [1]})


def test_a_word_is_shown_on_one_line_and_cut() -> None:
    assert shown("-crf") == "-crf"
    assert shown("a\nb") == r"'a\nb'"
    assert shown("x" * 100) == "x" * 80 + "…"
