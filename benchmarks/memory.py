"""How much memory a 1080p encode takes, and a farm that waits for work.

    python benchmarks/memory.py --cores 2
    python benchmarks/memory.py --codec av1 --encoder-preset 6 --json rows.json

The figures: one slot, which is one ffmpeg that decodes a group of chunks and encodes it, peaks under 600 MB resident,
and so does an encoder alone, with the farm's options, fed with frames through a pipe; an idle embedded farm, with
Ray's daemons, its actors and this process, takes under 1.2 GB (PSS). The exit status is 1 otherwise. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import ffmpeg
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.film import Wanted, make_film  # noqa: E402
from benchmarks.measuring import ProcessTree, Watch, use_cores  # noqa: E402

from framemill.config import usable_cpus  # noqa: E402
from framemill.media.ffmpeg import binary  # noqa: E402
from framemill.media.options import ENCODERS, video_encoder  # noqa: E402
from framemill.services.local import LocalSession, local_session  # noqa: E402
from framemill.services.requests import encode_request  # noqa: E402

MOST_OF_A_SLOT = 600e6
MOST_OF_A_FARM = 1.2e9
SETTLED_SECONDS = 3.0
CODECS = ("h264", "h265", "av1")


@dataclass(frozen=True)
class Figure:
    """Something that takes memory."""

    name: str
    bytes: int
    most: float

    @property
    def missed(self) -> bool:
        """Whether it takes more than it may."""
        return self.bytes >= self.most


def slot(farm: LocalSession, wanted: Wanted, source: Path, folder: Path) -> int:
    """Peak of the largest ffmpeg that encodes pictures of a job on the farm, in bytes."""
    request = encode_request(str(source), str(folder / "farm.mp4"), "h264", wanted.assignments())
    with Watch(ProcessTree()) as watch:
        row = farm.encode(request, lambda _: None)
    if row["state"] != "completed":
        raise SystemExit(f"The farm did not encode {source.name}: {row['message']}")
    return watch.peak_bytes(ENCODERS[wanted.codec].name)


def encoder_alone(wanted: Wanted, source: Path, folder: Path) -> int:
    """Peak of an ffmpeg that only encodes, with the options of the farm's chunks, in bytes."""
    settings = encode_request(str(source), str(folder / "alone.mp4"), "h264", wanted.assignments()).output
    options = video_encoder(settings, "yuv420p", None, (), grid=False)
    encode = ffmpeg.input("pipe:0", f="yuv4mpegpipe").output(str(folder / "alone.mp4"), **options)
    decode = ffmpeg.input(str(source))["V:0"].output("pipe:1", f="yuv4mpegpipe", pix_fmt="yuv420p")
    quiet = ("-v", "error")
    with (
        Watch(ProcessTree()) as watch,
        subprocess.Popen([binary(), *decode.global_args(*quiet).get_args()], stdout=subprocess.PIPE) as frames,
    ):
        argv = [binary(), *encode.global_args(*quiet).overwrite_output().get_args()]
        subprocess.run(argv, stdin=frames.stdout, stderr=subprocess.DEVNULL, check=True)
    return watch.peak_bytes(options["c:v"] or "")


def idle_farm() -> Mapping[str, int]:
    """PSS of every process of the farm by name, once it has come to rest."""
    time.sleep(SETTLED_SECONDS)
    return ProcessTree().pss_bytes()


def show(console: Console, figures: list[Figure], processes: Mapping[str, int]) -> None:
    """The figures, and who takes what of the idle farm."""
    table = Table("", "MB", "wanted", box=None, header_style="bold")
    for figure in figures:
        colour = "red" if figure.missed else "green"
        table.add_row(figure.name, f"[{colour}]{figure.bytes / 1e6:.0f}[/]", f"< {figure.most / 1e6:.0f}")
    for name, size in Counter(processes).most_common():
        table.add_row(f"  {name}", f"{size / 1e6:.0f}")
    console.print(table)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--source", type=Path, metavar="FILE", help="a film instead of one that is made")
    add("--seconds", type=float, default=16, metavar="S", help="length of the film that is made (default: 16)")
    add("--codec", action="append", choices=CODECS, help="may be repeated (default: all)")
    add("--encoder-preset", metavar="NAME", help="the encoder's own speed (default: the farm's usual one)")
    add("--cores", type=int, metavar="N", help="processors that everything may use (default: all)")
    add("--folder", type=Path, metavar="DIR", help="where to make a scratch folder (default: the system's)")
    add("--json", type=Path, metavar="FILE", help="write the figures")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    if options.cores:
        use_cores(options.cores)
    slots = usable_cpus()
    console.print(f"{slots} processors; load before the start {os.getloadavg()[0]:.2f}")
    figures = []
    with tempfile.TemporaryDirectory(prefix="framemill-memory-", dir=options.folder) as scratch:
        folder = Path(scratch)
        source = options.source or make_film(folder, 1080, options.seconds)
        with local_session(folder, slots) as farm:
            new = idle_farm()
            for codec in options.codec or CODECS:
                wanted = Wanted.usual(codec, options.encoder_preset)
                name = f"{ENCODERS[codec].name} {wanted.preset}"
                figures.append(Figure(f"slot, {name}", slot(farm, wanted, source, folder), MOST_OF_A_SLOT))
                alone = encoder_alone(wanted, source, folder)
                figures.append(Figure(f"encoder alone, {name}", alone, MOST_OF_A_SLOT))
            worked = idle_farm()
    figures.append(Figure("idle farm, new", sum(new.values()), MOST_OF_A_FARM))
    figures.append(Figure("idle farm, after its jobs", sum(worked.values()), MOST_OF_A_FARM))
    show(console, figures, worked)
    if options.json:
        rows = {"figures": [asdict(figure) for figure in figures], "idle": dict(worked)}
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return int(any(figure.missed for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
