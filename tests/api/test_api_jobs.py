"""The routes of jobs: what comes in, what goes out, and every way in which they refuse."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from framemill.api.native import schemas
from framemill.jobs.model import Delivery, Waiting, Warned
from framemill.jobs.reasons import Reason
from framemill.jobs.states import (
    CancelAsked,
    ChunksCommitted,
    Delivered,
    Failed,
    InputsReady,
    InputState,
    JobState,
    Packaged,
    Planned,
    Started,
    Stitched,
)
from framemill.services.jobs import Jobs
from framemill.store.deliveries import save_deliveries
from framemill.store.jobs import save_input

Door = Any
Want = Callable[..., dict[str, Any]]
NOWHERE = "019aaaaa-0000-7000-8000-000000000001"


def test_a_job_is_submitted_and_shown(door: Door, want: Want) -> None:
    body = want(
        outputs=[{"target": "/out/a.mp4", "preset": "h265", "settings": {"crf": 20}}, {"name": "b.mkv"}],
        run={"chunks": 3},
        priority=2,
        deadline="2031-01-01T00:00:00+02:00",
        limits={"max_process_seconds": 60},
        callbacks=[{"url": "https://user:secret@x.example/", "on": "change"}],
        metadata={"k": [1, None, "ü"]},
        fairness_key="phone",
        on_output_error="keep",
    )

    made = door.post("/v1/jobs", body)

    assert made.status_code == 201
    job = made.json()
    assert made.headers["Location"] == f"http://farm.example/v1/jobs/{job['id']}"
    assert door.nudged == [[job["id"]]]
    assert door.get(f"/v1/jobs/{job['id']}").json() == job
    assert (job["state"], job["attempt"], job["door"], job["priority"]) == ("queued", 1, "native", 2)
    assert (job["deadline"], job["metadata"]) == ("2030-12-31T22:00:00Z", {"k": [1, None, "ü"]})
    assert (job["fairness_key"], job["on_output_error"], job["on_input_error"]) == ("phone", "keep", "fail")
    assert job["run"]["chunks"] == 3
    assert job["limits"]["max_process_seconds"] == 60
    assert job["callbacks"][0]["url"] == "https://***@x.example/"
    assert job["progress"] == {
        "frames": 0,
        "frames_planned": 0,
        "share": None,
        "bytes_fetched": None,
        "bytes_delivered": None,
        "bytes_to_deliver": None,
        "bytes_planned": None,
        "frames_per_second": None,
        "remaining_seconds": None,
    }
    (source,) = job["inputs"]
    assert (source["uri"], source["state"]) == ("https://example.org/in.mov", "waiting")
    assert [(output["name"], output["target"], output["preset"]) for output in job["outputs"]] == [
        ("a.mp4", "/out/a.mp4", "h265"),
        ("b.mkv", None, "h264"),
    ]
    assert (job["outputs"][0]["settings"]["crf"], job["outputs"][0]["settings"]["video_codec"]) == (20, "h265")


def test_secrets_stay_inside(door: Door) -> None:
    job_id = door.submitted(uri="https://user:hunter2two@example.org/in.mov?token=hunter2two")
    message = "https://user:hunter2two@example.org/in.mov?token=hunter2two answered 403."
    door.moved(job_id, Started(), Failed(Reason.SOURCE_REFUSED, message))
    with door.database.writing() as conn:
        source = Jobs(door.database, lambda _: None).shown(job_id).inputs[0]
        failed = {"state": InputState.FAILED, "message": message}
        save_input(conn, source.model_copy(update=failed))

    for path in ("", "/inputs", "/outputs", "/events", "/why"):
        answer = door.get(f"/v1/jobs/{job_id}{path}")
        assert answer.status_code == 200
        assert "hunter2two" not in answer.text
    assert door.get(f"/v1/jobs/{job_id}").json()["inputs"][0]["uri"] == "https://***@example.org/in.mov?token=***"
    assert "hunter2two" not in door.get("/v1/jobs").text


def test_jobs_are_listed(door: Door) -> None:
    ids = [door.submitted() for _ in range(3)]
    door.moved(ids[0], CancelAsked())
    door.moved(ids[1], Started())

    first = door.get("/v1/jobs", params={"limit": 2}).json()
    rest = door.get("/v1/jobs", params={"limit": 2, "cursor": first["next_cursor"]}).json()

    assert [job["id"] for job in first["data"] + rest["data"]] == ids[::-1]
    assert rest["next_cursor"] is None
    some = door.get("/v1/jobs", params={"state": ["cancelled", "ingesting"]}).json()
    assert [job["state"] for job in some["data"]] == ["ingesting", "cancelled"]
    assert [job["id"] for job in door.get("/v1/jobs", params={"id": ids[1]}).json()["data"]] == [ids[1]]


@pytest.mark.parametrize(
    "params",
    [{"limit": 0}, {"limit": 101}, {"cursor": "x"}, {"state": "done"}, {"id": "X"}, {"limit": "many"}],
)
def test_a_wrong_question_names_the_parameter(door: Door, params: dict[str, Any]) -> None:
    answer = door.get("/v1/jobs", params=params)
    assert answer.status_code == 422
    (name,) = params
    error = answer.json()["error"]
    assert (error["code"], error["param"].split(".")[0]) == ("invalid_field", name)


def to(*targets: dict[str, Any]) -> dict[str, Any]:
    """A job with an output for these."""
    return {"outputs": [{"targets": list(targets)}]}


WRONG: list[tuple[dict[str, Any], str, str | None]] = [
    ({"inputs": []}, "wrong_use", "inputs"),
    ({"outputs": []}, "wrong_use", "outputs"),
    ({"preset": "h264"}, "invalid_field", None),
    ({"outputs": [], "preset": "h246"}, "unknown_preset", "outputs.0.preset"),
    ({"callback": {"url": "ftp://x.example"}}, "invalid_field", "callback.url"),
    ({"inputs": [{}]}, "invalid_field", "inputs.0"),
    ({"inputs": [{"uri": "/nowhere/in.mov"}]}, "source_missing", "inputs.0.uri"),
    ({"inputs": [{"uri": "https://x.example/a\0b"}]}, "invalid_field", "inputs.0.uri"),
    ({"outputs": [{"target": "/x.mp4", "settings": {"cfr": 1}}]}, "unknown_setting", "outputs.0.settings.cfr"),
    ({"outputs": [{"target": "/x.mp4", "settings": {"crf": 99}}]}, "invalid_setting", "outputs.0.settings.crf"),
    ({"outputs": [{"target": "/x.mp4", "preset": "h246"}]}, "unknown_preset", "outputs.0.preset"),
    ({"outputs": [{"target": "x.mp4"}]}, "wrong_use", "outputs.0.target"),
    ({"outputs": [{"taget": "/x.mp4"}]}, "invalid_field", "outputs.0.taget"),
    (to({"uri": "x.mp4"}), "wrong_use", "outputs.0.targets.0.uri"),
    (to({"uri": "https://x.example/a.mp4"}), "wrong_use", "outputs.0.targets.0.uri"),
    (to({"uri": "s3:///a.mp4"}), "wrong_use", "outputs.0.targets.0.uri"),
    (to({"uri": "s3://bucket/a.rm"}), "wrong_use", "outputs.0.targets.0.uri"),
    (to({"uri": "s3://bucket/a.mp4"}, {"uri": "/out/a.mkv"}), "wrong_use", "outputs.0.targets.1.uri"),
    (to({"uri": "s3://bucket/a.mp4"}, {"uri": "s3://bucket/a.mp4"}), "wrong_use", "outputs.0.targets.1"),
    (to({"uri": "s3://bucket/a.mp4", "acl": "mine"}), "wrong_use", "outputs.0.targets.0.acl"),
    (to({"uri": "ftp://host/a.mp4", "acl": "private"}), "wrong_use", "outputs.0.targets.0.acl"),
    (to({"uri": "az://box/a.mp4", "acl": "private"}), "wrong_use", "outputs.0.targets.0.acl"),
    (to({"uri": "s3://bucket/a.mp4", "if_exists": "ask"}), "invalid_field", "outputs.0.targets.0.if_exists"),
    (to({"uri": "s3://bucket/", "if_exists": "rename"}), "wrong_use", "outputs.0.targets.0.uri"),
    (to({"uri": "s3://bucket/a.mp4", "credentials": "none"}), "wrong_use", "outputs.0.targets.0.credentials"),
    (to({"uri": "/out/a.mp4", "credentials": "none"}), "wrong_use", "outputs.0.targets.0.credentials"),
    (
        to({"uri": "gs://bucket/a.mp4", "credentials": {"kind": "s3", "access_key_id": "a"}}),
        "wrong_use",
        "outputs.0.targets.0.credentials",
    ),
    (
        to({"uri": "s3://bucket/a.mp4", "credentials": {"kind": "s4"}}),
        "invalid_field",
        "outputs.0.targets.0.credentials",
    ),
    ({"outputs": [{"target": "/x.mp4", "targets": [{"uri": "/y.mp4"}]}]}, "wrong_use", "outputs.0.target"),
    (to(*({"uri": f"/out/{number}.mp4"} for number in range(21))), "invalid_field", "outputs.0.targets"),
    ({"run": {"chunks": 0}}, "invalid_field", "run.chunks"),
    ({"run": {"chunks": 1, "chunk_frames": 2}}, "invalid_field", "run"),
    ({"run": {"chunk_seconds": "inf"}}, "invalid_field", "run.chunk_seconds"),
    ({"limits": {"max_process_seconds": "inf"}}, "invalid_field", "limits.max_process_seconds"),
    ({"priority": 10**9}, "invalid_field", "priority"),
    ({"deadline": "2031-01-01T00:00:00"}, "invalid_field", "deadline"),
    ({"metadata": {"k": "\ud800"}}, "invalid_field", "metadata"),
    ({"metadata": {"\0": 1}}, "invalid_field", "metadata"),
    ({"metadata": 3}, "invalid_field", "metadata"),
    ({"callbacks": [{"url": "ftp://x.example"}]}, "invalid_field", "callbacks.0.url"),
    ({"start": "later"}, "invalid_field", "start"),
    ({"state": "completed"}, "invalid_field", "state"),
]


@pytest.mark.parametrize(("wrong", "code", "param"), WRONG, ids=str)
def test_a_wrong_job_is_refused_and_the_field_named(
    wrong: dict[str, Any], code: str, param: str, door: Door, want: Want
) -> None:
    answer = door.post("/v1/jobs", {**want(), **wrong})

    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request", code, param)
    assert error["request_id"] == answer.headers["X-Request-Id"]
    assert door.get("/v1/jobs").json()["data"] == []


def test_an_output_is_put_into_several_stores(door: Door, want: Want) -> None:
    targets = [
        {"uri": "/out/a.mp4", "if_exists": "rename"},
        {"uri": "s3://bucket/a.mp4", "credentials": KEY, "if_exists": "fail", "acl": "public-read"},
        {"uri": "ftp://ada:hunter2two@host/a.mp4"},
    ]
    made = door.post("/v1/jobs", {**want(), "start": "held", "outputs": [{"targets": targets, "keep": True}]}).json()
    (output,) = made["outputs"]
    usual = {"credentials": None, "if_exists": "replace", "acl": None, "state": None, "reason": None, "message": None}
    assert (output["name"], output["target"], output["keep"]) == ("a.mp4", "/out/a.mp4", True)
    assert output["targets"] == [
        {**usual, "uri": "/out/a.mp4", "if_exists": "rename"},
        {
            **usual,
            **{"uri": "s3://bucket/a.mp4", "credentials": {"kind": "s3"}, "if_exists": "fail", "acl": "public-read"},
        },
        {**usual, "uri": "ftp://***@host/a.mp4"},
    ]
    for path in ("", "/outputs", "/events"):
        assert "hunter2two" not in door.get(f"/v1/jobs/{made['id']}{path}").text

    # What was read and is sent back changes nothing; what opens it stays, and is not told.
    path = f"/v1/jobs/{made['id']}/outputs/{output['id']}"
    said = [{name: one[name] for name in ("uri", "credentials", "if_exists", "acl")} for one in output["targets"]]
    before = Jobs(door.database, lambda _: None).shown(made["id"]).outputs[0].targets
    assert door.ask("PATCH", path, json={"targets": said}).json()["targets"] == output["targets"]
    assert Jobs(door.database, lambda _: None).shown(made["id"]).outputs[0].targets == before
    assert before[1].sealed_access is not None
    assert before[2].sealed_uri is not None
    assert door.ask("PATCH", path, json={"metadata": {"k": 1}}).json()["targets"] == output["targets"]
    one = door.ask("PATCH", path, json={"target": "s3://bucket/b.mp4"}).json()
    assert ([target["uri"] for target in one["targets"]], one["name"], one["keep"]) == (
        ["s3://bucket/b.mp4"],
        "b.mp4",
        False,
    )


KEY = {"kind": "s3", "access_key_id": "hunter2two-key", "secret_access_key": "hunter2two"}


def tower(height: int) -> Any:
    return [tower(height - 1)] if height else 1


@pytest.mark.parametrize("metadata", ['{"k": NaN}', '{"k": [Infinity]}', '{"k": 1e999}', None])
def test_numbers_that_are_none_and_towers_of_lists_are_refused(metadata: str | None, door: Door, want: Want) -> None:
    text = json.dumps({**want(), "metadata": {"k": tower(100)}})
    if metadata is not None:
        text = json.dumps(want())[:-1] + f', "metadata": {metadata}}}'
    answer = door.ask("POST", "/v1/jobs", content=text, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "metadata")


def test_a_source_is_looked_at_where_it_is_local(door: Door, tmp_path: Path) -> None:
    (tmp_path / "empty.mov").touch()
    (tmp_path / "film.mov").write_bytes(b"film")

    def code(uri: str) -> Any:
        answer = door.post("/v1/jobs", {"inputs": [{"uri": uri}], "outputs": [{"target": str(tmp_path / "film.mov")}]})
        return answer.json()["error"]["code"]

    assert code(str(tmp_path / "empty.mov")) == "unreadable_source"
    assert code(str(tmp_path)) == "source_missing"
    assert code(str(tmp_path / "film.mov")) == "wrong_use"


def test_a_job_takes_its_way(door: Door) -> None:
    job_id = door.submitted(start="held")
    path = f"/v1/jobs/{job_id}"
    assert door.get(path).json()["state"] == "held"

    edited = door.ask("PATCH", path, json={"outputs": [{"name": "c.mkv"}], "priority": 5})
    assert (edited.status_code, edited.json()["priority"]) == (200, 5)
    assert [output["name"] for output in edited.json()["outputs"]] == ["c.mkv"]
    assert door.post(f"{path}/start").json()["state"] == "queued"
    assert door.post(f"{path}/cancel").json()["state"] == "cancelled"
    again = door.post(f"{path}/retry").json()
    assert (again["state"], again["attempt"]) == ("queued", 2)
    door.moved(job_id, Started())
    assert door.post(f"{path}/cancel").json()["state"] == "cancelling"
    assert door.nudged == [[job_id]] * 6
    kinds = [event["kind"] for event in door.get(f"{path}/events").json()["data"]]
    assert kinds == ["created", "edited", "queued", "cancelled", "queued", "ingesting", "cancelling"]
    last = door.get(f"{path}/events").json()["data"][-2]
    assert [event["kind"] for event in door.get(f"{path}/events", params={"after": last["seq"]}).json()["data"]] == [
        "cancelling"
    ]


def test_what_a_state_does_not_allow_is_a_conflict(door: Door) -> None:
    job_id = door.submitted()
    path = f"/v1/jobs/{job_id}"
    for method, what in (("POST", f"{path}/start"), ("POST", f"{path}/retry"), ("DELETE", path)):
        answer = door.ask(method, what)
        assert (answer.status_code, answer.json()["error"]["type"]) == (409, "conflict")
    edit = door.ask("PATCH", path, json={"run": {"chunks": 2}})
    assert (edit.status_code, edit.json()["error"]["code"]) == (409, "conflict")
    door.post(f"{path}/cancel")
    assert door.post(f"{path}/cancel").status_code == 409


def test_a_job_is_forgotten(door: Door) -> None:
    job_id = door.submitted()
    door.post(f"/v1/jobs/{job_id}/cancel")

    gone = door.ask("DELETE", f"/v1/jobs/{job_id}")

    assert (gone.status_code, gone.content) == (204, b"")
    assert door.get(f"/v1/jobs/{job_id}").status_code == 404


@pytest.mark.parametrize("job_id", [NOWHERE, "x", "%00", "ü", "%ff", "x" * 300])
def test_what_is_not_there_is_404_on_every_route(door: Door, job_id: str) -> None:
    path = f"/v1/jobs/{job_id}"
    asked = [("GET", ""), ("DELETE", ""), ("POST", "/start"), ("POST", "/cancel"), ("POST", "/retry")]
    asked += [("GET", f"/{part}") for part in ("inputs", "outputs", "report", "events", "why")]
    answers = [door.ask(method, path + more) for method, more in asked]
    answers.append(door.ask("PATCH", path, json={"priority": 1}))
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_an_edit_that_names_nothing_known_is_refused(door: Door) -> None:
    job_id = door.submitted(start="held")
    wrongs: list[dict[str, Any]] = [{"state": "x"}, {"start": "auto"}, {"outputs": [{"name": "a.xyz"}]}]
    for wrong in wrongs:
        assert door.ask("PATCH", f"/v1/jobs/{job_id}", json=wrong).status_code == 422
    changed = door.ask("PATCH", f"/v1/jobs/{job_id}", json={"deadline": None, "metadata": {"a": 1}}).json()
    assert (changed["deadline"], changed["metadata"]) == (None, {"a": 1})


# Progress and results


def test_progress_is_the_stores_and_beyond_that_the_coordinators(door: Door) -> None:
    job_id = door.submitted()
    assert door.get(f"/v1/jobs/{job_id}").json()["progress"]["share"] is None
    assert door.farm.asked == []  # nobody works on it

    door.moved(job_id, Started())
    door.farm.progress_told = {"bytes": 5, "bytes_planned": 10}
    fetching = door.get(f"/v1/jobs/{job_id}").json()["progress"]
    assert (fetching["bytes_fetched"], fetching["bytes_planned"], fetching["share"]) == (5, 10, None)
    door.moved(job_id, InputsReady(), Planned())
    door.farm.progress_told = {"frames": 30, "frames_planned": 90}
    encoding = door.get(f"/v1/jobs/{job_id}").json()["progress"]
    assert (encoding["frames"], encoding["frames_planned"], encoding["share"]) == (30, 90, 0.3333)
    assert door.farm.asked == [("progress", job_id)] * 2


@pytest.mark.parametrize("way", ["silent", "hangs"])
def test_a_job_is_shown_where_the_coordinator_does_not_answer(
    way: str, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framemill.api.asked.PATIENCE_SECONDS", 0.05)
    job_id = door.submitted()
    door.moved(job_id, Started())
    setattr(door.farm, way, True)

    shown = door.get(f"/v1/jobs/{job_id}")

    assert (shown.status_code, shown.json()["state"]) == (200, "ingesting")
    assert shown.json()["waiting"]["code"] == "farm_away"
    assert shown.json()["waiting"]["sentence"].startswith("Nobody works on it: The coordinator ")
    why = door.get(f"/v1/jobs/{job_id}/why").json()
    assert (why["waiting"]["code"], why["state"]) == ("farm_away", "ingesting")


def test_a_completed_job_has_its_report_and_files(door: Door) -> None:
    job_id = door.submitted()
    path = f"/v1/jobs/{job_id}"
    missing = door.get(f"{path}/report")
    assert (missing.status_code, "has no report yet" in missing.json()["error"]["message"]) == (404, True)
    report = {"source": {"uri": "https://u:hunter2two@x.example/"}, "warnings": [], "plan": {"chunks": [1]}}
    door.moved(
        job_id,
        *(Started(), InputsReady(), Planned(), ChunksCommitted(), Stitched(), Packaged(report), Delivered()),
        warnings=(Warned(about="job", about_id=job_id, reason=Reason.DISK_FULL, message="It was close."),),
    )
    output_id = door.get(path).json()["outputs"][0]["id"]
    file = Delivery(job_id=job_id, output_id=output_id, path="a.mp4", uri="/out/a.mp4", size=5, sha256="0" * 64)
    with door.database.writing() as conn:
        save_deliveries(conn, [file])

    job = door.get(path).json()
    assert (job["state"], job["progress"]["share"]) == ("completed", 1.0)
    assert job["warnings"][0]["message"] == "It was close."
    assert set(job["timings_seconds"]) == {
        *("queued", "ingesting", "planning", "encoding", "stitching", "packaging", "delivering"),
    }
    (told,) = door.get(f"{path}/outputs").json()["data"][0]["files"]
    assert (told["path"], told["uri"], told["size_bytes"], told["sha256"]) == ("a.mp4", "/out/a.mp4", 5, "0" * 64)
    assert door.get(f"{path}/report").json() == {**report, "source": {"uri": "https://***@x.example/"}}


def test_inputs_tell_what_was_found(door: Door) -> None:
    job_id = door.submitted()
    source = Jobs(door.database, lambda _: None).shown(job_id).inputs[0]
    found = {"state": InputState.READY, "size": 7, "facts": {"format": {"duration": "2.5"}, "streams": []}}
    with door.database.writing() as conn:
        save_input(conn, source.model_copy(update=found))

    (told,) = door.get(f"/v1/jobs/{job_id}/inputs").json()["data"]

    assert (told["state"], told["size_bytes"], told["duration_seconds"]) == ("ready", 7, 2.5)
    assert told["facts"] == found["facts"]
    assert "facts" not in door.get(f"/v1/jobs/{job_id}").json()["inputs"][0]


def test_why_a_job_does_not_move(door: Door) -> None:
    job_id = door.submitted()
    door.moved(job_id, waiting=Waiting(code="no_slot", sentence="All 4 slots are busy."))

    why = door.get(f"/v1/jobs/{job_id}/why").json()

    assert why["waiting"] == {"code": "no_slot", "sentence": "All 4 slots are busy."}
    assert (why["job_id"], why["state"], why["facts"]["attempt"]) == (job_id, "queued", 1)
    assert "FRAMEMILL_SLOTS" in why["next"]
    assert door.get(f"/v1/jobs/{job_id}").json()["waiting"] == why["waiting"]


def test_every_state_has_its_word() -> None:
    told = schemas.Job.model_fields["state"].description or ""
    assert {word.strip() for word in re.split(r"[,.]|\s+or\s+", told) if word.strip()} == {
        state.value for state in JobState
    }


def test_outputs_of_several_inputs_are_submitted_and_edited(door: Door, want: Want) -> None:
    inputs = [{"uri": "https://example.org/a.mov", "start": "0:01.5", "end": 9}, {"uri": "https://example.org/b.mov"}]
    made = door.post("/v1/jobs", want(inputs=inputs, outputs=[{}, {"inputs": [1]}], start="held")).json()

    first, second = made["inputs"]
    assert (first["start"], first["end"], second["start"]) == (1.5, 9, None)
    assert [output["input_ids"] for output in made["outputs"]] == [[], [second["id"]]]
    place = f"/v1/jobs/{made['id']}/outputs/{made['outputs'][1]['id']}"
    changed = door.ask("PATCH", place, json={"inputs": [second["id"], 0]}).json()
    assert changed["input_ids"] == [second["id"], first["id"]]
    refused = door.ask("PATCH", place, json={"inputs": [2]})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "inputs")
