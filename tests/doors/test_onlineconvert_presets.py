"""Presets of online-convert's clients: the farm's own, and those that they keep."""

from typing import Any

import pytest

from framemill.jobs.presets import PRESETS

Asked = Any

ONE = {"name": "Small films", "target": "mp4", "category": "video", "options": {"width": 320, "height": 180}}


def make(door: Asked, **said: Any) -> Any:
    told = door.post("/v2/presets", {**ONE, **said})
    assert told.status_code == 201, told.text
    return told.json()


def test_a_preset_lives_as_its_client_says(door: Asked) -> None:
    made = make(door)
    assert {**made, "id": ""} == {**ONE, "id": "", "scope": "private"}
    assert door.get(f"/v2/presets/{made['id']}").json() == made

    changed = door.ask("PATCH", f"/v2/presets/{made['id']}", {"name": "Tiny films"}).json()
    assert changed == {**made, "name": "Tiny films"}
    changed = door.ask("PATCH", f"/v2/presets/{made['id']}", {"options": {"width": 160}}).json()
    assert changed["options"] == {"width": 160}

    assert door.ask("DELETE", f"/v2/presets/{made['id']}").status_code == 204
    assert door.get(f"/v2/presets/{made['id']}").status_code == 404
    assert door.ask("DELETE", f"/v2/presets/{made['id']}").status_code == 404


@pytest.mark.parametrize("scope", ["private", "public", None])
def test_whatever_scope_is_said_it_is_private(door: Asked, scope: str | None) -> None:
    made = make(door, scope=scope)
    assert made["scope"] == "private"
    assert door.ask("PATCH", f"/v2/presets/{made['id']}", made | {"scope": scope}).json() == made
    assert door.get(f"/v2/presets/{made['id']}", key=None).status_code == 404


def test_those_of_the_farm_are_everybodys_and_their_options_are_hidden(door: Asked) -> None:
    make(door)
    for key in ({"key": None}, {}):
        told = door.get("/v2/presets", **key)
        public = [one for one in told.json() if one["scope"] == "public"]
        assert {one["id"] for one in public} == PRESETS.keys() - {"usual"}
        assert all(one["options"] == {} for one in public)
        assert told.headers["X-Count"] == str(len(told.json())) == str(len(public) + (not key))
    hls = door.get("/v2/presets/hls", key=None).json()
    assert (hls["target"], hls["category"], hls["scope"]) == ("hls", "video", "public")


def test_a_private_one_needs_a_key(door: Asked) -> None:
    made = make(door)
    assert door.get(f"/v2/presets/{made['id']}", key=None).status_code == 404
    assert door.ask("DELETE", f"/v2/presets/{made['id']}", key=None).status_code == 401
    assert door.post("/v2/presets", ONE, key=None).status_code == 401
    assert door.get("/v2/presets", key="wrong").status_code == 401


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"filter": "small"}, {"Small films"}),
        ({"filter": "large,music"}, {"Music", "Large films"}),
        ({"target": "mp3"}, {"Music"}),
        ({"category": "audio"}, {"Music"}),
        ({"category": "audio", "target": "mp4"}, set()),
        ({"filter": "films", "target": "webm"}, {"Large films"}),
    ],
    ids=str,
)
def test_they_are_found_by_words_category_and_target(door: Asked, asked: dict[str, str], names: set[str]) -> None:
    make(door)
    make(door, name="Large films", target="webm", options={"width": 1920})
    make(door, name="Music", target="mp3", category=None, options={"audio_bitrate": 320})
    told = door.get("/v2/presets", params=asked).json()
    assert {one["name"] for one in told if one["scope"] == "private"} == names


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"target": "nope"}, "target"),
        ({"category": "audio"}, "category"),
        ({"options": {"width": "abc"}}, "options.width"),
        ({"options": {"preset": "h264"}}, "options.preset"),
        ({"scope": "everybody's"}, "scope"),
        ({"name": ""}, "name"),
    ],
    ids=str,
)
def test_what_cannot_be_is_not_kept(door: Asked, said: dict[str, Any], field: str) -> None:
    told = door.post("/v2/presets", {**ONE, **said})
    assert told.status_code == 400
    assert field in told.json()["message"]
    assert [one for one in door.get("/v2/presets").json() if one["scope"] == "private"] == []
    made = make(door)
    assert door.ask("PATCH", f"/v2/presets/{made['id']}", said).status_code == 400
    assert door.get(f"/v2/presets/{made['id']}").json() == made


def test_the_farms_own_stay(door: Asked) -> None:
    assert door.ask("DELETE", "/v2/presets/h264").status_code == 409
    assert door.ask("PATCH", "/v2/presets/h264", {"name": "mine"}).status_code == 409


def test_a_password_in_a_preset_is_never_told(door: Asked) -> None:
    made = make(door, options={"width": 320, "download_password": "open sesame"})
    assert made["options"] == {"width": 320}
    changed = door.ask("PATCH", f"/v2/presets/{made['id']}", {"name": "Other"})
    assert "sesame" not in changed.text + door.get("/v2/presets").text


def conversion(door: Asked, **said: Any) -> Any:
    return door.post("/v2/jobs", {"process": False, "conversion": [{"target": "mp4", **said}]})


def test_explicit_options_lie_over_those_of_a_preset(door: Asked) -> None:
    made = make(door)
    told = conversion(door, options={"preset": made["id"], "height": 90})
    assert told.status_code == 201, told.text
    assert told.json()["conversion"][0]["options"] == {"preset": made["id"], "width": 320, "height": 90}


def test_the_farms_own_preset_can_be_named(door: Asked) -> None:
    told = conversion(door, options={"preset": "h265"})
    assert told.status_code == 201, told.text


def test_an_unknown_preset_is_refused_by_its_field(door: Asked) -> None:
    told = conversion(door, options={"preset": "nobody's"})
    assert told.status_code == 400
    assert "conversion.0.options.preset" in told.json()["message"]
