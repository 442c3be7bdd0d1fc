"""How far one coordinator goes: the real one, with its store, over machines that only sleep.

    python benchmarks/scale.py --seed 1                     # 10,000 slots, 100,000 chunks, on a clock of its own
    python benchmarks/scale.py --queued --folder DIR        # a store with 10,000 queued and 100,000 ended jobs
    python benchmarks/scale.py --ray                        # real Ray, 1 to 32 slots
    python benchmarks/scale.py --idle DATA_DIR              # a farm that runs there (`framemill up`), for a minute

The figures: all jobs are done after at most 1.05 of what cannot be beaten (all work over all slots, or the longest
plan, chunk and join in a row); the coordinator takes under 1 ms of CPU for a chunk, from its plan to its commit, jobs
included, and under 1 KB for one that waits. A coordinator starts, admits, and a front door lists, within 5 s, however
many jobs have ended. With real Ray and encoders that sleep, 0.85 of the slots come through. Idle, our own processes
take 1 % of a core above what Ray takes in them. The exit status is 1 otherwise.

On the clock of its own a second that nobody needs takes no time, and what the coordinator itself takes does not delay
it: its CPU is measured, not its speed. Every commit is a transaction of its own there, since no two fall together.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import json
import math
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.scale_clock import run_virtually  # noqa: E402
from benchmarks.scale_farm import Farm, SleepingHands, make_jobs, store_in, submit  # noqa: E402

from framemill.store.database import Database  # noqa: E402
from framemill.store.epochs import current_epoch  # noqa: E402

Result = TypeVar("Result")

MOST_MAKESPAN = 1.05
MOST_MILLISECONDS = 1.0
MOST_BYTES = 1024
QUEUED_JOBS, ACTIVE_JOBS = 10_000, 200
RAY_SLOTS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Size:
    """A farm and its work."""

    chunks: int
    slots: int
    machines: int
    active_jobs: int
    seed: int
    folder: str | None

    @property
    def stitchers(self) -> int:
        """Machines that join; each does four at a time."""
        return max(1, self.machines // 5)


@dataclass(frozen=True)
class Figures:
    """What came of a run on the clock of its own."""

    jobs: int
    makespan: float
    """Virtual seconds, like the next two."""
    work: float
    """All work over all slots."""
    chain: float
    """The longest plan, chunk and join of one job."""
    milliseconds: float
    """CPU of the coordinator and its store for a chunk."""
    statement_microseconds: float
    """CPU of the smallest question to the store, just before and after: what this machine was worth then."""

    @property
    def ratio(self) -> float:
        """Of the makespan to what cannot be beaten."""
        return self.makespan / max(self.work, self.chain)


def measure_farm(size: Size) -> Figures:
    """Do all the work."""
    asked = make_jobs(size.chunks, size.seed)
    with _store(size) as (folder, database, hands):
        submit(database, asked)
        before = statement_microseconds(database)
        began = time.process_time()
        makespan = run_virtually(_run(folder, database, hands, size))
        cpu = time.process_time() - began - hands.cpu_seconds
        after = statement_microseconds(database)
    return Figures(
        jobs=len(asked),
        makespan=makespan,
        work=hands.work_seconds / size.slots,
        chain=hands.longest_chain,
        milliseconds=cpu * 1e3 / size.chunks,
        statement_microseconds=(before + after) / 2,
    )


async def _run(folder: Path, database: Database, hands: SleepingHands, size: Size) -> float:
    farm = Farm(folder, database, hands, active_jobs=size.active_jobs, slots=size.slots, inline=True)
    await farm.start()
    await farm.done()
    makespan = asyncio.get_running_loop().time()
    await farm.close()
    return makespan


def measure_memory(size: Size) -> float:
    """Bytes of this process for a chunk that waits: from a tenth of the jobs to all of them. Run it in a fresh one."""
    with _store(size) as (folder, database, hands):
        hands.for_long = True
        return run_virtually(_wait(folder, database, hands, size))


async def _wait(folder: Path, database: Database, hands: SleepingHands, size: Size) -> float:
    asked = make_jobs(size.chunks, size.seed)
    few = max(1, len(asked) // 10)
    farm = Farm(folder, database, hands, active_jobs=len(asked), slots=hands.slots, inline=True)
    await farm.start()
    found = []
    for first, end in ((0, few), (few, len(asked))):
        submit(database, asked[first:end])
        while hands.plans < end:  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(1.0)
        await asyncio.sleep(10.0)
        found.append((farm.jobs.dispatcher.dispatch.waiting, _resident_bytes()))
    await farm.close()
    (fewer, less), (more, most) = found
    return (most - less) / (more - fewer)


def _resident_bytes() -> int:
    gc.collect()
    with_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone keeps what was freed
    if with_trim is not None:
        with_trim(0)
    return int(psutil.Process().memory_info().rss)


@contextmanager
def _store(size: Size) -> Iterator[tuple[Path, Database, SleepingHands]]:
    """A store in a scratch folder, in memory where that can be had, and machines beside it."""
    with tempfile.TemporaryDirectory(prefix="scale-", dir=size.folder or _memory()) as name:
        folder = Path(name)
        with store_in(folder) as (database, blobs):
            jobs = make_jobs(size.chunks, size.seed)
            many = {"machines": size.machines, "slots": size.slots, "stitchers": size.stitchers}
            yield folder, database, SleepingHands(blobs, jobs, **many, seed=size.seed)


def _memory() -> str | None:
    return "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 (in a folder of its own there)


def statement_microseconds(database: Database, count: int = 2000) -> float:
    """CPU of asking the store for its epoch."""
    with database.reading() as conn:
        began = time.process_time()
        for _ in range(count):
            current_epoch(conn)
        return (time.process_time() - began) * 1e6 / count


def apart(work: Callable[..., Result], *args: Any, **more: Any) -> Result:
    """Do it in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, args, more)


# What is printed


def show_farm(console: Console, size: Size) -> tuple[list[str], Any]:
    """Makespan, CPU and memory."""
    figures = apart(measure_farm, size)
    bytes_each = apart(measure_memory, Size(**{**asdict(size), "slots": 8 * size.stitchers, "machines": 5}))
    table = Table(
        "figure", "wanted", "measured", title=f"{size.chunks} chunks, {size.slots} slots, {figures.jobs} jobs"
    )
    table.add_row("makespan over what cannot be beaten", f"≤ {MOST_MAKESPAN}", f"{figures.ratio:.3f}")
    table.add_row("   makespan; work / slots; longest chain", "", _seconds(figures))
    table.add_row("CPU a chunk", f"< {MOST_MILLISECONDS} ms", f"{figures.milliseconds:.2f} ms")
    table.add_row("   CPU of the smallest statement", "", f"{figures.statement_microseconds:.0f} µs")
    table.add_row("memory a waiting chunk", f"< {MOST_BYTES} B", f"{bytes_each:.0f} B")
    console.print(table)
    missed = []
    if figures.ratio > MOST_MAKESPAN:
        missed.append("makespan")
    if figures.milliseconds >= MOST_MILLISECONDS:
        missed.append("CPU")
    if bytes_each >= MOST_BYTES:
        missed.append("memory")
    return missed, {**asdict(figures), "ratio": figures.ratio, "bytes": bytes_each}


def _seconds(figures: Figures) -> str:
    return f"{figures.makespan:.1f}; {figures.work:.1f}; {figures.chain:.1f} s"


def show_queued(console: Console, args: argparse.Namespace) -> tuple[list[str], Any]:
    """A store with many jobs."""
    from benchmarks.scale_queued import measure, slow  # noqa: PLC0415 (the other parts do not need it)

    ended = [args.ended // 100, args.ended]
    with tempfile.TemporaryDirectory(prefix="scale-", dir=args.folder) as folder:
        rows = measure(
            Path(folder), queued_jobs=args.queued_jobs, active_jobs=ACTIVE_JOBS, ended_jobs=ended, seed=args.seed
        )
    title = f"{args.queued_jobs} queued, {ACTIVE_JOBS} active jobs; seconds by ended jobs"
    table = Table("", *(f"{count}" for count in rows), title=title)
    for name in rows[ended[0]]:
        table.add_row(name, *(f"{row[name]:.3f}" for row in rows.values()))
    console.print(table)
    return slow(rows), rows


def show_ray(console: Console, args: argparse.Namespace) -> tuple[list[str], Any]:
    """Real Ray."""
    from benchmarks.scale_ray import LEAST_SHARE, share_of  # noqa: PLC0415

    shares = {}
    folder = Path(args.folder or tempfile.gettempdir())
    for slots in args.ray_slots:
        share = shares[slots] = share_of(slots, rounds=args.rounds, seconds=args.chunk_seconds, folder=folder)
        console.print(f"{slots:3} slots: {share * slots:.2f} chunks at a time, {share:.3f} of the slots")
    return [f"{slots} slots" for slots, share in shares.items() if share < LEAST_SHARE], shares


def show_idle(console: Console, args: argparse.Namespace) -> tuple[list[str], Any]:
    """A farm that runs."""
    from benchmarks.scale_idle import MOST_OF_A_CORE, OURS, idle_shares, ours  # noqa: PLC0415

    shares = idle_shares(args.idle, args.seconds)
    table = Table("role", "% of a core", title=f"idle for {args.seconds:g} s")
    for role, share in shares.items():
        table.add_row(role + (" *" if role in OURS else ""), f"{share * 100:.2f}")
    table.add_row("ours (*), above what Ray takes in them", f"{ours(shares) * 100:.2f}")
    table.add_row("all", f"{sum(shares.values()) * 100:.2f}")
    console.print(table)
    return (["idle"] if ours(shares) > MOST_OF_A_CORE else []), shares


def main() -> int:
    args = _parser().parse_args()
    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    console.print(f"load before the start {os.getloadavg()[0]:.2f}")
    if args.queued:
        missed, rows = show_queued(console, args)
    elif args.ray:
        missed, rows = show_ray(console, args)
    elif args.idle is not None:
        missed, rows = show_idle(console, args)
    else:
        active = args.active_jobs or math.ceil(2 * args.slots)
        size = Size(args.chunks, args.slots, args.machines, active, args.seed, args.folder)
        missed, rows = show_farm(console, size)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    if missed:
        console.print(f"missed: {', '.join(missed)}")
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--seed", type=int, default=1)
    add("--chunks", type=int, default=100_000)
    add("--slots", type=int, default=10_000)
    add("--machines", type=int, default=250)
    add("--active-jobs", type=int, metavar="N", help="jobs that are worked on at once (default: twice the slots)")
    add("--folder", metavar="DIR", help="where to make a scratch folder (default: in memory, else the system's)")
    add("--queued", action="store_true", help="measure a store with many jobs instead")
    add("--queued-jobs", type=int, default=QUEUED_JOBS)
    add("--ended", type=int, default=100_000, help="ended jobs beside them")
    add("--ray", action="store_true", help="measure with real Ray instead")
    add("--ray-slots", type=int, nargs="+", default=RAY_SLOTS, metavar="N")
    add("--rounds", type=int, default=20, help="with --ray: chunks for each slot")
    add("--chunk-seconds", type=float, default=1.0, help="with --ray: how long an encoder sleeps")
    add("--idle", type=Path, metavar="DATA_DIR", help="measure the farm that runs there instead")
    add("--seconds", type=float, default=60.0, help="with --idle: how long")
    add("--json", type=Path, metavar="FILE", help="write every figure")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
