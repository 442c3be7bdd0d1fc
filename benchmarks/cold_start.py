"""One `framemill encode` from nothing, against plain ffmpeg: what the farm's start and end cost, and where.

    python benchmarks/cold_start.py --cores 2 --seconds 10 --runs 5
    python benchmarks/cold_start.py --height 720 --source clip.mp4 --json rows.json

Both are whole processes, timed from exec to exit, in turns, with the same settings. The figure: at most 8 s over
ffmpeg (median of the differences pair by pair); the exit status is 1 otherwise. "Cold" means that no farm runs; a first
run of each that does not count has brought programs and film into memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.film import Wanted, make_film  # noqa: E402
from benchmarks.measuring import ProcessTree, Watch, add_common, begin, by_name, interleaved, run_alone, spread  # noqa: E402

MOST_SECONDS = 8.0


@dataclass(frozen=True)
class Run:
    """One cold encode."""

    wall: float
    """Seconds from exec to exit."""
    seconds: Mapping[str, float]
    """By what happened: the report's own, and what lies before and after what it can know."""
    cpu: Mapping[str, float]
    """CPU seconds by stage, as the report has them; this is work, where `seconds` may be waiting."""


def encode(source: Path, output: Path, wanted: Wanted, slots: int) -> Run:
    """`framemill encode`, timed. Raises `SystemExit` when it fails."""
    command = [sys.executable, "-m", "framemill", "encode", str(source), "-o", str(output), "--json"]
    command += ["--preset", "h264", "--slots", str(slots)]
    for name, value in wanted.assignments().items():
        command += ["--set", f"{name}={value}"]
    os.sync()
    began = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = process.stdout.read(1)
        reported = time.monotonic() - began
        told += process.stdout.read()
        process.wait()
    wall = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"framemill encode ended with {process.returncode}: {told[-500:].decode()}")
    report = json.loads(told)
    seconds: dict[str, float] = report["seconds"]
    # The report is written at the end of `total`, before the farm is taken down.
    before, after = max(0.0, reported - seconds["total"]), wall - reported
    seconds = {"before its clock (Python, imports)": before, **seconds, "after the report (shutdown)": after}
    return Run(wall, seconds, {name: stage["cpu_seconds"] for name, stage in report["stages"].items()})


def show(console: Console, plain: list[float], cold: list[Run]) -> float:
    """The figure, and where the seconds went; the figure's median."""
    over = spread(run.wall - alone for run, alone in zip(cold, plain, strict=True))
    table = Table("", "seconds", "CPU seconds", box=None, header_style="bold")
    table.add_row("plain ffmpeg", spread(plain).show())
    table.add_row("framemill encode", spread(run.wall for run in cold).show())
    colour = "red" if over.median > MOST_SECONDS else "green"
    table.add_row("over plain ffmpeg", f"[{colour}]{over.show()}[/]  (wanted: ≤ {MOST_SECONDS:g})")
    for name, seconds in by_name([run.seconds for run in cold]).items():
        table.add_row(f"  {name}", seconds.show())
    for name, seconds in by_name([run.cpu for run in cold]).items():
        table.add_row(f"  {name}", "", seconds.show())
    console.print(table)
    console.print("Medians (and between what the runs lie). The source is read while the farm starts.")
    return over.median


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--source", type=Path, metavar="FILE", help="a clip instead of one that is made")
    add("--seconds", type=float, default=10, metavar="S", help="length of the clip that is made (default: 10)")
    add("--height", type=int, default=1080, choices=(1080, 720, 480, 360), help="its size (default: 1080)")
    add("--codec", default="h264", choices=("h264", "h265", "av1"))
    add("--encoder-preset", metavar="NAME", help="the encoder's own speed (default: the farm's usual one)")
    add("--runs", type=int, default=5, metavar="N", help="pairs (default: 5)")
    add_common(parser)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    console, slots = begin(options.cores, 160)
    wanted = Wanted.usual(options.codec, options.encoder_preset)
    with tempfile.TemporaryDirectory(prefix="framemill-cold-", dir=options.folder) as scratch:
        folder = Path(scratch)
        source = options.source or make_film(folder, options.height, options.seconds)
        with Watch(ProcessTree()) as watch:
            encode(source, folder / "first.mp4", wanted, slots)
        command = wanted.command(source, folder / "plain.mp4")
        run_alone(command)
        plain, cold = interleaved(
            options.runs,
            lambda _: run_alone(command, watch.niceness()).wall,
            lambda _: encode(source, folder / "cold.mp4", wanted, slots),
        )
    median = show(console, plain, cold)
    if options.json:
        rows: dict[str, Any] = {"plain": plain, "cold": [asdict(run) for run in cold], "over": median}
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return int(median > MOST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
