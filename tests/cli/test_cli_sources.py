"""Sources in stores, from the command line: by name on a farm, by the user's own environment without one."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from front_door import KEY, FrontDoor, served
from made_store import made_store
from servers.scripted import scripted

from framemill.cli.main import cli
from framemill.config import environment
from framemill.errors import SourceMissing, WrongUse
from framemill.services.jobs import Jobs
from framemill.storage.access import S3Access
from framemill.storage.credentials import Credentials

CORP = Credentials(name="corp", access=S3Access(access_key_id="corp-key-id"), allowed_buckets=("in",))


@pytest.fixture
def door(tmp_path: Path) -> Iterator[FrontDoor]:
    database = made_store(tmp_path / "farm.db")
    door = FrontDoor(database)
    door.parts = door.app.state.parts = replace(door.parts, credentials={"corp": CORP})
    yield door
    database.close()


@pytest.fixture
def url(door: FrontDoor) -> Iterator[str]:
    with served(door) as url:
        yield url


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words, catch_exceptions=False)


def test_credentials_are_named_to_the_farm(door: FrontDoor, url: str, tmp_path: Path) -> None:
    target = str(tmp_path / "out.mp4")
    there = ("--server", url, "--key", KEY, "--detach")

    done = run("encode", "s3://in/a.mov", "--join", "s3://in/b.mov", "-o", target, "--credentials", "corp", *there)

    assert done.exit_code == 0, done.output
    shown = Jobs(door.database, lambda _: None).shown(done.output.strip())
    assert [(one.uri, one.credentials) for one in shown.inputs] == [
        ("s3://in/a.mov", "corp"),
        ("s3://in/b.mov", "corp"),
    ]
    assert shown.outputs[0].targets[0].uri == target
    with pytest.raises(WrongUse, match="no credentials 'corq'"):
        run("encode", "s3://in/a.mov", "-o", target, "--credentials", "corq", *there)


def test_each_file_of_a_folder_is_submitted(door: FrontDoor, url: str, tmp_path: Path) -> None:
    for name in ("a.mov", "x/b.mov", "c.mxf"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"film")
    where = ("ingest", str(tmp_path / "in"), "-o", f"{tmp_path}/out/{{path}}.mp4", "--server", url, "--key", KEY)

    done = run(*where, "--match", "*.mov", "--preset", "h265", "--set", "crf=30")

    assert done.exit_code == 0, done.output
    lines = [line.split("  ") for line in done.output.splitlines()]
    assert [uri for _, uri in lines] == [f"{tmp_path}/in/a.mov", f"{tmp_path}/in/x/b.mov"]
    (output,) = Jobs(door.database, lambda _: None).shown(lines[1][0]).outputs
    assert (output.targets[0].uri, output.preset, output.settings.crf) == (f"{tmp_path}/out/x/b.mp4", "h265", 30)
    few = run(*where, "--max", "1", "--json")
    assert [json.loads(few.stdout)["more"], len(json.loads(few.stdout)["data"])] == [True, 1]


def test_without_a_farm_the_users_own_environment_opens_stores(tmp_path: Path) -> None:
    with scripted() as server:
        said = {
            "AWS_ACCESS_KEY_ID": "my-own-key-id",
            "AWS_SECRET_ACCESS_KEY": "my-own-secret",
            "AWS_ENDPOINT_URL": server.url,
            "FRAMEMILL_DATA_DIR": str(tmp_path),
        }
        with environment(said), pytest.raises(SourceMissing, match=r"nothing\.mov") as missing:
            run("probe", "s3://bucket/nothing.mov")

    assert "my-own" not in missing.value.message
    assert all("Credential=my-own-key-id/" in asked.headers["authorization"] for asked in server.asked)
    assert server.asked


def test_without_a_farm_names_are_those_of_the_users_own_settings(tmp_path: Path) -> None:
    (tmp_path / "framemill.toml").write_text(
        '[credentials.mine]\nkind = "s3"\naccess_key_id = "my-own-key-id"\nsecret_access_key = "my-own-secret"\n'
    )
    with scripted() as server, environment({"FRAMEMILL_DATA_DIR": str(tmp_path)}):
        with (
            environment({"FRAMEMILL_CREDENTIALS__MINE__ENDPOINT": server.url}),
            pytest.raises(SourceMissing, match=r"nothing\.mov"),
        ):
            run("probe", "s3://bucket/nothing.mov", "--credentials", "mine")
        with pytest.raises(WrongUse, match="there are mine"):
            run("probe", "s3://bucket/nothing.mov", "--credentials", "yours")

    assert all("Credential=my-own-key-id/" in asked.headers["authorization"] for asked in server.asked)
    assert server.asked
