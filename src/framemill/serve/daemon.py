"""A farm from outside: start its supervisor behind the scenes and wait for it; ask it to end and wait for that."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence

import psutil

from framemill.config import DataFolder
from framemill.errors import FarmError
from framemill.serve.farmfile import FarmFile, read_farm
from framemill.serve.launch import last_lines, start_detached
from framemill.serve.leftovers import end_leftovers
from framemill.serve.lock import farm_lock, is_locked
from framemill.serve.processes import MARK

START_SECONDS = 900.0
"""More than all tries of a supervisor take: it is who gives up, and says why."""
END_SECONDS = 60.0
"""From the end of the chunks under way to the last process's."""
END_NOW_SECONDS = 20.0
"""The same, when nothing may come to its end first."""
_LOOK_SECONDS = 0.1

Doing = Callable[[str], None]


def supervised(folder: DataFolder) -> FarmFile | None:
    """The farm of that folder, if its supervisor lives.

    The lock has the last word: start times are counted from the boot, and change with a clock that is set.
    """
    farm = read_farm(folder)
    if farm is None:
        return None
    return farm if farm.supervisor.alive or (_is_there(farm.supervisor.pid) and is_locked(folder.lock)) else None


def start(argv: Sequence[str], variables: Mapping[str, str], folder: DataFolder, doing: Doing) -> FarmFile:
    """Start a supervisor that outlives us, and wait until its farm runs. Raises `FarmError` with its last words."""
    words = folder.logs / "up.log"
    try:
        child = start_detached(argv, {**variables, MARK: ""}, log=words)
    except OSError as error:
        raise FarmError(f"The supervisor could not be started: {error}.") from None
    until = time.monotonic() + START_SECONDS
    while child.poll() is None:
        farm = read_farm(folder)
        if farm is not None and farm.supervisor.pid == child.pid:
            if farm.state == "running":
                child.returncode = 0  # it goes on without us, and subprocess need not wonder how it ends
                return farm
            doing(farm.doing)
        if time.monotonic() > until:
            raise FarmError(f"The farm does not run after {START_SECONDS:.0f} s; it goes on trying. See {folder.logs}.")
        time.sleep(_LOOK_SECONDS)
    told = last_lines(words, 40).removeprefix("framemill: ")
    raise FarmError(told or f"The supervisor ended with status {child.returncode}. See {folder.logs}.")


def end(folder: DataFolder, doing: Doing, *, now: bool = False, drain_seconds: float = 30.0) -> bool:
    """End the folder's farm, or what is left of it; False where there is none.

    `now`: nothing that runs comes to its end first. Raises `FarmError` when it does not end.
    """
    farm = supervised(folder)
    if farm is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(farm.supervisor.pid, signal.SIGUSR1 if now else signal.SIGTERM)
        patience = END_NOW_SECONDS if now else END_SECONDS + drain_seconds
        if not _gone(folder, farm, doing, patience):
            if not now:
                raise FarmError(
                    f"The farm has not ended within {patience:.0f} s. `framemill down --now` kills what is left of it."
                )
            os.kill(farm.supervisor.pid, signal.SIGKILL)  # it is stopped, or hangs
    if not folder.farm_file.exists():
        return farm is not None
    with farm_lock(folder.lock, patience_seconds=5.0):
        end_leftovers(folder)
    return True


def _is_there(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _gone(folder: DataFolder, farm: FarmFile, doing: Doing, seconds: float) -> bool:
    """Wait until the farm's supervisor has ended, or another one is there; False when it has not."""
    until = time.monotonic() + seconds
    while is_locked(folder.lock) or farm.supervisor.alive:
        told = read_farm(folder)
        if told is not None and told.farm_id != farm.farm_id:
            return True
        doing(told.doing if told is not None else "")
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
