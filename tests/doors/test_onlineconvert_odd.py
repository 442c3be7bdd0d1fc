"""What online-convert's clients send that is odd, or sent to see what happens: each is answered, and none does harm."""

import json
from dataclasses import replace
from typing import Any

import pytest
from doors.conftest import AskedDoor
from doors.onlineconvert import MADE, completed
from doors.onlineconvert import Client as Sender
from doors.onlineconvert_jobs import MP4, REMOTE, Client, done, parts_of, refused, told
from pydantic import ValidationError

from framemill.api.onlineconvert.clouds import place_of
from framemill.api.onlineconvert.options import checked
from framemill.api.onlineconvert.orders import Orders
from framemill.api.onlineconvert.presets import Presets
from framemill.api.onlineconvert.prices import tariff_here
from framemill.api.onlineconvert.schemas import Terms
from framemill.api.onlineconvert.signing import Signing
from framemill.api.onlineconvert.stores import at_of
from framemill.errors import WrongUse
from framemill.jobs.model import Job, Limits
from framemill.jobs.states import JobState
from framemill.services.callers import ADMIN
from framemill.services.jobs import Jobs
from framemill.services.keepsakes import Keepsakes
from framemill.services.outcomes import Outcomes
from framemill.services.passwords import fits
from framemill.services.uploads import Uploads

HELD = {"process": False, "conversion": [MP4]}
S3: dict[str, Any] = {
    "type": "cloud",
    "source": "amazons3",
    "parameters": {"bucket": "films", "file": "a.mov"},
    "credentials": {"accesskeyid": "an id", "secretaccesskey": "sw0rdf1sh"},
}


@pytest.fixture
def client(door: AskedDoor) -> Client:
    return Client(door)


@pytest.mark.parametrize(
    ("part", "name", "most"),
    [("output", "max_downloads", 2**31 - 1), ("job", "max_inputs", 2**31 - 1), ("input", "max_file_size", 2**62)],
)
def test_no_limit_is_higher_than_what_can_be_kept(client: Client, part: str, name: str, most: int) -> None:
    said = refused(client.ask("POST", "/jobs", HELD | {"limits": {part: {name: most + 1}}}), 400)
    assert f"limits.{part}.{name}" in said["message"]
    job = client.post("/jobs", HELD | {"input": [REMOTE], "limits": {part: {name: most}}})
    completed(client.door, client.patch(f"/jobs/{job['id']}", {"process": True})["id"])
    assert client.get(f"/jobs/{job['id']}")["status"]["code"] == "completed"
    assert client.get(f"/jobs/{job['id']}")["limits"][part] == {name: most}


def test_a_limit_that_was_stored_higher_means_the_highest_and_its_job_can_end() -> None:
    highest = 2**63 - 1
    found = Limits(max_downloads=highest, max_inputs=highest, max_input_bytes=highest)
    assert (found.max_downloads, found.max_inputs, found.max_input_bytes) == (2**31 - 1, 2**31 - 1, 2**62)
    with pytest.raises(ValidationError):
        Limits(max_downloads=0)


def test_what_its_owner_writes_into_an_inputs_metadata_breaks_no_list(client: Client) -> None:
    job = client.post("/jobs", HELD | {"input": [REMOTE]})
    path = f"/v1/jobs/{job['id']}/inputs/{job['input'][0]['id']}"
    told(client.door.ask("PATCH", path, {"metadata": {"size": "abc", "type": 7}}))
    (found,) = client.get("/jobs")
    assert (found["input"][0]["type"], found["input"][0]["size"]) == ("remote", 0)


def limited(client: Client, downloads: int) -> tuple[Sender, str, Any]:
    """A film that may be downloaded so often."""
    sender = Sender(client.door)
    job = client.post(
        "/jobs", {"input": [REMOTE], "conversion": [MP4], "limits": {"output": {"max_downloads": downloads}}}
    )
    completed(client.door, job["id"])
    return sender, client.get(f"/jobs/{job['id']}")["output"][0]["uri"], job


def test_where_downloads_are_counted_a_range_is_answered_with_the_whole_file(client: Client) -> None:
    sender, uri, job = limited(client, 2)
    part = sender.fetched(uri, headers={"Range": "bytes=1-", "If-Range": '"x"'})
    assert (part.status_code, part.content) == (200, MADE)
    assert sender.fetched(uri, headers={"Range": "bytes=0-3"}).status_code == 200
    for headers in ({}, {"Range": "bytes=1-"}, {"Range": "bytes=0-0"}, {"Range": "bytes=99999999-"}):
        assert sender.fetched(uri, headers=headers).status_code == 403
    assert sender.fetched(uri, "HEAD", headers={"Range": "bytes=1-"}).status_code == 200
    assert client.get(f"/jobs/{job['id']}")["output"][0]["downloads_counter"] == 2


def test_a_proxy_that_lets_little_through_has_the_last_piece_counted(client: Client) -> None:
    door = client.door
    door.parts = replace(door.parts, files=replace(door.parts.files, body_bytes=10_000))
    sender, uri, _ = limited(client, 1)
    first, last = (sender.fetched(uri, headers={"Range": one}) for one in ("bytes=0-", "bytes=10000-"))
    assert first.content + last.content == MADE
    assert sender.fetched(uri, headers={"Range": "bytes=0-"}).status_code == 403


def opens(door: AskedDoor, job_id: str, *words: str) -> list[str]:
    (output,) = parts_of(door, job_id)[2]
    return [word for word in words if any(fits(word, lock) for lock in output.password_hashes)]


def test_a_password_stays_until_it_is_said_anew(client: Client) -> None:
    locked = MP4 | {"options": {"download_password": "tw0", "width": 320}}
    job = client.post("/jobs", HELD | {"conversion": [locked], "input": [REMOTE]})
    path = f"/jobs/{job['id']}/conversions/{job['conversion'][0]['id']}"
    shown = client.patch(path, {"options": {"width": 640}})
    assert shown["options"] == {"width": 640}
    assert opens(client.door, job["id"], "tw0", "thr33") == ["tw0"]
    client.patch(path, {"options": {"download_password": "thr33"}})
    assert opens(client.door, job["id"], "tw0", "thr33") == ["thr33"]
    client.patch(path, {"options": {"download_password": ""}})
    assert parts_of(client.door, job["id"])[2][0].password_hashes == ()


def test_a_presets_password_stays_until_it_is_said_anew(client: Client) -> None:
    options = {"width": 320, "download_password": "tw0"}
    preset = client.post("/presets", {"name": "Locked", "target": "mp4", "options": options})

    def opened() -> list[str]:
        used = {"target": "mp4", "options": {"preset": preset["id"]}}
        job = client.post("/jobs", {"process": False, "conversion": [used], "input": [REMOTE]})
        return opens(client.door, job["id"], "tw0", "thr33")

    client.patch(f"/presets/{preset['id']}", {"options": {"width": 640}})
    assert opened() == ["tw0"]
    client.patch(f"/presets/{preset['id']}", {"options": {"download_password": "thr33"}})
    client.patch(f"/presets/{preset['id']}", {"name": "Other"})
    assert opened() == ["thr33"]
    client.patch(f"/presets/{preset['id']}", {"options": {"download_password": ""}})
    assert opened() == []


@pytest.mark.parametrize("said", [{"parameters": {"file": "b.mov"}}, {"credentials": {"accesskeyid": "x"}}])
def test_an_input_in_a_cloud_stays_where_it_is(client: Client, said: dict[str, Any]) -> None:
    job = client.post("/jobs", HELD | {"input": [S3]})
    path = f"/jobs/{job['id']}/input/{job['input'][0]['id']}"
    assert next(iter(said)) in refused(client.ask("PATCH", path, said), 400)["message"]
    assert client.get(path) == job["input"][0]
    assert client.patch(path, {"parameters": S3["parameters"]}) == job["input"][0]


def test_a_refused_password_is_not_told(client: Client) -> None:
    with pytest.raises(WrongUse) as raised:
        checked("mp4", None, {"download_password": "pässword"})
    assert "password" not in raised.value.message.removeprefix("download_password")
    assert raised.value.param == "options.download_password"
    with pytest.raises(WrongUse) as raised:
        checked("mp4", None, {"download_password": ["sw0rdf1sh"]})
    assert "sw0rdf1sh" not in raised.value.message


@pytest.mark.parametrize("source", ["http://[", "https://[::1", "http://a]b/", "http://"])
def test_an_address_that_is_none_is_refused(client: Client, source: str) -> None:
    refused(client.ask("POST", "/jobs", HELD | {"input": [{"type": "remote", "source": source}]}), 400)


@pytest.mark.parametrize("port", [[], {}, "1" * 5000, 10**4000, "²", True, -1, "0"], ids=range(8))
def test_a_port_that_is_none_is_named(port: Any) -> None:
    said = {"host": "ftp.example.org", "file": "in/film.mov", "port": port}
    with pytest.raises(WrongUse) as raised:
        place_of("ftp", said, {"username": "anna", "password": "x"})
    assert raised.value.param == "parameters.port"


@pytest.mark.parametrize("body", [[], [{}], [{}, {}], [HELD], [HELD, HELD], "x", 7])
def test_one_job_is_asked_for_at_a_time(client: Client, body: Any) -> None:
    refused(client.ask("POST", "/jobs", body), 400)


@pytest.mark.parametrize("position", ["1" * 400, 10**400, "x", [], "nan", "inf"], ids=range(6))
def test_a_position_that_is_none_is_refused(client: Client, position: Any) -> None:
    job = client.post("/jobs", HELD | {"input": [REMOTE]})
    moved = [{"id": job["input"][0]["id"], "options": {"position": position}}]
    said = refused(client.ask("PATCH", f"/jobs/{job['id']}/input", moved), 400)
    assert "0.options.position" in said["message"]


@pytest.mark.parametrize(
    ("said", "order"),
    [
        ({"a": 2}, "bca"),
        ({"a": 1}, "bac"),
        ({"c": 0}, "cab"),
        ({"b": 1}, "abc"),
        ({"a": 30, "b": 20, "c": 10}, "cba"),
        ({"a": 0, "c": 0}, "acb"),
        ({"b": None}, "abc"),
        ({"c": -7}, "cab"),
    ],
    ids=str,
)
def test_inputs_that_say_no_position_stay_in_their_order(client: Client, said: dict[str, Any], order: str) -> None:
    sources = [{"type": "remote", "source": f"https://films.example/{name}.mov"} for name in "abc"]
    job = client.post("/jobs", HELD | {"input": sources})
    ids = {name: one["id"] for name, one in zip("abc", job["input"], strict=True)}
    moved = [{"id": ids[name], "options": {"position": position}} for name, position in said.items()]
    found = client.patch(f"/jobs/{job['id']}/input", moved)
    assert "".join(one["filename"][0] for one in found) == order


def test_to_begin_twice_at_once_is_to_begin(door: AskedDoor) -> None:
    client = Client(door)
    job = client.post("/jobs", HELD | {"input": [REMOTE]})

    class Overtaken(Jobs):
        """Somebody else's PATCH comes between what is read and what is written."""

        def edited_by(self, job_id: str, *said: Any, **more: Any) -> Job:
            client.patch(f"/jobs/{job_id}", {"process": True})
            return super().edited_by(job_id, *said, **more)

    parts = door.parts
    jobs = Overtaken(parts.database, parts.nudge, caller=ADMIN, door="onlineconvert", desk=parts.desk_of(ADMIN))
    orders = Orders(
        jobs=jobs,
        outcomes=Outcomes(parts.database, jobs),
        seals=parts.seals,
        at=at_of(parts, ADMIN, jobs, one_job=False),
        presets=Presets(None),
        signing=Signing(
            Keepsakes(parts.database, parts.seals, caller=ADMIN, door="onlineconvert", kind="webhook-secret")
        ),
        tariff=tariff_here(parts),
    )
    assert orders.changed(job["id"], Terms.model_validate({"process": True})).job.state is JobState.QUEUED


def test_jobs_of_a_status_are_found_behind_all_those_of_others(client: Client) -> None:
    first = [client.post("/jobs", {"process": False})["id"] for _ in range(2)]
    for _ in range(51):
        client.post("/jobs", HELD | {"input": [REMOTE]})
    answer = client.ask("GET", "/jobs?status=incomplete")
    assert [one["id"] for one in told(answer)] == first[::-1]
    assert answer.headers["X-Count"] == "2"
    answer = client.ask("GET", "/jobs?status=downloading&page=2")
    assert (len(told(answer)), answer.headers["X-Count"]) == (1, "51")
    assert client.ask("GET", "/jobs?status=downloading&page=3").status_code == 204
    assert client.ask("GET", "/jobs?status=ready").status_code == 204


FTP: dict[str, Any] = {"type": "ftp", "parameters": {"host": "ftp.example", "file": "out.mp4"}}
OPENS: dict[str, Any] = {"credentials": {"username": "me", "password": "sw0rdf1sh"}}


@pytest.mark.parametrize(
    "conversion",
    [
        MP4 | {"output_target": [FTP | OPENS, FTP | OPENS]},
        MP4 | {"options": {"download_password": ",".join("abcdefghijkl")}},
    ],
    ids=["twice", "passwords"],
)
def test_a_conversion_that_no_input_fits_is_refused_before_there_is_one(
    client: Client, conversion: dict[str, Any]
) -> None:
    said = refused(client.ask("POST", "/jobs", {"process": False, "conversion": [conversion]}), 400)
    assert "sw0rdf1sh" not in str(said)
    job = client.post("/jobs", {"process": False})
    refused(client.ask("POST", f"/jobs/{job['id']}/conversions", conversion), 400)
    assert client.get(f"/jobs/{job['id']}")["conversion"] == []


def test_a_job_takes_so_many_conversions_and_no_more(client: Client) -> None:
    job = client.post("/jobs", {"process": False, "conversion": [MP4] * 100})
    refused(client.ask("POST", f"/jobs/{job['id']}/conversions", MP4), 400)


@pytest.mark.parametrize(
    ("passwords", "of_job", "of_output"),
    [
        (["0ne, tw0"], ["0ne, tw0"], ["0ne, tw0"]),
        (["0ne", "tw0", ""], ["0ne", "tw0"], ["0ne", "tw0"]),
        ("0ne, tw0", ["0ne, tw0"], ["0ne", "tw0"]),
    ],
    ids=str,
)
def test_commas_part_the_passwords_of_an_option_and_of_nothing_else(
    client: Client, passwords: Any, of_job: list[str], of_output: list[str]
) -> None:
    words = ("0ne", "tw0", "0ne, tw0", "thr33", "f0ur")
    locked = MP4 | {"options": {"download_password": "thr33,f0ur"}}
    job = client.post("/jobs", {"input": [REMOTE], "conversion": [locked], "download_passwords": passwords})
    assert opens(client.door, job["id"], *words) == [*of_job, "thr33", "f0ur"]
    completed(client.door, job["id"])
    assert client.patch(f"/jobs/{job['id']}", {"download_passwords": passwords})
    assert opens(client.door, job["id"], *words) == [*of_job, "thr33", "f0ur"]
    path = f"/jobs/{job['id']}/output"
    path = f"{path}/{client.get(path)[0]['id']}"
    client.patch(path, {"download_password": ""})
    assert opens(client.door, job["id"], *words) == []
    client.patch(path, {"download_password": passwords})
    assert opens(client.door, job["id"], *words) == of_output


def test_a_password_of_other_letters_is_refused_and_not_told(client: Client) -> None:
    said = refused(client.ask("POST", "/jobs", HELD | {"download_passwords": ["pässwort"]}), 400)
    assert "wort" not in str(said)


@pytest.mark.parametrize(
    "said",
    [
        {"source": "amazons3", "parameters": {**S3["parameters"], "endpoint": "http://me:sw0rdf1sh@s3.example"}},
        {"source": "ftp", "parameters": {"host": "me:sw0rdf1sh@ftp.example", "file": "a.mov"}},
    ],
    ids=["endpoint", "host"],
)
def test_a_password_in_the_name_of_a_server_opens_nothing_and_is_not_told(client: Client, said: dict[str, Any]) -> None:
    job = client.post("/jobs", HELD | {"input": [S3 | said]})
    assert job["input"][0]["status"] == "failed"
    told_of = [client.ask("GET", f"/jobs/{job['id']}").text, client.door.get(f"/v1/jobs/{job['id']}").text]
    assert "sw0rdf1sh" not in str([job, *told_of])
    target = {
        "type": said["source"],
        "parameters": said["parameters"],
        "credentials": {"username": "a", "password": "b"},
    }
    answer = client.ask("POST", "/jobs", HELD | {"conversion": [MP4 | {"output_target": [target]}]})
    refused(answer, 400)
    assert "sw0rdf1sh" not in answer.text


def test_a_callback_with_a_secret_is_the_same_one_once_more(client: Client) -> None:
    callback = "https://me:sw0rdf1sh@hooks.example/?token=abcdefgh"
    job = client.post("/jobs", {"input": [REMOTE], "conversion": [MP4], "callback": callback})
    assert "sw0rdf1sh" not in str(job)
    assert client.patch(f"/jobs/{job['id']}", {"process": True, "callback": callback}) == job
    refused(client.ask("PATCH", f"/jobs/{job['id']}", {"callback": "https://hooks.example/"}), 409)


def test_a_job_is_sent_back_as_it_was_told_and_its_callback_stays_the_real_one(client: Client) -> None:
    callback = "https://me:sw0rdf1sh@hooks.example/?token=abcdefgh"

    def called() -> list[str]:
        seals = client.door.parts.seals
        row = parts_of(client.door, job["id"])[0]
        return [one.url if one.sealed_url is None else seals.opened(one.sealed_url) for one in row.callbacks]

    job = client.post("/jobs", HELD | {"input": [REMOTE], "callback": callback, "download_passwords": ["0ne"]})
    assert "***" in job["callback"]
    again = client.patch(f"/jobs/{job['id']}", job | {"notify_status": True})
    assert (again["callback"], called()) == (job["callback"], [callback])
    begun = client.patch(f"/jobs/{job['id']}", job | {"process": True, "notify_status": True})
    assert (begun["process"], begun["callback"], called()) == (True, job["callback"], [callback])
    assert client.patch(f"/jobs/{job['id']}", begun) == begun
    assert opens(client.door, job["id"], "0ne") == ["0ne"]
    refused(client.ask("PATCH", f"/jobs/{job['id']}", begun | {"callback": ""}), 409)


def test_parts_are_sent_back_as_they_were_told_and_keep_what_is_secret(client: Client) -> None:
    target = FTP | OPENS
    locked = MP4 | {"options": {"download_password": "tw0"}, "output_target": [target]}
    job = client.post("/jobs", {"process": False, "conversion": [locked], "input": [REMOTE, S3]})
    path = f"/jobs/{job['id']}"
    before = parts_of(client.door, job["id"])[1:]
    for name, part in (("conversions", "conversion"), ("input", "input")):
        for one in job[part]:
            assert client.patch(f"{path}/{name}/{one['id']}", one) == one
    inputs, outputs = parts_of(client.door, job["id"])[1:]
    assert [one.sealed_access for one in inputs] == [one.sealed_access for one in before[0]]
    assert all(one.targets[0].sealed_access for one in outputs)
    assert all(fits("tw0", one.password_hashes[0]) for one in outputs)


@pytest.mark.parametrize("name", ["process", "notify_status", "fail_on_input_error", "fail_on_conversion_error"])
def test_null_is_not_said(client: Client, name: str) -> None:
    job = client.post("/jobs", {"conversion": [MP4], "input": [REMOTE], name: None})
    assert job[name] is (name != "notify_status")
    held = client.post("/jobs", HELD | {"input": [REMOTE], name: None} | {"process": False})
    usual = client.patch(f"/jobs/{held['id']}", {name: not held[name] if name != "process" else False})
    again = client.patch(f"/jobs/{held['id']}", {name: None})
    assert (again[name], again["process"]) == (usual[name], False)


@pytest.mark.parametrize("kind", [None, "text/plain", "multipart/form-data", "application/x-www-form-urlencoded"])
def test_a_body_is_json_whatever_its_header_says(client: Client, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    said = json.dumps(HELD | {"input": [REMOTE]}).encode()
    job = told(client.ask("POST", "/jobs", headers=headers, content=said), 201)
    path = f"/jobs/{job['id']}"
    more = json.dumps([MP4]).encode()
    told(client.ask("POST", f"{path}/conversions", headers=headers, content=more), 201)
    assert told(client.ask("PATCH", path, headers=headers, content=b'{"notify_status": true}'))["notify_status"]
    said = refused(client.ask("POST", "/jobs", headers=headers, content=b"{no JSON"), 400)["message"]
    assert "no JSON" in said


def test_a_body_that_was_announced_and_has_not_come_is_missed(client: Client) -> None:
    refused(client.ask("POST", "/jobs", headers={"Content-Length": "50"}, content=b""), 400)
    assert client.ask("POST", "/jobs", headers={"Content-Length": "0"}, content=b"").status_code == 204
    assert client.ask("POST", "/jobs", content=b"{}").status_code == 204
    assert client.ask("POST", "/jobs").status_code == 204


def test_outputs_are_asked_for_by_what_they_were_made_of(client: Client) -> None:
    job = client.post("/jobs", {"conversion": [MP4, {"target": "mp3"}], "input": [REMOTE, REMOTE]})
    done(client.door, job["id"])
    path = f"/jobs/{job['id']}/output"
    every = client.get(path)
    conversion, source = job["conversion"][1]["id"], job["input"][0]["id"]
    assert (len(every), client.get(f"{path}?conversion_id=&input_id=")) == (4, every)
    assert client.get(f"{path}?conversion_id={conversion}") == [
        one for one in every if one["source"]["conversion"] == conversion
    ]
    assert client.get(f"{path}?input_id={source}") == [one for one in every if source in one["source"]["input"]]
    (one,) = client.get(f"{path}?conversion_id={conversion}&input_id={source}")
    assert one["source"] == {"conversion": conversion, "input": [source]}
    assert client.get(f"{path}?conversion_id=nobody's") == client.get(f"{path}?input_id=nobody's") == []


def test_a_number_of_a_preset_is_none(client: Client) -> None:
    said = refused(client.ask("POST", "/jobs", HELD | {"conversion": [MP4 | {"options": {"preset": 7}}]}), 400)
    assert "preset" in said["message"]


def test_a_jobs_token_opens_no_presets_of_its_account(client: Client) -> None:
    preset = client.post("/presets", {"name": "Mine", "target": "mp4", "options": {"width": 320}})
    job = client.post("/jobs", {"process": False})
    bearer = client.by_token(job)
    used = {"target": "mp4", "options": {"preset": preset["id"]}}
    refused(bearer.ask("POST", f"/jobs/{job['id']}/conversions", used), 400)
    bearer.post(f"/jobs/{job['id']}/conversions", {"target": "mp4", "options": {"preset": "h264"}})
    found = bearer.get("/presets")
    assert found
    assert {one["scope"] for one in found} == {"public"}
    refused(bearer.ask("GET", f"/presets/{preset['id']}"), 404)
    refused(bearer.ask("DELETE", f"/presets/{preset['id']}"), 401)


def test_names_of_a_form_hold_nothing_that_cannot_be_kept(client: Client) -> None:
    sender = Sender(client.door)
    job = client.post("/jobs", HELD)
    edge = b"b"
    head = b'Content-Disposition: form-data; name="file"; filename="fi\x00lm.mov"\r\nContent-Type: video/\x00mp4'
    body = b"--%b\r\n%b\r\n\r\nbytes\r\n--%b--\r\n" % (edge, head, edge)
    url = f"{job['server']}/upload-file/{job['id']}".removeprefix("http://farm.example")
    headers = {"X-Oc-Token": job["token"], "Content-Type": "multipart/form-data; boundary=b"}
    answer = sender.door.ask("POST", url, key=None, headers=headers, content=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["source"] == answer.json()["filename"] == "film.mov"


def test_a_word_whose_upload_was_given_up_is_good_for_another(client: Client) -> None:
    sender = Sender(client.door)
    job = client.post("/jobs", HELD)
    headers = {"X-Oc-Token": job["token"], "X-Oc-Upload-Uuid": "a-random-word"}
    first = sender.sent(job, headers=headers).json()
    assert client.ask("DELETE", f"/jobs/{job['id']}/input/{first['id']}").status_code == 204
    parts = client.door.parts
    uploads = Uploads(parts.database, parts.files, caller=ADMIN)
    (upload,) = uploads.listed()[0]
    uploads.aborted(upload.id)
    second = sender.sent(job, headers=headers)
    assert second.status_code == 201, second.text
    assert sender.sent(job, headers=headers).json() == second.json()
