"""Small pictures on a warm farm: how soon one jpg has become a png, and how many of them in a second.

    python benchmarks/pictures.py --url http://127.0.0.1:8080 --key KEY --runs 9

The farm is there already and reads this machine's files (`FRAMEMILL_MEDIA_ROOTS=/`). Every job has a source that the
farm has not seen: a photo with another comment. The figures: the median of one job at a time, from its POST to its
`completed`, is at most 0.4 s, and 100 jobs that are posted at once are done at a rate of at least 8 a second. The exit
status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import by_name, spread  # noqa: E402

from framemill.client import Framemill  # noqa: E402
from framemill.media import ffmpeg  # noqa: E402

MOST_SECONDS = 0.4
LEAST_RATE = 8.0
_PATIENCE_SECONDS = 300.0
_LOOK_SECONDS = 0.01
_MANY_LOOK_SECONDS = 0.1  # whoever looks takes from the same processors


@dataclass(frozen=True)
class Run:
    """One job alone."""

    wall: float
    """Seconds from before its POST until its client saw that it is completed."""
    farm: float
    """Seconds from its creation to its end, by the farm's clock."""
    stages: dict[str, float]
    """Seconds that it was in each state."""


def photo(folder: Path, size: str) -> bytes:
    """A jpg of that size."""
    path = folder / "photo.jpg"
    made = ["-f", "lavfi", "-i", f"testsrc2=size={size}", "-frames:v", "1", "-q:v", "3", str(path)]
    subprocess.run([ffmpeg.binary(), "-v", "error", "-y", *made], check=True)
    return path.read_bytes()


def fresh(folder: Path, data: bytes, name: str) -> Path:
    """The same picture with a comment (JPEG's COM segment) that no other has."""
    path = folder / f"{name}.jpg"
    path.write_bytes(data[:2] + b"\xff\xfe\x00\x0a" + os.urandom(8) + data[2:])
    return path


def order(source: Path, containers: tuple[str, ...]) -> dict[str, Any]:
    """A job of that picture, which becomes one of each kind."""
    outputs = [{"name": f"{source.stem}.{container}"} for container in containers]
    return {"inputs": [{"uri": str(source)}], "outputs": outputs}


def alone(farm: Framemill, source: Path, containers: tuple[str, ...]) -> Run:
    """One job, and nothing beside it."""
    began = time.monotonic()
    job = farm.wait(farm.submit(order(source, containers)).id, poll_seconds=_LOOK_SECONDS)
    wall = time.monotonic() - began
    if job.state != "completed":
        raise SystemExit(f"{source.name}: {job.state}: {job.message}")
    assert job.ended_at is not None  # it is completed
    seconds = (job.ended_at - job.created_at).total_seconds()
    return Run(wall, seconds, dict(job.timings_seconds))


def together(farm: Framemill, sources: list[Path]) -> float:
    """Jobs a second, all of which are posted at once."""
    began = time.monotonic()
    jobs = [job.id for job in farm.submit_all([order(source, ("png",)) for source in sources])]
    ended = [farm.wait(job, poll_seconds=_MANY_LOOK_SECONDS) for job in jobs]
    took = time.monotonic() - began
    bad = [job for job in ended if job.state != "completed"]
    if bad:
        raise SystemExit(f"{len(bad)} of {len(jobs)} jobs: {bad[0].state}: {bad[0].message}")
    return len(jobs) / took


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--url", required=True, help="of a farm that stays, on this machine")
    add("--key", required=True, help="a key, or a file that holds it")
    add("--runs", type=int, default=9, metavar="N", help="jobs one after the other (default: 9)")
    add("--many", type=int, default=100, metavar="N", help="jobs at once (default: 100)")
    add("--size", default="640x480", metavar="WxH", help="of the picture (default: 640x480)")
    add("--json", type=Path, metavar="FILE", help="write every run")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    key = Path(options.key).read_text().strip() if Path(options.key).is_file() else options.key
    with tempfile.TemporaryDirectory(prefix="framemill-pictures-") as scratch, Framemill(options.url, key) as farm:
        folder = Path(scratch)
        data = photo(folder, options.size)
        console.print(f"{len(data)} bytes of {options.size}; load before the start {os.getloadavg()[0]:.2f}")
        alone(farm, fresh(folder, data, "warm"), ("png",))
        runs = [alone(farm, fresh(folder, data, f"one-{run}"), ("png",)) for run in range(options.runs)]
        several = [alone(farm, fresh(folder, data, f"three-{run}"), ("png", "bmp", "gif")) for run in range(3)]
        rate = together(farm, [fresh(folder, data, f"many-{run}") for run in range(options.many)])
    table = Table("", "s", box=None, header_style="bold")
    median = spread(run.wall for run in runs).median
    table.add_row(f"jpg to png, POST to completed (at most {MOST_SECONDS:g})", spread(run.wall for run in runs).show(3))
    table.add_row("by the farm's clock", spread(run.farm for run in runs).show(3))
    for stage, seconds in by_name([run.stages for run in runs]).items():
        table.add_row(f"  {stage}", seconds.show(3))
    table.add_row("jpg to png, bmp and gif in one job", spread(run.wall for run in several).show(3))
    console.print(table)
    console.print(f"{options.many} at once: {rate:.1f} a second (at least {LEAST_RATE:g})")
    if options.json:
        told = {"runs": [asdict(run) for run in runs], "several": [asdict(run) for run in several], "rate": rate}
        options.json.write_text(json.dumps(told, indent=1) + "\n")
    return int(median > MOST_SECONDS or rate < LEAST_RATE)


if __name__ == "__main__":
    sys.exit(main())
