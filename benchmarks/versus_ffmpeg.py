"""A warm farm against plain ffmpeg: the same 1080p film, the same settings, the same build, in turns.

    python benchmarks/versus_ffmpeg.py --cores 2 --seconds 30 --runs 3
    python benchmarks/versus_ffmpeg.py --codec h265 --encoder-preset fast --source film.mp4 --json rows.json

Plain ffmpeg has its own threads and GOPs, and is as nice as the farm's children are. The figures, medians of the
ratios pair by pair: wall at most 0.97 of it for x264, 0.90 for SVT-AV1, 1.03 for x265; CPU at most 1.05 of it, with
everything counted that the farm consists of: Ray's daemons, the actors, this process. The exit status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.film import Wanted, fresh, make_film  # noqa: E402
from benchmarks.measuring import (  # noqa: E402
    Cost,
    ProcessTree,
    Spread,
    Watch,
    add_common,
    begin,
    by_name,
    interleaved,
    ratios,
    run_alone,
    spread,
)

from framemill.services.local import LocalSession, local_session  # noqa: E402
from framemill.services.requests import encode_request  # noqa: E402

WALL = {"h264": 0.97, "av1": 0.90, "h265": 1.03}
CPU = 1.05
IDLE_SECONDS = 10.0


@dataclass(frozen=True)
class Run:
    """One encode by one side."""

    cost: Cost
    bytes: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    """The farm's, by the job's state, and for how long its slots stood empty together while it encoded."""
    cpu: Mapping[str, float] = field(default_factory=dict)
    """The farm's CPU seconds by stage, and what belongs to none: Ray, the actors, this process."""


@dataclass(frozen=True)
class Row:
    """One codec, both sides."""

    wanted: Wanted
    plain: list[Run]
    farm: list[Run]
    idle: float
    """CPU seconds a second that the farm takes for being there."""

    @property
    def wall(self) -> Spread:
        """The farm's time as a share of ffmpeg's."""
        return ratios([run.cost.wall for run in self.farm], [run.cost.wall for run in self.plain])

    @property
    def cpu(self) -> Spread:
        """The farm's CPU time as a share of ffmpeg's."""
        return ratios([run.cost.cpu for run in self.farm], [run.cost.cpu for run in self.plain])

    @property
    def missed(self) -> bool:
        """Whether one of the two is above what is wanted."""
        return self.wall.median > WALL[self.wanted.codec] or self.cpu.median > CPU


class Contest:
    """Both sides on one machine, one folder and one film."""

    def __init__(self, farm: LocalSession, slots: int, film: Path, folder: Path, console: Console) -> None:
        self._farm = farm
        self._slots = slots
        self._film = film
        self._folder = folder
        self._console = console
        self._tree = ProcessTree()
        self._niceness = 0

    def warm_up(self, film: Path) -> None:
        """A job before the first that counts; it also tells how nice the farm's children are."""
        with Watch(self._tree) as watch:
            self._encode(film, Wanted.usual("h264", "ultrafast"))
        self._niceness = watch.niceness()
        self._console.print(f"ffmpeg runs at nice {self._niceness} on both sides", style="dim")

    def run(self, wanted: Wanted, runs: int) -> Row:
        """Both sides in turns."""
        idle = self._tree.idle_cpu(IDLE_SECONDS)

        def source(run: int) -> Path:
            return fresh(self._film, self._folder, f"{wanted.codec}-{run}")

        def plain(run: int) -> Run:
            output = self._folder / "plain.mp4"
            cost = run_alone(wanted.command(source(run), output), self._niceness)
            return self._told(f"{wanted.codec} {run}: ffmpeg", Run(cost, _size(output)))

        def farm(run: int) -> Run:
            return self._told(f"{wanted.codec} {run}: farm", self._encode(source(run), wanted))

        return Row(wanted, *interleaved(runs, plain, farm), idle)

    def _encode(self, source: Path, wanted: Wanted) -> Run:
        output = self._folder / "farm.mp4"
        request = encode_request(str(source), str(output), "h264", wanted.assignments())
        row, cost = self._tree.measure(lambda: self._farm.encode(request, lambda _: None))
        if row["state"] != "completed":
            raise SystemExit(f"The farm did not encode {source.name}: {row['message']}")
        return Run(cost, _size(output), *spent(row["report"], cost, self._slots))

    def _told(self, what: str, run: Run) -> Run:
        self._console.print(f"{what}: {run.cost.wall:.2f} s, CPU {run.cost.cpu:.2f} s", style="dim")
        return run


def spent(report: Mapping[str, Any], cost: Cost, slots: int) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds and CPU seconds of a job by its report: where they went."""
    stages = report["stages"]
    sound = stages.get("sound", {}).get("seconds", 0.0)
    empty = slots * report["seconds"]["encoding"] - stages["encode"]["process_seconds"] - sound
    cpu = {name: stage["cpu_seconds"] for name, stage in stages.items()}
    return {**report["seconds"], "slots empty": empty}, {**cpu, "the rest": cost.cpu - sum(cpu.values())}


def _size(path: Path) -> int:
    return path.stat().st_size


def show(console: Console, rows: list[Row]) -> None:
    """The figures, and where the farm's time goes."""
    table = Table("", "", "ffmpeg", "farm", "farm / ffmpeg", "wanted", box=None, header_style="bold")
    for row in rows:
        name, sides = f"{row.wanted.codec} {row.wanted.preset} crf {row.wanted.crf:g}", (row.plain, row.farm)
        wall = (spread(run.cost.wall for run in side).show() for side in sides)
        cpu = (spread(run.cost.cpu for run in side).show() for side in sides)
        idle = spread(row.idle * run.cost.wall for run in row.farm).show()
        size = ratios([run.bytes for run in row.farm], [run.bytes for run in row.plain]).show(3)
        table.add_row(name, "wall s", *wall, *_judged(row.wall, WALL[row.wanted.codec]))
        table.add_row("", "CPU s", *cpu, *_judged(row.cpu, CPU))
        table.add_row("", "the idle farm's CPU s in that time", "", idle)
        table.add_row("", "bytes", "", "", size)
    console.print(table)
    console.print("Medians (and between what the runs lie); ratios pair by pair. Where the farm's went:")
    for row in rows:
        console.print(f"  {row.wanted.codec} seconds: {_listed([run.seconds for run in row.farm])}", style="dim")
        console.print(f"  {row.wanted.codec} CPU seconds: {_listed([run.cpu for run in row.farm])}", style="dim")


def _judged(figure: Spread, most: float) -> tuple[str, str]:
    return f"[{'red' if figure.median > most else 'green'}]{figure.show(3)}[/]", f"≤ {most:.2f}"


def _listed(rows: list[Mapping[str, float]]) -> str:
    return " · ".join(f"{name} {seconds.show()}" for name, seconds in by_name(rows).items())


def as_json(row: Row) -> dict[str, Any]:
    return {**asdict(row), "wall_ratios": row.wall.values, "cpu_ratios": row.cpu.values, "missed": row.missed}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--source", type=Path, metavar="FILE", help="an MP4, 8 bits 4:2:0, instead of a film that is made")
    add("--seconds", type=float, default=30, metavar="S", help="length of the film that is made (default: 30)")
    add("--codec", action="append", choices=sorted(WALL), help="may be repeated (default: all)")
    add("--encoder-preset", metavar="NAME", help="the encoder's own speed (default: the farm's usual one)")
    add("--crf", type=float, metavar="N", help="quality (default: the farm's usual one)")
    add("--runs", type=int, default=3, metavar="N", help="pairs for each codec (default: 3)")
    add_common(parser)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    console, slots = begin(options.cores, 200)
    with tempfile.TemporaryDirectory(prefix="framemill-versus-", dir=options.folder) as scratch:
        folder = Path(scratch)
        film = options.source or make_film(folder, 1080, options.seconds)
        short = make_film(folder, 360, 2)
        with local_session(folder, slots) as farm:
            contest = Contest(farm, slots, film, folder, console)
            contest.warm_up(short)
            presets = (options.encoder_preset, options.crf)
            rows = [contest.run(Wanted.usual(codec, *presets), options.runs) for codec in options.codec or WALL]
    show(console, rows)
    if options.json:
        options.json.write_text(json.dumps([as_json(row) for row in rows], indent=1) + "\n")
    return int(any(row.missed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
