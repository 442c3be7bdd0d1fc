"""Jobs in online-convert's words: made at once or step by step. The numbers are the checks'."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from doors.conftest import AskedDoor
from doors.convertrilo_jobs import account
from doors.onlineconvert_jobs import KEYED, MP4, REMOTE, SRC, V2, Client, done, parts_of, refused, told, was_read
from front_door import KEY

from framemill.jobs.model import ChunkRow
from framemill.jobs.states import JobState, Started, WorkStopped
from framemill.services.passwords import fits
from framemill.store.chunks import replace_chunks


@pytest.fixture
def client(door: AskedDoor) -> Client:
    return Client(door)


def outputs_by_conversion(door: AskedDoor, job_id: str) -> dict[str, list[tuple[str, ...]]]:
    """The inputs of each output, by its conversion."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for output in parts_of(door, job_id)[2]:
        found.setdefault(output.metadata["conversion"], []).append(output.input_ids)
    return found


@pytest.mark.parametrize("header", ["X-Oc-Api-Key", "X-Api2convert-Api-Key", "x-api-key"])
def test_check_1_a_key_is_taken_under_either_name(door: AskedDoor, header: str) -> None:
    body = {"process": False, "conversion": [MP4]}
    nobody = refused(door.ask("POST", f"{V2}/jobs", body, key=None), 401)
    assert "Invalid api key" in nobody["message"]
    wrong = refused(door.ask("POST", f"{V2}/jobs", body, key=None, headers={header: "not-a-key"}), 401)
    assert "not-a-key" not in wrong["message"]
    told(door.ask("POST", f"{V2}/jobs", body, key=None, headers={header: KEY}), 201)


def test_check_2_a_new_job_is_told_whole(client: Client) -> None:
    job = client.post("/jobs", {"input": [REMOTE], "conversion": [MP4]})
    assert job == job | {
        "type": "job",
        "status": {"code": "queued", "info": "The file is waiting in the queue for being processed"},
        "errors": [],
        "warnings": [],
        "process": True,
        "fail_on_conversion_error": True,
        "fail_on_input_error": True,
        "notify_status": False,
        "callback": "",
        "output": [],
        "spent": 0,
        "limits": {"job": {}, "input": {}, "output": {}},
    }
    assert str(UUID(job["id"])) == job["id"]
    assert len(job["token"]) == 32
    assert job["server"].startswith("http://farm.example/")
    assert len(job["created_at"]) == len("2017-08-15T17:20:55")
    (source,) = job["input"]
    assert source == source | {
        "type": "remote",
        "source": SRC,
        "status": "downloading",
        "filename": "in.mov",
        "credentials": {},
        "engine": "auto",
    }
    (conversion,) = job["conversion"]
    assert conversion == {
        "id": conversion["id"],
        "target": "mp4",
        "category": "video",
        "options": {},
        "metadata": {},
        "output_target": [],
    }
    assert client.get(f"/jobs/{job['id']}") == job


def test_check_5_a_job_is_put_together_step_by_step(client: Client) -> None:
    job = client.post("/jobs", {"process": False})
    path = f"/jobs/{job['id']}"
    assert job["status"]["code"] == "incomplete"

    conversion = client.post(f"{path}/conversions", MP4 | {"options": {"width": 320, "height": 180}})
    assert conversion["options"] == {"width": 320, "height": 180}
    assert client.get(path)["status"]["code"] == "incomplete"
    inputs = client.post(f"{path}/input", [REMOTE, {"type": "remote", "source": "https://films.example/b.webm"}])
    assert len({one["id"] for one in inputs}) == 2
    assert client.get(path)["status"]["code"] == "downloading"
    assert outputs_by_conversion(client.door, job["id"]) == {conversion["id"]: [(inputs[0]["id"],), (inputs[1]["id"],)]}

    was_read(client.door, job["id"])
    assert client.get(path)["status"]["code"] == "ready"
    assert client.get(path)["process"] is False
    started = client.patch(path, {"process": True, "callback": "https://hook.example/x?token=s3cret"})
    assert started["status"]["code"] == "queued"
    assert "s3cret" not in started["callback"]
    (callback,) = parts_of(client.door, job["id"])[0].callbacks
    assert client.door.parts.seals.opened(callback.sealed_url or "") == "https://hook.example/x?token=s3cret"

    done(client.door, job["id"])
    found = client.get(path)
    assert found["status"]["code"] == "completed"
    assert [one["filename"] for one in found["output"]] == ["in.mp4", "b.mp4"]
    assert [one["source"] for one in found["output"]] == [
        {"conversion": conversion["id"], "input": [one["id"]]} for one in inputs
    ]
    assert [row["status"] for row in client.get(f"{path}/history")] == [
        *("incomplete", "ready", "queued", "downloading", "processing", "completed")
    ]


def test_a_job_that_waits_for_its_last_part_begins_by_itself(client: Client) -> None:
    first = client.post("/jobs", {"conversion": [MP4]})
    assert (first["process"], first["status"]["code"]) == (True, "incomplete")
    made = client.post(f"/jobs/{first['id']}/input", REMOTE)
    assert made["type"] == "remote"
    assert client.get(f"/jobs/{first['id']}")["status"]["code"] == "queued"

    other = client.post("/jobs", {"input": [REMOTE]})
    assert other["status"]["code"] == "incomplete"
    assert isinstance(client.post(f"/jobs/{other['id']}/conversions", [MP4]), list)
    assert client.get(f"/jobs/{other['id']}")["status"]["code"] == "queued"


def test_what_has_begun_is_not_put_together_any_more(client: Client) -> None:
    job = client.post("/jobs", {"input": [REMOTE], "conversion": [MP4]})
    path = f"/jobs/{job['id']}"
    source, conversion = job["input"][0]["id"], job["conversion"][0]["id"]
    refused(client.ask("POST", f"{path}/input", REMOTE), 409)
    refused(client.ask("POST", f"{path}/conversions", MP4), 409)
    refused(client.ask("DELETE", f"{path}/input/{source}"), 409)
    refused(client.ask("DELETE", f"{path}/conversions/{conversion}"), 409)
    refused(client.ask("PATCH", f"{path}/conversions/{conversion}", {"options": {}}), 409)
    refused(client.ask("PATCH", f"{path}/input/{source}", {"parameters": {}}), 409)
    refused(client.ask("PATCH", f"{path}/input", [{"id": source, "options": {"position": 1}}]), 409)
    refused(client.ask("PATCH", path, {"callback": "https://hook.example"}), 409)
    refused(client.ask("PATCH", path, {"process": False}), 409)
    assert client.patch(path, {"process": True})["status"]["code"] == "queued"
    done(client.door, job["id"])
    assert client.patch(path, {"process": True})["status"]["code"] == "completed"


def test_check_19_a_canceled_job_stays_so(client: Client) -> None:
    job = client.post("/jobs", {"input": [REMOTE], "conversion": [MP4]})
    path = f"/jobs/{job['id']}"
    client.door.moved(job["id"], Started())
    assert client.ask("DELETE", path).status_code == 204
    assert parts_of(client.door, job["id"])[0].state is JobState.CANCELLING
    found = client.get(path)
    assert found["status"]["code"] == "canceled"
    assert found["input"][0]["status"] == "canceled"
    refused(client.ask("DELETE", path), 409)
    refused(client.ask("PATCH", path, {"process": True}), 409)
    client.door.moved(job["id"], WorkStopped())
    refused(client.ask("DELETE", path), 409)
    assert [row["status"] for row in client.get(f"{path}/history")][-1] == "canceled"


def test_conversions_and_inputs_are_changed_and_taken_away(client: Client) -> None:
    job = client.post("/jobs", {"process": False, "conversion": [MP4, {"target": "webm"}], "input": [REMOTE]})
    path, (first, second) = f"/jobs/{job['id']}", [one["id"] for one in job["conversion"]]
    before = {output.metadata["conversion"]: output.id for output in parts_of(client.door, job["id"])[2]}

    changed = client.patch(f"{path}/conversions/{first}", {"options": {"width": 640, "height": 360}})
    assert changed["options"]["width"] == 640
    assert client.get(f"{path}/conversions/{first}") == changed
    (made, _) = parts_of(client.door, job["id"])[2]
    assert (made.id, made.settings.width, made.settings.height) == (before[first], 640, 360)

    assert client.ask("DELETE", f"{path}/conversions/{first}").status_code == 204
    assert [one["id"] for one in client.get(f"{path}/conversions")] == [second]
    assert [output.id for output in parts_of(client.door, job["id"])[2]] == [before[second]]
    refused(client.ask("GET", f"{path}/conversions/{first}"), 404)
    refused(client.ask("DELETE", f"{path}/conversions/{first}"), 404)

    source = job["input"][0]["id"]
    other = client.post(f"{path}/input", REMOTE | {"filename": "other.mov"})
    moved = client.patch(f"{path}/input", [{"id": other["id"], "options": {"position": 0}}])
    assert [one["id"] for one in moved] == [other["id"], source]
    assert client.ask("DELETE", f"{path}/input/{source}").status_code == 204
    assert [one["filename"] for one in client.get(f"{path}/input")] == ["other.mov"]
    assert outputs_by_conversion(client.door, job["id"]) == {second: [(other["id"],)]}
    assert client.ask("DELETE", f"{path}/input/{other['id']}").status_code == 204
    assert client.get(path)["status"]["code"] == "incomplete"
    refused(client.ask("GET", f"{path}/input/{other['id']}"), 404)


def test_steps_at_the_same_time_are_all_taken(client: Client) -> None:
    job = client.post("/jobs", {"process": False, "conversion": [MP4]})
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: client.ask("POST", f"/jobs/{job['id']}/input", REMOTE), range(6)))
    ids = {told(answer, 201)["id"] for answer in answers}
    _, inputs, outputs = parts_of(client.door, job["id"])
    assert ids == {one.id for one in inputs}
    assert sorted(output.input_ids for output in outputs) == sorted((one.id,) for one in inputs)
    assert len(ids) == 6


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"conversion": [{"target": "nope"}]}, "conversion.0.target"),
        ({"conversion": [MP4 | {"options": {"width": "abc"}}]}, "conversion.0.options.width"),
        ({"conversion": [MP4, MP4 | {"options": {"wirth": 1}}]}, "conversion.1.options.wirth"),
        ({"conversion": [{"category": "video"}]}, "conversion.0.target"),
        ({"input": [{"type": "remote"}]}, "input.0.source"),
        ({"input": [{"type": "carrier pigeon", "source": "x"}]}, "input.0.type"),
        ({"input": [{"type": "remote", "source": "file:///etc/passwd"}]}, "input.0.source"),
        ({"callback": "https://user@"}, "callback"),
        ({"limits": {"job": {"max_inputs": 0}}}, "limits.job.max_inputs"),
        ({"process": "maybe"}, "process"),
    ],
)
def test_check_7_what_does_not_fit_is_told_by_its_field(client: Client, body: dict[str, Any], field: str) -> None:
    said = refused(client.ask("POST", "/jobs", body), 400)
    assert [name for name in said["errors"] if name.startswith(field)], said
    assert field.rpartition(".")[2] in said["message"]
    assert client.ask("GET", "/jobs").status_code == 204


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"3", b"\xff"])
def test_a_body_that_is_no_job(client: Client, body: bytes) -> None:
    refused(client.ask("POST", "/jobs", content=body, headers={"Content-Type": "application/json"}), 400)


def test_of_nothing_comes_nothing(client: Client) -> None:
    assert client.ask("POST", "/jobs", {}).status_code == 204
    listed = client.ask("GET", "/jobs")
    assert (listed.status_code, listed.headers["X-Count"], listed.content) == (204, "0", b"")


def test_jobs_are_listed_newest_first_and_by_status(client: Client) -> None:
    waiting = client.post("/jobs", {"process": False})
    queued = client.post("/jobs", {"input": [REMOTE], "conversion": [MP4]})
    answer = client.ask("GET", "/jobs")
    assert [one["id"] for one in told(answer)] == [queued["id"], waiting["id"]]
    assert answer.headers["X-Count"] == "2"
    assert [one["id"] for one in client.get("/jobs?status=incomplete")] == [waiting["id"]]
    assert [one["id"] for one in client.get("/jobs?status=queued&page=1")] == [queued["id"]]
    assert client.ask("GET", "/jobs?page=2").headers["X-Count"] == "2"
    assert client.ask("GET", "/jobs?page=2").status_code == 204
    assert client.ask("GET", "/jobs?status=created").status_code == 204
    refused(client.ask("GET", "/jobs?page=0"), 400)


def test_a_key_that_is_used_again_makes_one_job(client: Client) -> None:
    body, again = {"input": [REMOTE], "conversion": [MP4]}, {"Idempotency-Key": "once"}
    first, second = (client.post("/jobs", body, headers=again) for _ in range(2))
    assert first == second
    refused(client.ask("POST", "/jobs", {"process": False}, headers=again), 409)


def test_check_15_more_inputs_than_the_job_may_have(client: Client) -> None:
    limits = {"limits": {"job": {"max_inputs": 1}}, "process": False}
    refused(client.ask("POST", "/jobs", {"input": [REMOTE, REMOTE], **limits}), 402)
    job = client.post("/jobs", {"input": [REMOTE], **limits})
    refused(client.ask("POST", f"/jobs/{job['id']}/input", REMOTE), 402)
    assert len(client.get(f"/jobs/{job['id']}/input")) == 1
    assert job["limits"]["job"] == {"max_inputs": 1}


def test_check_20_statuses_need_no_key(door: AskedDoor) -> None:
    found = told(door.ask("GET", f"{V2}/statuses", key=None))
    assert all(one.keys() == {"code", "info"} and one["info"] for one in found)
    wanted = {"incomplete", "ready", "queued", "downloading", "processing", "completed", "failed"}
    assert wanted <= {one["code"] for one in found}


def test_another_accounts_job_and_none_at_all_are_not_found(client: Client) -> None:
    for path in ("", "/input", "/output", "/conversions", "/history", "/threads"):
        refused(client.ask("GET", f"/jobs/{UUID(int=7)}{path}"), 404)
    refused(client.ask("GET", "/jobs/x\ud7ff"), 404)


def test_who_holds_a_token_has_that_job_and_no_other(client: Client) -> None:
    mine = client.post("/jobs", {"process": False, "conversion": [MP4]})
    other = client.post("/jobs", {"process": False})
    bearer = client.by_token(mine)
    assert bearer.get(f"/jobs/{mine['id']}") == mine
    assert [one["id"] for one in bearer.get("/jobs")] == [mine["id"]]
    bearer.post(f"/jobs/{mine['id']}/input", REMOTE)
    bearer.patch(f"/jobs/{mine['id']}", {"process": True})

    refused(bearer.ask("GET", f"/jobs/{other['id']}"), 401)
    refused(bearer.ask("PATCH", f"/jobs/{other['id']}", {"process": True}), 401)
    refused(bearer.ask("POST", "/jobs", {"process": False}), 401)
    refused(bearer.ask("GET", "/contracts"), 401)
    for wrong in ("", "x" * 32, other["token"][:-2] + "AA", mine["token"] + "AA"):
        headers = {"X-Api2convert-Token": wrong}
        refused(client.door.ask("GET", f"{V2}/jobs/{mine['id']}", key=None, headers=headers), 401)
    assert told(client.door.ask("GET", f"{V2}/jobs/{mine['id']}", key="nobody's", headers=KEYED))


def test_outputs_are_called_otherwise_and_taken_away(client: Client) -> None:
    job = client.post("/jobs", {"input": [REMOTE], "conversion": [MP4, {"target": "webm"}]})
    path = f"/jobs/{job['id']}/output"
    assert client.get(path) == []
    done(client.door, job["id"])
    first, second = client.get(path)
    assert first == first | {"size": 6, "status": "enabled", "downloads_counter": 0, "content_type": "video/mp4"}
    assert len(first["checksum"]) == 32
    assert first["uri"].startswith(job["server"])

    renamed = client.patch(f"{path}/{first['id']}", {"filename": "Best of"})
    assert renamed["filename"] == "Best of.mp4"
    assert client.get(f"{path}/{first['id']}") == renamed
    assert [one["filename"] for one in client.patch(path, [{"id": second["id"], "filename": "b"}])] == [
        "Best of.mp4",
        "b.webm",
    ]
    for wrong in ("../x", "a\\b", "x" * 300, ""):
        refused(client.ask("PATCH", f"{path}/{first['id']}", {"filename": wrong}), 400)

    assert client.ask("DELETE", f"{path}/{first['id']}").status_code == 204
    assert [one["status"] for one in client.get(path)] == ["disabled", "enabled"]
    refused(client.ask("DELETE", f"{path}/{UUID(int=7)}"), 404)


def test_what_opens_a_clients_store_is_told_to_nobody(client: Client) -> None:
    target = {
        "type": "ftp",
        "parameters": {"host": "ftp.example", "file": "out/film.mp4"},
        "credentials": {"username": "me", "password": "sw0rdf1sh"},
    }
    job = client.post("/jobs", {"process": False, "conversion": [MP4 | {"output_target": [target]}]})
    path = f"/jobs/{job['id']}"
    assert job["conversion"][0]["output_target"] == [
        {"type": "ftp", "parameters": target["parameters"], "credentials": {}, "status": "waiting"}
    ]
    client.post(f"{path}/input", [REMOTE, REMOTE])
    row, _, outputs = parts_of(client.door, job["id"])
    first, second = (output.targets[0].uri for output in outputs)
    assert first == "ftp://ftp.example/out/film.mp4"
    assert first != second
    assert all(output.targets[0].sealed_access for output in outputs)
    written = row.model_dump_json() + "".join(output.model_dump_json() for output in outputs)
    assert "sw0rdf1sh" not in written + client.ask("GET", path).text + client.ask("GET", f"{path}/history").text


def test_passwords_are_said_of_a_job_at_any_time_but_while_it_is_worked_on(client: Client) -> None:
    job = client.post(
        "/jobs",
        {
            "process": False,
            "download_passwords": ["0ne"],
            "input": [REMOTE],
            "conversion": [MP4 | {"options": {"download_password": "tw0"}}],
        },
    )
    path = f"/jobs/{job['id']}"

    def opened_by() -> list[str]:
        (output,) = parts_of(client.door, job["id"])[2]
        return [word for word in ("0ne", "tw0", "thr33") if any(fits(word, lock) for lock in output.password_hashes)]

    assert opened_by() == ["0ne", "tw0"]
    client.patch(path, {"download_passwords": ["thr33"]})
    assert opened_by() == ["tw0", "thr33"]
    client.patch(path, {"process": True})
    refused(client.ask("PATCH", path, {"download_passwords": []}), 409)
    done(client.door, job["id"])
    found = client.patch(path, {"download_passwords": []})
    assert opened_by() == ["tw0"]
    client.patch(f"{path}/output/{found['output'][0]['id']}", {"download_password": "0ne"})
    assert opened_by() == ["0ne"]
    told = parts_of(client.door, job["id"])[0].model_dump_json() + client.ask("GET", path).text
    assert not any(word in told for word in ("0ne", "tw0", "thr33"))


def test_jobs_in_a_list_are_told_whole(client: Client) -> None:
    job = client.post("/jobs", {"input": [REMOTE], "conversion": [MP4]})
    done(client.door, job["id"])
    assert client.get("/jobs") == [client.get(f"/jobs/{job['id']}")]
    assert client.by_token(job).get("/jobs") == client.get("/jobs?status=completed")


def test_the_chunks_of_a_job_are_its_threads(client: Client) -> None:
    job = client.post("/jobs", {"input": [REMOTE], "conversion": [MP4]})
    (output,) = parts_of(client.door, job["id"])[2]
    rows = [
        ChunkRow(job_id=job["id"], output_id=output.id, number=number, key=f"k{number}", first_frame=0, end_frame=25)
        for number in range(2)
    ]
    with client.door.database.writing() as conn:
        replace_chunks(conn, job["id"], 1, rows)
    first, second = client.get(f"/jobs/{job['id']}/threads")
    assert first == first | {"hash": "k0", "status": 0, "info": "waiting, frames 0 to 24", "exec_time": 0}
    assert isinstance(first["exec_time"], int)
    assert second["hash"] == "k1"


def test_a_token_is_worth_nothing_while_the_account_is_suspended(client: Client) -> None:
    key = account(client.door)
    owner = Client(client.door, {"X-Oc-Api-Key": key})
    job = owner.post("/jobs", {"process": False})
    bearer = owner.by_token(job)
    assert bearer.get(f"/jobs/{job['id']}")["id"] == job["id"]
    refused(client.ask("GET", f"/jobs/{job['id']}", headers={"X-Api2convert-Api-Key": account(client.door)}), 404)
    whose = parts_of(client.door, job["id"])[0].account
    told(client.door.ask("PATCH", f"/v1/accounts/{whose}", {"state": "suspended"}))
    refused(bearer.ask("GET", f"/jobs/{job['id']}"), 403)
    refused(owner.ask("GET", f"/jobs/{job['id']}"), 403)
