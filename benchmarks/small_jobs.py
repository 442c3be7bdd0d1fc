"""Small jobs on a warm farm: what a job costs beside its work.

    python benchmarks/small_jobs.py --cores 2 --runs 9

The figures, medians: a 5 s clip of 360p takes at most 1.0 s more than plain ffmpeg with the same settings (pair by
pair, in turns), and 30 s of 1080p put into another file (preset `copy`) at most 0.7 s. The exit status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.film import Wanted, copy_command, fresh, make_film  # noqa: E402
from benchmarks.measuring import (  # noqa: E402
    ProcessTree,
    Watch,
    add_common,
    begin,
    by_name,
    interleaved,
    run_alone,
    spread,
)

from framemill.services.local import LocalSession, local_session  # noqa: E402
from framemill.services.requests import encode_request  # noqa: E402

MOST_OVER_SECONDS = 1.0
MOST_REMUX_SECONDS = 0.7


@dataclass(frozen=True)
class Job:
    """A kind of small job, run by both sides."""

    name: str
    film: Path
    preset: str
    assignments: Mapping[str, str]
    command: Callable[[Path, Path], list[str]]
    """Of plain ffmpeg, from source and output."""


@dataclass(frozen=True)
class Run:
    """One job on the farm."""

    wall: float
    stages: Mapping[str, float]
    """Seconds by stage: the report's own, and the rest."""


@dataclass(frozen=True)
class Row:
    """A kind of job, measured."""

    name: str
    plain: list[float]
    farm: list[Run]

    @property
    def over(self) -> list[float]:
        """Seconds that the farm took more than ffmpeg, pair by pair."""
        return [run.wall - alone for run, alone in zip(self.farm, self.plain, strict=True)]


def encode(farm: LocalSession, job: Job, source: Path, output: Path) -> Run:
    """One job on the farm, from the request to the delivered file."""
    request = encode_request(str(source), str(output), job.preset, job.assignments)
    row, cost = ProcessTree().measure(lambda: farm.encode(request, lambda _: None))
    if row["state"] != "completed":
        raise SystemExit(f"The farm did not encode {source.name}: {row['message']}")
    stages: dict[str, float] = row["report"]["seconds"]
    rest = cost.wall - sum(stages.values())
    return Run(cost.wall, {**stages, "reading, delivering and the rest": rest})


def measure(farm: LocalSession, job: Job, folder: Path, runs: int) -> Row:
    """Both sides in turns, after a pair that does not count."""

    def source(run: int) -> Path:
        return fresh(job.film, folder, f"{job.preset}-{run}")

    with Watch(ProcessTree()) as watch:
        encode(farm, job, source(-1), folder / "farm.mp4")
    plain, ours = interleaved(
        runs,
        lambda run: run_alone(job.command(source(run), folder / "plain.mp4"), watch.niceness()).wall,
        lambda run: encode(farm, job, source(run), folder / "farm.mp4"),
    )
    return Row(job.name, plain, ours)


def show(console: Console, rows: Sequence[Row], most: Sequence[tuple[float, str]], missed: Sequence[bool]) -> None:
    """The figures, and where the time goes."""
    table = Table("job", "ffmpeg s", "farm s", "more", "wanted", box=None, header_style="bold")
    for row, (limit, what), bad in zip(rows, most, missed, strict=True):
        farm, over = spread(run.wall for run in row.farm).show(3), spread(row.over).show(3)
        verdict = f"[{'red' if bad else 'green'}]≤ {limit:g} {what}[/]"
        table.add_row(row.name, spread(row.plain).show(3), farm, over, verdict)
        for stage, seconds in by_name([run.stages for run in row.farm]).items():
            table.add_row(f"  {stage}", "", seconds.show(3))
    console.print(table)
    console.print("Medians (and between what the runs lie).")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--source", type=Path, metavar="FILE", help="an MP4 to put into another file, instead of one that is made")
    add("--seconds", type=float, default=30, metavar="S", help="length of the one that is made (default: 30)")
    add("--runs", type=int, default=9, metavar="N", help="pairs for each kind (default: 9)")
    add_common(parser)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    console, slots = begin(options.cores, 160)
    with tempfile.TemporaryDirectory(prefix="framemill-small-", dir=options.folder) as scratch:
        folder = Path(scratch)
        wanted = Wanted.usual("h264")
        clip, film = make_film(folder, 360, 5), options.source or make_film(folder, 1080, options.seconds)
        jobs = (
            Job("5 s of 360p, H.264", clip, "h264", wanted.assignments(), wanted.command),
            Job("put into another file", film, "copy", {}, copy_command),
        )
        with local_session(folder, slots) as farm:
            small, remux = [measure(farm, job, folder, options.runs) for job in jobs]
    missed = (
        spread(small.over).median > MOST_OVER_SECONDS,
        spread(run.wall for run in remux.farm).median > MOST_REMUX_SECONDS,
    )
    most = ((MOST_OVER_SECONDS, "more"), (MOST_REMUX_SECONDS, "on the farm"))
    show(console, (small, remux), most, missed)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in (small, remux)], indent=1) + "\n")
    return int(any(missed))


if __name__ == "__main__":
    sys.exit(main())
