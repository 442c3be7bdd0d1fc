"""Cloud storage in online-convert's words, without a farm (checks 17 and 18 of its contract, without transfers)."""

import json
import logging
from typing import Any

import pytest
from doors.conftest import AskedDoor
from doors.onlineconvert import Client, completed
from front_door import KEY

from framemill.api.onlineconvert.clouds import place_of
from framemill.api.onlineconvert.kept import Conversion, OutputTarget
from framemill.api.onlineconvert.stores import targets_of
from framemill.errors import WrongUse
from framemill.jobs.states import InputState
from framemill.services.callers import ADMIN
from framemill.services.jobs import Jobs, Shown
from framemill.storage.access import Access, AzureAccess, DriveAccess, FtpAccess, GcsAccess, S3Access
from framemill.storage.keyring import way_to

SECRET = "hunter2-of-the-store"  # noqa: S105
KEYFILE = {"type": "service_account", "private_key": SECRET, "client_email": "a@example.org"}

S3 = {"accesskeyid": "an id", "secretaccesskey": SECRET}
PLACES: dict[str, tuple[dict[str, Any], dict[str, Any], str, Access]] = {
    "amazons3": (
        {"bucket": "films", "file": "in/film of mine.mov"},
        {**S3, "sessiontoken": "a token"},
        "s3://films/in/film of mine.mov",
        S3Access(access_key_id="an id", secret_access_key=SECRET, session_token="a token", region="eu-central-1"),  # noqa: S106
    ),
    "googlecloud": (
        {"projectid": "a-project", "bucket": "films", "file": "film.mov"},
        {"keyfile": KEYFILE},
        "gs://films/film.mov",
        GcsAccess(project="a-project", keyfile=KEYFILE),
    ),
    "azure": (
        {"container": "films", "file": "/in/film.mov"},
        {"accountname": "an account", "accountkey": SECRET},
        "az://films/in/film.mov",
        AzureAccess(account="an account", key=SECRET),
    ),
    "ftp": (
        {"host": "ftp.example.org", "file": "in/film of mine.mov"},
        {"username": "anna", "password": SECRET},
        "ftp://ftp.example.org/in/film%20of%20mine.mov",
        FtpAccess(user="anna", password=SECRET),
    ),
}
NEEDED = {
    "amazons3": ("bucket", "file", "accesskeyid", "secretaccesskey"),
    "googlecloud": ("projectid", "bucket", "file", "keyfile"),
    "azure": ("container", "file", "accountname", "accountkey"),
    "ftp": ("host", "file", "username", "password"),
}


@pytest.fixture
def client(door: AskedDoor) -> Client:
    return Client(door)


def shown(client: Client, job_id: str) -> Shown:
    return Jobs(client.door.database, lambda _: None, caller=ADMIN).shown(job_id)


def cloud(provider: str, **parameters: Any) -> dict[str, Any]:
    said, credentials, _, _ = PLACES[provider]
    both = {"parameters": {**said, **parameters}, "credentials": credentials}
    return {"type": "cloud", "source": provider, **both}


def target(provider: str, **parameters: Any) -> dict[str, Any]:
    said, credentials, _, _ = PLACES[provider]
    return {"type": provider, "parameters": {**said, "file": "out/film.mp4", **parameters}, "credentials": credentials}


@pytest.mark.parametrize("provider", PLACES)
def test_the_fields_of_each_store_are_read_as_its_clients_write_them(provider: str) -> None:
    parameters, credentials, uri, access = PLACES[provider]
    assert place_of(provider, parameters, credentials) == (uri, access)


@pytest.mark.parametrize(("provider", "name"), [(one, name) for one, names in NEEDED.items() for name in names])
def test_what_is_missing_is_named(provider: str, name: str) -> None:
    said, opens, _, _ = PLACES[provider]
    parameters = {key: value for key, value in said.items() if key != name}
    credentials = {key: value for key, value in opens.items() if key != name}
    with pytest.raises(WrongUse) as raised:
        place_of(provider, parameters, credentials)
    where = "parameters" if name in said else "credentials"
    assert raised.value.param == f"{where}.{name}"
    assert name in raised.value.message
    assert SECRET not in raised.value.message


def test_regions_ports_and_endpoints_can_be_other_ones() -> None:
    place = place_of("amazons3", {**PLACES["amazons3"][0], "region": "us-east-2", "endpoint": "http://s3.example"}, S3)
    assert isinstance(place.access, S3Access)
    assert (place.access.region, place.access.endpoint) == ("us-east-2", "http://s3.example")
    said, opens, _, _ = PLACES["ftp"]
    for port in (2121, "2121"):
        assert place_of("ftp", {**said, "port": port}, opens).uri.startswith("ftp://ftp.example.org:2121/")
    for wrong in (0, "x", 70_000, 2.5):
        with pytest.raises(WrongUse) as raised:
            place_of("ftp", {**said, "port": wrong}, opens)
        assert raised.value.param == "parameters.port"


def test_a_key_file_is_an_object_or_its_json() -> None:
    said, _, _, access = PLACES["googlecloud"]
    assert place_of("googlecloud", said, {"keyfile": json.dumps(KEYFILE)}).access == access
    unfit: tuple[Any, ...] = ("{", "[]", {}, None, 7)
    for wrong in unfit:
        with pytest.raises(WrongUse):
            place_of("googlecloud", said, {"keyfile": wrong})


@pytest.mark.parametrize("provider", PLACES)
def test_17_a_cloud_input_is_taken_and_nothing_that_opens_it_is_told(
    client: Client, provider: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = client.ask("POST", "/jobs", {"conversion": [{"target": "mp4"}], "input": [cloud(provider)]})
        assert answer.status_code == 201, answer.text
        job_id = answer.json()["id"]
        told = [answer.text, *(client.ask("GET", f"/jobs/{job_id}{path}").text for path in ("", "/input", "/history"))]
        told.append(client.door.get(f"/v1/jobs/{job_id}", key=KEY).text)
    assert SECRET not in "".join([*told, caplog.text])
    (source,) = answer.json()["input"]
    assert (source["type"], source["source"], source["credentials"]) == ("cloud", provider, {})
    assert source["parameters"] == PLACES[provider][0]
    found = shown(client, job_id).inputs[0]
    keyring = client.door.parts.desk.keyring
    assert (keyring.uri(way_to(found, "")), keyring.access(way_to(found, ""))) == PLACES[provider][2:]


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": "dropbox"},
        {"parameters": {}},
        {"credentials": {}},
        {"parameters": {"bucket": "no bucket at all", "file": "film.mov"}},
        {"parameters": {"bucket": "films", "file": "in/"}},
        {"parameters": {"bucket": "films", "file": "film.mov", "endpoint": "http://127.0.0.1:9"}},
    ],
)
def test_17_a_descriptor_that_cannot_be_is_taken_and_its_input_fails(client: Client, wrong: dict[str, Any]) -> None:
    said = {**cloud("amazons3"), **wrong}
    answer = client.ask("POST", "/jobs", {"conversion": [{"target": "mp4"}], "input": [said], "process": False})
    assert answer.status_code == 201, answer.text
    (source,) = answer.json()["input"]
    assert source["status"] == "failed"
    found = shown(client, answer.json()["id"]).inputs[0]
    assert found.state is InputState.FAILED
    assert found.message
    assert SECRET not in answer.text + found.message


@pytest.mark.parametrize(
    ("parameters", "name"),
    [({"file": "in/film of mine.mov"}, "film of mine.mov"), ({"file": "in/"}, ""), ({}, ""), ({"file": 7}, "7")],
)
def test_17_a_descriptor_that_cannot_be_is_called_after_its_file(
    client: Client, parameters: dict[str, Any], name: str
) -> None:
    (source,) = client.made(process=False, input=[{**cloud("amazons3"), "parameters": parameters}])["input"]
    assert (source["status"], source["filename"]) == ("failed", name)


def test_a_file_of_google_drive_opens_with_the_pickers_token(client: Client) -> None:
    said = {
        "type": "gdrive_picker",
        "source": "an-id-of-drive",
        "filename": "film.mov",
        "credentials": {"token": SECRET},
    }
    job = client.made(input=[said])
    found = shown(client, job["id"]).inputs[0]
    assert found.uri == "gdrive://an-id-of-drive"
    assert client.door.parts.desk.keyring.access(way_to(found, "")) == DriveAccess(token=SECRET)
    assert SECRET not in str(job)
    without = client.made(input=[{**said, "credentials": {}}])
    assert without["input"][0]["status"] == "failed"


def test_an_input_of_another_job_is_the_same_source_with_what_opens_it(client: Client) -> None:
    first = client.made(process=False, input=[cloud("amazons3")])
    again = {"type": "input_id", "source": first["input"][0]["id"]}
    second = client.made(process=False, input=[again])
    assert second["input"][0]["filename"] == first["input"][0]["filename"]
    assert SECRET not in str(second)
    keyring = client.door.parts.desk.keyring
    ways = [way_to(shown(client, job["id"]).inputs[0], "") for job in (first, second)]
    assert keyring.uri(ways[0]) == keyring.uri(ways[1]) == PLACES["amazons3"][2]
    assert keyring.access(ways[1]) == PLACES["amazons3"][3]

    sent = client.made(process=False)
    upload = client.sent(sent).json()
    third = client.made(process=False, input=[{"type": "input_id", "source": upload["id"]}])
    found = [shown(client, job["id"]).inputs[0] for job in (sent, third)]
    assert found[0].upload_id == found[1].upload_id is not None
    assert third["input"][0]["filename"] == "film.mov"


@pytest.mark.parametrize("kind", ["input_id", "output"])
def test_a_jobs_token_leads_to_nothing_of_other_jobs(client: Client, kind: str) -> None:
    first, second = client.made(process=False, input=[cloud("amazons3")]), client.made(process=False)
    said = {"type": kind, "source": first["input"][0]["id"]}
    headers = {"X-Oc-Token": second["token"]}
    answer = client.door.ask("POST", f"/v2/jobs/{second['id']}/input", said, key=None, headers=headers)
    assert answer.status_code == 401, answer.text
    assert client.job(second["id"])["input"] == []


def test_an_input_that_there_is_not_is_named(client: Client) -> None:
    asked = {"conversion": [{"target": "mp4"}], "input": [{"type": "input_id", "source": "nobody's"}]}
    answer = client.ask("POST", "/jobs", asked)
    assert answer.status_code in {400, 404}, answer.text
    assert "nobody's" in answer.json()["message"]


def test_a_remote_input_is_on_the_web(client: Client) -> None:
    for source in ("/etc/passwd", "file:///etc/passwd", "s3://films/film.mov", ""):
        client.made(400, input=[{"type": "remote", "source": source}])
    page = {"type": "remote", "source": "https://example.org/", "engine": "screenshot"}
    assert client.made(process=False, input=[page])["input"][0]["status"] == "failed"


@pytest.mark.parametrize("provider", PLACES)
def test_18_an_output_target_is_where_the_output_goes_and_nothing_there_is_replaced(
    client: Client, provider: str
) -> None:
    source = {"type": "remote", "source": "https://example.org/film.mov"}
    asked = {"conversion": [{"target": "mp4", "output_target": [target(provider)]}], "input": [source]}
    answer = client.ask("POST", "/jobs", asked)
    assert answer.status_code == 201, answer.text
    (told,) = answer.json()["conversion"][0]["output_target"]
    assert (told["type"], told["credentials"], told["status"]) == (provider, {}, "waiting")
    assert told["parameters"]["file"] == "out/film.mp4"
    (output,) = shown(client, answer.json()["id"]).outputs
    (place,) = output.targets
    assert place.uri.endswith("/out/film.mp4")
    assert (place.if_exists, output.stays) == ("fail", False)
    assert client.door.parts.desk.keyring.access(way_to(place, "")) == PLACES[provider][3]
    assert SECRET not in answer.text + client.ask("GET", f"/jobs/{answer.json()['id']}/conversions").text


def test_18_what_is_delivered_elsewhere_is_no_output_here(client: Client) -> None:
    source = {"type": "remote", "source": "https://example.org/film.mov"}
    job = client.made(conversion=[{"target": "mp4", "output_target": [target("ftp")]}], input=[source])
    completed(client.door, job["id"])
    assert client.job(job["id"])["output"] == []


def test_a_file_is_what_the_conversion_makes_whatever_it_is_called(client: Client) -> None:
    source = {"type": "remote", "source": "https://example.org/film.mov"}
    said = target("amazons3", file="out/film", acl="public-read")
    job = client.made(conversion=[{"target": "webm", "output_target": [said]}], input=[source])
    (output,) = shown(client, job["id"]).outputs
    assert (output.settings.container, output.targets[0].uri) == ("webm", "s3://films/out/film")
    assert output.targets[0].acl == "public-read"


def test_of_several_inputs_each_result_has_a_name_of_its_own(client: Client) -> None:
    inputs = [{"type": "remote", "source": f"https://example.org/{name}.mov"} for name in "abc"]
    job = client.made(conversion=[{"target": "mp4", "output_target": [target("ftp")]}], input=inputs)
    names = [one.targets[0].uri.rpartition("/")[2] for one in shown(client, job["id"]).outputs]
    assert names == ["film.mp4", "film%20%282%29.mp4", "film%20%283%29.mp4"]


@pytest.mark.parametrize("kind", ["gdrive", "youtube", "dropbox", ""])
def test_a_target_that_there_is_not_is_refused(client: Client, kind: str) -> None:
    source = {"type": "remote", "source": "https://example.org/film.mov"}
    asked = {"conversion": [{"target": "mp4", "output_target": [{**target("ftp"), "type": kind}]}], "input": [source]}
    answer = client.ask("POST", "/jobs", asked)
    assert answer.status_code == 400, answer.text
    assert SECRET not in answer.text


def test_a_target_that_lacks_something_is_refused_with_its_name() -> None:
    said = target("amazons3")
    lacking = OutputTarget(type="amazons3", parameters={}, credentials=said["credentials"])
    with pytest.raises(WrongUse) as raised:
        targets_of(Conversion(target="mp4", category="video", output_target=(lacking,)))
    assert raised.value.param == "output_target.0.parameters.bucket"
