"""Open Encoder's jobs: made, listed, looked at, cancelled, done again. The numbers are those of the checks."""

import asyncio
import itertools
import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from doors.openencoder_jobs import CRF, JOB, KEYS, TO_THE_END, id_of, job_of, made, read, settle, shown
from front_door import FACTS, KEY

from framemill.api.openencoder.asked import NAME
from framemill.api.openencoder.built_in import BUILT_IN
from framemill.api.openencoder.job_mapping import ROWS, STATUSES, guid_of, rows_of, status_of, told
from framemill.api.openencoder.preset_data import settings_of
from framemill.jobs.model import Input, Job
from framemill.jobs.reasons import Reason
from framemill.jobs.states import (
    JOB_TRANSITIONS,
    CancelAsked,
    Failed,
    IndexRefuted,
    InputsReady,
    InputState,
    JobState,
    Planned,
    RetryAsked,
    Started,
    WorkStopped,
)
from framemill.services.callers import Caller
from framemill.services.jobs import Shown
from framemill.services.keepsakes import Keepsakes
from framemill.services.numbered import Numbered
from framemill.storage.access import FtpAccess, S3Access
from framemill.storage.keyring import way_to
from framemill.store.jobs import list_jobs, save_input

pytestmark = pytest.mark.usefixtures("named_store")

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)


# Statuses, by themselves


def test_every_state_has_a_status_of_theirs() -> None:
    assert set(STATUSES) == set(JobState)
    assert set(STATUSES.values()) | {"restarting"} == set(ROWS)


def test_check_12_whichever_way_a_job_goes_it_is_told_no_status_twice() -> None:
    """Along every edge, as long as it is not tried again."""
    order = ["queued", "downloading", "probing", "encoding", "uploading", "completed", "error", "cancelled"]
    ranks = {status: min(rank, 5) for rank, status in enumerate(order)}
    for state, edges in JOB_TRANSITIONS.items():
        for event, following in edges.items():
            if event is not RetryAsked:
                before = Job(account="a", door="d", created_at=NOON, state=state)
                refuted = 1 if event is IndexRefuted else 0
                after = before.model_copy(update={"state": following, "refuted": refuted})
                assert ranks[status_of(before)] <= ranks[status_of(after)], (state, event)


def test_a_job_that_waits_to_be_done_again_is_restarting() -> None:
    job = Job(account="a", door="d", created_at=NOON)
    assert [status_of(job.model_copy(update={"attempt": attempt})) for attempt in (1, 2)] == ["queued", "restarting"]


def test_check_7_every_status_is_counted_in_its_order() -> None:
    assert [row["status"] for row in rows_of({})] == [*ROWS]
    found = rows_of({("queued", False): 2, ("queued", True): 3, ("stitching", False): 1, ("encoding", True): 4})
    assert {row["status"]: row["count"] for row in found if row["count"]} == {
        "queued": 2,
        "restarting": 3,
        "encoding": 5,
    }


def test_a_guid_follows_from_the_id_and_its_clock() -> None:
    ids = [str(uuid.UUID(int=(NOON.timestamp().__int__() * 1000 + n * 60_000 << 80) | 7 << 76 | n)) for n in range(3)]
    guids = [guid_of(one) for one in ids]
    assert all(re.fullmatch("[0-9a-v]{20}", one) for one in guids)
    assert guids == sorted(guids)
    assert guids == [guid_of(one) for one in ids]


# Making


@pytest.mark.parametrize("path", ["/api/jobs", "/api/job"])
def test_check_10_a_job_is_made_under_either_spelling(path: str, door: Any) -> None:
    answer = door.post(path, JOB)
    assert answer.status_code == 201
    told = answer.json()
    assert (told["message"], told["status"]) == ("Job created", 200)
    job = told["job"]
    assert job.keys() >= KEYS
    assert (job["id"], job["status"], job["preset"]) == (1, "queued", JOB["preset"])
    assert (job["source"], job["destination"]) == (JOB["source"], JOB["dest"])
    assert re.fullmatch("[0-9a-v]{20}", job["guid"])
    assert datetime.fromisoformat(job["created_date"]) > datetime.now(UTC) - timedelta(minutes=5)
    assert job["created_date"].endswith("Z")
    assert json.loads(job["options"])["raw"][0] == "-vf scale=-2:360"


@pytest.mark.parametrize("missing", [*JOB])
def test_check_10_what_is_missing_is_named(missing: str, door: Any) -> None:
    without = {name: value for name, value in JOB.items() if name != missing}
    name = missing.capitalize()
    for said in (without, {**JOB, missing: ""}, {**JOB, missing: None}):
        answer = door.post("/api/jobs", said)
        assert answer.status_code == 400
        expected = f"Key: 'request.{name}' Error:Field validation for '{name}' failed on the 'required' tag"
        assert answer.json()["error"] == expected
    assert door.get("/api/jobs").json()["count"] == 0


def test_the_farms_job_is_in_the_stores_of_the_settings(door: Any) -> None:
    keys = {"S3_ACCESS_KEY": "the key", "S3_SECRET_KEY": "the secret"}
    settle(door, **keys, S3_INBOUND_BUCKET="from", S3_OUTBOUND_BUCKET="to")
    made(door)
    found = shown(door, 1)
    assert (found.inputs[0].uri, found.outputs[0].targets[0].uri) == (
        "s3://from/src/a.mp4",
        "s3://to/dst/a/h264_baseline_360p_600.mp4",
    )
    access = door.parts.desk.keyring.access(way_to(found.inputs[0], ""))
    assert isinstance(access, S3Access)
    assert (access.access_key_id, access.secret_access_key) == ("the key", "the secret")
    assert found.outputs[0].settings.height == 360
    assert not found.outputs[0].stays
    assert "the secret" not in json.dumps(found.job.door_data)


FORM = {"video": {"codec": "x265", "pass": "crf", "crf": "28"}, "audio": {"codec": "none"}}
HLS = {"raw": ["-c:v libx264 -crf 23 -f hls -hls_time 6"]}


@pytest.mark.parametrize(
    ("data", "output", "uri"),
    [
        *((json.loads(one.data), one.output, f"s3://outbound/dst/a/{one.output}") for one in BUILT_IN),
        (FORM, "film.mkv", "s3://outbound/dst/a/film.mkv"),
        ({"raw": ["-c:v libx264 -f matroska"]}, "film.mp4", "s3://outbound/dst/a/film.mp4"),
        ({"raw": ["-vn -c:a libmp3lame -b:a 128k"]}, "film.mp3", "s3://outbound/dst/a/film.mp3"),
        (HLS, "film.m3u8", "s3://outbound/dst/a/"),
    ],
)
def test_the_farm_is_asked_for_what_the_preset_says_and_nothing_else(
    data: dict[str, Any], output: str, uri: str, door: Any
) -> None:
    """Least of all for what the farm's own presets would add."""
    text = json.dumps(data)
    said = {"name": "mine", "description": "", "data": text, "output": output, "active": True}
    assert door.post("/api/presets", said).status_code == 201
    assert made(door, preset="mine")["status"] == "queued"
    (found,) = shown(door, 1).outputs
    assert found.settings == settings_of(text, output)
    assert [one.uri for one in found.targets] == [uri]


def test_the_driver_may_be_an_ftp_server(door: Any) -> None:
    user = {"FTP_USERNAME": "u", "FTP_PASSWORD": "p"}
    settle(door, STORAGE_DRIVER="ftp", FTP_ADDR="ftp.example.org:2121", **user)
    made(door, source="src/a.mp4")
    found = shown(door, 1)
    assert found.inputs[0].uri == "ftp://ftp.example.org:2121/src/a.mp4"
    assert found.outputs[0].targets[0].uri == "ftp://ftp.example.org:2121/dst/a/h264_baseline_360p_600.mp4"
    access = door.parts.desk.keyring.access(way_to(found.inputs[0], ""))
    assert isinstance(access, FtpAccess)
    assert (access.user, access.password) == ("u", "p")


@pytest.mark.parametrize("server", ["elsewhere.example", "elsewhere.example:2121", "u:p@ftp.example.org:2121"])
def test_no_other_ftp_server_is_told_the_password_of_the_settings(server: str, door: Any) -> None:
    user = {"FTP_USERNAME": "u", "FTP_PASSWORD": "hush"}
    settle(door, STORAGE_DRIVER="ftp", FTP_ADDR="ftp.example.org:2121", **user)
    for number, said in enumerate(({"source": f"ftp://{server}/a.mp4"}, {"dest": f"ftp://{server}/"}), 1):
        job = made(door, **said)
        assert (job["status"], "FTP_ADDR" in job["error"]) == ("error", True)
        found = shown(door, number)
        assert not found.outputs
        assert all(one.sealed_access is None or "elsewhere" not in one.uri for one in found.inputs)
    made(door, source="ftp://FTP.example.org:2121/a.mp4", dest="ftp:///out/")
    assert shown(door, 3).inputs[0].uri == "ftp://ftp.example.org:2121/a.mp4"


def test_the_setting_of_streaming_is_told(door: Any) -> None:
    assert made(door)["streaming"] is False
    settle(door, S3_STREAMING="enabled")
    assert made(door)["streaming"] is True


def test_a_source_of_the_web_shows_none_of_its_secrets_and_keeps_them(door: Any) -> None:
    job = made(door, source="https://user:hush@films.example/a.mp4?token=hushhush")
    assert "hush" not in json.dumps([job, job_of(door, 1)])
    found = shown(door, 1)
    assert "hush" not in found.inputs[0].uri
    assert door.parts.desk.keyring.uri(way_to(found.inputs[0], "")).endswith("?token=hushhush")


def test_a_long_source_and_destination_are_kept_whole(door: Any) -> None:
    long = "s3:///" + "a" * 700 + "/"
    job = made(door, source=f"{long}b.mp4", dest=long)
    assert (job["source"], job["destination"]) == (f"{long}b.mp4", long)


# What cannot be done


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"preset": "nobody's"}, "no preset"),
        ({"source": "gopher://example.org/a.mp4"}, "gopher"),
        ({"source": "file:///no/such/film.mp4"}, "no file"),
        ({"source": "file:///a%00b"}, "NUL"),
        ({"source": "s3:///a%00b"}, "control characters"),
        ({"dest": "https://example.org/"}, "takes no results"),
        ({"source": "http://127.0.0.1/a.mp4"}, "127.0.0.1"),
    ],
)
def test_check_16_what_cannot_be_done_is_a_job_with_a_sentence(said: dict[str, str], why: str, door: Any) -> None:
    job = made(door, **said)
    assert job["status"] == "error"
    assert why in job["error"]
    assert job_of(door, 1)["status"] == "error"
    assert door.get("/api/jobs/1/status").json() == {"status": 200, "job_status": "error"}
    assert made(door)["id"] == 2, "the next one is a job like others"


def test_a_preset_that_was_kept_but_can_no_longer_be_read_is_an_error_of_the_job(door: Any) -> None:

    kept = Keepsakes(door.database, door.parts.seals, caller=Caller(), door=NAME, kind="preset")
    kept.made("old", {"name": "old", "data": '{"raw": ["-vf movie=/etc/passwd"]}', "output": "old.mp4"})
    job = made(door, preset="old")
    assert (job["status"], "movie" in job["error"]) == ("error", True)


def test_one_that_failed_is_done_again_by_what_the_preset_says_then(door: Any) -> None:
    job = made(door, preset="mine")
    assert job["status"] == "error"
    assert door.post("/api/jobs/1/restart").json() == {"status": 200}
    again = job_of(door, 1)
    assert (again["status"], again["guid"], again["options"]) == ("error", job["guid"], None)

    door.post("/api/presets", {"name": "mine", "description": "", "data": CRF, "output": "m.mp4", "active": True})
    assert door.post("/api/jobs/1/restart").json() == {"status": 200}
    again = job_of(door, 1)
    assert (again["status"], again["guid"], again["options"]) == ("restarting", job["guid"], CRF)
    found = shown(door, 1)
    assert (found.outputs[0].settings.crf, found.inputs[0].uri) == (23, "s3://inbound/src/a.mp4")
    assert [found.job.id] in door.nudged


def test_one_whose_store_was_wrong_is_done_again_with_the_settings_of_then(door: Any) -> None:
    made(door)
    before = shown(door, 1)
    door.moved(before.job.id, Started(), Failed(Reason.SOURCE_REFUSED, "The bucket is closed."))
    assert job_of(door, 1)["error"] == "The bucket is closed."
    settle(door, S3_ACCESS_KEY="right", S3_INBOUND_BUCKET="films")
    assert door.post("/api/job/1/restart").status_code == 200
    found = shown(door, 1)
    assert (found.job.state, found.job.attempt, found.inputs[0].state) == (JobState.QUEUED, 2, InputState.WAITING)
    assert found.inputs[0].uri == "s3://films/src/a.mp4"
    access = door.parts.desk.keyring.access(way_to(found.inputs[0], ""))
    assert isinstance(access, S3Access)
    assert access.access_key_id == "right"
    assert found.outputs[0].id == before.outputs[0].id, "what was published stays until then"


def test_what_could_not_be_fetched_is_tried_anew(door: Any) -> None:
    made(door)
    before = shown(door, 1)
    told = {"state": InputState.FAILED, "reason": Reason.SOURCE_MISSING, "message": "It is not there."}
    with door.database.writing() as conn:
        save_input(conn, before.inputs[0].model_copy(update=told))
    door.moved(before.job.id, Started(), Failed(Reason.SOURCE_MISSING, "It is not there."))
    assert door.post("/api/jobs/1/restart").status_code == 200
    assert shown(door, 1).inputs[0] == before.inputs[0]


def test_what_was_fetched_is_not_fetched_again(door: Any) -> None:
    """Neither from the web, where the secrets of the URL are kept too, nor from the store."""
    for number, source in enumerate(("https://films.example/a.mp4?token=hushhush", "src/a.mp4"), 1):
        made(door, source=source)
        read(door, number)
        door.moved(id_of(door, number), *TO_THE_END)
        before = shown(door, number).inputs[0]
        assert door.post(f"/api/jobs/{number}/restart").status_code == 200
        after = shown(door, number).inputs[0]
        assert after == before
        assert after.state is InputState.READY


# Looking


def test_check_11_pages_are_turned_by_their_number(door: Any) -> None:
    for _ in range(11):
        made(door)

    def numbers(query: str) -> list[int]:
        return [job["id"] for job in door.get(f"/api/jobs{query}").json()["items"]]

    assert numbers("") == numbers("?page=0") == numbers("?page=1") == [*range(11, 1, -1)]
    assert numbers("?page=2") == [1]
    assert numbers("?page=3") == []
    assert numbers("?count=3") == [11, 10, 9]
    assert numbers("?page=2&count=4") == [7, 6, 5, 4]
    for odd in ("?page=abc", "?page=-1", "?page=1.5", "?count=x", "?page=" + "9" * 40, "?page=999999999999"):
        assert door.get(f"/api/jobs{odd}").status_code == 200
    assert door.get("/api/jobs").json()["count"] == 11
    assert all(job.keys() >= KEYS for job in door.get("/api/job").json()["items"])


def test_a_job_alone_is_told_as_it_was_and_as_its_document_says(door: Any) -> None:
    job = made(door)
    told = door.get("/api/jobs/1").json()
    assert told["status"] == 200
    assert told["job"] == job
    assert {name: told[name] for name in ("id", "guid", "preset", "created_date")} == {
        name: job[name] for name in ("id", "guid", "preset", "created_date")
    }


@pytest.mark.parametrize("number", ["2", "0", "-1", "x", "9" * 40, str(uuid.UUID(int=1))])
def test_what_there_is_not_is_not_found(number: str, door: Any) -> None:
    made(door)
    for method, path in itertools.product(("jobs", "job"), ("", "/status")):
        answer = door.get(f"/api/{method}/{number}{path}")
        assert (answer.status_code, answer.json()["message"]) == (404, "Job does not exist")
    for path in ("/cancel", "/restart"):
        assert door.post(f"/api/jobs/{number}{path}").status_code == 404
    assert door.ask("PUT", f"/api/jobs/{number}", {"status": "cancelled"}).status_code == 404


def test_check_12_the_way_of_a_job_as_it_is_told(door: Any) -> None:
    made(door)
    job_id = id_of(door, 1)
    seen = [door.get("/api/jobs/1/status").json()["job_status"]]
    for event in TO_THE_END:
        if isinstance(event, InputsReady):
            read(door, 1)
        door.moved(job_id, event)
        seen.append(door.get("/api/jobs/1/status").json()["job_status"])
    assert [status for status, _ in itertools.groupby(seen)] == [
        *("queued", "downloading", "probing", "encoding", "uploading", "completed")
    ]
    job = job_of(door, 1)
    assert job["progress"] == 100
    assert json.loads(job["probe"])["streams"][0]["codec_type"] == "video"
    preset = door.get("/api/presets/1").json()
    assert json.loads(job["options"]) == json.loads(preset["data"])


def test_while_it_is_encoded_a_job_tells_how_fast(door: Any) -> None:
    made(door)
    read(door, 1)
    job_id = id_of(door, 1)
    door.moved(job_id, Started(), InputsReady(), Planned())
    assert (job_of(door, 1)["progress"], job_of(door, 1)["speed"], job_of(door, 1)["fps"]) == (0, None, None)
    asked = door.farm.asked
    assert ("progress_of", [job_id]) in asked
    door.farm.silent = True
    assert job_of(door, 1)["status"] == "encoding", "a farm that does not answer keeps nobody waiting"


def test_progress_is_of_frames_and_speed_of_seconds() -> None:
    job = Job(account="a", door="d", created_at=NOON, entered_at=NOON, state=JobState.ENCODING,
              door_data={"preset": "p", "source": "s", "dest": "d"})  # fmt: skip
    source = Input(job_id=job.id, uri="s3://b/k", facts=FACTS)
    now = NOON + timedelta(seconds=10)

    def tell(job: Job, frames: int, live: dict[str, Any] | None = None) -> tuple[Any, Any, Any]:
        shown = Shown(job, [source], [], None, (), frames, 1500)
        found = told(Numbered(1, shown), now, live)
        return found["progress"], found["fps"], found["speed"]

    assert tell(job, 0) == (0, None, None)
    assert tell(job, 300) == (20, 30.0, "1.2x"), "a fifth of a minute within ten seconds"
    assert tell(job, 300, {"frames": 750}) == (50, 75.0, "3x"), "with those under way"
    assert tell(job, 300, {"frames": 9000}) == (99, 150.0, "6x"), "it is done when it is done"
    assert tell(job, 1500) == (99, 150.0, "6x")
    ended = {"timings": {"encoding": 20.0}}
    assert tell(job.model_copy(update={"state": JobState.COMPLETED, **ended}), 1500) == (100, 75.0, "3x")
    assert tell(job.model_copy(update={"state": JobState.CANCELLED, **ended}), 750) == (50, 37.5, "1.5x")
    assert tell(job.model_copy(update={"state": JobState.DELIVERING, **ended}), 1500)[0] == 99


# Cancelling, and doing it again


def test_check_15_a_job_that_is_cancelled_stays_so_until_it_is_done_again(door: Any) -> None:
    before = made(door)
    read(door, 1)
    job_id = id_of(door, 1)
    door.moved(job_id, Started(), InputsReady(), Planned())
    assert door.post("/api/jobs/1/cancel").json() == {"status": 200}
    assert job_of(door, 1)["status"] == "cancelled", "at once, while its workers are stopped"
    assert door.post("/api/jobs/1/cancel").json() == {"status": 200}
    door.moved(job_id, WorkStopped())
    assert job_of(door, 1)["status"] == "cancelled"
    assert door.post("/api/jobs/1/cancel").json() == {"status": 200}

    assert door.post("/api/jobs/1/restart").json() == {"status": 200}
    again = job_of(door, 1)
    assert (again["id"], again["guid"], again["status"]) == (1, before["guid"], "restarting")
    assert again["progress"] == 0
    door.moved(job_id, *TO_THE_END)
    assert job_of(door, 1)["status"] == "completed"


def test_what_has_ended_is_not_cancelled_any_more_and_what_runs_is_not_begun_twice(door: Any) -> None:
    made(door)
    answer = door.post("/api/jobs/1/restart")
    assert (answer.status_code, "cancel it first" in answer.json()["message"]) == (409, True)
    door.moved(id_of(door, 1), *TO_THE_END)
    assert door.post("/api/jobs/1/cancel").json() == {"status": 200}
    assert job_of(door, 1)["status"] == "completed"


def test_a_status_is_put_that_somebody_can_wish(door: Any) -> None:
    made(door)
    answer = door.ask("PUT", "/api/jobs/1", {"status": "cancelled"})
    assert (answer.status_code, answer.json()["status"], answer.json()["id"]) == (200, "cancelled", 1)
    answer = door.ask("PUT", "/api/job/1", {"status": "restarting"})
    assert (answer.status_code, answer.json()["status"]) == (200, "restarting")
    answer = door.ask("PUT", "/api/jobs/1", {"status": "completed"})
    assert (answer.status_code, "completed" in answer.json()["message"]) == (400, True)
    assert job_of(door, 1)["status"] == "restarting"


def test_a_restart_waits_for_the_end_of_what_is_being_cancelled(door: Any) -> None:
    """Its client was told already that it is cancelled."""
    made(door)
    job_id = id_of(door, 1)
    door.moved(job_id, Started(), CancelAsked())

    async def scene() -> int:
        transport = httpx.ASGITransport(app=door.whole)
        async with httpx.AsyncClient(transport=transport, base_url="http://farm.example") as client:
            asked = asyncio.ensure_future(client.post("/api/jobs/1/restart", headers={"X-API-Key": KEY}))
            await asyncio.sleep(0.2)
            assert not asked.done()
            door.moved(job_id, WorkStopped())
            return (await asked).status_code

    assert asyncio.run(scene()) == 200
    assert job_of(door, 1)["status"] == "restarting"


# Whose


def test_another_account_has_jobs_of_its_own(door: Any) -> None:
    made(door)
    account = door.post("/v1/accounts", {"name": "shop"}).json()["id"]
    key = door.post("/v1/keys", {"name": "shop", "account": account}).json()["key"]
    assert door.get("/api/jobs", key=key).json() == {"count": 0, "items": []}
    assert door.get("/api/jobs/1", key=key).status_code == 404
    assert door.post("/api/jobs/1/cancel", key=key).status_code == 404
    assert door.post("/api/jobs", JOB, key=key).json()["job"]["id"] == 2, "numbers are the farm's"
    assert door.get("/api/jobs", key=key).json()["count"] == 1


def test_an_admin_restarts_a_job_of_somebody_else_as_it_was(door: Any) -> None:
    """Neither with the admin's presets nor with the keys of the admin's stores."""
    account = door.post("/v1/accounts", {"name": "shop"}).json()["id"]
    key = door.post("/v1/keys", {"name": "shop", "account": account}).json()["key"]
    own = {"source": "s3://shop/src/a.mp4", "dest": "s3://shop/dst/"}
    for preset in (JOB["preset"], "nobody's"):
        assert door.post("/api/jobs", {**own, "preset": preset}, key=key).status_code == 201
    settle(door, S3_ACCESS_KEY="the admin's", S3_INBOUND_BUCKET="the-admins")
    assert door.post("/api/jobs/1/cancel").status_code == 200
    assert door.post("/api/jobs/1/restart").status_code == 200
    found = shown(door, 1)
    assert (found.job.state, found.inputs[0].uri) == (JobState.QUEUED, "s3://shop/src/a.mp4")
    assert door.post("/api/jobs/2/restart").status_code == 409


def test_jobs_of_other_doors_are_not_seen(door: Any) -> None:
    wanted = {"inputs": [{"uri": "https://example.org/in.mov"}], "outputs": [{"name": "a.mp4"}]}
    assert door.post("/v1/jobs", wanted).status_code == 201
    assert door.get("/api/jobs").json() == {"count": 0, "items": []}
    assert made(door)["id"] == 1


def test_one_request_is_one_job_however_often_it_is_sent(door: Any) -> None:
    for said in (JOB, {**JOB, "preset": "nobody's"}):
        first, second = (
            door.post("/api/jobs", said, headers={"Idempotency-Key": said["preset"]}).json() for _ in range(2)
        )
        assert first == second
    assert door.get("/api/jobs").json()["count"] == 2


def test_what_quotas_do_not_allow_is_refused_and_is_no_job(door: Any) -> None:
    account = door.post("/v1/accounts", {"name": "shop", "quotas": {"jobs_per_day": 1}}).json()
    key = door.post("/v1/keys", {"name": "shop", "account": account["id"]}).json()["key"]
    assert door.post("/api/jobs", JOB, key=key).status_code == 201
    for said in (JOB, {**JOB, "preset": "nobody's"}):
        assert door.post("/api/jobs", said, key=key).status_code in {403, 429}
    assert door.get("/api/jobs", key=key).json()["count"] == 1


def test_a_job_can_be_found_by_the_farms_own_api(door: Any) -> None:
    made(door)
    with door.database.reading() as conn:
        (job,) = list_jobs(conn)
    assert job.door == "openencoder"
    assert job.door_data["preset"] == JOB["preset"]
