"""What chunks cost: the BD-rate of the farm's output against one plain ffmpeg with the same encoder settings.

    python benchmarks/bd_rate.py
    python benchmarks/bd_rate.py --codec av1 --points 24,32,40,48 --seconds 10 --json rates.json

`file`: against ffmpeg's default GOP, which a file's chunks only add an IDR frame to, each at its start.
`grid`: a package against ffmpeg with its IDR frames at the same places, and nowhere else.
The BD-rate (Bjøntegaard, VCEG-M33) is by how many per cent more bits the farm takes for the same quality. The exit
status is 1 where that is more than is allowed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bjontegaard import bd_rate
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import encodes

from framemill.media.figures import means

#: Per cent that the farm may take more.
ALLOWED = {"file": 2.0, "grid": 0.5}
POINTS = {"h264": (19, 23, 27, 31), "h265": (20, 24, 28, 32), "av1": (24, 32, 40, 48)}


@dataclass(frozen=True)
class Point:
    """One encode: its bits, and how good it is."""

    crf: float
    kbits: float
    vmaf: float
    psnr: float


@dataclass(frozen=True)
class Case:
    """The farm and plain ffmpeg, at every point."""

    name: str
    chunks: int
    farm: list[Point]
    plain: list[Point]

    def rate(self, measure: str) -> float:
        """BD-rate in per cent over `vmaf` or `psnr`; the farm is the one tested."""
        tried = [
            [getattr(point, name) for point in sorted(points, key=lambda point: point.kbits)]
            for points in (self.plain, self.farm)
            for name in ("kbits", measure)
        ]
        return float(bd_rate(*tried, method="akima"))


def run(bench: encodes.Bench, name: str, codec: str, crfs: Sequence[float]) -> Case:
    farm, plain, chunks = [], [], 0
    for crf in crfs:
        ours = bench.chunked(codec, crf, package=name == "grid")
        theirs = bench.plain(codec, crf, ours.idrs, grid=True) if name == "grid" else bench.plain(codec, crf)
        farm.append(_point(bench, crf, ours))
        plain.append(_point(bench, crf, theirs))
        chunks = len(ours.seams) + 1
    return Case(name, chunks, farm, plain)


def _point(bench: encodes.Bench, crf: float, encoded: encodes.Encoded) -> Point:
    found = means(bench.quality(encoded).frames)
    return Point(crf, encoded.kbits, found.vmaf, found.psnr)


def show(console: Console, case: Case) -> None:
    table = Table("CRF", "kbit/s", "plain", "", "VMAF", "plain", "PSNR", "plain", box=None, header_style="bold")
    for ours, theirs in zip(case.farm, case.plain, strict=True):
        bits = f"{ours.kbits:.1f}", f"{theirs.kbits:.1f}", f"{100 * (ours.kbits / theirs.kbits - 1):+.2f} %"
        vmaf, psnr = (f"{ours.vmaf:.2f}", f"{theirs.vmaf:.2f}"), (f"{ours.psnr:.3f}", f"{theirs.psnr:.3f}")
        table.add_row(f"{ours.crf:g}", *bits, *vmaf, *psnr)
    console.print(f"\n[bold]{case.name}[/], {case.chunks} chunks", table, sep="\n")
    for measure in ("vmaf", "psnr"):
        rate = case.rate(measure)
        colour = "green" if rate <= ALLOWED[case.name] else "red"
        console.print(f"BD-rate {measure.upper()} [{colour}]{rate:+.2f} %[/] (allowed {ALLOWED[case.name]:g} %)")


def main() -> int:
    parser = encodes.arguments(__doc__)
    parser.add_argument("--codec", choices=encodes.CODECS, default="h264")
    parser.add_argument("--points", metavar="CRF,…", help="four or more qualities (default: the codec's own)")
    parser.add_argument("--case", choices=tuple(ALLOWED), action="append", help="only that; may be repeated")
    options = parser.parse_args()
    crfs = [float(word) for word in options.points.split(",")] if options.points else POINTS[options.codec]
    console = Console(highlight=False)
    with encodes.bench(options) as bench:
        cases = [run(bench, name, options.codec, crfs) for name in options.case or ALLOWED]
        film = bench.film.name
    console.print(f"{film}, {options.codec}")
    for case in cases:
        show(console, case)
    rates = {case.name: {measure: case.rate(measure) for measure in ("vmaf", "psnr")} for case in cases}
    if options.json:
        found = {"codec": options.codec, "bd_rate": rates, "cases": [asdict(case) for case in cases]}
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return int(any(rate > ALLOWED[name] for name, found in rates.items() for rate in found.values()))


if __name__ == "__main__":
    sys.exit(main())
