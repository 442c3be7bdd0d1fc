"""What the catalogue of online-convert's clients lists, all of it can be had."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from framemill.api.onlineconvert.catalogue import PAGE, TARGETS, Target, page, target_of
from framemill.api.onlineconvert.options import Source, checked, misfit, outputs_of
from framemill.errors import WrongUse
from framemill.jobs.settings.kinds import FITTINGS
from framemill.services.requests import settings_for

Asked = Any

#: What an option needs beside it.
BESIDE: Mapping[str, dict[str, Any]] = {
    "resize_handling": {"width": 320, "height": 180},
    "aspect_ratio": {"width": 320},
    "crop_origin_x": {"crop_origin_y": 8, "crop_width": 64, "crop_height": 64},
    "crop_origin_y": {"crop_origin_x": 8, "crop_width": 64, "crop_height": 64},
    "crop_width": {"crop_height": 64},
    "crop_height": {"crop_width": 64},
    "merge": {},
    "allow_multiple_outputs": {"count": 3, "number_of_parts": 3},
    "allow_multiple_outputs_threshold": {"allow_multiple_outputs": True, "count": 3, "number_of_parts": 3},
}
TEXTS = {
    "aspect_ratio": "4:3",
    "start": "00:00:01.5",
    "end": "5",
    "time": "00:01",
    "size": "320x180",
    "end_video": "00:00:09",
    "download_password": "open sesame",
    "preset": "x",
    "output_filename": "a name of its own",
    "pages": "first",
}
SIDES = (16, 16_384)
"""Of the farm's own pictures; what is published goes further, and the farm says why it does not."""


def values(name: str, schema: Mapping[str, Any]) -> Iterator[Any]:
    """Some of those that a schema allows: all words, both ends."""
    if name in {"width", "height"}:
        yield from SIDES
    elif "enum" in schema:
        yield from schema["enum"]
    elif schema["type"] in {"integer", "number"}:
        yield from {schema["minimum"], schema["maximum"]}
    elif schema["type"] == "boolean":
        yield from (True, False)
    elif schema["type"] == "array":
        yield [{"start": "00:00:00", "end": "00:00:01.500"}, {"start": "2", "end": "00:03"}]
    else:
        yield TEXTS[name]


def each() -> Iterator[Any]:
    for target in TARGETS:
        for name, schema in target.options.items():
            yield pytest.param(target, name, schema, id=f"{target.id}-{name}")


@pytest.mark.parametrize(("target", "name", "schema"), list(each()))
def test_every_option_becomes_settings_of_every_target_that_lists_it(
    target: Target, name: str, schema: Mapping[str, Any]
) -> None:
    least = {"number_of_parts": 2} if target.name == "cut-video" and name not in {"cut_points", "length"} else {}
    for value in values(name, schema):
        beside = {key: given for key, given in BESIDE.get(name, {}).items() if key in target.options}
        options = {**least, **beside, name: value}
        if {"crop_origin_x", "crop_origin_y"} & options.keys():
            options = {**options, "crop_width": 64, "crop_height": 64}
        conversion = checked(target.name, target.category, options)
        for source in ("film.mp4", "film.mkv", "old.avi", "sound.mp3", "photo.png"):
            if target.container is None and target.name != "compress" and not source.endswith(("mp4", "mkv", "avi")):
                continue
            if target.name == "compress" and source.endswith("mp3") and {"width", "height"} & options.keys():
                continue
            (output,) = outputs_of(conversion, [Source(0, source)])
            container = output.settings["container"]
            _, settings, _ = settings_for("it", container, output.preset, output.settings)
            assert settings.container == container


@pytest.mark.parametrize("target", [one for one in TARGETS if "audio_bitrate" in one.options], ids=lambda one: one.id)
def test_every_bit_rate_fits_the_usual_sound(target: Target) -> None:
    rates = [rate for rate in target.options["frequency"]["enum"] if rate <= 48_000]
    for bits in target.options["audio_bitrate"]["enum"]:
        options = {"audio_bitrate": bits, "frequency": max(rates)}
        fitting = []
        for channels in ("mono", "stereo"):
            with contextlib.suppress(WrongUse):
                fitting.append(checked(target.name, target.category, options | {"channels": channels}))
        assert fitting, bits
        (output,) = outputs_of(checked(target.name, target.category, options), [Source(0, "film.mp4")])
        mono = fitting[0].options["channels"] == "mono" and len(fitting) == 1
        assert (output.settings.get("audio_channels") == 1) is mono


def test_hls_takes_all_bit_rates_that_are_published_and_so_few_bits_are_one_channel() -> None:
    listed = target_of("hls").options["audio_bitrate"]["enum"]
    assert (min(listed), max(listed)) == (8, 320)
    (output,) = outputs_of(checked("hls", None, {"audio_bitrate": 8}), [Source(0, "film.mp4")])
    assert (output.settings["audio_bitrate"], output.settings["audio_channels"]) == (8000, 1)


@pytest.mark.parametrize(("name", "value", "why"), [("width", 20_000, "16384"), ("height", 9, "16")])
def test_sides_are_published_as_they_are_and_refused_for_what_the_farm_makes(name: str, value: int, why: str) -> None:
    schema = target_of("mp4").options[name]
    assert (schema["minimum"], schema["maximum"]) == (1, 65_000)
    with pytest.raises(WrongUse) as caught:
        checked("mp4", None, {name: value})
    assert caught.value.param == f"options.{name}"
    assert why in caught.value.message


def test_it_lists_all_that_the_engine_writes() -> None:
    assert {one.container for one in TARGETS} - {None} == FITTINGS.keys()
    assert len({one.id for one in TARGETS}) == len(TARGETS)


def test_pages_end() -> None:
    first, total = page()
    assert len(first) == min(PAGE, total) == len(TARGETS)
    assert page(number=2) == ([], len(TARGETS))


@pytest.mark.parametrize(("asked", "found"), [("JPEG", "jpg"), ("mpeg", "mpg"), ("mp4", "mp4")])
def test_other_words_for_a_target(asked: str, found: str) -> None:
    assert target_of(asked).name == found


@pytest.mark.parametrize(
    ("target", "category", "param"), [("nope", None, "target"), ("mp4", "audio", "category"), ("", "video", "target")]
)
def test_an_unknown_target_is_refused(target: str, category: str | None, param: str) -> None:
    with pytest.raises(WrongUse) as caught:
        target_of(target, category)
    assert caught.value.param == param


def test_a_schema_says_why_a_value_is_none_of_it() -> None:
    schema = target_of("mp4").options["width"]
    assert misfit(schema, 320) == ""
    assert "a whole number" in misfit(schema, "abc")
    assert "a whole number" in misfit(schema, True)
    assert "1 to 65000" in misfit(schema, 0)


def test_check_20_the_catalogue_needs_no_key(door: Asked) -> None:
    told = door.get("/v2/conversions", params={"category": "video", "target": "mp4"}, key=None)
    assert told.status_code == 200
    (entry,) = told.json()
    assert {"width", "height"} <= entry["options"].keys()
    assert (entry["target"], entry["category"], told.headers["X-Count"]) == ("mp4", "video", "1")
    assert entry["options"]["width"]["type"] == "integer"
    beyond = door.get("/v2/conversions", params={"page": 999}, key=None)
    assert (beyond.status_code, beyond.json(), beyond.headers["X-Count"]) == (200, [], str(len(TARGETS)))


@pytest.mark.parametrize("path", ["/v2/schema", "/v2/openapi.json"])
def test_the_schema_says_who_and_which(door: Asked, path: str) -> None:
    told = door.get(path, key=None)
    assert told.status_code == 200
    info = told.json()["info"]
    assert all([info["title"], info["version"], info["termsOfService"], info["contact"]["email"]])
    assert "/conversions" in told.json()["paths"]
