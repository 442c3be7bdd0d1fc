"""The list of settings that people read."""

from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.jobs.settings.describing import described


def test_every_setting_is_there_once_with_its_sentence() -> None:
    names = [one.name for one in described()]
    assert sorted(names) == sorted({*OutputSettings.model_fields, *RunSettings.model_fields})
    assert [one.name for one in described() if not one.takes or not one.sentence] == []


def test_it_says_what_a_setting_takes() -> None:
    takes = {one.name: one.takes for one in described()}
    assert takes["fit"] == "fit | fill | pad | stretch"
    assert takes["crf"] == "number 0…63"
    assert takes["upscale"] == "true | false"
    assert takes["ladder"].startswith("list of {height, crf")
    assert takes["audio_tracks"] == "first | all or list of whole number"


def test_it_says_what_is_usual() -> None:
    usual = {one.name: one.usual for one in described()}
    assert (usual["fit"], usual["upscale"], usual["crf"], usual["segment_seconds"]) == ("fit", "false", "", "4.0")
