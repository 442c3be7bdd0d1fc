"""A curve over time as an SVG picture that looks right on light and dark pages, and on narrow ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup, escape

#: More points than a screen has columns, and few enough for a browser to draw at once.
MOST_POINTS = 4000
#: Size of the picture in its own units, and of the plot inside it: the same for every curve, for scripts to know.
WIDTH, HEIGHT = 800, 340
LEFT, TOP, RIGHT, BOTTOM = 52, 14, 772, 300

_STRONG = 15  # seams that are drawn in full strength
_TIME_TICKS, _VALUE_TICKS = 8, 5
_TIME_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)


class Point(NamedTuple):
    """One point of a curve."""

    seconds: float
    value: float


class Level(NamedTuple):
    """A horizontal line with its name."""

    value: float
    name: str


@dataclass(frozen=True, slots=True)
class Curve:
    """What is drawn."""

    title: str
    """For those who cannot see it."""
    points: Sequence[Point]
    seconds: float
    """Where the time axis ends."""
    low: float
    high: float
    """Where the value axis begins and ends."""
    seams: Sequence[float] = ()
    """Seconds at which a thin vertical line stands."""
    shaded: tuple[float, float] | None = None
    """From and to, in seconds."""
    levels: Sequence[Level] = ()

    def x(self, seconds: float) -> float:
        """Where a time is, in the picture's units."""
        return LEFT + (RIGHT - LEFT) * min(max(seconds / self.seconds, 0), 1)

    def y(self, value: float) -> float:
        """Where a value is, in the picture's units."""
        return BOTTOM - (BOTTOM - TOP) * min(max((value - self.low) / (self.high - self.low), 0), 1)


def thinned(values: Sequence[float], most: int = MOST_POINTS) -> list[int]:
    """Which of the values to draw, in order: all, or the lowest and the highest of each of `most` / 2 equal parts."""
    if len(values) <= most:
        return list(range(len(values)))
    parts = most // 2
    spans = (range(part * len(values) // parts, (part + 1) * len(values) // parts) for part in range(parts))
    return sorted({pick(span, key=values.__getitem__) for span in spans for pick in (min, max)} if parts else ())


def value_axis(lowest: float, highest: float, step: float) -> tuple[float, float]:
    """The multiples of `step` around what is drawn; at least one step apart."""
    low, high = math.floor(lowest / step) * step, math.ceil(highest / step) * step
    return (low, high) if high > low else (low - step, high)


def time_ticks(seconds: float) -> list[float]:
    """At most nine even times from 0 on."""
    step = next((step for step in _TIME_STEPS if seconds / step <= _TIME_TICKS), seconds / _TIME_TICKS)
    return [number * step for number in range(math.floor(seconds / step + 1e-9) + 1)]


def value_ticks(low: float, high: float) -> list[float]:
    """Three to six even values between two ends that are themselves even."""
    span = high - low
    magnitude = 10 ** math.floor(math.log10(span))
    step = next(magnitude * share for share in (0.1, 0.2, 0.5, 1, 2) if span / (magnitude * share) <= _VALUE_TICKS)
    return [low + number * step for number in range(math.floor(span / step + 1e-9) + 1)]


def clock(seconds: float) -> str:
    """`1:02:03`, `2:03` or `2:03.4`: tenths where there are any."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{head}:{rest // 10:02}" + (f".{rest % 10}" if rest % 10 else "")


def draw(curve: Curve, *, standalone: bool = False) -> Markup:
    """The picture; `standalone`: as a file of its own, else to stand in a page."""
    parts = [_STYLE, *_axes(curve)]
    if curve.shaded is not None:
        left, right = curve.x(curve.shaded[0]), curve.x(curve.shaded[1])
        parts.append(_rect("shaded", left, max(right - left, 2)))
    if curve.seams:
        seams = "".join(f"M{curve.x(seam):.1f} {TOP}V{BOTTOM}" for seam in curve.seams)
        strength = min(max(_STRONG / len(curve.seams), 0.15), 0.6)  # many lines side by side would hide the curve
        parts.append(Markup('<path class="seams" d="{}" opacity="{:.2f}"/>').format(seams, strength))
    levels = "".join(f"M{LEFT} {curve.y(level.value):.1f}H{RIGHT}" for level in curve.levels)
    drawn = "L".join(f"{curve.x(point.seconds):.1f} {curve.y(point.value):.1f}" for point in curve.points)
    parts.append(Markup('<path class="level" d="{}"/><path class="curve" d="M{}"/>').format(levels, drawn))
    name = Markup('<text class="name" x="{}" y="{:.1f}">{}</text>')
    parts += [name.format(RIGHT - 4, curve.y(level.value) - 5, level.name) for level in curve.levels]
    namespace = Markup(' xmlns="http://www.w3.org/2000/svg"') if standalone else ""
    head = Markup('<svg{} class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">')
    return Markup("\n").join([head.format(namespace, WIDTH, HEIGHT, curve.title), *parts, Markup("</svg>")])


def _axes(curve: Curve) -> list[Markup]:
    values, times = value_ticks(curve.low, curve.high), time_ticks(curve.seconds)
    grid = "".join(f"M{LEFT} {curve.y(value):.1f}H{RIGHT}" for value in values)
    marks = "".join(f"M{curve.x(time):.1f} {BOTTOM}v5" for time in times)
    text = Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>')
    return [
        Markup('<path class="grid" d="{}"/><path class="axis" d="M{} {}H{}{}"/>').format(
            grid, LEFT, BOTTOM, RIGHT, marks
        ),
        *(text.format("height", LEFT - 8, curve.y(value) + 5, f"{value:g}") for value in values),
        *(text.format("time", curve.x(time), BOTTOM + 27, clock(time)) for time in times),
    ]


def _rect(kind: str, left: float, width: float) -> Markup:
    return Markup('<rect class="{}" x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>').format(
        escape(kind), left, TOP, width, BOTTOM - TOP
    )


# Text is drawn in the picture's units, so on a narrow page it has to grow to stay as large as it is.
_STYLE = Markup("""<style>
.chart { --line: #1660c4; --ink: #43474e; --faint: #dcdfe4; --seam: #b3541e;
  --bad: #d6373730; --level: #6b7078; --halo: #fff;
  display: block; width: 100%; height: auto; font: 13px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) {
  .chart { --line: #7db4ff; --ink: #b9bec6; --faint: #34383f; --seam: #f0a26b;
    --bad: #ff6b6b3d; --level: #9aa0a8; --halo: #1d2024; } }
.chart path { fill: none; vector-effect: non-scaling-stroke; }
.chart text { fill: var(--ink); }
.chart .height, .chart .name { text-anchor: end; }
.chart .name { paint-order: stroke; stroke: var(--halo); stroke-width: 4px; }
.chart .time { text-anchor: middle; }
.chart .grid { stroke: var(--faint); }
.chart .axis { stroke: var(--ink); }
.chart .curve { stroke: var(--line); stroke-width: 1.5; stroke-linejoin: round; }
.chart .seams { stroke: var(--seam); }
.chart .level { stroke: var(--level); stroke-dasharray: 5 4; }
.chart .shaded { fill: var(--bad); }
@media (max-width: 600px) { .chart { font-size: 24px; } .chart .curve { stroke-width: 1; } }
</style>""")
