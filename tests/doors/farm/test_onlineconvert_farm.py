"""online-convert's jobs through a real farm, by the numbers of the checks in its specification."""

import contextlib
import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import av
import clips
import httpx
import pytest
from api2convert import Api2Convert, SignatureVerificationError
from doors.around import Customer, DoorFarm, Receiver, awaited, got
from doors.callback_files import callback_files
from PIL import Image
from reached import Answer, Heard, serving
from servers.ftp import PASSWORD, USER, ftp_server
from servers.scripted import Scripted

from framemill.config import DataFolder

BASE = "/v2"
ENDED = {"completed", "failed", "canceled"}
CREDIT = 1000
"""Thousandths, as the farm's own API counts them."""
_LOOK = threading.Event()  # never set: a farm tells nobody


class Client:
    """A client with an account's key, in raw HTTP."""

    def __init__(self, http: httpx.Client, customer: Customer) -> None:
        self.http = http
        self.customer = customer

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self.http.request(method, BASE + path, json=body, headers={"X-Oc-Api-Key": self.customer.key})

    def told(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.ask(method, path, body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def made(self, *targets: str | dict[str, Any], source: str | None = None, **more: Any) -> dict[str, Any]:
        """A job of these targets, of that URL."""
        conversions = [{"target": one} if isinstance(one, str) else one for one in targets]
        inputs = {} if source is None else {"input": [{"type": "remote", "source": source}]}
        answer = self.ask("POST", "/jobs", {"conversion": conversions, **inputs, **more})
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.told("GET", f"/jobs/{job_id}")
        return found

    def status(self, job_id: str) -> str:
        return str(self.job(job_id)["status"]["code"])

    def reached(self, job_id: str, *codes: str, seconds: float = 240) -> dict[str, Any]:
        """The job when its status is one of these; any other end than that ends the test."""

        def look() -> dict[str, Any] | None:
            found = self.job(job_id)
            code = found["status"]["code"]
            assert code in codes or code not in ENDED, found
            return found if code in codes else None

        found: dict[str, Any] = awaited(look, f"{' or '.join(codes)} of {job_id}", seconds)
        return found

    def balance(self, farm: DoorFarm) -> int:
        return int(farm.native("GET", f"/accounts/{self.customer.account}")["balance"])


@pytest.fixture
def client(farm: DoorFarm, http: httpx.Client) -> Client:
    return Client(http, farm.customer())


@pytest.fixture
def counted(farm: DoorFarm, http: httpx.Client) -> Client:
    """One of an account that has a hundred credits."""
    return Client(http, farm.customer(credits=100 * CREDIT))


# Step by step


def test_check_05_a_job_grows_step_by_step_and_waits_until_it_is_told(client: Client, short_src: str) -> None:
    job_id = client.made(process=False)["id"]
    assert client.status(job_id) == "incomplete"
    assert client.ask("POST", f"/jobs/{job_id}/conversions", {"target": "mp4"}).status_code == 201
    both = [{"type": "remote", "source": short_src}, {"type": "remote", "source": f"{short_src}?again"}]
    added = client.ask("POST", f"/jobs/{job_id}/input", both)
    assert added.status_code == 201
    assert len({one["id"] for one in added.json()}) == 2

    ready = client.reached(job_id, "ready")
    assert [one["status"] for one in ready["input"]] == ["ready", "ready"]
    until = time.monotonic() + 2
    while time.monotonic() < until:  # and so it stays
        assert client.status(job_id) == "ready"
        _LOOK.wait(0.3)
    assert client.ask("PATCH", f"/jobs/{job_id}", {"process": True}).status_code == 200
    done = client.reached(job_id, "completed")
    assert len(done["output"]) == 2
    assert {one["source"]["conversion"] for one in done["output"]} == {done["conversion"][0]["id"]}
    assert {one["source"]["input"][0] for one in done["output"]} == {one["id"] for one in added.json()}


def test_an_upload_starts_the_job_that_waits_for_it(client: Client, short_film: Path) -> None:
    job = client.made("mp4")
    assert job["status"]["code"] == "incomplete"
    sent = httpx.post(
        f"{job['server']}/upload-file/{job['id']}",
        files={"file": ("film.mov", short_film.read_bytes())},
        headers={"X-Oc-Token": job["token"], "X-Oc-Upload-Uuid": "one"},
        timeout=60,
        trust_env=False,
    )
    assert sent.status_code in {200, 201}, sent.text
    assert client.ask("PATCH", f"/jobs/{job['id']}", {"process": True}).status_code == 200  # as the new guide does
    client.reached(job["id"], "completed")


def test_the_flow_of_the_old_client(client: Client, short_film: Path) -> None:
    """It asks for nothing but the status, and looks at what it gets before it fetches it."""
    job = client.made("mp4", process=False)
    job_id = job["id"]
    client.reached(job_id, "incomplete", "ready")
    with httpx.Client(timeout=60, trust_env=False, headers={"X-Oc-Token": job["token"]}) as web:
        form = {"file": ("film.mov", short_film.read_bytes())}
        assert web.post(f"{job['server']}/upload-file/{job_id}", files=form).is_success
        client.reached(job_id, "ready")
        client.told("PATCH", f"/jobs/{job_id}", {"process": True})
        (output,) = client.reached(job_id, "completed")["output"]
        head = web.head(output["uri"])
        assert head.headers["content-disposition"].endswith(f'filename="{output["filename"]}"')
        assert len(web.get(output["uri"]).content) == int(head.headers["content-length"]) == output["size"]
    assert client.told("GET", f"/jobs/{job_id}/output")[0]["downloads_counter"] == 1


# Callbacks


def test_check_08_a_callback_is_told_once_at_the_end(client: Client, receiver: Receiver, short_src: str) -> None:
    job_id = client.made("mp4", source=short_src, callback=receiver.url)["id"]
    done = client.reached(job_id, "completed")
    receiver.wait_for(lambda _: True)
    _LOOK.wait(1)
    (heard,) = receiver.heard
    assert (heard.method, heard.headers["content-type"]) == ("POST", "application/json")
    assert json.loads(heard.body) == done


def test_check_08_or_at_every_change_in_its_order_as_the_documents_receiver_writes_it(
    client: Client, short_src: str, tmp_path: Path
) -> None:
    with callback_files(tmp_path) as files, serving() as hook:
        job = client.made("mp4", process=False, callback=files.url, notify_status=True)
        client.told("POST", f"/jobs/{job['id']}/input", {"type": "remote", "source": short_src})
        client.reached(job["id"], "ready")
        client.told("PATCH", f"/jobs/{job['id']}", {"process": True})
        done = client.reached(job["id"], "completed")
        codes = [one["status"] for one in client.told("GET", f"/jobs/{job['id']}/history")]
        assert codes[-1] == "completed"
        assert {"ready", "processing"} <= set(codes)
        awaited(lambda: files.statuses(job["id"]) >= set(codes), "a file of each status")
        awaited(lambda: done["output"][0]["uri"] in files.read(job["id"], "completed"), "all of the last one")
        assert files.errors == ""

        httpx.post(files.url, content=b"no job", trust_env=False)
        assert "no job" in files.errors

        other = client.made("mp4", source=short_src, callback=f"{hook.url}/hook", notify_status=True)["id"]
        client.reached(other, "completed")
        codes = [one["status"] for one in client.told("GET", f"/jobs/{other}/history")]
        told = awaited(lambda: len(hook.heard) >= len(codes) and hook.heard, "a callback for each row of the history")
        assert [json.loads(one.body)["status"]["code"] for one in told] == codes


def test_check_09_what_a_receiver_answers_decides_on_further_tries(client: Client, short_src: str) -> None:
    answers: dict[str, list[int]] = {"/busy": [500, 500, 200], "/gone": [404]}
    waited = threading.Event()

    def answer(heard: Heard) -> Answer:
        if heard.path == "/slow" and not waited.is_set():
            waited.set()
            _LOOK.wait(5)
        left = answers.get(heard.path, [])
        return Answer(left.pop(0) if left else 200)

    with serving(answer) as server:
        for path in ("/busy", "/gone", "/slow"):
            job_id = client.made("mp4", source=short_src, callback=server.url + path)["id"]
            client.reached(job_id, "completed")

        def times(path: str) -> int:
            return sum(1 for one in list(server.heard) if one.path == path)

        awaited(lambda: times("/busy") >= 3 and times("/slow") >= 2, "the further tries", 180)
        _LOOK.wait(2)
        assert (times("/busy"), times("/gone"), times("/slow")) == (3, 1, 2)
        assert len({one.body for one in server.heard if one.path == "/busy"}) == 1


# Credits


def test_check_11_a_job_may_spend_all_of_what_it_may(counted: Client, farm: DoorFarm, short_src: str) -> None:
    job_id = counted.made("mp4", "mkv", "mov", source=short_src, limits={"job": {"max_credit": 4}})["id"]
    done = counted.reached(job_id, "completed")
    assert (len(done["output"]), done["spent"], done["warnings"]) == (3, 3, [])
    assert counted.balance(farm) == 97 * CREDIT

    job_id = counted.made("mp4", "mkv", "mov", source=short_src, limits={"job": {"max_credit": 3}})["id"]
    assert counted.reached(job_id, "completed")["spent"] == 3


def test_check_12_a_job_that_would_spend_more_fails_and_costs_nothing(
    counted: Client, farm: DoorFarm, short_src: str
) -> None:
    job_id = counted.made("mp4", "mkv", "mov", source=short_src, limits={"job": {"max_credit": 2}})["id"]
    failed = counted.reached(job_id, "failed")
    assert (failed["output"], failed["spent"]) == ([], 0)
    assert failed["errors"][0]["source"] == "conversion"
    assert failed["errors"][0]["message"]
    assert counted.told("GET", f"/jobs/{job_id}/output") == []
    awaited(lambda: counted.balance(farm) == 100 * CREDIT, "the whole balance", 20)


def encoded(farm: DoorFarm, job_id: str) -> list[str]:
    """Ids of a job's outputs in the order in which their last chunks were there."""
    query = (
        "SELECT output_id FROM chunks WHERE job_id = ? AND committed_at IS NOT NULL "
        "GROUP BY output_id ORDER BY MAX(committed_at)"
    )
    with contextlib.closing(sqlite3.connect(f"file:{DataFolder(farm.folder).database}?mode=ro", uri=True)) as conn:
        return [str(row[0]) for row in conn.execute(query, [job_id])]


def test_check_13_or_keeps_the_two_that_were_there_first(counted: Client, farm: DoorFarm, short_src: str) -> None:
    for n in range(20):  # each of another size, so that nothing of the last one is there
        asked = [
            {"target": target, "options": {"width": width + 16 * n, "height": height + 8 * n}}
            for target, width, height in (("mp4", 160, 90), ("webm", 640, 360), ("mkv", 168, 94))
        ]
        limits = {"job": {"max_credit": 2}}
        made = counted.made(*asked, source=short_src, limits=limits, fail_on_conversion_error=False)
        done = counted.reached(made["id"], "completed")
        assert (len(done["output"]), done["spent"]) == (2, 2)
        assert done["warnings"]
        assert done["errors"] == []
        assert {one["id"] for one in done["output"]} == set(encoded(farm, made["id"])[:2])
        assert counted.balance(farm) == (100 - 2 * (n + 1)) * CREDIT


def test_the_documents_last_example_one_image_three_targets_two_credits(
    counted: Client, farm: DoorFarm, web: Scripted, tmp_path: Path
) -> None:
    picture = tmp_path / "example_small.jpg"
    clips.ffmpeg(*clips.picture(1), "-frames:v", "1", picture)
    web.files["/raster image/jpg/example_small.jpg"] = picture.read_bytes()
    asked = {
        "input": [{"type": "remote", "source": f"{web.url}/raster%20image/jpg/example_small.jpg"}],
        "conversion": [{"target": "png"}, {"target": "bmp"}, {"target": "gif"}],
        "limits": {"job": {"max_credit": 2}},
        "fail_on_conversion_error": False,
    }
    answer = counted.ask("POST", "/jobs", asked)
    assert answer.status_code == 201, answer.text
    done = counted.reached(answer.json()["id"], "completed")
    assert (len(done["output"]), done["spent"], len(done["warnings"])) == (2, 2, 1)
    assert counted.balance(farm) == 98 * CREDIT
    for one in done["output"]:
        (tmp_path / one["filename"]).write_bytes(got(one["uri"]).content)
        with Image.open(tmp_path / one["filename"]) as image:
            assert image.format in {"PNG", "BMP", "GIF"}
            assert image.size == (320, 180)


# What a job may do at most


def test_check_14_an_output_is_downloaded_as_often_as_it_may_be(client: Client, short_src: str) -> None:
    job_id = client.made("mp4", source=short_src, limits={"output": {"max_downloads": 1}})["id"]
    (output,) = client.reached(job_id, "completed")["output"]
    with httpx.Client(timeout=60, trust_env=False) as web:
        assert web.head(output["uri"]).status_code == 200
        assert web.head(output["uri"]).status_code == 200
        assert web.get(output["uri"]).status_code == 200
        assert 400 <= web.get(output["uri"]).status_code < 500
    (after,) = client.told("GET", f"/jobs/{job_id}/output")
    assert (after["status"], after["downloads_counter"]) == ("overuse", 1)


def test_an_output_that_was_deleted_is_gone_and_told_so(client: Client, short_src: str) -> None:
    job_id = client.made("mp4", source=short_src)["id"]
    (output,) = client.reached(job_id, "completed")["output"]
    assert client.ask("DELETE", f"/jobs/{job_id}/output/{output['id']}").status_code == 204
    assert got(output["uri"]).status_code in {404, 410}
    assert client.told("GET", f"/jobs/{job_id}/output/{output['id']}")["status"] == "disabled"


# What goes wrong


def test_check_16_one_input_of_two_is_not_there(client: Client, web: Scripted, short_src: str) -> None:
    nowhere = f"{web.url}/nowhere.mov"
    inputs = [{"type": "remote", "source": one} for one in (short_src, nowhere)]
    failed = client.reached(client.made("mp4", input=inputs)["id"], "failed")
    bad = next(one["id"] for one in failed["input"] if one["source"] == nowhere)
    error = failed["errors"][0]
    assert (error["source"], error["id_source"], error["code"]) == ("input", bad, 404)
    assert failed["output"] == []

    done = client.reached(client.made("mp4", input=inputs, fail_on_input_error=False)["id"], "completed")
    assert len(done["output"]) == 1
    warning = done["warnings"][0]
    assert (warning["source"], warning["code"]) == ("input", 404)
    assert done["errors"] == []


def test_check_18_an_output_is_delivered_by_ftp_and_nothing_stays(
    client: Client, short_src: str, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    credentials = {"username": USER, "password": PASSWORD}
    with ftp_server(tmp_path) as server:
        where = {"host": "127.0.0.1", "port": server.port, "file": "in/film.mp4"}
        target = {"type": "ftp", "parameters": where, "credentials": credentials}
        asked = {"target": "mp4", "output_target": [target]}
        done = client.reached(client.made(asked, source=short_src)["id"], "completed")
        with av.open(str(tmp_path / "in" / "film.mp4"), "r") as film:
            assert film.streams.video[0].width == 640
        assert done["output"] == []
        (told,) = done["conversion"][0]["output_target"]
        assert told["status"] == "completed"
        assert told["credentials"] in ({}, [])
        assert PASSWORD not in json.dumps(done)

        # What is there already is refused.
        failed = client.reached(client.made(asked, source=short_src)["id"], "failed")
        assert failed["conversion"][0]["output_target"][0]["status"] == "failed"

    # Nobody listens there any more.
    asked["output_target"] = [{**target, "parameters": {**where, "file": "in/other.mp4"}}]
    failed = client.reached(client.made(asked, source=short_src)["id"], "failed")
    assert failed["errors"][0]["source"] == "conversion"


def test_check_19_a_job_that_is_processed_is_cancelled_once(farm: DoorFarm, client: Client, long_src: str) -> None:
    job_id = client.made("mp4", source=long_src)["id"]
    client.reached(job_id, "processing")
    awaited(lambda: farm.encoders, "the first encode")
    assert client.ask("DELETE", f"/jobs/{job_id}").status_code == 204
    assert client.status(job_id) == "canceled"
    awaited(lambda: not farm.encoders, "the end of all encodes", 5)
    assert client.ask("DELETE", f"/jobs/{job_id}").status_code == 409
    assert client.ask("PATCH", f"/jobs/{job_id}", {"process": True}).status_code == 409
    assert client.status(job_id) == "canceled"
    assert client.told("GET", f"/jobs/{job_id}/history")[-1]["status"] == "canceled"


def test_check_10_a_secret_signs_callbacks(client: Client, receiver: Receiver, short_src: str) -> None:
    secret = "a-secret-of-the-account"  # noqa: S105 - made up
    assert client.ask("PUT", "/webhook-secret", {"secret": secret}).status_code == 204
    job_id = client.made("mp4", source=short_src, callback=receiver.url)["id"]
    client.reached(job_id, "completed")
    heard = receiver.wait_for(lambda _: True)
    verifier = Api2Convert.webhooks()
    event = verifier.construct_event(heard.body, heard.headers["x-oc-signature"], secret)
    assert (event.job.id, event.job.is_completed()) == (job_id, True)
    with pytest.raises(SignatureVerificationError):
        verifier.construct_event(heard.body, heard.headers["x-oc-signature"], f"{secret}!")
    assert secret not in client.ask("GET", "/webhook-secret").text

    client.ask("DELETE", "/webhook-secret")
    client.made("mp4", source=short_src, callback=receiver.url)
    unsigned = receiver.wait_for(lambda one: job_id.encode() not in one.body)
    assert "x-oc-signature" not in unsigned.headers
