"""A held job is put together piece by piece; several jobs are made at once, or none."""

from pathlib import Path
from typing import Any

Door = Any
OUT = {"target": "/out/a.mp4", "settings": {"crf": 20}}


def test_a_held_job_is_put_together_and_started(door: Door) -> None:
    job = door.post("/v1/jobs", {"start": "held"}).json()
    path = f"/v1/jobs/{job['id']}"
    bare = door.post(f"{path}/start")
    assert (bare.status_code, "has no input yet" in bare.json()["error"]["message"]) == (409, True)

    source = door.post(f"{path}/inputs", {"uri": "https://x.example/in.mov"})
    assert source.status_code == 201
    assert source.headers["Location"] == f"http://farm.example{path}/inputs/{source.json()['id']}"
    assert door.get(source.headers["Location"]).json() == source.json()
    assert "has no output yet" in door.post(f"{path}/start").json()["error"]["message"]
    again = door.post(f"{path}/inputs", {"uri": "https://x.example/b.mov"})
    assert (again.status_code, again.json()["uri"]) == (201, "https://x.example/b.mov")
    assert door.ask("DELETE", f"{path}/inputs/{again.json()['id']}").status_code == 204

    made = door.post(f"{path}/outputs", OUT)
    assert (made.status_code, made.json()["name"], made.json()["settings"]["crf"]) == (201, "a.mp4", 20)
    same = door.post(f"{path}/outputs", OUT)
    assert (same.status_code, "two outputs" in same.json()["error"]["message"]) == (422, True)
    second = door.post(f"{path}/outputs", {"name": "b.webm"}).json()
    assert door.ask("DELETE", f"{path}/outputs/{second['id']}").status_code == 204
    assert [one["id"] for one in door.get(f"{path}/outputs").json()["data"]] == [made.json()["id"]]
    assert door.post(f"{path}/start").json()["state"] == "queued"
    for method, what in (("POST", "/outputs"), ("DELETE", f"/outputs/{made.json()['id']}")):
        late = door.ask(method, path + what, json={} if method == "POST" else None)
        assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")


def test_a_part_is_changed_and_keeps_what_is_not_named(door: Door, want: Any) -> None:
    job = door.post("/v1/jobs", want(start="held", outputs=[{**OUT, "metadata": {"k": 1}}])).json()
    path = f"/v1/jobs/{job['id']}"
    output, source = job["outputs"][0]["id"], job["inputs"][0]["id"]

    changed = door.ask("PATCH", f"{path}/outputs/{output}", json={"settings": {"width": 640}}).json()
    assert (changed["id"], changed["target"], changed["metadata"]) == (output, "/out/a.mp4", {"k": 1})
    assert (changed["settings"]["crf"], changed["settings"]["width"]) == (20, 640)
    other = door.ask("PATCH", f"{path}/outputs/{output}", json={"preset": "h265", "target": "/out/b.mkv"}).json()
    assert (other["name"], other["preset"], other["settings"]["container"]) == ("b.mkv", "h265", "mkv")
    assert (other["settings"]["crf"], other["settings"]["width"]) == (None, None)
    moved = door.ask(
        "PATCH", f"{path}/inputs/{source}", json={"uri": "https://x.example/c.mov", "filename": "c"}
    ).json()
    assert (moved["uri"], moved["filename"]) == ("https://x.example/c.mov", "c")
    for part in ("inputs", "outputs"):
        for method in ("GET", "PATCH", "DELETE"):
            gone = door.ask(method, f"{path}/{part}/nothing", json={} if method == "PATCH" else None)
            assert (gone.status_code, gone.json()["error"]["code"]) == (404, "not_found")


def test_several_jobs_are_made_or_none(door: Door, want: Any, tmp_path: Path) -> None:
    made = door.post("/v1/jobs/batch", {"jobs": [want(), {"inputs": want()["inputs"], "preset": "hls"}]})
    assert made.status_code == 201
    ids = [job["id"] for job in made.json()["data"]]
    assert [job["id"] for job in door.get("/v1/jobs", params={"order": "oldest"}).json()["data"]] == ids
    assert made.json()["data"][1]["outputs"][0]["preset"] == "hls"
    assert door.nudged == [ids]

    wrong = door.post("/v1/jobs/batch", {"jobs": [want(), {"inputs": [{"uri": "/nowhere/in.mov"}], "preset": "h264"}]})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (422, "jobs.1.inputs.0.uri")
    assert len(door.get("/v1/jobs").json()["data"]) == 2


def test_one_callback_may_be_said_shortly(door: Door, want: Any) -> None:
    job = door.post("/v1/jobs", want(callback={"url": "https://x.example/hook"})).json()
    assert [callback["url"] for callback in job["callbacks"]] == ["https://x.example/hook"]


def test_a_slip_of_the_pen_is_told_with_what_is_near(door: Door, want: Any) -> None:
    for body, param, near in (
        (want(outputs=[{"taget": "/x.mp4"}]), "outputs.0.taget", "did you mean target or targets?"),
        (want(metdata={}), "metdata", "did you mean metadata?"),
        (want(run={"chunk": 3}), "run.chunk", "did you mean chunks"),
        ({**want(), "zzz": 1}, "zzz", "there are: "),
    ):
        error = door.post("/v1/jobs", body).json()["error"]
        assert (error["code"], error["param"]) == ("invalid_field", param)
        assert near in error["message"]
