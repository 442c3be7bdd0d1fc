"""Ten thousand small jobs, one after another: whatever a job takes is given back when it has ended.

    python benchmarks/endurance.py --folder DIR             # 10,000 jobs, a real coordinator, workers that sleep
    python benchmarks/endurance.py --real 300               # 300 clips of one second on an embedded farm

The figures: open files, threads, asyncio's tasks, temporary files, rows without an owner, and what the coordinator
holds of jobs are at the end what they were after the first tenth of the jobs; its memory grows by less than 1 MB for
1,000 jobs (a line through all that was measured since). The exit status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, text

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.film import fresh, make_film  # noqa: E402
from benchmarks.measuring import ProcessTree  # noqa: E402
from benchmarks.scale_farm import Asked, Farm, SleepingHands, store_in, submit  # noqa: E402

from framemill.farm.embedded import Paths  # noqa: E402
from framemill.services.local import local_session  # noqa: E402
from framemill.services.requests import encode_request  # noqa: E402
from framemill.store.database import Database  # noqa: E402

MOST_MEGABYTES = 1.0
"""For a thousand jobs."""
_LOOKS = 50
_SLACK = 200  # a heap keeps some entries that are out of date, however many jobs there were
_AT_ONCE = 32
_CHUNK_FRAMES = (12, 12)

_ORPHANS = {
    "chunks leased to nobody": (
        "SELECT count(*) FROM chunks JOIN jobs ON jobs.id = chunks.job_id"
        " WHERE chunks.state = 'leased' AND jobs.state IN ('completed', 'failed', 'cancelled')"
    ),
    "chunks without a job": "SELECT count(*) FROM chunks WHERE job_id NOT IN (SELECT id FROM jobs)",
    "inputs without a job": "SELECT count(*) FROM inputs WHERE job_id NOT IN (SELECT id FROM jobs)",
    "outputs without a job": "SELECT count(*) FROM outputs WHERE job_id NOT IN (SELECT id FROM jobs)",
    "deliveries without an output": "SELECT count(*) FROM deliveries WHERE output_id NOT IN (SELECT id FROM outputs)",
    "events without a job": "SELECT count(*) FROM events WHERE job_id NOT IN (SELECT id FROM jobs)",
    "notices without an event": "SELECT count(*) FROM outbox WHERE seq NOT IN (SELECT seq FROM events)",
}


class Process(NamedTuple):
    """What one process has."""

    bytes: int
    """PSS."""
    files: int
    threads: int


@dataclass(frozen=True)
class Look:
    """What is there after so many jobs."""

    jobs: int
    bytes: int
    """Resident, or PSS over all processes."""
    counts: Mapping[str, int]
    """Of what must not grow."""
    processes: Mapping[str, Process] = field(default_factory=dict)
    """By id and name."""


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the line with the least squares through them; 0 through fewer than two places."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / max(1, count), sum(y for _, y in points) / max(1, count)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def grown(looks: Sequence[Look]) -> dict[str, tuple[int, int]]:
    """What there is more of at the end than at the first look: before, and after."""
    first, last = looks[0].counts, looks[-1].counts
    return {
        name: (first.get(name, 0), count)
        for name, count in last.items()
        if count > first.get(name, 0) + (_SLACK if name.startswith("held:") else 0)
    }


def settled(looks: Sequence[Look]) -> list[Look]:
    """Those after the first tenth of the jobs: by then everything was used once."""
    return [look for look in looks if look.jobs >= looks[-1].jobs / 10]


def megabytes_a_thousand(looks: Sequence[Look]) -> float:
    """How memory grows, after the first tenth of the jobs."""
    return slope([(float(look.jobs), float(look.bytes)) for look in settled(looks)]) * 1000 / 1e6


def growth_of_each(looks: Sequence[Look]) -> dict[str, float]:
    """The same of every process that was there all the time: Ray's own, the benchmark's, and the farm's."""
    later = settled(looks)
    names = set(later[0].processes).intersection(*(look.processes for look in later))
    points = {name: [(float(look.jobs), float(look.processes[name].bytes)) for look in later] for name in names}
    return {name: slope(found) * 1000 / 1e6 for name, found in sorted(points.items())}


# Workers that sleep


async def simulate(folder: Path, jobs: int) -> list[Look]:
    """Real coordinator, store on the disk, real time; each job is a plan, two chunks, a join and a delivery."""
    asked = [Asked(number, f"account-{number % 5}", "", _CHUNK_FRAMES, 64, 48, "h264") for number in range(jobs)]
    looks = []
    with store_in(folder / "data") as (database, blobs):
        hands = SleepingHands(blobs, asked, machines=2, slots=16, stitchers=2, seed=0)
        hands.pace = 1.0  # 1 ms for such a chunk
        farm = Farm(folder / "data", database, hands, active_jobs=_AT_ONCE, slots=16, inline=False)
        await farm.start()
        target = folder / "out"
        target.mkdir()
        step = max(1, jobs // _LOOKS)
        for first in range(0, jobs, step):
            ids = await asyncio.to_thread(submit, database, asked[first : first + step], target=target)
            await farm.jobs.wake(ids)
            for job_id in ids:
                job = await farm.jobs.ended(job_id)
                if job.state != "completed":
                    raise SystemExit(f"A job ended {job.state}: {job.message}")
            for delivered in target.iterdir():
                delivered.unlink()
            await farm.upkeep.collect(dry_run=False)
            await asyncio.sleep(0.1)
            looks.append(_look(first + len(ids), farm, database, folder))
            print(f"{looks[-1].jobs} jobs, {looks[-1].bytes >> 20} MB", flush=True)
        await farm.close()
    return looks


def _look(jobs: int, farm: Farm, database: Database, folder: Path) -> Look:
    gc.collect()
    process = psutil.Process()
    with database.reading() as conn:
        rows = dict(orphans(conn))
    temporary = [path for path in (folder / "data").rglob("*") if path.is_file() and "framemill.db" not in path.name]
    return Look(
        jobs=jobs,
        bytes=process.memory_info().rss,
        counts={
            "open files": process.num_fds(),
            "threads": process.num_threads(),
            "asyncio tasks": len(asyncio.all_tasks()),
            "temporary files": len(temporary),
            **rows,
            **{f"held: {name}": count for name, count in held(farm)},
        },
    )


def orphans(conn: Connection) -> Iterator[tuple[str, int]]:
    """Rows that belong to nobody, by kind."""
    for name, query in _ORPHANS.items():
        yield name, int(conn.execute(text(query)).scalar_one())


def held(farm: Farm) -> Iterator[tuple[str, int]]:
    """Lengths of whatever has one in the coordinator: what a job leaves there stays for ever."""
    roots: dict[str, Any] = {
        "coordination": farm.jobs,
        "waiting room": farm.jobs._room,
        "dispatcher": farm.jobs.dispatcher,
        "dispatch": farm.jobs.dispatcher.dispatch,
        "upkeep": farm.upkeep,
        "hands": farm.hands,
    }
    queues = getattr(farm.jobs.dispatcher.dispatch, "_queues", {})
    roots |= {f"queue {'/'.join(kind)}": queue for kind, queue in queues.items()}
    for name, root in roots.items():
        for attribute in {*getattr(root, "__dict__", {}), *getattr(root, "__slots__", ())}:
            value = getattr(root, attribute, None)
            if isinstance(value, (dict, list, set)) and not (name == "hands" and attribute == "_jobs"):
                yield f"{name}.{attribute}", len(value)


# Real clips


def encode_really(folder: Path, jobs: int) -> list[Look]:
    """Clips of one second on an embedded farm; every process of it counts."""
    film = make_film(folder, 360, 1.0)
    looks = []
    step = max(1, jobs // _LOOKS)
    with local_session(folder, 2) as session:
        tree = ProcessTree()
        for number in range(jobs):
            source = fresh(film, folder, str(number))
            output = folder / "out.mp4"
            row = session.encode(encode_request(str(source), str(output), "h264", {}), lambda _: None)
            if row["state"] != "completed":
                raise SystemExit(f"A clip ended {row['state']}: {row['message']}")
            source.unlink()
            output.unlink()
            if number % step == step - 1:
                looks.append(_look_at(number + 1, tree, session.paths))
                print(f"{looks[-1].jobs} jobs, {looks[-1].bytes >> 20} MB", flush=True)
    return looks


def _look_at(jobs: int, tree: ProcessTree, paths: Paths) -> Look:
    time.sleep(0.5)  # what a job has ended may still be on its way out
    processes = {}
    for name, held_bytes in tree.pss_bytes().items():
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(int(name.partition(" ")[0]))
            processes[name] = Process(held_bytes, process.num_fds(), process.num_threads())
    with contextlib.closing(Database(paths.database)) as database, database.reading() as conn:
        rows = dict(orphans(conn))
    return Look(
        jobs=jobs,
        bytes=sum(process.bytes for process in processes.values()),
        counts={
            "open files": sum(process.files for process in processes.values()),
            "threads": sum(process.threads for process in processes.values()),
            "processes": len(processes),
            "drafts": sum(path.is_file() for path in paths.root.rglob(".*")),
            "files of jobs": sum(path.is_file() for path in (paths.root / "work").rglob("*")),
            **rows,
        },
        processes=processes,
    )


def main() -> int:
    args = _parser().parse_args()
    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    console.print(f"load before the start {os.getloadavg()[0]:.2f}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="endurance-", dir=args.folder) as name:
        folder = Path(name)
        looks = encode_really(folder, args.real) if args.real else asyncio.run(simulate(folder, args.jobs))
    took = time.monotonic() - began
    first = settled(looks)[0]
    growth, more = megabytes_a_thousand(looks), grown(settled(looks))
    table = Table("", f"after {first.jobs}", "at the end", title=f"{looks[-1].jobs} jobs in {took:.0f} s")
    for what, count in looks[-1].counts.items():
        if not what.startswith("held:") or what in more:
            table.add_row(what, str(first.counts.get(what, 0)), str(count))
    table.add_row("memory", f"{first.bytes / 1e6:.1f} MB", f"{looks[-1].bytes / 1e6:.1f} MB")
    table.add_row("its slope, 1,000 jobs", f"< {MOST_MEGABYTES} MB", f"{growth:.2f} MB")
    for name, megabytes in growth_of_each(looks).items():
        table.add_row(f"  {name.partition(' ')[2]}", "", f"{megabytes:.2f} MB")
    console.print(table)
    if args.json:
        args.json.write_text(json.dumps([asdict(look) for look in looks], indent=1))
    missed = [*(f"{what}: {before} → {after}" for what, (before, after) in more.items())]
    if growth >= MOST_MEGABYTES:
        missed.append("memory")
    if missed:
        console.print(f"missed: {'; '.join(missed)}")
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--jobs", type=int, default=10_000)
    add("--real", type=int, metavar="N", help="encode that many real clips instead")
    add("--folder", metavar="DIR", help="where to make a scratch folder (default: the system's)")
    add("--json", type=Path, metavar="FILE", help="write every look")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
