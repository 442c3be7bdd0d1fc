"""The farm as a whole at Open Encoder's door: checks 2, 7 and 18 of its specification."""

import json
import time
from typing import Any

import pytest
from doors.openencoder_jobs import JOB, id_of, made

from framemill.api.openencoder import workers
from framemill.jobs.states import CancelAsked, InputsReady, Planned, Started, WorkStopped
from framemill.services.callers import ADMIN
from framemill.services.keys import Keys
from framemill.store.columns import metadata

pytestmark = pytest.mark.usefixtures("named_store")

Asked = Any

STATUSES = [
    *("queued", "downloading", "probing", "encoding", "uploading", "completed", "error", "cancelled", "restarting"),
]
POOL = {
    *("worker_pool_id", "started_at", "heartbeat_at", "job_names", "concurrency", "host", "pid", "worker_ids"),
}
BUSY = {"worker_id", "is_busy", "job_name", "job_id", "started_at", "args_json", "checkin", "checkin_at"}


def worker(name: str = "worker-1", **more: Any) -> dict[str, Any]:
    """As the coordinator tells of one."""
    facts = {"name": name, "machine": "mill", "pid": 71, "slots": 2, "busy": 0, "barred": False, "encoders": []}
    when = {"lane": "encode", "started": time.time() - 60.0, "silent_seconds": 1.5, "work": []}
    return {**facts, **when, "running": [], **more}


def work(job: str, **more: Any) -> dict[str, Any]:
    return {"token": "t1", "job": job, "seconds": 3.0, "share": 0.25, **more}


def test_check_2_health_is_told_to_everybody(door: Asked) -> None:
    door.farm.told = {"workers": [worker(), worker("worker-2", barred=True), worker("stitcher-1", lane="stitch")]}

    told = door.get("/api/health", key=None)

    assert (told.status_code, told.json()) == (200, {"api": "OK", "db": "OK", "redis": "OK", "workers": 1})


def test_check_2_a_farm_whose_workers_were_stopped_has_none(door: Asked) -> None:
    door.farm.told = {"workers": []}
    assert door.get("/api/health", key=None).json()["workers"] == 0

    door.farm.silent = True
    assert door.get("/api/health", key=None).json() == {"api": "OK", "db": "OK", "redis": "NOTOK", "workers": 0}


def test_health_says_that_the_store_is_away(door: Asked) -> None:
    with door.database.writing() as conn:
        metadata.drop_all(conn)

    told = door.get("/api/health", key=None)

    assert (told.status_code, told.json()["db"]) == (200, "NOTOK")


def test_check_7_every_status_is_counted(door: Asked) -> None:
    told = door.get("/api/stats").json()

    assert told["status"] == 200
    assert told["stats"]["jobs"] == [{"status": status, "count": 0} for status in STATUSES]

    number = made(door)["id"]
    made(door)
    door.moved(id_of(door, number), CancelAsked())
    counts = {row["status"]: row["count"] for row in door.get("/api/stats").json()["stats"]["jobs"]}
    assert {status: count for status, count in counts.items() if count} == {"queued": 1, "cancelled": 1}


def test_check_18_nothing_waits_and_nobody_works(door: Asked) -> None:
    for silent in (False, True):
        door.farm.silent = silent
        assert door.get("/api/worker/queue").json() == [{"job_name": "encode", "count": 0, "latency": 0}]
        assert door.get("/api/worker/pools").json() == []
        assert door.get("/api/worker/busy").json() == []


def test_check_18_one_of_two_jobs_waits_while_the_other_is_worked_on(door: Asked) -> None:
    first, second = (made(door)["id"] for _ in range(2))
    for number in (first, second):
        door.moved(id_of(door, number), Started(), InputsReady(), Planned())
    ours = id_of(door, first)
    door.farm.told = {"workers": [worker(slots=1, work=[work(ours)])]}

    (queue,) = door.get("/api/worker/queue").json()
    assert (queue["job_name"], queue["count"]) == ("encode", 1)
    assert queue["latency"] >= 0

    (pool,) = door.get("/api/worker/pools").json()
    assert pool.keys() == POOL
    assert (pool["concurrency"], pool["host"], pool["pid"]) == (1, "mill", 71)
    assert 0 <= time.time() - pool["heartbeat_at"] < 15
    assert 55 < time.time() - pool["started_at"] < 75

    (busy,) = door.get("/api/worker/busy").json()
    assert busy.keys() == BUSY
    assert busy["worker_id"] in pool["worker_ids"]
    assert (busy["is_busy"], busy["checkin"]) == (True, "25 %")
    args = json.loads(busy["args_json"])
    assert args["guid"] == busy["job_id"] == door.get(f"/api/jobs/{first}").json()["guid"]
    assert (args["preset"], args["source"], args["destination"]) == (JOB["preset"], JOB["source"], JOB["dest"])


def test_how_long_the_queue_waits_is_told_of_its_oldest(door: Asked) -> None:
    ours = [id_of(door, made(door)["id"]) for _ in range(3)]
    door.moved(ours[0], CancelAsked())
    door.moved(ours[1], Started(), CancelAsked())
    door.farm.told = {"workers": [worker(work=[work(ours[2])])]}

    assert door.get("/api/worker/queue").json() == [{"job_name": "encode", "count": 0, "latency": 0}]

    door.moved(ours[1], WorkStopped())
    door.farm.told = {}
    assert door.get("/api/worker/queue").json()[0]["count"] == 1


def test_of_jobs_of_others_no_more_than_their_id_is_told(door: Asked) -> None:
    native = door.post("/v1/jobs", {"inputs": [{"uri": "https://example.org/in.mov"}], "outputs": [{}]}).json()["id"]
    door.farm.told = {"workers": [worker(work=[work(native, share=None)])]}

    (busy,) = door.get("/api/worker/busy").json()

    assert json.loads(busy["args_json"]).keys() == {"guid"}
    assert (busy["checkin"], busy["checkin_at"]) == ("", 0)


@pytest.mark.parametrize("path", ["queue", "pools", "busy"])
def test_who_works_is_told_to_users_and_not_to_an_accounts_key(door: Asked, path: str) -> None:
    _, key = Keys(door.database, ADMIN).create("ci", account="default")

    assert door.get(f"/api/worker/{path}", key=key).json() == {"message": "unauthorized"}
    assert door.get(f"/api/worker/{path}").status_code == 200


def test_a_worker_of_another_release_says_less() -> None:
    assert workers.count({"workers": [{"name": "w"}]}) == 1
    assert workers.worked_on({"workers": [{"name": "w"}]}) == set()
