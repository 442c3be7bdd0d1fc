"""What a seam looks like: the frames behind each one, against an encode without seams but with the same IDR frames.

    python benchmarks/seams.py
    python benchmarks/seams.py --codec av1 --plot seams.svg

The farm encodes the film in chunks; one plain ffmpeg encodes it whole, with an IDR frame where each chunk begins. Over
the frames behind the seams, the fifth percentile of the difference of their VMAF (the farm's less the plain one's) must
not be below the limit: the exit status is 1 otherwise. What the frames before the seams lose is told beside it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import encodes

from framemill.media.figures import AROUND, behind, percentile
from framemill.media.options import ENCODERS
from framemill.services import curve

#: VMAF that one frame in twenty behind the seams may lose: below what anybody sees.
LIMIT = -1.0


@dataclass(frozen=True)
class Found:
    """How the chunks of one codec differ from the whole."""

    codec: str
    crf: float
    chunks: int
    p5: float
    """Of the frames behind the seams."""
    mean: float
    lowest: float
    before: float
    """Fifth percentile of as many frames before the seams."""
    bits: float
    """Per cent that the chunks take more."""
    seams: list[int]
    seconds: list[float]
    difference: list[float]
    """VMAF of each frame of the film, the farm's less the plain one's."""


def run(bench: encodes.Bench, codec: str, crf: float) -> Found:
    ours = bench.chunked(codec, crf)
    theirs = bench.plain(codec, crf, ours.seams)
    pairs = list(zip(bench.quality(ours).frames, bench.quality(theirs).frames, strict=True))
    difference = [mine.vmaf - other.vmaf for mine, other in pairs]
    near = [difference[number] for number in behind(ours.seams, len(pairs))]
    if not near:
        raise SystemExit("The film is too short to be cut; take a longer one, or --chunk-seconds 2.")
    return Found(
        codec=codec,
        crf=crf,
        chunks=len(ours.seams) + 1,
        p5=percentile(near, 5),
        mean=sum(near) / len(near),
        lowest=min(near),
        before=percentile((difference[at] for seam in ours.seams for at in range(max(0, seam - AROUND), seam)), 5),
        bits=100 * (ours.kbits / theirs.kbits - 1),
        seams=list(ours.seams),
        seconds=[float(mine.seconds) for mine, _ in pairs],
        difference=difference,
    )


def plot(found: Found) -> str:
    """The difference over time as an SVG file."""
    drawn = curve.thinned(found.difference)
    low, high = curve.value_axis(min(*found.difference, LIMIT), max(*found.difference, 1), 1)
    return curve.draw(
        curve.Curve(
            title=f"VMAF of {found.codec} in chunks, less that of the whole",
            points=[curve.Point(found.seconds[number], found.difference[number]) for number in drawn],
            seconds=found.seconds[-1],
            low=low,
            high=high,
            seams=[found.seconds[seam] for seam in found.seams],
            levels=[curve.Level(0, ""), curve.Level(found.p5, f"P5 behind the seams {found.p5:+.2f}")],
        ),
        standalone=True,
    )


def main() -> int:
    parser = encodes.arguments(__doc__)
    parser.add_argument("--codec", choices=encodes.CODECS, action="append", help="may be repeated (default: all)")
    parser.add_argument("--crf", type=float, help="quality (default: the codec's usual one)")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the difference; of many, NAME-CODEC.svg")
    options = parser.parse_args()
    codecs = options.codec or encodes.CODECS
    with encodes.bench(options) as bench:
        rows = [run(bench, codec, options.crf or ENCODERS[codec].crf) for codec in codecs]
    table = Table("codec", "CRF", "chunks", "P5", "mean", "lowest", "P5 before", "bits", box=None, header_style="bold")
    for row in rows:
        colour = "green" if row.p5 >= LIMIT else "red"
        figures = (
            f"[{colour}]{row.p5:+.2f}[/]",
            f"{row.mean:+.2f}",
            f"{row.lowest:+.2f}",
            f"{row.before:+.2f}",
            f"{row.bits:+.2f} %",
        )
        table.add_row(row.codec, f"{row.crf:g}", str(row.chunks), *figures)
    console = Console(highlight=False)
    console.print(
        f"VMAF of the {AROUND} frames behind each seam, less that of the whole (P5 at least {LIMIT:g})", table
    )
    for row in rows:
        if options.plot:
            path = options.plot if len(rows) == 1 else options.plot.with_stem(f"{options.plot.stem}-{row.codec}")
            path.write_text(plot(row))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return int(any(row.p5 < LIMIT for row in rows))


if __name__ == "__main__":
    sys.exit(main())
