"""Does the faults to a farm, and undoes those that can be undone."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.chaos_farm import TestedFarm
from benchmarks.chaos_plan import Fault
from benchmarks.chaos_proof import STEP_SECONDS, Done

from framemill.errors import FarmError, FramemillError
from framemill.serve.watch import Seen

Undo = Callable[[], None]
_RESUME_SECONDS = 120.0
_BLOCK = 1 << 20


class NotThere(Exception):
    """What the fault is to hit is not there at the moment."""


def strike(farm: TestedFarm, fault: Fault, job_id: str) -> tuple[Done, Undo | None]:
    """Do it; what was done, and how it is undone. Raises `NotThere`."""
    chunks = farm.chunks(job_id)
    how, _, what = fault.kind.partition(":")
    done = Done(fault, time.time(), committed=chunks.committed)
    undo: Undo | None = None
    if how in {"kill", "stop", "late"}:
        number = signal.SIGKILL if how == "kill" else signal.SIGSTOP
        seen = farm.look()
        hit = [_one_of(seen, role, fault.which) for role in fault.roles]
        done.before = dict(Counter(process.role for process in seen if process.role in fault.roles))
        done.at = time.time()
        for process in hit:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
        done.pids = {process.pid: process.role for process in hit}
        undo = (lambda: _continue([process.pid for process in hit])) if how == "late" else None
    elif how == "chunk":
        if not chunks.blobs or farm.job(job_id)[0] != "encoding":
            raise NotThere("no chunk is committed")
        blob = sorted(chunks.blobs)[int(fault.which * len(chunks.blobs))]
        _spoil(farm.folder.blobs / blob, what)
        done.damaged = frozenset() if what == "twice" else frozenset({chunks.blobs[blob]})
    elif how == "disk":
        undo = _fill(farm.folder.root / "ballast")
    elif fault.kind == "farm:pause":
        undo = _pause(farm)
    elif fault.kind == "farm:usurp":
        farm.usurp()
    else:
        farm.set_clock(STEP_SECONDS if what == "ahead" else -STEP_SECONDS)
        undo = farm.set_clock
    return done, undo


def _one_of(seen: tuple[Seen, ...], role: str, which: float) -> Seen:
    those = [process for process in seen if process.role == role and not process.stopped and not process.alone]
    if not those:
        raise NotThere(f"there is no {role}")
    return those[int(which * len(those))]


def _continue(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _spoil(path: Path, how: str) -> None:
    """Change a committed file behind the farm's back."""
    if not path.exists():
        raise NotThere(f"{path.name} is gone already")
    data = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    elif how == "cut":
        os.truncate(path, len(data) // 2)
    elif how == "flip":
        data[len(data) // 2] ^= 0x10
        with path.open("r+b") as file:
            file.write(data)
    else:  # the same bytes once more, as a worker does that was late
        again = path.with_name(f".again-{path.name}")
        again.write_bytes(data)
        again.replace(path)


def _fill(ballast: Path) -> Undo:
    """Take all the room that is left."""
    with ballast.open("ab", buffering=0) as file:
        for block in (b"\0" * _BLOCK, b"\0" * 4096):
            with contextlib.suppress(OSError):
                while True:
                    file.write(block)
    return lambda: ballast.unlink(missing_ok=True)


def _pause(farm: TestedFarm) -> Undo:
    def resume() -> None:
        until = time.monotonic() + _RESUME_SECONDS
        while True:
            try:
                with farm.client() as client:
                    client.resume()
                return
            except FramemillError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)

    try:
        with farm.client() as client:
            client.pause()
    except FramemillError as error:
        with contextlib.suppress(FramemillError):  # nobody knows whether it was heard
            resume()
        raise NotThere(str(error)) from None
    return resume


# A small disk that may be full


def namespace_command() -> list[str] | None:
    """What a command has to begin with, so that it may mount without anybody seeing it; None: it may not."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    for words in ([unshare, "-m"], [unshare, "-rm"]):
        tried = subprocess.run([*words, "sh", "-c", "mount -t tmpfs tmpfs /mnt"], check=False, capture_output=True)
        if tried.returncode == 0:
            return words
    return None


def mount_small(folder: Path, size_bytes: int) -> None:
    """A file system of that size. Raises `FarmError`."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    tried = subprocess.run(command, check=False, capture_output=True, text=True)
    if tried.returncode:
        raise FarmError(f"No disk could be made for the full one: {tried.stderr.strip()}")


def unmount(folder: Path) -> None:
    """Let go of it, also while somebody still looks there."""
    subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)
