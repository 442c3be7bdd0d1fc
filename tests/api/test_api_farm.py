"""The routes of the farm as a whole, and whether it is ready."""

import os
from typing import Any

import pytest

from framemill.store.database import Database
from framemill.store.epochs import take_epoch
from framemill.store.farm import read_paused, set_condition

Door = Any


def test_the_farm_tells_what_the_store_and_the_coordinator_know(door: Door) -> None:
    door.submitted()
    door.submitted(start="held")

    farm = door.get("/v1/farm").json()

    assert farm == {
        "live": True,
        "message": None,
        "paused": False,
        "waiting": None,
        "jobs": {"held": 1, "queued": 1},
        "slots": 4,
        "backlog_seconds": 1.5,
    }


def test_the_farm_is_paused_and_resumed_with_or_without_a_coordinator(door: Door, database: Database) -> None:
    door.farm.silent = True

    paused = door.post("/v1/farm/pause")

    assert (paused.status_code, paused.json()["paused"], paused.json()["live"]) == (200, True, False)
    assert paused.json()["message"] == "The coordinator is away."
    with database.reading() as conn:
        assert read_paused(conn) is True
    assert door.post("/v1/farm/resume").json()["paused"] is False
    assert door.nudged == [[], []]


def test_the_farm_tells_why_it_takes_nothing_in(door: Door, database: Database) -> None:
    with database.writing() as conn:
        set_condition(conn, {"workers": 0, "more": 1}, take_epoch(conn))

    farm = door.get("/v1/farm").json()

    assert (farm["paused"], farm["waiting"]["code"], farm["waiting"]["sentence"]) == (
        False,
        "no_worker",
        "No worker reports.",
    )


@pytest.mark.parametrize(("body", "dry_run"), [(None, False), ({}, False), ({"dry_run": True}, True)])
def test_the_farm_throws_away_what_nobody_needs(door: Door, body: Any, dry_run: bool) -> None:
    answer = door.post("/v1/farm/gc", body)
    assert (answer.status_code, answer.json()) == (200, {"bytes": 12, "dry_run": dry_run})
    assert door.farm.asked == [("gc", dry_run)]


@pytest.mark.parametrize(("body", "seconds"), [(None, 30.0), ({"seconds": 5}, 5.0)])
def test_the_farm_is_drained(door: Door, body: Any, seconds: float) -> None:
    answer = door.post("/v1/farm/drain", body)
    assert (answer.status_code, answer.json()) == (200, {"drained": True})
    assert door.farm.asked == [("drain", seconds)]


def test_what_needs_a_living_coordinator_says_so(door: Door) -> None:
    door.farm.silent = True
    for path in ("/v1/farm/gc", "/v1/farm/drain"):
        answer = door.post(path)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        error = answer.json()["error"]
        assert (error["type"], error["code"], error["message"]) == (
            "farm",
            "farm_unavailable",
            "The coordinator is away.",
        )
    assert door.post("/v1/farm/drain", {"seconds": -1}).json()["error"]["param"] == "seconds"


def test_the_farm_is_ready_once_store_and_coordinator_answer(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framemill.api.asked.PATIENCE_SECONDS", 0.05)
    assert door.get("/readyz", key=None).json() == {"status": "ready"}
    assert door.get("/healthz", key=None).json() == {"status": "alive"}

    door.farm.told = {"ready": False}
    assert door.get("/readyz", key=None).status_code == 503
    door.farm.hangs = True
    silent = door.get("/readyz", key=None)
    assert (silent.status_code, silent.json()["error"]["code"]) == (503, "not_ready")
    assert door.get("/healthz", key=None).status_code == 200


def test_a_database_that_is_gone_is_told_and_taken_up_again(door: Door, database: Database) -> None:
    if not database.is_sqlite:
        pytest.skip("it moves a file; a server that goes away is in tests/store/test_postgres_trouble.py")
    job_id = door.submitted()
    file = database.url.database or ""
    database.close()
    os.rename(file, f"{file}.away")

    asked = door.get(f"/v1/jobs/{job_id}")
    written = door.post(f"/v1/jobs/{job_id}/cancel")
    ready = door.get("/readyz", key=None)

    for answer in (asked, written):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert (answer.json()["error"]["type"], answer.json()["error"]["code"]) == ("farm", "store_unavailable")
    assert ready.status_code == 503
    os.rename(f"{file}.away", file)
    assert door.get(f"/v1/jobs/{job_id}").json()["state"] == "queued"
