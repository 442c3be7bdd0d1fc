"""The presets that come with the farm."""

from typing import get_args

import pytest

from framemill.errors import UnknownPreset
from framemill.jobs.presets import DEFAULT_PRESET, PRESETS, Preset, preset_named
from framemill.jobs.settings import Container


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_valid_and_named_as_it_is_called(name: str) -> None:
    preset = preset_named(name)
    assert Preset.model_validate(preset.model_dump()) == preset
    assert Preset.model_validate_json(preset.model_dump_json()) == preset
    assert preset.name == name
    assert "\n" not in preset.summary


def test_every_container_has_a_usual_preset() -> None:
    assert set(DEFAULT_PRESET) == set(get_args(Container))
    assert set(DEFAULT_PRESET.values()) <= set(PRESETS)


@pytest.mark.parametrize("container", ["webm", "package"])
def test_the_usual_preset_of_a_special_container_is_made_for_it(container: Container) -> None:
    assert preset_named(DEFAULT_PRESET[container]).output.container == container


def test_a_ladder_goes_down() -> None:
    heights = [rung.height for rung in preset_named("hls").output.ladder]
    assert heights == sorted(heights, reverse=True)


def test_a_preset_that_does_not_exist_is_told_its_near_ones() -> None:
    with pytest.raises(UnknownPreset) as refused:
        preset_named("h264-720")
    assert refused.value.message == "There is no preset 'h264-720'; there is h264-720p, h264-480p, h264-1080p."
    with pytest.raises(UnknownPreset, match=", ".join(sorted(PRESETS))):
        preset_named("xyz")
