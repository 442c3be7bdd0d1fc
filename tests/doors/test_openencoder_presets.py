"""Open Encoder's presets: those of every farm, and those that clients keep. The numbers are those of the checks."""

import json
from typing import Any

import pytest
from doors.openencoder_jobs import CRF

from framemill.api.openencoder.asked import NAME
from framemill.api.openencoder.built_in import BUILT_IN
from framemill.api.openencoder.shelf import KIND
from framemill.services.callers import Caller
from framemill.services.keepsakes import Keepsakes

pytestmark = pytest.mark.usefixtures("named_store")

DOCUMENT = {"name": "preset name", "description": "preset description", "data": CRF, "active": True}
"""As the document has it: without the file's name."""
WHOLE = {**DOCUMENT, "output": "film.mkv"}


def listed(door: Any, query: str = "") -> list[dict[str, Any]]:
    answer = door.get(f"/api/presets{query}")
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["presets"]
    return found


@pytest.mark.parametrize("path", ["/api/presets?page=0", "/api/preset"])
def test_check_8_every_farm_has_five(path: str, door: Any) -> None:
    told = door.get(path).json()
    assert told["count"] == 5
    assert told["presets"] == told["items"]
    assert [one["id"] for one in told["items"]] == [5, 4, 3, 2, 1]
    assert {one["name"] for one in told["items"]} == {
        *("h264_baseline_360p_600", "h264_main_480p_1000", "h264_main_720p_3000", "h264_main_1080p_6000"),
        "webm_vp9_720p_3000",
    }
    for one in told["items"]:
        assert one["active"] is True
        assert json.loads(one["data"])["raw"]


@pytest.mark.parametrize("path", ["/api/presets", "/api/preset"])
def test_check_9_one_is_made_with_four_fields_or_five(path: str, door: Any) -> None:
    four, five = door.post(path, DOCUMENT), door.post(path, WHOLE)
    assert (four.status_code, five.status_code) == (201, 201)
    assert (four.json()["id"], four.json()["output"]) == (6, "preset name.mp4")
    told = five.json()
    assert told["status"] == 201
    assert told["preset"] == {"id": 7, **WHOLE}
    assert {name: told[name] for name in told["preset"]} == told["preset"], "flat, as the document has it"
    assert [one["id"] for one in listed(door)] == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(("method", "path"), [("PUT", "/api/presets/6"), ("POST", "/api/preset/6")])
def test_check_9_one_is_changed_and_stays_so(method: str, path: str, door: Any) -> None:
    door.post("/api/presets", DOCUMENT)
    changed = door.ask(method, path, {**WHOLE, "name": "other", "active": False, "output": "other.mp4"})
    assert changed.status_code == 200
    expected = {"id": 6, **WHOLE, "name": "other", "active": False, "output": "other.mp4"}
    assert changed.json() == {**expected, "status": 200, "preset": expected}
    assert door.get("/api/presets/6").json() == {**expected, "status": 200, "preset": expected}
    assert door.get("/api/preset/6").json()["preset"] == expected
    assert len(listed(door)) == 6


def test_a_change_that_does_not_say_it_leaves_the_files_name(door: Any) -> None:
    door.post("/api/presets", WHOLE)
    assert door.ask("PUT", "/api/presets/6", DOCUMENT).json()["output"] == "film.mkv"


def test_one_of_the_farms_is_changed_for_the_account_alone(door: Any) -> None:
    account = door.post("/v1/accounts", {"name": "shop"}).json()["id"]
    key = door.post("/v1/keys", {"name": "shop", "account": account}).json()["key"]
    for description in ("first", "second"):
        changed = door.ask("PUT", "/api/presets/1", {**WHOLE, "name": BUILT_IN[0].name, "description": description})
        assert (changed.status_code, changed.json()["id"]) == (200, 1)
    assert [one["id"] for one in listed(door)] == [5, 4, 3, 2, 1]
    assert door.get("/api/presets/1").json()["description"] == "second"
    theirs = door.get("/api/presets/1", key=key).json()["preset"]
    assert theirs["data"] == BUILT_IN[0].data
    job = door.post("/api/jobs", {"preset": BUILT_IN[0].name, "source": "a.mp4", "dest": "b/"}).json()["job"]
    assert job["options"] == CRF


def test_presets_are_an_accounts_own_and_their_numbers_the_farms(door: Any) -> None:
    account = door.post("/v1/accounts", {"name": "shop"}).json()["id"]
    key = door.post("/v1/keys", {"name": "shop", "account": account}).json()["key"]
    assert door.post("/api/presets", WHOLE).json()["id"] == 6
    assert door.post("/api/presets", WHOLE, key=key).json()["id"] == 7
    assert door.get("/api/presets/6", key=key).status_code == 404
    assert door.ask("PUT", "/api/presets/6", WHOLE, key=key).status_code == 404
    assert [one["id"] for one in door.get("/api/presets", key=key).json()["items"]] == [7, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("number", ["999999", "0", "-1", "x", "9" * 30])
def test_check_9_what_there_is_not_is_not_found(number: str, door: Any) -> None:
    for method in ("GET", "PUT", "POST"):
        answer = door.ask(method, f"/api/presets/{number}", None if method == "GET" else WHOLE)
        assert (answer.status_code, answer.json()) == (404, {"status": 404, "message": "Preset does not exist"})


def test_one_is_removed_and_one_of_the_farms_is_then_as_it_was(door: Any) -> None:
    door.post("/api/presets", WHOLE)
    door.ask("PUT", "/api/presets/1", {**WHOLE, "name": BUILT_IN[0].name})
    assert door.ask("DELETE", "/api/presets/6").json() == {"status": 200}
    assert door.ask("DELETE", "/api/preset/1").json() == {"status": 200}
    assert [one["id"] for one in listed(door)] == [5, 4, 3, 2, 1]
    assert door.get("/api/presets/1").json()["data"] == BUILT_IN[0].data
    for number in (6, 1, 2, 99):
        assert door.ask("DELETE", f"/api/presets/{number}").status_code == 404
    assert door.post("/api/presets", WHOLE).json()["id"] == 7, "no number is used twice"


def test_two_who_change_one_of_the_farms_at_once_change_the_same_thing(door: Any) -> None:
    """It has an id that follows from its number and the account, so there cannot be two of it."""
    kept = Keepsakes(door.database, door.parts.seals, caller=Caller(), door=NAME, kind=KIND)
    seen = []
    for _ in range(2):
        door.ask("PUT", "/api/presets/1", WHOLE)
        seen += [one.id for one in kept.listed()]
        door.ask("DELETE", "/api/presets/1")
    assert seen == [seen[0]] * 2


def test_pages_are_of_ten_or_of_as_many_as_are_asked_for(door: Any) -> None:
    for number in range(8):
        door.post("/api/presets", {**WHOLE, "name": f"preset {number}"})
    numbers = [one["id"] for one in listed(door)]
    assert numbers == [*range(13, 3, -1)] == [one["id"] for one in listed(door, "?page=0")]
    assert [one["id"] for one in listed(door, "?page=2")] == [3, 2, 1]
    assert len(listed(door, "?count=50")) == 13
    assert listed(door, "?page=abc") == listed(door)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"data": json.dumps({"raw": ["-vf movie=/etc/passwd"]})}, "movie"),
        ({"data": "{no JSON"}, "JSON"),
        ({"output": "../film.mp4"}, "name of a file"),
        ({"output": "film.exe"}, "exe"),
        ({"data": json.dumps({"video": {"speed": "2"}})}, "speed"),
        ({"name": ""}, "Name"),
    ],
)
def test_what_cannot_be_encoded_is_refused_when_it_is_saved(said: dict[str, str], why: str, door: Any) -> None:
    for method, path in (("POST", "/api/presets"), ("PUT", "/api/presets/1")):
        answer = door.ask(method, path, {**WHOLE, **said})
        assert answer.status_code == 400
        assert why in answer.json()["error"]
    assert len(listed(door)) == 5
    assert door.get("/api/presets/1").json()["data"] == BUILT_IN[0].data


def test_data_may_be_the_object_itself(door: Any) -> None:
    made = door.post("/api/presets", {**WHOLE, "data": json.loads(CRF)}).json()
    assert json.loads(made["data"]) == json.loads(CRF)


def test_of_two_of_one_name_the_newer_counts(door: Any) -> None:
    other = json.dumps({"raw": ["-c:v libx265 -crf 28"]})
    door.post("/api/presets", WHOLE)
    door.post("/api/presets", {**WHOLE, "data": other})
    job = door.post("/api/jobs", {"preset": WHOLE["name"], "source": "a.mp4", "dest": "b/"}).json()["job"]
    assert job["options"] == other


def test_one_that_is_not_active_is_not_offered_and_can_be_named(door: Any) -> None:
    door.post("/api/presets", {**WHOLE, "active": False})
    job = door.post("/api/jobs", {"preset": WHOLE["name"], "source": "a.mp4", "dest": "b/"}).json()["job"]
    assert job["status"] == "queued"


@pytest.mark.parametrize("lacking", ["name", "data"])
def test_what_is_empty_is_missing(lacking: str, door: Any) -> None:
    without = {name: value for name, value in WHOLE.items() if name != lacking}
    expected = f"Error:Field validation for '{lacking.capitalize()}' failed on the 'required' tag"
    for said in (without, {**WHOLE, lacking: ""}, {**WHOLE, lacking: None}):
        answer = door.post("/api/presets", said)
        assert (answer.status_code, expected in answer.json()["error"]) == (400, True), answer.text


def test_what_may_be_left_out_may_be_null(door: Any) -> None:
    said = {**WHOLE, "description": None, "output": None, "active": None}
    assert door.post("/api/presets", said).json()["preset"] == {
        **{"id": 6, "name": WHOLE["name"], "data": CRF},
        **{"description": "", "output": "preset name.mp4", "active": True},
    }
