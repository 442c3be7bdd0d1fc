"""What every process of a running farm takes when nobody asks it for anything."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import ray

from framemill.config import DataFolder, environment
from framemill.serve.processes import members
from framemill.serve.roles import role_of

#: Processes that are ours. Of an actor only what it takes beyond one that does nothing: the rest is Ray's.
OURS = ("supervisor", "coordinator", "worker", "stitcher", "prober")
_ACTORS = ("coordinator", "worker", "stitcher")
BARE = "an actor that does nothing"
MOST_OF_A_CORE = 0.01
_START_SECONDS, _SETTLE_SECONDS = 60.0, 15.0


def idle_shares(data_dir: Path, seconds: float) -> dict[str, float]:
    """Share of a core by role, over that many seconds. Raises `SystemExit` where no farm runs there."""
    told = _told(data_dir)
    with _bare_actor(data_dir, told["gcs_address"]) as bare:
        time.sleep(_SETTLE_SECONDS)
        processes = _processes(data_dir) | {psutil.Process(bare): BARE}
        before, began = _cpu(processes), time.monotonic()
        time.sleep(seconds)
        after, took = _cpu(processes), time.monotonic() - began
    gone = before.keys() - after.keys()
    if gone:
        raise SystemExit(f"The farm was not idle: {len(gone)} processes have ended meanwhile. Try again.")
    shares: dict[str, float] = defaultdict(float)
    for process, used in after.items():
        shares[processes[process]] += (used - before[process]) / took
    return dict(sorted(shares.items(), key=lambda share: -share[1]))


def ours(shares: dict[str, float]) -> float:
    """Of a core, over our own processes, above what Ray takes in them."""
    bare = shares.get(BARE, 0.0)
    mine = {role: share for role, share in shares.items() if role in OURS}
    return sum(max(0.0, share - bare) if role in _ACTORS else share for role, share in mine.items())


class _Bare:
    async def pid(self) -> int:
        return os.getpid()


@contextlib.contextmanager
def _bare_actor(data_dir: Path, address: str) -> Iterator[int]:
    """The process of an actor like ours, in the same cluster, of which nobody asks anything."""
    fresh = multiprocessing.get_context("spawn")  # Ray reads the token's place when it is imported
    here, there = fresh.Pipe()
    told = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(DataFolder(data_dir).ray_token),
        # As the farm's own processes have it (`serve/head.py`): else Ray looks for a loopback address elsewhere.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0" if address.startswith("127.") else "1",
    }
    with environment(told):
        holding = fresh.Process(target=_hold, args=(address, there))
        holding.start()
    try:
        if not here.poll(_START_SECONDS):
            raise SystemExit(f"No actor could be made at {address}.")
        yield here.recv()
    finally:
        here.close()  # which it waits for
        holding.join(_SETTLE_SECONDS)
        holding.kill()


def _hold(address: str, asked: Connection) -> None:
    ray.init(address, log_to_driver=False, configure_logging=False)
    actor: Any = ray.remote(_Bare).options(num_cpus=0, max_concurrency=10_000).remote()
    asked.send(ray.get(actor.pid.remote()))
    with contextlib.suppress(EOFError):
        asked.recv()
    ray.shutdown()


def _told(data_dir: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(DataFolder(data_dir).farm_file.read_text())
    except (OSError, ValueError) as error:
        hint = f"framemill up --data-dir {data_dir}"
        raise SystemExit(f"No farm runs in {data_dir} ({error}); start one: {hint}") from None
    return told


def _processes(data_dir: Path) -> dict[psutil.Process, str]:
    try:
        told = _told(data_dir)
        supervisor = psutil.Process(told["supervisor"]["pid"])
        session = int(told["session"])
    except (OSError, ValueError, KeyError, TypeError, psutil.Error) as error:
        hint = f"framemill up --data-dir {data_dir}"
        raise SystemExit(f"No farm runs in {data_dir} ({error}); start one: {hint}") from None
    return {supervisor: "supervisor"} | {process: role_of(process.cmdline()) for process in members(session)}


def _cpu(processes: dict[psutil.Process, str]) -> dict[psutil.Process, float]:
    found = {}
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        found[process] = times.user + times.system
    return found
