"""Pictures of a job: its stages over time, and its chunks. Pure; colours come from the page's style sheet."""

from collections.abc import Mapping, Sequence
from html import escape

from framemill.dashboard.words import span
from framemill.services.charting import Cell, Span

_WIDTH = 1000
_ROW = 26
_GAP = 3
_LEAST = 2.0
"""Units that even the shortest stage or chunk takes, so that it can be seen and pointed at."""


def timeline(spans: Sequence[Span]) -> str:
    """The stages side by side, as long as they took; empty where nothing has begun."""
    return "".join(
        ['<div class="fm-stages" role="img" aria-label="Stages">']
        + [
            f'<span class="{each.state}" style="flex-grow:{1000 * each.seconds:.0f}"'
            f' title="{escape(f"{each.state}: {span(each.seconds)}")}">{each.state}</span>'
            for each in spans
        ]
        + ["</div>"]
        if spans
        else []
    )


def chunk_map(rows: Mapping[int, Sequence[Cell]]) -> str:
    """A line a rendition, a box a chunk, as wide as its frames; the part of it that is encoded is filled."""
    parts = []
    for line, (_, cells) in enumerate(sorted(rows.items())):
        total = sum(cell.frames for cell in cells)
        widths = _shared([cell.frames / total for cell in cells])
        left, top = 0.0, line * (_ROW + _GAP)
        for cell, width in zip(cells, widths, strict=True):
            parts.append(_box(cell, left, top, max(width - 1, 0.5)))
            left += width
    return _svg(max(len(rows) * (_ROW + _GAP) - _GAP, 1), "".join(parts), "Chunks")


def _box(cell: Cell, left: float, top: float, width: float) -> str:
    name = f"{cell.output_id}/{cell.rendition}/{cell.number}"
    bed = f'x="{left:.2f}" y="{top}" height="{_ROW}" rx="2"'
    filled = width * (1.0 if cell.fate in {"done", "reused", "quarantined"} else cell.share)
    return (
        f'<g class="chunk {cell.fate}" data-chunk="{escape(name)}"><title>{escape(describe(cell))}</title>'
        f'<rect class="bed" {bed} width="{width:.2f}"/>'
        + (f'<rect class="fill" {bed} width="{filled:.2f}"/>' if filled else "")
        + "</g>"
    )


def describe(cell: Cell) -> str:
    """A chunk in one line: which, what became of it, where, how long it took."""
    told = f"chunk {cell.number}, frames {cell.first_frame} to {cell.end_frame - 1}: {cell.fate}"
    if cell.fate == "retried":
        told += f" ({cell.tries} lost)"
    if cell.worker:
        told += f", {round(100 * cell.share)} % on {cell.worker}"
    if cell.seconds:
        told += f" in {span(cell.seconds)}"
    return f"{told}. {cell.message}" if cell.message else told


def _shared(shares: Sequence[float]) -> list[float]:
    """The width, shared out; nothing gets less than the least, as far as there is room."""
    least = min(_LEAST, _WIDTH / len(shares) / 2)
    rest = _WIDTH - least * len(shares)
    return [least + share * rest for share in shares]


def _svg(height: float, inside: str, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="100%" height="{height}" preserveAspectRatio="none" role="img"'
        f' aria-label="{label}">{inside}</svg>'
    )
