"""How soon a package can be played after its job was posted, and whether that depends on how long the film is.

    python benchmarks/first_playable.py --runs 5

A farm that stays is started in a folder of its own. Two films of 360p, of 2 and of 20 minutes, the long one ten times
the short one, are posted over HTTP in turns, each time as a source that the farm has not seen; the time from the job's
`created` event to its `playable` one counts, and then the job is cancelled. The figures, medians: the two within 20 %
of each other (pair by pair), and neither above 2.5 times what encoding one segment takes (plain ffmpeg, one thread,
same settings) + 1 s. The exit status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.chaos_farm import TestedFarm  # noqa: E402
from benchmarks.film import fresh, make_film  # noqa: E402
from benchmarks.measuring import add_common, begin, interleaved, ratios, run_alone, spread  # noqa: E402

from framemill.api.native.schemas import Event  # noqa: E402
from framemill.client import Framemill  # noqa: E402
from framemill.jobs.settings import OutputSettings  # noqa: E402
from framemill.media import ffmpeg  # noqa: E402

MOST_APART = 0.2
MOST_SEGMENTS = 2.5
MOST_OVER_SECONDS = 1.0
TIMES_LONGER = 10
_CRF = 24
_PATIENCE_SECONDS = 300.0
_NICE = 10  # as the farm's own encodes are


@dataclass(frozen=True)
class Run:
    """One job."""

    seconds: float
    """From its creation to its first segment."""
    stages: dict[str, float]
    """Seconds from its creation to each event before that."""


def stretched(film: Path, times: int) -> Path:
    """That film so often in a row, packet by packet."""
    path = film.with_name(f"{film.stem}-{times}.mp4")
    argv = [ffmpeg.binary(), "-nostdin", "-v", "error", "-y", "-stream_loop", str(times - 1), "-i", str(film)]
    run_alone([*argv, "-c", "copy", str(path)])
    return path


def post(client: Framemill, source: Path) -> Run:
    """Have a package made of it until it can be played."""
    settings = {"ladder": [{"height": 360, "crf": _CRF}]}
    job = client.submit({"inputs": [{"uri": str(source)}], "outputs": [{"preset": "hls", "settings": settings}]})
    until = time.monotonic() + _PATIENCE_SECONDS
    while "playable" not in (seconds := _seconds(client.events(job.id))):
        state = client.get(job.id)
        if time.monotonic() > until or state.state in {"completed", "failed"}:
            raise SystemExit(f"{source.name} was {state.state}, and never playable: {state.message}")
        time.sleep(0.2)  # the events say when it was
    client.cancel(job.id)
    client.wait(job.id)
    return Run(seconds["playable"], seconds)


def _seconds(events: Sequence[Event]) -> dict[str, float]:
    """When each of them was, counted from the first."""
    return {event.kind: (event.at - events[0].at).total_seconds() for event in events}


def segment_seconds(film: Path, folder: Path, runs: int) -> Sequence[float]:
    """What plain ffmpeg takes for the first segment, as the farm encodes it."""
    length = OutputSettings().segment_seconds
    video = ["-c:v", "libx264", "-threads", "1", "-preset", "medium", "-crf", str(_CRF)]
    argv = [ffmpeg.binary(), "-nostdin", "-v", "error", "-y", "-threads", "1", "-i", str(film), "-t", f"{length:g}"]
    command = [*argv, "-map", "0:V:0", *video, str(folder / "segment.mp4")]
    return [run_alone(command, _NICE).wall for _ in range(runs)]


def measure(films: tuple[Path, Path], folder: Path, runs: int) -> tuple[list[Run], list[Run]]:
    """Both films in turns, on a farm that is warm."""
    root = folder / "farm"
    root.mkdir()
    farm = TestedFarm(root, gcs="memory")
    try:
        farm.start()
        with farm.client() as client:
            post(client, fresh(films[0], folder, "warm"))
            return interleaved(
                runs,
                lambda run: post(client, _once(films[0], folder, run)),
                lambda run: post(client, _once(films[1], folder, run)),
            )
    finally:
        farm.end()


def _once(film: Path, folder: Path, run: int) -> Path:
    """A source of its own for each run; the one before is not needed any more."""
    (folder / f"{film.stem}-{run - 1}.mp4").unlink(missing_ok=True)
    source = fresh(film, folder, str(run))
    with source.open("rb") as file:
        os.fsync(file.fileno())  # else whatever the farm has written down waits until the disk has the long film
    return source


def show(console: Console, short: Sequence[Run], long: Sequence[Run], segment: Sequence[float]) -> list[str]:
    """Print it; what was missed."""
    both = [[run.seconds for run in runs] for runs in (short, long)]
    ratio, limit = ratios(both[1], both[0]), MOST_SEGMENTS * statistics.median(segment) + MOST_OVER_SECONDS
    table = Table("seconds from POST", "2 min", "20 min")
    for stage in dict.fromkeys(kind for run in (*short, *long) for kind in run.stages if kind != "created"):
        cells = [spread(run.stages[stage] for run in runs if stage in run.stages).show() for runs in (short, long)]
        table.add_row(stage, *cells)
    console.print(table)
    console.print(f"20 min over 2 min, pair by pair: {ratio.show()} (wanted: 1 ± {MOST_APART:g})")
    console.print(f"one segment's encode: {spread(segment).show()} s; limit {limit:.2f} s")
    missed = [] if abs(ratio.median - 1) <= MOST_APART else [f"ratio {ratio.median:.2f}"]
    return missed + [f"{s:.2f} s" for s in map(statistics.median, both) if s > limit]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="pairs (default: 5)")
    parser.add_argument("--seconds", type=float, default=120, metavar="S", help="length of the short film")
    add_common(parser)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    console, _ = begin(options.cores, 120)
    with tempfile.TemporaryDirectory(prefix="framemill-first-", dir=options.folder) as scratch:
        folder = Path(scratch)
        film = make_film(folder, 360, options.seconds)
        films = film, stretched(film, TIMES_LONGER)
        segment = segment_seconds(film, folder, options.runs)
        short, long = measure(films, folder, options.runs)
    missed = show(console, short, long, segment)
    if options.json:
        told = {"short": [asdict(run) for run in short], "long": [asdict(run) for run in long], "segment": segment}
        options.json.write_text(json.dumps(told, indent=1) + "\n")
    if missed:
        console.print(f"missed: {'; '.join(missed)}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
