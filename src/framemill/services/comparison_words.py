"""A comparison in words and figures: the same for the terminal and for the page."""

from pathlib import Path
from typing import Any, NamedTuple

from rich import filesize

from framemill.media.figures import AROUND
from framemill.services.curve import clock

SEAMS_FROM = {
    "given": "as given",
    "report": "the chunks of the report",
    "keyframes": "B's keyframes",
}


class FilmRow(NamedTuple):
    """One property of both films."""

    name: str
    reference: str
    distorted: str


class FigureRow(NamedTuple):
    """One figure, and what to know of it."""

    name: str
    value: str
    remark: str


def film_rows(facts: dict[str, Any]) -> list[FilmRow]:
    """What the two films are."""
    a, b = facts["reference"], facts["distorted"]
    share = f" ({100 * b['size'] / a['size']:.0f} %)" if a["size"] else ""
    return [
        FilmRow("file", Path(a["path"]).name, Path(b["path"]).name),
        FilmRow("size", filesize.decimal(a["size"]), filesize.decimal(b["size"]) + share),
        FilmRow("bit rate", _bit_rate(a["bit_rate"]), _bit_rate(b["bit_rate"])),
        FilmRow("length", clock(a["seconds"]), clock(b["seconds"])),
        FilmRow("frames", str(a["frames"]), str(b["frames"])),
        FilmRow("picture", _picture(a), _picture(b)),
        FilmRow("codec", a["codec"], b["codec"]),
    ]


def figure_rows(facts: dict[str, Any]) -> list[FigureRow]:
    """What was measured."""
    vmaf, around, seconds = facts["vmaf"], facts["around_seams"], facts["frames"]["seconds"]
    low, second = vmaf["lowest"], vmaf["worst_second"]
    rows = [
        FigureRow("VMAF mean", f"{vmaf['mean']:.2f}", "of 100"),
        FigureRow("VMAF P1", f"{vmaf['p1']:.2f}", "one frame in a hundred is worse"),
        FigureRow("VMAF worst second", f"{second['vmaf']:.2f}", f"from {clock(second['seconds'])} on"),
        FigureRow("VMAF worst frame", f"{low['vmaf']:.2f}", f"frame {low['frame']} at {clock(low['seconds'])}"),
    ]
    if around is not None:
        worst = around["worst"]
        count = f"{around['seams']} {'seam' if around['seams'] == 1 else 'seams'}"
        at = f"at frame {worst['frame']}, {clock(seconds[worst['frame']])}"
        rows += [
            FigureRow("VMAF around the seams", f"{around['vmaf']:.2f}", f"{AROUND} frames behind each of {count}"),
            FigureRow("VMAF P5 around the seams", f"{around['p5']:.2f}", "one frame in twenty there is worse"),
            FigureRow("VMAF lowest around the seams", f"{around['lowest']:.2f}", "of any frame there"),
            FigureRow("VMAF behind the worst seam", f"{worst['vmaf']:.2f}", at),
        ]
    return [
        *rows,
        FigureRow("PSNR mean", f"{facts['psnr']['mean']:.2f} dB", "mean of the frames' dB, luma"),
        FigureRow("SSIM mean", f"{facts['ssim']['mean']:.4f}", "of 1, luma"),
    ]


def notes(facts: dict[str, Any]) -> list[str]:
    """How it was measured, in sentences."""
    a, b, pairs = facts["reference"], facts["distorted"], facts["pairs"]
    if facts["paired_by"] == "order":
        said = [f"Both have {a['frames']} frames, compared in their order."]
    else:
        said = [
            f"A has {a['frames']} frames and B has {b['frames']}: {pairs} of B's were compared, each with the frame "
            f"of A that is nearest in time, both counted from their first frame."
        ]
    if (a["width"], a["height"]) != (b["width"], b["height"]):
        said.append(f"B was scaled from {_size(b)} to A's {_size(a)}.")
    if a["pix_fmt"] != b["pix_fmt"]:
        said.append(f"B was converted from {b['pix_fmt']} to A's {a['pix_fmt']}.")
    if facts["seams"]["from"] == "keyframes" and facts["seams"]["frames"]:
        said.append("Taken for seams are B's keyframes: a chunk begins with one, but not every one begins a chunk.")
    return [
        *said,
        f"VMAF is by the model {facts['model']}. A frame without any difference has 100, or 97.4 where nothing moves; "
        f"its PSNR counts as 60 dB in 8 bits, as 72 dB in 10.",
    ]


def _bit_rate(bits: int) -> str:
    return f"{bits / 1e6:.2f} Mbit/s"


def _size(film: dict[str, Any]) -> str:
    return f"{film['width']}×{film['height']}"


def _picture(film: dict[str, Any]) -> str:
    return f"{_size(film)} {film['pix_fmt']}"
