"""`framemill up`, `down` and `status` where nothing runs."""

import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from framemill.cli.main import cli
from framemill.config import DataFolder, load_settings
from framemill.errors import FarmError
from framemill.serve.farmfile import FarmFile, Mark, read_farm, write_farm
from framemill.serve.ports import choose_ports
from framemill.serve.service import run_farm
from framemill.serve.status import status


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody has."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_farm_that_is_not_there_is_down(tmp_path: Path) -> None:
    done = run("status", "--data-dir", str(tmp_path))
    assert done.exit_code == 1
    assert done.stderr == f"framemill: No farm runs in {tmp_path}. Start one with `framemill up`.\n"
    done = run("status", "--data-dir", str(tmp_path), "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        **{"state": "down", "url": None, "processes": [], "slots": None, "jobs": None, "backlog_seconds": None},
        "message": f"No farm runs in {tmp_path}.",
    }


def test_the_end_of_no_farm_is_none(tmp_path: Path) -> None:
    done = run("down", "--data-dir", str(tmp_path))
    assert (done.exit_code, done.stdout) == (0, f"No farm runs in {tmp_path}.\n")
    assert list(tmp_path.iterdir()) == []


def a_farm_of_yesterday(folder: DataFolder) -> None:
    """A machine that went down with its farm: the numbers in farm.json belong to others now."""
    somebody = Mark(pid=1, started=1.0, ticks=1)
    farm = FarmFile(
        farm_id="abc",
        version="0.0.1",
        state="running",
        supervisor=somebody,
        head=somebody,
        session=1,
        host="127.0.0.1",
        port=8000,
        url="http://127.0.0.1:8000",
        gcs_address="127.0.0.1:20001",
        ports=choose_ports(lambda _: True, random.Random(1)),  # noqa: S311 - for ports, not for secrets
        temp_dir="/run/fm-gone/ray",
        boot_id="another boot",
        log_dir=str(folder.logs),
    )
    write_farm(folder, farm)


def test_a_farm_from_before_the_boot_is_down_and_cleared_away(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    a_farm_of_yesterday(folder)
    assert status(folder, None)["state"] == "down"
    done = run("down", "--data-dir", str(tmp_path))
    assert (done.exit_code, done.stdout) == (0, "The farm has ended.\n")
    assert read_farm(folder) is None


def test_a_port_that_is_taken_is_said_before_anything_starts(tmp_path: Path, taken: int) -> None:
    with pytest.raises(FarmError, match=rf"Port {taken} is taken\. Choose another with --port"):
        run_farm(load_settings(data_dir=tmp_path, port=taken), lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["farm.lock"]


def test_an_address_of_somebody_else_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(FarmError, match=r"Nobody can listen at 192\.0\.2\.77:8000"):
        run_farm(load_settings(data_dir=tmp_path, host="192.0.2.77"), lambda _: None)
