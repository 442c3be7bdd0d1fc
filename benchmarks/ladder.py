"""A warm farm against one ffmpeg that decodes once and encodes the whole ladder: 1080, 720, 480 and 360, x264.

    python benchmarks/ladder.py --cores 2 --seconds 30 --runs 3
    python benchmarks/ladder.py --source film.mp4 --encoder-preset veryfast --json rows.json

Both sides scale from the source with the same filter, put an IDR frame at the start of every segment and nowhere else,
and encode the sound once; plain ffmpeg has its own threads, and is as nice as the farm's children are. The farm writes
the whole package (segments, playlists, the MP4) and verifies it, plain ffmpeg four MP4 files. The figure is the median
of the ratios of their wall time pair by pair: at most 0.95. The exit status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.film import fresh, make_film  # noqa: E402
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

from framemill.media import ffmpeg  # noqa: E402
from framemill.media.options import SWS_FLAGS  # noqa: E402
from framemill.services.local import LocalSession, local_session  # noqa: E402
from framemill.services.requests import encode_request  # noqa: E402

WALL = 0.95
RUNGS = ((1080, 22), (720, 23), (480, 23), (360, 24))
SEGMENT_SECONDS = 4


@dataclass(frozen=True)
class Run:
    """One ladder by one side."""

    cost: Cost
    seconds: dict[str, float]
    """The farm's, by the job's state."""


def plain_command(source: Path, folder: Path, preset: str) -> list[str]:
    """One decode, one scaler a rung, four encoders; the sound beside the first."""
    pads = "".join(f"[d{height}]" for height, _ in RUNGS)
    graph = [f"[0:V:0]split={len(RUNGS)}{pads}"]
    graph += [f"[d{height}]scale=-2:{height}:flags={SWS_FLAGS},format=yuv420p[v{height}]" for height, _ in RUNGS]
    argv = [ffmpeg.binary(), "-nostdin", "-v", "error", "-y", "-i", str(source), "-filter_complex", ";".join(graph)]
    for number, (height, crf) in enumerate(RUNGS):
        argv += ["-map", f"[v{height}]", "-c:v", "libx264", "-preset", preset, "-crf", str(crf)]
        argv += ["-x264-params", "scenecut=0:keyint=infinite:open-gop=0"]
        argv += ["-force_key_frames", f"expr:gte(t,n_forced*{SEGMENT_SECONDS})"]
        argv += ["-map", "0:a:0?", "-c:a", "aac", "-b:a", "128000"] if not number else []
        argv.append(str(folder / f"plain-{height}.mp4"))
    return argv


class Contest:
    """Both sides on one machine, one folder and one film."""

    def __init__(self, farm: LocalSession, film: Path, folder: Path, console: Console, preset: str) -> None:
        self._farm = farm
        self._film = film
        self._folder = folder
        self._console = console
        self._preset = preset
        self._tree = ProcessTree()
        self._niceness = 0

    def warm_up(self, film: Path) -> None:
        """A job before the first that counts; it also tells how nice the farm's children are."""
        with Watch(self._tree) as watch:
            self._package(film, "warm")
        self._niceness = watch.niceness()

    def run(self, runs: int) -> tuple[list[Run], list[Run]]:
        """Plain ffmpeg and the farm, in turns."""

        def source(run: int) -> Path:
            return fresh(self._film, self._folder, str(run))

        def plain(run: int) -> Run:
            command = plain_command(source(run), self._folder, self._preset)
            return self._told(f"{run}: ffmpeg", Run(run_alone(command, self._niceness), {}))

        def farm(run: int) -> Run:
            return self._told(f"{run}: farm", self._package(source(run), str(run)))

        return interleaved(runs, plain, farm)

    def _package(self, source: Path, name: str) -> Run:
        ladder = json.dumps([{"height": height, "crf": crf} for height, crf in RUNGS])
        words = {"ladder": ladder, "segment_seconds": str(SEGMENT_SECONDS), "encoder_preset": self._preset}
        request = encode_request(str(source), str(self._folder / f"farm-{name}"), "hls", words)
        row, cost = self._tree.measure(lambda: self._farm.encode(request, lambda _: None))
        if row["state"] != "completed":
            raise SystemExit(f"The farm did not encode {source.name}: {row['message']}")
        return Run(cost, dict(row["report"]["seconds"]))

    def _told(self, what: str, run: Run) -> Run:
        self._console.print(f"{what}: {run.cost.wall:.2f} s, CPU {run.cost.cpu:.2f} s", style="dim")
        return run


def show(console: Console, plain: list[Run], farm: list[Run], wall: Spread) -> None:
    """The figures, and where the farm's time goes."""
    table = Table("", "ffmpeg", "farm", "farm / ffmpeg", "wanted", box=None, header_style="bold")
    shown = (spread(run.cost.wall for run in side).show() for side in (plain, farm))
    table.add_row("wall s", *shown, f"[{'red' if wall.median > WALL else 'green'}]{wall.show(3)}[/]", f"≤ {WALL:.2f}")
    shown = (spread(run.cost.cpu for run in side).show() for side in (plain, farm))
    table.add_row("CPU s", *shown, ratios([run.cost.cpu for run in farm], [run.cost.cpu for run in plain]).show(3))
    console.print(table)
    stages = " · ".join(f"{name} {one.show()}" for name, one in by_name([run.seconds for run in farm]).items())
    console.print(
        f"Medians (and between what the runs lie); ratios pair by pair. The farm's seconds: {stages}", style="dim"
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--source", type=Path, metavar="FILE", help="a 16:9 MP4 of 1080p or more, instead of a film that is made")
    add("--seconds", type=float, default=30, metavar="S", help="length of the film that is made (default: 30)")
    add("--encoder-preset", default="medium", metavar="NAME", help="x264's speed on both sides (default: medium)")
    add("--runs", type=int, default=3, metavar="N", help="pairs (default: 3)")
    add_common(parser)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    console, slots = begin(options.cores, 160)
    with tempfile.TemporaryDirectory(prefix="framemill-ladder-", dir=options.folder) as scratch:
        folder = Path(scratch)
        film = options.source or make_film(folder, 1080, options.seconds)
        short = make_film(folder, 360, 2)
        with local_session(folder, slots) as farm:
            contest = Contest(farm, film, folder, console, options.encoder_preset)
            contest.warm_up(short)
            plain, done = contest.run(options.runs)
    wall = ratios([run.cost.wall for run in done], [run.cost.wall for run in plain])
    show(console, plain, done, wall)
    if options.json:
        told: dict[str, Any] = {"plain": [asdict(run) for run in plain], "farm": [asdict(run) for run in done]}
        options.json.write_text(json.dumps(told | {"wall_ratios": wall.values}, indent=1) + "\n")
    return int(wall.median > WALL)


if __name__ == "__main__":
    sys.exit(main())
