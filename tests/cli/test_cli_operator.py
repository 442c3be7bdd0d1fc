"""`framemill config` and `framemill support-bundle`, as an operator types them."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from framemill.cli.main import cli
from framemill.config import Settings, environment


@pytest.fixture(autouse=True)
def _nothing_set() -> Iterator[None]:
    with environment({f"FRAMEMILL_{name.upper()}": "" for name in Settings.model_fields}):
        yield


def said(*words: str) -> Result:
    return CliRunner().invoke(cli, words, catch_exceptions=False)


def test_config_shows_each_setting_and_where_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "framemill.toml").write_text('cache_bytes = "30 GiB"\nadmin_key = "hunter2-hunter2"')
    said_there = {"PORT": "8001", "DATA_DIR": str(tmp_path), "HOSTS": "a.example=another, *=one"}
    with environment({**{f"FRAMEMILL_{name}": value for name, value in said_there.items()}, "COLUMNS": "300"}):
        result = said("config")
    rows = {row.split()[0]: " ".join(row.split()[1:]) for row in result.output.splitlines() if row}

    assert rows["port"] == "8001 environment FRAMEMILL_PORT"
    assert rows["cache_bytes"] == f"30.0 GiB {tmp_path}/framemill.toml"
    assert rows["admin_key"] == f"*** {tmp_path}/framemill.toml"
    assert rows["host"] == "127.0.0.1 default"
    assert rows["slots"] == "– default"
    assert rows["hosts"] == "a.example=another, *=one environment FRAMEMILL_HOSTS"
    assert rows["credentials"] == "– default"
    assert rows["data_dir"] == f"{tmp_path} environment FRAMEMILL_DATA_DIR"
    assert result.output.splitlines()[-1] == f"{tmp_path}/framemill.toml"
    assert set(Settings.model_fields) <= set(rows)


def test_config_as_json(tmp_path: Path) -> None:
    result = said("config", "--json", "--data-dir", str(tmp_path))
    told = json.loads(result.output)

    assert (told["file"], told["file_exists"]) == (f"{tmp_path}/framemill.toml", False)
    assert told["settings"]["data_dir"] == {"value": str(tmp_path), "from": "--data-dir"}
    assert told["settings"]["min_free_bytes"] == {"value": 1 << 30, "from": "default"}


def test_a_support_bundle_says_where_it_is_and_what_is_missing(tmp_path: Path) -> None:
    with environment({"FRAMEMILL_FFMPEG": "/there/is/none"}):
        result = said("support-bundle", "--data-dir", str(tmp_path / "data"), "-o", str(tmp_path / "b.tar.gz"))

    assert result.output.startswith(f"{tmp_path}/b.tar.gz  (")
    assert "Without store: " in result.output
    with tarfile.open(tmp_path / "b.tar.gz") as archive:
        versions = archive.extractfile("framemill-support/versions.json")
        assert versions is not None
        assert json.load(versions)["ffmpeg"].startswith("none: ")
