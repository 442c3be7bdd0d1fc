"""`framemill keys`, `accounts` and `users` against an API on loopback; and what `framemill up` says of who gets in."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from front_door import KEY, FrontDoor, served
from made_store import made_store

from framemill.cli.main import cli
from framemill.cli.up import exposed
from framemill.config import Settings, environment, load_settings
from framemill.errors import Conflict, KeyRefused, WrongUse


@pytest.fixture(autouse=True)
def _nothing_set() -> Iterator[None]:
    with environment({f"FRAMEMILL_{name.upper()}": "" for name in Settings.model_fields}):
        yield


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    database = made_store(tmp_path / "farm.db")
    with served(FrontDoor(database)) as found:
        yield found
    database.close()


def said(url: str, *words: str, key: str = KEY) -> Result:
    return CliRunner().invoke(cli, [*words, "--server", url, "--key", key], catch_exceptions=False)


def test_accounts_and_their_keys_from_the_shell(url: str) -> None:
    words = ("--id", "acme", "--quota", "queued-jobs=5", "--quota", "max_input_seconds=7.5", "--credits", "2.5")
    assert "balance: 2.5, of which 0 reserved" in said(url, "accounts", "create", "Acme", *words).output
    key = said(url, "keys", "create", "ci", "--account", "acme", "--scope", "jobs:read", "--days", "3").stdout.strip()
    assert key.startswith("fm_")
    assert json.loads(said(url, "jobs", "list", "--json", key=key).output)["data"] == []

    (listed,) = json.loads(said(url, "keys", "list", "--json").output)["data"]
    assert (listed["name"], listed["scopes"]) == ("ci", ["jobs:read"])
    assert "jobs:read" in said(url, "keys", "list", "--account", "acme").output
    assert said(url, "keys", "revoke", listed["id"]).exit_code == 0
    with pytest.raises(KeyRefused):
        said(url, "jobs", "list", key=key)
    assert "revoked" in said(url, "keys", "list").output

    changed = said(url, "accounts", "quotas", "acme", "queued_jobs=", "jobs_per_day=9").output
    assert "quotas: jobs_per_day=9, max_input_seconds=7.5" in changed
    assert "balance: 12.5" in said(url, "accounts", "credit", "acme", "10", "--note", "paid").output
    assert "deposit" in said(url, "accounts", "show", "acme").output
    assert said(url, "accounts", "suspend", "acme").output == "acme is suspended.\n"
    assert said(url, "accounts", "resume", "acme").output == "acme is active.\n"
    assert [line.split()[0] for line in said(url, "accounts", "list").output.splitlines()] == ["id", "acme", "default"]
    assert said(url, "accounts", "remove", "acme").output == "acme is removed.\n"
    with pytest.raises(Conflict):
        said(url, "accounts", "remove", "default")
    for wrong in ("jobs_per_day", "jobs_per_day=many"):
        with pytest.raises(WrongUse, match="jobs_per_day=100"):
            said(url, "accounts", "quotas", "default", wrong)


def test_users_from_the_shell(url: str) -> None:
    assert said(url, "users", "list").output == "There are none.\n"
    made = said(url, "users", "create", "ann", "--role", "guest", "--password", "correct horse").output
    assert made.startswith("ann (guest) is made: ")
    assert "guest" in said(url, "users", "list").output
    assert said(url, "users", "remove", made.split()[-1]).exit_code == 0


@pytest.mark.parametrize(
    ("given", "loud"),
    [
        ({}, False),
        ({"host": "127.0.0.2"}, False),
        ({"host": "::1"}, False),
        ({"host": "0.0.0.0"}, True),  # noqa: S104
        ({"host": "::"}, True),
        ({"host": "0.0.0.0", "public_url": "http://films.example"}, True),  # noqa: S104
        ({"host": "0.0.0.0", "public_url": "https://films.example"}, False),  # noqa: S104
    ],
)
def test_a_farm_that_listens_to_the_world_without_tls_is_warned_of(
    tmp_path: Path, given: dict[str, str], loud: bool
) -> None:
    assert (exposed(load_settings(data_dir=str(tmp_path), **given)) is not None) == loud
