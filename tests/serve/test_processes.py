"""Sessions and marks of real processes, without a Ray: who is found, and who is killed."""

import os
import secrets
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from framemill.serve.processes import MARK, Lookout, end_session, has_ended, is_ours, marked, members
from framemill.serve.watch import Seen

FARM = secrets.token_hex(8)
OTHER = secrets.token_hex(8)

Start = Callable[..., "subprocess.Popen[bytes]"]

#: A parent that looks after its last child only; a shell looks after all, until it becomes something else.
CARELESS = "from subprocess import Popen; first = Popen(['ffmpeg', '0']); Popen(['sleep', '60']).wait()"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a shell command in a session of its own, with a farm's mark."""
    (tmp_path / "ffmpeg").symlink_to("/bin/sleep")
    begun: list[subprocess.Popen[bytes]] = []

    def run(command: str, farm: str = FARM) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, MARK: farm, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        begun.append(subprocess.Popen(["bash", "-c", command], env=environment, start_new_session=True))
        return begun[-1]

    yield run
    for farm in (FARM, OTHER):
        assert end_session(None, farm) == []
    for process in begun:
        process.wait(5)


def look(lookout: Lookout, condition: Callable[[dict[str, list[Seen]]], bool]) -> dict[str, list[Seen]]:
    """What is seen, by role, once it is as it should be."""
    until = time.monotonic() + 60
    while True:
        found: dict[str, list[Seen]] = {}
        for seen in lookout.look():
            found.setdefault(seen.role, []).append(seen)
        if condition(found):
            return found
        assert time.monotonic() < until, found
        threading.Event().wait(0.02)


def test_a_session_is_seen_with_its_roles(start: Start) -> None:
    leader = start("ffmpeg 60 & (exec -a ray::Coordinator.run sleep 60) & wait")
    start("ffmpeg 60", OTHER)
    found = look(Lookout(leader.pid, FARM), lambda found: {"coordinator", "ffmpeg", "other"} <= set(found))
    assert [seen.alone for seen in found["ffmpeg"]] == [False]
    assert not any(seen.stopped for kind in found.values() for seen in kind)


def test_a_stopped_process_is_seen_and_killed(start: Start) -> None:
    leader = start("ffmpeg 60 & wait")
    lookout = Lookout(leader.pid, FARM)
    (child,) = look(lookout, lambda found: "ffmpeg" in found)["ffmpeg"]
    os.kill(child.pid, signal.SIGSTOP)
    (stopped,) = look(lookout, lambda found: found["ffmpeg"][0].stopped)["ffmpeg"]
    assert lookout.kill(stopped)
    # Its words go first: for a moment it is nobody's idea of an ffmpeg, and has not ended yet.
    look(lookout, lambda found: stopped.pid not in {seen.pid for kind in found.values() for seen in kind})
    assert not lookout.kill(stopped)


def test_a_process_is_not_killed_in_place_of_another(start: Start) -> None:
    leader = start("ffmpeg 60 & wait")
    lookout = Lookout(leader.pid, FARM)
    (child,) = look(lookout, lambda found: "ffmpeg" in found)["ffmpeg"]
    assert not lookout.kill(Seen(child.pid, child.started - 1, child.role))
    assert psutil.pid_exists(child.pid)


def test_a_child_whose_parent_is_killed_is_alone(start: Start) -> None:
    leader = start("bash -c 'ffmpeg 60 & wait' & wait")
    lookout = Lookout(leader.pid, FARM)
    (child,) = look(lookout, lambda found: "ffmpeg" in found)["ffmpeg"]
    psutil.Process(psutil.Process(child.pid).ppid()).kill()
    look(lookout, lambda found: found["ffmpeg"][0].alone)


def test_a_child_that_left_the_session_is_seen_and_alone_when_its_parent_has_gone(start: Start) -> None:
    leader = start("sleep 60")
    outside = start("ffmpeg 60 & wait")
    start("ffmpeg 60", OTHER)
    lookout = Lookout(leader.pid, FARM)
    found = look(lookout, lambda found: "ffmpeg" in found)
    assert [(psutil.Process(seen.pid).ppid(), seen.alone) for seen in found["ffmpeg"]] == [(outside.pid, False)]
    outside.kill()
    outside.wait()
    (child,) = look(lookout, lambda found: found["ffmpeg"][0].alone)["ffmpeg"]
    assert lookout.kill(child)


def test_the_end_of_a_farm_spares_everybody_else(start: Start) -> None:
    leader, outside = start("sleep 60 & sleep 60"), start("sleep 60")
    other = start("sleep 60", OTHER)
    assert is_ours(leader.pid, FARM)
    assert not is_ours(other.pid, FARM)
    assert end_session(leader.pid, FARM) == []
    assert [leader.wait(5), outside.wait(5)] == [-signal.SIGKILL] * 2
    assert members(leader.pid) == marked(FARM) == []
    assert other.poll() is None


def test_our_own_session_is_never_ended() -> None:
    assert end_session(os.getsid(0), FARM) == []


def test_a_program_that_ended_is_seen_until_its_parent_looks(start: Start) -> None:
    leader = start(shlex.join(["exec", sys.executable, "-c", CARELESS]))
    until = time.monotonic() + 60
    while not has_ended(leader.pid, "ffmpeg"):
        assert time.monotonic() < until
        threading.Event().wait(0.02)
    assert not has_ended(leader.pid, "sleep")
