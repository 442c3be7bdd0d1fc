"""What every process of a running farm takes when nobody asks it for anything."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from pathlib import Path

import psutil

from framemill.config import DataFolder
from framemill.serve.processes import members
from framemill.serve.roles import role_of

#: Processes that are ours; what Ray itself does inside its actors counts, too.
OURS = ("supervisor", "coordinator", "worker", "stitcher", "prober")
MOST_OF_A_CORE = 0.01


def idle_shares(data_dir: Path, seconds: float) -> dict[str, float]:
    """Share of a core by role, over that many seconds. Raises `SystemExit` where no farm runs there."""
    processes = _processes(data_dir)
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
    """Of a core, over our own processes."""
    return sum(share for role, share in shares.items() if role in OURS)


def _processes(data_dir: Path) -> dict[psutil.Process, str]:
    try:
        told = json.loads(DataFolder(data_dir).farm_file.read_text())
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
