"""Farms with a real Ray and a stand-in for what is deployed on it: started, hurt, left behind, ended.

The tests share two farms and stand in the order in which these live.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from servers.started import free_port
from service_farm import listening

from framemill.config import DataFolder
from framemill.errors import FarmError
from framemill.serve import daemon, front
from framemill.serve.farmfile import FarmFile, read_farm
from framemill.serve.launch import last_lines, start_detached
from framemill.serve.ports import is_free
from framemill.serve.processes import marked, members
from framemill.serve.status import status

pytestmark = [pytest.mark.farm, pytest.mark.timeout(600)]

STAND_IN = [sys.executable, str(Path(__file__).with_name("stand_in.py"))]
BACK_SECONDS = 180.0  # some 10 on an idle machine
GONE_SECONDS = 60.0
REFUSED_SECONDS = 120.0  # it imports Ray
#: What stays as long as the farm does; others, such as Ray's idle workers, come and go.
LASTING = frozenset({"supervisor", "head", "gcs_server", "raylet", "dashboard", "agent", "coordinator", "ffmpeg"})


def eventually(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """What the condition is, as soon as it is something."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, f"{what}: not within {seconds} s"
        threading.Event().wait(0.05)
    return found


@dataclass(frozen=True)
class Place:
    """A data folder and the port that its farm serves at."""

    folder: DataFolder
    port: int

    def variables(self) -> dict[str, str]:
        return {"FRAMEMILL_DATA_DIR": str(self.folder.root), "FRAMEMILL_PORT": str(self.port)}

    def begin(self) -> "subprocess.Popen[bytes]":
        return start_detached([*STAND_IN, "up"], self.variables(), log=self.folder.logs / "up.log")

    def up(self) -> FarmFile:
        return daemon.start([*STAND_IN, "up"], self.variables(), self.folder, lambda _: None)

    def down(self, *, now: bool = False) -> bool:
        return daemon.end(self.folder, lambda _: None, now=now, drain_seconds=5.0)

    @property
    def farm(self) -> FarmFile:
        farm = read_farm(self.folder)
        assert farm is not None, last_lines(self.folder.logs / "up.log")
        return farm

    def status(self) -> dict[str, Any]:
        return status(self.folder, self.folder.admin_key.read_text())

    def pid(self, role: str) -> int | None:
        return next((one["pid"] for one in self.status()["processes"] if one["role"] == role), None)

    def roles(self) -> set[str]:
        return {one["role"] for one in self.status()["processes"]}

    def lasting(self) -> set[int]:
        return {one["pid"] for one in self.status()["processes"] if one["role"] in LASTING}

    def serves(self) -> bool:
        return self.folder.farm_file.exists() and self.farm.state == "running" and front.is_ready(self.farm.url)


def left_of(farm: FarmFile) -> list[psutil.Process]:
    assert farm.session is not None
    return [*members(farm.session), *marked(farm.farm_id)]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Place]]:
    """Two farms that were started at the same time."""
    one, two = (Place(DataFolder(tmp_path_factory.mktemp("farm")), free_port()) for _ in range(2))
    begun = [one.begin(), two.begin()]
    try:
        for place in (one, two):
            eventually(place.serves, BACK_SECONDS, "serving for the first time")
        yield one, two
    finally:
        for place in (one, two):
            place.down(now=True)
        for supervisor in begun:
            supervisor.wait(10)


@pytest.fixture(scope="module")
def place(places: tuple[Place, Place]) -> Place:
    return places[0]


def test_a_port_that_another_farm_took_costs_no_state(places: tuple[Place, Place]) -> None:
    for place in places:  # both looked at the usual port of Ray's dashboard, and one of them got it
        assert "set aside" not in (place.folder.logs / "supervisor.log").read_text()


def test_status_names_every_process(place: Place) -> None:
    nameless = {"other", "actor", "client"}  # a worker of Ray's is one of them while it starts
    eventually(lambda: not nameless & place.roles(), GONE_SECONDS, "a role for every process")
    before = {process.pid for process in left_of(place.farm)}
    told = place.status()
    assert {one["role"] for one in told["processes"]} >= LASTING
    assert told["state"] == "running"
    assert (told["slots"], told["jobs"], told["backlog_seconds"]) == (2, {"encoding": 1}, 3.5)
    after = {process.pid for process in left_of(place.farm)}
    stayed = [one for one in told["processes"] if one["pid"] in before & after]  # some come and go
    assert len(stayed) == len(before & after)
    assert all(one["rss_bytes"] > 0 and one["cpu_seconds"] >= 0 for one in stayed)


def test_the_supervisor_knows_no_ray(place: Place) -> None:
    code = "import sys, framemill.cli.up; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nobody_else_can_reach_or_read_what_belongs_to_the_farm(place: Place) -> None:
    folder = place.folder
    for path in (folder.farm_file, folder.admin_key, folder.admin_password, folder.ray_token, folder.lock):
        assert path.stat().st_mode & 0o077 == 0
    assert Path(place.farm.temp_dir).parent.stat().st_mode & 0o077 == 0
    assert {address for address, _ in listening(left_of(place.farm))} <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


def refused(environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    argv, most = [*STAND_IN, "up"], REFUSED_SECONDS
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=most, check=False)


def test_a_second_supervisor_is_refused(place: Place) -> None:
    environment = {**os.environ, **place.variables()}
    done = refused(environment)
    assert done.returncode == 1
    assert done.stderr == (
        f"framemill: A farm runs in {place.folder.root} already (process {place.farm.supervisor.pid}). "
        "See `framemill status`, or end it with `framemill down`.\n"
    )


def test_a_port_that_is_taken_is_refused(place: Place, tmp_path: Path) -> None:
    environment = {**os.environ, **place.variables(), "FRAMEMILL_DATA_DIR": str(tmp_path)}
    done = refused(environment)
    assert (done.returncode, done.stderr.split(".")[0]) == (1, f"framemill: Port {place.port} is taken")


def test_a_farm_that_cannot_be_deployed_is_given_up_and_says_why(tmp_path: Path) -> None:
    place = Place(DataFolder(tmp_path), free_port())
    with pytest.raises(FarmError) as raised:
        daemon.start([*STAND_IN, "broken"], place.variables(), place.folder, lambda _: None)
    first, last = raised.value.message.splitlines()[:: len(raised.value.message.splitlines()) - 1]
    assert first == f"The deployer failed with status 1. The end of {tmp_path / 'logs' / 'deploy.log'}:"
    assert last == "the database is on fire"
    assert place.status()["state"] == "down"
    assert not place.folder.farm_file.exists()


def test_the_end_of_a_farm_is_no_other_farms_business(places: tuple[Place, Place]) -> None:
    one, other = places
    farm, before = other.farm, one.lasting()
    ours, theirs = ({process["pid"] for process in place.status()["processes"]} for place in places)
    assert not ours & theirs
    assert other.down()
    assert json.loads((other.folder.root / "drained.json").read_bytes()) == {"seconds": 30.0}
    assert_nothing_is_left(other, farm)
    assert one.serves()
    assert before <= one.lasting()


def assert_nothing_is_left(place: Place, farm: FarmFile) -> None:
    assert left_of(farm) == []
    assert not farm.supervisor.alive
    assert not Path(farm.temp_dir).parent.exists()
    assert not place.folder.farm_file.exists()
    assert not place.folder.gcs.exists()
    ports = (place.port, *farm.ports.singles())  # the kernel may hold one for a moment, of a process that was killed
    eventually(lambda: all(map(is_free, ports)), GONE_SECONDS, "the ports are free")
    assert place.status()["state"] == "down"
    assert not place.down()


def test_a_stopped_process_is_killed_and_comes_back(place: Place) -> None:
    coordinator, child, restarts = place.pid("coordinator"), place.pid("ffmpeg"), place.farm.restarts
    assert coordinator is not None
    assert child is not None
    os.kill(coordinator, signal.SIGSTOP)
    eventually(lambda: place.pid("coordinator") not in {None, coordinator}, BACK_SECONDS, "another coordinator")
    eventually(place.serves, BACK_SECONDS, "serving again")
    eventually(lambda: not psutil.pid_exists(child), GONE_SECONDS, "the end of an ffmpeg in a session of its own")
    assert place.farm.restarts == restarts


@pytest.mark.parametrize("role", ["raylet", "gcs_server", "head"])
def test_a_head_that_is_lost_comes_back(place: Place, role: str) -> None:
    farm, lost = place.farm, place.pid(role)
    assert lost is not None
    os.kill(lost, signal.SIGKILL)
    eventually(lambda: place.farm.restarts > farm.restarts, BACK_SECONDS, "a restart")
    eventually(place.serves, BACK_SECONDS, "serving again")
    assert place.farm.session != farm.session
    assert farm.session is not None
    assert members(farm.session) == []
    assert len([one for one in place.status()["processes"] if one["role"] == "coordinator"]) == 1


def test_a_farm_without_supervisor_is_ended_by_the_next_one(place: Place) -> None:
    farm = place.farm
    os.kill(farm.supervisor.pid, signal.SIGKILL)
    eventually(lambda: not farm.supervisor.alive, GONE_SECONDS, "the supervisor's end")
    assert place.status()["state"] == "lost"
    assert left_of(farm)
    after = place.up()
    assert after.farm_id != farm.farm_id
    assert left_of(farm) == []
    assert not Path(farm.temp_dir).parent.exists()
    assert place.serves()


def test_a_farm_without_supervisor_is_ended_by_down(place: Place) -> None:
    farm = place.farm
    os.kill(farm.supervisor.pid, signal.SIGKILL)
    eventually(lambda: not farm.supervisor.alive, GONE_SECONDS, "the supervisor's end")
    assert place.down()
    assert_nothing_is_left(place, farm)
