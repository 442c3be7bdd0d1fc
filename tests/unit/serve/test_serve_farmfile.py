"""farm.json and the farm's secrets."""

import json
import random
import stat
from pathlib import Path

import psutil
import pytest

from framemill.config import DataFolder
from framemill.sealing import make_secret
from framemill.serve.farmfile import (
    FarmFile,
    Mark,
    boot_id,
    mark_of,
    read_farm,
    remove_farm,
    this_process,
    write_farm,
)
from framemill.serve.ports import choose_ports


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - for ports, not for secrets


PORTS = choose_ports(lambda _: True, dice(1))


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path)


def a_farm(**changes: object) -> FarmFile:
    farm = FarmFile(
        farm_id="abc",
        version="1.0",
        supervisor=this_process(),
        host="127.0.0.1",
        port=8000,
        url="http://127.0.0.1:8000",
        gcs_address="127.0.0.1:20001",
        ports=PORTS,
        temp_dir="/run/fm-x",
        boot_id=boot_id(),
        log_dir="/data/logs",
    )
    return farm.model_copy(update=changes)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_farm_is_read_as_it_was_written(folder: DataFolder) -> None:
    farm = a_farm(session=77, head=Mark(pid=77, started=5.5), state="running")
    write_farm(folder, farm)
    assert read_farm(folder) == farm
    assert mode(folder.farm_file) == 0o600


def test_writing_again_leaves_one_file(folder: DataFolder) -> None:
    write_farm(folder, a_farm())
    write_farm(folder, a_farm(state="stopping"))
    assert [path.name for path in folder.root.iterdir()] == ["farm.json"]
    assert mode(folder.farm_file) == 0o600


def test_a_farm_of_another_release_is_read_as_far_as_it_is_known(folder: DataFolder) -> None:
    write_farm(folder, a_farm())
    told = json.loads(folder.farm_file.read_text())
    folder.farm_file.write_text(json.dumps({**told, "weather": "fine"}))
    assert read_farm(folder) == a_farm()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"farm_id": "abc"}'])
def test_half_a_file_is_none(folder: DataFolder, text: str) -> None:
    folder.farm_file.write_text(text)
    assert read_farm(folder) is None


def test_no_file_is_no_farm(folder: DataFolder) -> None:
    remove_farm(folder)
    assert read_farm(folder) is None


def test_a_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "ray.token"
    secret = make_secret(path)
    assert len(secret) == 64
    assert make_secret(path) == secret
    assert mode(path) == 0o600


def test_a_secret_that_was_not_written_to_its_end_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "ray.token"
    path.touch()
    assert len(make_secret(path)) == 64


def test_this_process_is_alive() -> None:
    assert this_process().alive


def test_a_clock_that_was_set_is_no_other_process() -> None:
    mark = this_process()
    if mark.ticks is None:
        pytest.skip("the kernel tells no ticks")
    assert mark.model_copy(update={"started": mark.started + 3600}).alive


def test_a_number_that_somebody_else_has_now_is_another_process() -> None:
    mark = this_process()
    assert not mark.model_copy(update={"started": mark.started - 60, "ticks": None}).alive
    assert not mark.model_copy(update={"ticks": 1}).alive


def test_a_number_that_nobody_has_is_no_process() -> None:
    free = max(psutil.pids()) + 100_000
    assert mark_of(free) is None
    assert not Mark(pid=free, started=0.0).alive
