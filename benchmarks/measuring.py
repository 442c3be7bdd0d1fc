"""What the benchmarks measure with: what a run took, of a process or of a whole farm, and how far runs lie apart."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil
from rich.console import Console

from framemill.config import usable_cpus

Result = TypeVar("Result")
One = TypeVar("One")
Other = TypeVar("Other")

_LOOK_SECONDS = 0.05


# How far runs lie apart


@dataclass(frozen=True)
class Spread:
    """One figure, run by run."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure that counts."""
        return statistics.median(self.values)

    def show(self, digits: int = 2) -> str:
        """The median, and between what the runs lie."""
        if len(self.values) == 1:
            return f"{self.median:.{digits}f}"
        return f"{self.median:.{digits}f} ({min(self.values):.{digits}f}–{max(self.values):.{digits}f})"


def spread(values: Iterable[float]) -> Spread:
    """The figure of each run."""
    return Spread(tuple(values))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Pair by pair: what slows the machine down for a while slows both of a pair."""
    return spread(our / their for our, their in zip(ours, theirs, strict=True))


def by_name(rows: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Each name's figure over the rows that have it, in the order in which names turn up."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: spread(row[name] for row in rows if name in row) for name in names}


def interleaved(runs: int, one: Callable[[int], One], other: Callable[[int], Other]) -> tuple[list[One], list[Other]]:
    """Run both sides A B A B …; each is told the number of its run."""
    pairs = [(one(run), other(run)) for run in range(runs)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


# What a run takes


@dataclass(frozen=True)
class Cost:
    """What a run took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of user and system time, of every process that had a part in it."""


def use_cores(count: int) -> None:
    """Keep this process, and all that it starts from here on, to that many processors."""
    if not hasattr(os, "sched_setaffinity"):
        raise SystemExit("Processors cannot be chosen on this system; leave --cores away.")
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < count:
        raise SystemExit(f"There are {len(usable)} processors to run on, not {count}.")
    os.sched_setaffinity(0, usable[:count])


def add_common(parser: argparse.ArgumentParser) -> None:
    """The options that every script about time has."""
    add = parser.add_argument
    add("--cores", type=int, metavar="N", help="processors that everything may use (default: all)")
    add("--folder", type=Path, metavar="DIR", help="where to make a scratch folder (default: the system's)")
    add("--json", type=Path, metavar="FILE", help="write every run")


def begin(cores: int | None, width: int) -> tuple[Console, int]:
    """A console, and how many slots there are on that many processors; says how busy the machine is already."""
    console = Console(width=None if sys.stdout.isatty() else width, highlight=False)
    if cores:
        use_cores(cores)
    slots = usable_cpus()
    console.print(f"{slots} processors; load before the start {os.getloadavg()[0]:.2f}")
    return console, slots


def run_alone(argv: Sequence[str], niceness: int = 0) -> Cost:
    """Run one process to its end, that nice. Raises `RuntimeError` with its last words when it fails."""
    os.sync()  # nobody waits for what another has written
    with tempfile.TemporaryFile() as said:
        nicer = ["nice", "-n", str(max(0, niceness - os.nice(0)))]
        began = time.monotonic()
        process = subprocess.Popen([*nicer, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{argv[0]} ended with {process.returncode}: {said.read()[-500:].decode()}")
    return Cost(wall, used.ru_utime + used.ru_stime)


class ProcessTree:
    """A process and everything that came from it, also what was handed to another parent since it was first seen."""

    def __init__(self, root: int | None = None) -> None:
        self._seen = {psutil.Process(root)}

    def living(self) -> list[psutil.Process]:
        """The processes that are there now."""
        for process in list(self._seen):
            with suppress(psutil.NoSuchProcess):
                self._seen.update(process.children(recursive=True))
        self._seen = {process for process in self._seen if process.is_running()}
        return list(self._seen)

    def cpu_seconds(self) -> float:
        """User and system time of the tree so far; what has ended is in the sum of the parent that waited for it."""
        total = 0.0
        for process in self.living():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def pss_bytes(self) -> dict[str, int]:
        """Resident memory by process, where a page that several share counts in parts (Linux' smaps_rollup)."""
        found = {}
        for process in self.living():
            with suppress(psutil.NoSuchProcess):
                found[f"{process.pid} {_name(process)}"] = int(process.memory_full_info().pss)
        return found

    def measure(self, work: Callable[[], Result]) -> tuple[Result, Cost]:
        """Do some work inside the tree."""
        os.sync()
        cpu, began = self.cpu_seconds(), time.monotonic()
        result = work()
        wall = time.monotonic() - began
        return result, Cost(wall, self.cpu_seconds() - cpu)

    def idle_cpu(self, seconds: float) -> float:
        """CPU seconds a second that the tree takes when nobody asks it for anything."""
        before, began = self.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu_seconds() - before) / (time.monotonic() - began)


def _name(process: psutil.Process) -> str:
    """What a person knows it by: Ray's workers by their title, Python by its script or module."""
    words = process.cmdline() or [process.name()]
    told = [word for word in words[1:] if not word.startswith("-")]
    return Path(told[0]).name if "python" in Path(words[0]).name and told else Path(words[0]).name.strip()


@dataclass
class Child:
    """An ffmpeg that ran while somebody watched."""

    command: list[str]
    niceness: int
    peak_bytes: int
    """Most resident memory so far, as the kernel keeps it."""


@dataclass
class Watch:
    """Looks at every ffmpeg of a tree while the block runs. Looking takes CPU: not while a run is timed."""

    tree: ProcessTree
    children: dict[int, Child] = field(default_factory=dict)

    def __enter__(self) -> Watch:
        """Start to watch."""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Watch no longer."""
        self._end.set()
        self._thread.join()

    def niceness(self) -> int:
        """How nice the children are that encode."""
        return max((child.niceness for child in self.children.values()), default=0)

    def peak_bytes(self, word: str) -> int:
        """Most resident memory of any child whose command has that word."""
        return max((child.peak_bytes for child in self.children.values() if word in child.command), default=0)

    def _look(self) -> None:
        while not self._end.wait(_LOOK_SECONDS):
            for process in self.tree.living():
                with suppress(psutil.NoSuchProcess, OSError):
                    command = process.cmdline()
                    if command and Path(command[0]).name.startswith("ffmpeg"):
                        self.children[process.pid] = Child(command, process.nice(), _peak(process.pid))


def _peak(pid: int) -> int:
    """`VmHWM` of proc(5). Unlike `ru_maxrss` it begins anew at exec, without the memory of whoever forked."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
