"""Open Encoder's settings: check 19 of its specification; which stores they name; what is found there (17)."""

import dataclasses
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import boto3
import pytest
from doors.openencoder_jobs import JOB, settle
from servers.ftp import PASSWORD, USER, ftp_server
from servers.moto import running_moto

from framemill.api.app import create_app
from framemill.api.openencoder.kept_settings import KeptSettings
from framemill.api.openencoder.settings_words import MASK, NAMES, USUAL, replaced, stores_of
from framemill.errors import WrongUse
from framemill.jobs.accounts import Account
from framemill.sealing import Seals
from framemill.services.callers import ADMIN, Caller
from framemill.services.desk import Desk
from framemill.services.keepsakes import Keepsakes
from framemill.services.users import Users
from framemill.storage.access import FtpAccess, S3Access
from framemill.store.accounts import add_account

Asked = Any

WORD = "a password"
SECURE = {
    *("S3_ACCESS_KEY", "S3_SECRET_KEY", "DIGITAL_OCEAN_ACCESS_TOKEN", "SLACK_WEBHOOK", "FTP_USERNAME", "FTP_PASSWORD"),
}


def shown(door: Asked, **how: Any) -> dict[str, str]:
    """The settings as a client reads them."""
    answer = door.get("/api/settings", **how)
    assert answer.status_code == 200, answer.text
    return {one["name"]: one["value"] for one in answer.json()["settings"]}


def put(door: Asked, said: dict[str, Any], **how: Any) -> Any:
    return door.ask("PUT", "/api/settings", said, **how)


def login(door: Asked, role: str) -> str:
    Users(door.database, ADMIN).create(role, password=WORD, role=role)  # type: ignore[arg-type]
    token: str = door.post("/api/login", {"username": role, "password": WORD}, key=None).json()["token"]
    return token


def test_check_19_there_are_eighteen_settings(door: Asked) -> None:
    found = door.get("/api/settings").json()["settings"]

    assert len(found) == 18
    assert all(one.keys() == {"name", "title", "value", "description", "secure"} for one in found)
    assert {one["name"] for one in found if one["secure"]} == SECURE
    assert {one["name"]: one["value"] for one in found if one["value"]} == {
        **{"S3_INBOUND_BUCKET": "inbound", "S3_OUTBOUND_BUCKET": "outbound", "STORAGE_DRIVER": "s3"},
        **{"S3_INBOUND_BUCKET_REGION": "sfo2", "S3_OUTBOUND_BUCKET_REGION": "sfo2"},
        **{"S3_PROVIDER": "digitaloceanspaces", "S3_STREAMING": "disabled", "DIGITAL_OCEAN_ENABLED": "disabled"},
    }


def test_check_19_what_was_read_can_be_sent_back(door: Asked) -> None:
    before = shown(door)

    told = put(door, before)

    assert (told.status_code, told.json()) == (200, {"settings": "updated"})
    assert shown(door) == before


@pytest.mark.parametrize(
    "change",
    [
        {"STORAGE_DRIVER": "nfs"},
        {"STORAGE_DRIVER": ""},
        {"S3_STREAMING": "yes"},
        {"DIGITAL_OCEAN_ENABLED": True},
        {"S3_PROVIDER": "somebody"},
        {"S3_ENDPOINT": "https://"},
        {"SLACK_WEBHOOK": "ftp://hooks.example/x"},
        {"SLACK_WEBHOOK": "http://127.0.0.1:9/x"},
        {"S3_INBOUND_BUCKET": "a\x00b"},
    ],
)
def test_check_19_what_does_not_fit_is_refused_and_changes_nothing(door: Asked, change: dict[str, Any]) -> None:
    before = shown(door)

    told = put(door, {**before, "S3_INBOUND_BUCKET": "another", **change})

    assert told.status_code == 400
    assert next(iter(change)) in told.json()["error"]
    assert shown(door) == before


def test_check_19_only_admins_see_and_change_them(door: Asked) -> None:
    operator, admin = login(door, "operator"), login(door, "admin")

    for refused in (door.get("/api/settings", bearer=operator), put(door, shown(door), bearer=operator)):
        assert (refused.status_code, refused.json()) == (401, {"message": "unauthorized"})
    assert put(door, shown(door), bearer=admin).status_code == 200


def test_a_secret_is_never_shown_and_its_mask_keeps_it(door: Asked) -> None:
    put(door, {**shown(door), "S3_ACCESS_KEY": "AKIA", "S3_SECRET_KEY": WORD})

    found = shown(door)
    assert (found["S3_ACCESS_KEY"], found["S3_SECRET_KEY"], found["FTP_PASSWORD"]) == (MASK, MASK, "")
    put(door, {**found, "S3_ACCESS_KEY": "another"})
    kept = Keepsakes(door.database, door.parts.seals, caller=Caller(), door="openencoder", kind="settings")
    (only,) = kept.listed()
    assert WORD not in only.model_dump_json()
    secrets = kept.secrets(only)
    assert (secrets["S3_ACCESS_KEY"], secrets["S3_SECRET_KEY"]) == ("another", WORD)
    put(door, {**found, "S3_SECRET_KEY": ""})
    assert shown(door)["S3_SECRET_KEY"] == ""


def test_what_is_not_said_is_empty_from_then_on(door: Asked) -> None:
    needed = {"STORAGE_DRIVER": "s3", "S3_STREAMING": "enabled"}

    assert put(door, needed).status_code == 200
    assert {name: value for name, value in shown(door).items() if value} == needed
    assert put(door, {}).status_code == 400


def test_each_account_has_settings_of_its_own(door: Asked) -> None:
    with door.database.writing() as conn:
        add_account(conn, Account(id="other", name="Other", created_at=datetime(2030, 1, 1, tzinfo=UTC)))
    Users(door.database, ADMIN).create("else", password=WORD, role="admin", account="other")
    token = door.post("/api/login", {"username": "else", "password": WORD}, key=None).json()["token"]
    put(door, {**shown(door), "S3_INBOUND_BUCKET": "films"})

    assert shown(door, bearer=token)["S3_INBOUND_BUCKET"] == "inbound"
    assert shown(door)["S3_INBOUND_BUCKET"] == "films"


def test_settings_whose_secrets_were_lost_are_set_anew(door: Asked) -> None:
    settle(door, S3_ACCESS_KEY="AKIA", S3_INBOUND_BUCKET="films")
    door.parts = dataclasses.replace(door.parts, seals=Seals("another secret of the farm's"))
    door.app = create_app(door.parts)

    found = shown(door)
    refused = put(door, {**found, "S3_SECRET_KEY": MASK})
    job = door.post("/api/jobs", JOB)

    assert (found["S3_INBOUND_BUCKET"], found["S3_ACCESS_KEY"]) == ("films", "")
    assert [(one.status_code, "anew" in one.json()["error"]) for one in (refused, job)] == [(409, True)] * 2
    assert put(door, {**found, "S3_ACCESS_KEY": "another"}).status_code == 200
    assert shown(door)["S3_ACCESS_KEY"] == MASK
    assert door.post("/api/jobs", JOB).json()["job"]["status"] == "queued"


def test_two_who_set_them_first_at_once_make_one_of_them(door: Asked) -> None:
    def kept() -> Keepsakes:
        return Keepsakes(door.database, door.parts.seals, caller=Caller(), door="openencoder", kind="settings")

    class Slow(Desk):
        """Whoever waits here is overtaken."""

        def address(self, url: str) -> tuple[str, str | None]:
            KeptSettings(kept()).replace({**USUAL, "S3_INBOUND_BUCKET": "quicker"})
            return self.hidden(url)

    slow = KeptSettings(kept(), Slow(door.parts.seals))
    slow.replace({**USUAL, "S3_INBOUND_BUCKET": "slower", "SLACK_WEBHOOK": "https://hooks.example/x"})

    assert len(kept().listed()) == 1
    assert shown(door)["S3_INBOUND_BUCKET"] == "slower"


@pytest.mark.parametrize("said", [{}, {"S3_STREAMING": "enabled"}, {"S3_OUTBOUND_BUCKET_REGION": "nyc3"}])
def test_on_a_farm_that_nobody_has_set_up_the_usual_buckets_are_strangers(door: Asked, said: dict[str, str]) -> None:
    """They are somebody's, all over the world."""
    put(door, {**shown(door), **said})
    stores = stores_of(settled(**said))

    jobs = [
        door.post("/api/jobs", {**JOB, **places}).json()["job"]
        for places in ({}, {"source": "a.mp4"}, {"source": "s3://mine/a.mp4"}, {"dest": "s3://mine/"})
    ]

    assert (stores.inbound, stores.outbound) == ("", "")
    assert [job["status"] for job in jobs] == ["error"] * 4
    assert ["BUCKET" in job["error"] for job in jobs] == [True] * 4
    own = {"source": "s3://mine/a.mp4", "dest": "s3://mine/"}
    assert door.post("/api/jobs", {**JOB, **own}).json()["job"]["status"] == "queued"


def settled(**said: str) -> dict[str, str]:
    return replaced(USUAL, {**USUAL, **said})


def test_stores_of_the_usual_provider() -> None:
    found = stores_of(settled(S3_ACCESS_KEY="AKIA", S3_SECRET_KEY=WORD, S3_OUTBOUND_BUCKET_REGION="ams3"))

    assert found.access == S3Access(
        access_key_id="AKIA", secret_access_key=WORD, region="ams3", endpoint="https://ams3.digitaloceanspaces.com"
    )
    assert (found.inbound, found.outbound, found.streaming) == ("inbound", "outbound", False)


@pytest.mark.parametrize(
    ("said", "access"),
    [
        ({"S3_PROVIDER": "amazonaws", "S3_OUTBOUND_BUCKET_REGION": "eu-west-1"}, S3Access(region="eu-west-1")),
        ({"S3_PROVIDER": "amazonaws", "S3_OUTBOUND_BUCKET_REGION": ""}, S3Access()),
        (
            {"S3_PROVIDER": "custom", "S3_ENDPOINT": "minio.example:9000", "S3_OUTBOUND_BUCKET_REGION": "x"},
            S3Access(region="x", endpoint="https://minio.example:9000"),
        ),
        (
            {"S3_PROVIDER": "custom", "S3_ENDPOINT": "http://minio.example", "S3_OUTBOUND_BUCKET_REGION": ""},
            S3Access(endpoint="http://minio.example"),
        ),
    ],
)
def test_stores_of_other_providers(said: dict[str, str], access: S3Access) -> None:
    assert stores_of(settled(**said)).access == access


@pytest.mark.parametrize(
    ("said", "elsewhere"),
    [
        ({"S3_INBOUND_BUCKET_REGION": "nyc3"}, "https://nyc3.digitaloceanspaces.com"),
        ({"S3_OUTBOUND_BUCKET_REGION": "nyc3"}, None),  # the other was never filled in
        ({"S3_INBOUND_BUCKET_REGION": "nyc3", "S3_OUTBOUND_BUCKET_REGION": "nyc3"}, None),
        ({"S3_INBOUND_BUCKET_REGION": ""}, None),
        ({"S3_INBOUND_BUCKET_REGION": "x", "S3_PROVIDER": "custom", "S3_ENDPOINT": "minio.example"}, None),
    ],
)
def test_sources_may_be_in_a_region_of_their_own(said: dict[str, str], elsewhere: str | None) -> None:
    found = stores_of(settled(**said)).elsewhere

    assert (getattr(found, "endpoint", None), getattr(found, "region", None)) == (
        elsewhere,
        None if elsewhere is None else said["S3_INBOUND_BUCKET_REGION"],
    )


@pytest.mark.parametrize("address", ["nas.example:2121", "ftp://nas.example:2121", "ftp://nas.example:2121/"])
def test_stores_of_an_ftp_server(address: str) -> None:
    said = {"STORAGE_DRIVER": "ftp", "FTP_ADDR": address, "FTP_USERNAME": "ada", "FTP_PASSWORD": WORD}

    found = stores_of(settled(**said))

    assert found.access == FtpAccess(user="ada", password=WORD)
    assert (found.inbound, found.outbound) == ("nas.example:2121", "nas.example:2121")


def test_a_value_is_a_text() -> None:
    with pytest.raises(WrongUse, match="S3_ENDPOINT takes a text"):
        replaced(USUAL, {**USUAL, "S3_ENDPOINT": ["x"]})
    assert set(settled()) == set(NAMES)


# What is in the store


def reaching(door: Asked) -> Asked:
    """Whose clients may have the farm connect to this machine."""
    door.parts = dataclasses.replace(door.parts, allowed_networks=(ip_network("127.0.0.0/8"),))
    door.app = create_app(door.parts)
    return door


def listed(door: Asked, prefix: str = "") -> Any:
    answer = door.get("/api/storage/list", params={"prefix": prefix})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_check_17_the_inbound_bucket_is_looked_through(door: Asked, tmp_path: Path) -> None:
    with running_moto(tmp_path) as endpoint:
        s3 = boto3.client(
            "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key=WORD
        )
        s3.create_bucket(Bucket="films")
        for key in ("src/", "src/a.mp4", "src/b/c.mp4", "top.mp4", "top/d.mp4"):
            s3.put_object(Bucket="films", Key=key, Body=b"12345" if key.endswith(".mp4") else b"")
        custom = {"S3_PROVIDER": "custom", "S3_ENDPOINT": endpoint, "S3_OUTBOUND_BUCKET_REGION": "us-east-1"}
        put(
            reaching(door),
            {**shown(door), **custom, "S3_INBOUND_BUCKET": "films", "S3_ACCESS_KEY": "k", "S3_SECRET_KEY": WORD},
        )

        assert listed(door) == {"folders": ["src/", "top/"], "files": [{"name": "top.mp4", "size": 5}]}
        assert listed(door, "src/") == {"folders": ["src/b/"], "files": [{"name": "src/a.mp4", "size": 5}]}
        assert listed(door, "src/b/") == {"folders": None, "files": [{"name": "src/b/c.mp4", "size": 5}]}
        assert listed(door, "nowhere/") == {"folders": None, "files": None}


def test_check_17_and_so_is_an_ftp_server(door: Asked, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "src" / "deep").mkdir(parents=True)
    (root / "src" / "a film.mp4").write_bytes(b"12345")
    (root / "top.mp4").write_bytes(b"123")
    with ftp_server(root) as server:
        said = {"FTP_ADDR": f"127.0.0.1:{server.port}", "FTP_USERNAME": USER, "FTP_PASSWORD": PASSWORD}
        put(reaching(door), {**shown(door), **said, "STORAGE_DRIVER": "ftp"})

        assert listed(door) == {"folders": ["src/"], "files": [{"name": "top.mp4", "size": 3}]}
        below = {"folders": ["src/deep/"], "files": [{"name": "src/a film.mp4", "size": 5}]}
        assert [listed(door, prefix) for prefix in ("src/", "src", "/src/")] == [below, below, below]


def test_check_17_a_store_that_does_not_answer_is_no_page_of_errors(door: Asked) -> None:
    away = {
        "S3_PROVIDER": "custom",
        "S3_ENDPOINT": "http://127.0.0.1:9",
        "S3_ACCESS_KEY": "AKIA",
        "S3_SECRET_KEY": WORD,
    }
    put(reaching(door), {**shown(door), **away})

    answer = door.get("/api/storage/list")

    assert (answer.status_code, answer.json()["data"]) == (200, None)
    assert answer.json()["error"]
    put(door, {**shown(door), "S3_INBOUND_BUCKET": ""})
    assert door.get("/api/storage/list").json()["data"] is None


def test_a_store_in_a_closed_network_is_not_looked_at(door: Asked) -> None:
    put(door, {**shown(door), "S3_PROVIDER": "custom", "S3_ENDPOINT": "http://127.0.0.1:9"})

    told = door.get("/api/storage/list").json()

    assert told["data"] is None
    assert "ALLOWED_NETWORKS" in told["error"]
