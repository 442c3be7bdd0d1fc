"""Whatever goes wrong is told in one shape. The number is the check's."""

import json
from typing import Any

import pytest
from doors.devstreamcore import V1, Client, customer, refused
from front_door import KEY, FrontDoor, within_a_minute

from framemill.api.devstreamcore import standing
from framemill.api.devstreamcore.ladder import CAPS_KBPS, HEIGHTS, rungs
from framemill.api.devstreamcore.refusals import TYPES, field_of
from framemill.jobs.reasons import Reason
from framemill.jobs.states import JobState


@pytest.fixture
def client(door: FrontDoor) -> Client:
    return Client(door)


def test_check_22_there_is_nothing_at_that_address(client: Client) -> None:
    refused(client.get("/nothing"), 404, "not_found")
    refused(client.get("/videos/vid_x"), 404, "not_found")
    refused(client.get("/videos/x\ud7ff"), 404, "not_found")


def test_check_22_another_method(client: Client) -> None:
    answer = client.ask("PUT", "/videos/vid_x", {})
    refused(answer, 405, "invalid_request_error")
    assert answer.headers["Allow"] == "DELETE, GET, PATCH"


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b'"x"', b"\xff\xfe"])
def test_check_22_a_body_that_is_no_json_object(door: Any, body: bytes) -> None:
    path = f"{V1}/uploads/up_{'0a' * 10}/finalize"
    headers = {"Content-Type": "application/json"}
    answer = door.ask("POST", path, key=None, bearer=KEY, content=body, headers=headers)
    refused(answer, 400, "invalid_request_error")


def test_check_22_a_body_of_another_type(door: Any) -> None:
    headers = {"Content-Type": "text/plain"}
    answer = door.ask("POST", f"{V1}/videos", key=None, bearer=KEY, content=b"{}", headers=headers)
    refused(answer, 400, "invalid_request_error")


def test_check_22_a_fault_of_the_farms(client: Client, door: FrontDoor) -> None:
    with door.database.writing() as conn:
        conn.exec_driver_sql("ALTER TABLE videos RENAME TO films")
    error = refused(client.get("/videos"), 500, "api_error")
    assert "videos" not in error["message"]


def test_check_22_too_many_requests_are_told_when_to_ask_again(door: FrontDoor) -> None:
    client = customer(door, requests_per_minute=2)
    with within_a_minute():
        answers = [client.get("/videos") for _ in range(3)]
    refused(answers[-1], 429, "rate_limit_error")
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_a_spent_quota_is_told_as_such(door: FrontDoor) -> None:
    client = customer(door, encode_minutes_per_month=0)
    upload_id = client.uploaded()
    refused(client.finalize(upload_id), 402, "quota_exceeded")
    assert client.videos()["data"] == []


def test_places_are_written_with_brackets() -> None:
    assert field_of("parts.0.etag") == "parts[0].etag"
    assert field_of("input.0") == "input[0]"
    assert field_of("inputs.0.uri") == "input[0].url"


def test_the_tables_are_total() -> None:
    assert set(standing.FIRST) == set(standing.BEGINS) == set(JobState)
    assert set(standing.ERROR_TYPES) == set(Reason)
    seed = {
        *("invalid_request_error", "authentication_error", "permission_error", "not_found"),
        *("rate_limit_error", "quota_exceeded", "api_error"),
    }
    assert set(TYPES.values()) <= seed


def test_each_quality_is_a_ladder_whose_caps_fall() -> None:
    caps = list(CAPS_KBPS.values())
    assert caps == sorted(caps, reverse=True)
    assert list(CAPS_KBPS) == sorted(CAPS_KBPS, reverse=True)
    for quality, height in HEIGHTS.items():
        assert rungs(quality)[0]["height"] == height
    assert json.dumps(rungs("original"))
