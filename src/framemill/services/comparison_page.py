"""A comparison as one HTML file that needs nothing else: the curve, the figures, and pictures of the worst places."""

import asyncio
import base64
import bisect
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from framemill.media.stills import still_size, stills
from framemill.services import curve
from framemill.services.comparing import Comparison, comparison_facts
from framemill.services.comparison_words import SEAMS_FROM, figure_rows, film_rows, notes
from framemill.storage.delivery import deliver

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Place:
    """A frame of B that is worth a look."""

    heading: str
    frame: int


@dataclass(frozen=True, slots=True)
class Shot:
    """The same frame of both films."""

    place: Place
    reference: bytes
    """WebP."""
    distorted: bytes


async def write_page(comparison: Comparison, target: Path) -> None:
    """Write the page; it appears whole, or not at all. Raises `OutputError`, or `MediaError` for want of a picture."""
    facts = comparison_facts(comparison)
    page = render(facts, await _shots(comparison, worth_a_look(facts)))
    with tempfile.TemporaryDirectory(prefix="framemill-") as folder:
        (Path(folder) / "page.html").write_text(page, encoding="utf-8", errors="replace")
        deliver(Path(folder), str(target), package=False)


def worth_a_look(facts: dict[str, Any]) -> list[Place]:
    """The worst frame, and both sides of the worst seam."""
    places = [Place("The worst frame", facts["vmaf"]["lowest"]["frame"])]
    if facts["around_seams"] is not None:
        seam = facts["around_seams"]["worst"]["frame"]
        places += [Place("The worst seam: the last frame before it", seam - 1)]
        places += [Place("The worst seam: the first frame behind it", seam)]
    return places


async def _shots(comparison: Comparison, places: Sequence[Place]) -> list[Shot]:
    frames = [place.frame for place in places]
    partners = {frame: partner(comparison, frame) for frame in frames}
    size = still_size(comparison.reference.first)
    reference, distorted = await asyncio.gather(
        stills(comparison.reference.path, set(partners.values()), size),
        stills(comparison.distorted.path, frames, size),
    )
    return [Shot(place, reference[partners[place.frame]], distorted[place.frame]) for place in places]


def partner(comparison: Comparison, frame: int) -> int:
    """The frame of A that a frame of B was compared with."""
    if comparison.quality.paired_by == "order":
        return frame
    times, time = comparison.reference.times, comparison.quality.frames[frame].seconds
    after = bisect.bisect_left(times, time)
    return min(range(max(after - 1, 0), min(after + 1, len(times))), key=lambda number: abs(times[number] - time))


def render(facts: dict[str, Any], shots: Sequence[Shot]) -> str:
    """The page as text. `facts` are those of `comparison_facts`."""
    frames = facts["frames"]
    drawn = curve.thinned(frames["vmaf"])
    films = film_rows(facts)
    return _TEMPLATES.get_template("comparison_page.html").render(
        a=films[0].reference,
        b=films[0].distorted,
        films=films[1:],
        figures=figure_rows(facts),
        notes=notes(facts),
        seams_from=SEAMS_FROM[facts["seams"]["from"]],
        seams=len(facts["seams"]["frames"]),
        curve=curve.draw(_curve(facts, drawn)),
        plot={
            **{name: getattr(curve, name.upper()) for name in ("width", "left", "right", "top", "bottom")},
            **dict(zip(("low", "high"), _ends(facts), strict=True)),
            "seconds": facts["distorted"]["seconds"],
            "points": [
                [round(frames["seconds"][n], 3), n, round(frames["vmaf"][n], 2), round(frames["psnr"][n], 2)]
                for n in drawn
            ],
        },
        shots=[_shown(shot, facts) for shot in shots],
    )


def _curve(facts: dict[str, Any], drawn: Sequence[int]) -> curve.Curve:
    frames, second = facts["frames"], facts["vmaf"]["worst_second"]
    seconds, length = frames["seconds"], facts["distorted"]["seconds"]
    low, high = _ends(facts)
    return curve.Curve(
        title=f"VMAF of each frame over time, mean {facts['vmaf']['mean']:.1f}",
        points=[curve.Point(seconds[number], frames["vmaf"][number]) for number in drawn],
        seconds=length,
        low=low,
        high=high,
        seams=[seconds[seam] for seam in facts["seams"]["frames"]],
        shaded=(seconds[second["first"]], seconds[second["end"]] if second["end"] < len(seconds) else length),
        levels=[curve.Level(facts["vmaf"]["p1"], "P1")],
    )


def _ends(facts: dict[str, Any]) -> tuple[float, float]:
    """The value axis: up to 100, and down as far as there is something to see."""
    return curve.value_axis(facts["vmaf"]["lowest"]["vmaf"], 100, 10)


def _shown(shot: Shot, facts: dict[str, Any]) -> dict[str, Any]:
    frame = shot.place.frame
    return {
        "heading": shot.place.heading,
        "frame": frame,
        "at": curve.clock(facts["frames"]["seconds"][frame]),
        "vmaf": f"{facts['frames']['vmaf'][frame]:.1f}",
        "psnr": f"{facts['frames']['psnr'][frame]:.1f}",
        "reference": _data_uri(shot.reference),
        "distorted": _data_uri(shot.distorted),
    }


def _data_uri(picture: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(picture).decode()
