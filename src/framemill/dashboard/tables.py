"""The parts of a job's page as HTML. Pure; whatever a client may have said is escaped here."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any, TypeAlias

from framemill.dashboard import words
from framemill.jobs.model import Delivery, Event, Output
from framemill.jobs.states import ENDED_JOB, DeliveryState, state_of_all
from framemill.secrets import mask, mask_url
from framemill.services.charting import FATES, Cell, Chart, Span, outputs_with_cells
from framemill.services.jobs import Shown
from framemill.services.logbook import Line
from framemill.storage.address import is_remote

LEGEND = '<span class="fm-legend">' + "".join(f'<i class="{fate}"></i>{fate}' for fate in FATES) + "</span>"

_PIECES = (".m4s", "/init.mp4")
_MOST_PIECES = 200


def head(shown: Shown, now: datetime) -> str:
    """What a job is, and how far."""
    job = shown.job
    sources = ", ".join(escape(one.filename or mask_url(one.uri)) for one in shown.inputs)
    took = ((job.ended_at or now) - job.started_at).total_seconds() if job.started_at else None
    told = [
        f'<span class="fm-state {job.state}">{job.state}</span>',
        words.percent(shown.frames / shown.frames_planned) if shown.frames_planned else "",
        words.span(took) if took is not None else "",
        f"attempt {job.attempt}" if job.attempt > 1 else "",
        f"made {words.ago(job.created_at, now)}",
    ]
    why = job.message if job.state in ENDED_JOB else shown.waiting.sentence if shown.waiting else ""
    lines = [f"<h1>{sources}</h1>", f"<p>{' · '.join(part for part in told if part)}</p>"]
    lines += [f'<p class="fm-why">{escape(mask(why))}</p>'] if why else []
    lines += [f'<p class="fm-warned">{escape(mask(one.message))}</p>' for one in job.warnings if one.message]
    return "".join([*lines, f'<p class="fm-id">{job.id}</p>'])


def stages(spans: Sequence[Span]) -> str:
    """How long each stage took, in words."""
    if not spans:
        return nothing("Nothing has begun yet.")
    return "<p>" + " · ".join(f"{each.state} {words.span(each.seconds)}" for each in spans) + "</p>"


def outputs(chart: Chart, link: Callable[[str, str], str]) -> str:
    """Every output with its renditions and its files; `link` is of (output, path)."""
    return "".join(_output(chart, one, rows, link) for one, rows in outputs_with_cells(chart))


def _output(chart: Chart, output: Output, cells: Mapping[int, Sequence[Cell]], link: Callable[[str, str], str]) -> str:
    mine = [row for row in chart.shown.deliveries if row.output_id == output.id]
    here = [row for row in mine if row.target is None or row.uri.startswith("/")]
    shown = here or mine
    once = [row for row in shown if row.target == shown[0].target]
    inside = _renditions(chart, output, cells) + _targets(output, mine) + _files(once, link if here else None)
    if output.message:
        inside = f'<p class="fm-why">{escape(mask(output.message))}</p>' + inside
    told = " → ".join([output.preset or "settings of its own", *(mask_url(one.uri) for one in output.targets)])
    return titled(output.name, f"<p>{escape(told)}</p>{inside}")


def _renditions(chart: Chart, output: Output, by_rendition: Mapping[int, Sequence[Cell]]) -> str:
    """What is known of them: the report's figures once there is one, until then how far they are."""
    for one in (chart.shown.job.report or {}).get("outputs", ()):
        if one["name"] == output.name:
            names = ("rendition", "size", "encoder", "bitrate", "pictures", "frames per CPU second")
            return _table(names, [_rendition(each) for each in one["renditions"]]) if one["renditions"] else ""
    rows = [_under_way(number, cells) for number, cells in sorted(by_rendition.items())]
    return _table(("rendition", "encoded", "chunks", "running on"), rows) if rows else ""


def _rendition(told: Mapping[str, Any]) -> Sequence[str]:
    return (
        escape(str(told["name"])),
        f"{told['width']}×{told['height']}",
        escape(told["encoder"]),
        f"{told['bitrate'] / 1000:.0f} kb/s" if told["bitrate"] else "",
        words.size(told["video_bytes"]),
        f"{told['frames'] / told['encode_cpu_seconds']:.1f}" if told["encode_cpu_seconds"] else "reused",
    )


def _under_way(number: int, cells: Sequence[Cell]) -> Sequence[str]:
    return (
        str(number),
        words.percent(sum(cell.share * cell.frames for cell in cells) / sum(cell.frames for cell in cells)),
        f"{sum(cell.fate in {'done', 'reused'} for cell in cells)} of {len(cells)}",
        ", ".join(sorted({escape(cell.worker) for cell in cells if cell.worker})),
    )


def _targets(output: Output, rows: Sequence[Delivery]) -> str:
    """How far each target is, where there are several, or one elsewhere."""
    if len(output.targets) < 2 and not any(is_remote(one.uri) for one in output.targets):  # noqa: PLR2004
        return ""
    told = []
    for number, target in enumerate(output.targets):
        mine = [row for row in rows if row.target == number]
        done = [row for row in mine if row.state is DeliveryState.COMPLETED]
        failed = next((row.message for row in mine if row.message), None)
        told.append(
            (
                f"<code>{escape(mask_url(mine[0].uri if len(mine) == 1 else target.uri))}</code>",
                escape(state_of_all(row.state for row in mine) or "not begun"),
                f"{len(done)} of {len(mine)}" if mine else "",
                words.size(sum(row.size or 0 for row in done)),
                escape(mask(failed or "")),
            )
        )
    return _table(("delivered to", "state", "files", "size", ""), told)


Link: TypeAlias = Callable[[str, str], str]
"""Where a file is to be had, by its output and its path."""


def _files(rows: Sequence[Delivery], link: Link | None) -> str:
    """The files that are published; the pieces of a package are folded up."""
    pieces = [row for row in rows if row.path.endswith(_PIECES)]
    whole = [row for row in rows if not row.path.endswith(_PIECES)]
    told = _file_table(whole, link) if whole else ""
    if pieces:
        shown = sorted(pieces, key=lambda row: row.path)[:_MOST_PIECES]
        more = f"<p>and {len(pieces) - _MOST_PIECES} more</p>" if len(pieces) > _MOST_PIECES else ""
        told += f"<details><summary>{len(pieces)} segments</summary>{_file_table(shown, link)}{more}</details>"
    return told


def _file_table(rows: Sequence[Delivery], link: Link | None) -> str:
    told = [
        (
            escape(row.path) if link is None else _linked(row, link),
            words.size(row.size),
            f"<code>{escape((row.sha256 or '')[:16])}</code>",
            escape(row.state),
        )
        for row in sorted(rows, key=lambda row: row.path)
    ]
    return _table(("file", "size", "SHA-256", "delivery"), told)


def _linked(row: Delivery, link: Link) -> str:
    return f'<a href="{escape(link(row.output_id, row.path))}">{escape(row.path)}</a>'


def story(events: Sequence[Event], now: datetime) -> str:
    """What happened, newest first."""
    rows = [
        (f"{one.at:%H:%M:%S}", escape(one.kind), escape(mask(_told(one))), words.ago(one.at, now))
        for one in reversed(events)
    ]
    return _table(("at", "what", "", ""), rows)


def _told(event: Event) -> str:
    data = event.data
    return str(data.get("message") or data.get("reason") or ", ".join(data.get("changed", ())) or "")


def log(lines: Sequence[Line]) -> str:
    """The last lines of the farm's logs about the job."""
    if not lines:
        return nothing("The logs do not speak of it.")
    told = (f"{one.at[11:23]} {one.level:<7} {one.role:<12} {one.text}" for one in lines)
    return f"<pre>{escape(chr(10).join(told))}</pre>"


def command(title: str, text: str) -> str:
    """A command to copy."""
    return f"<p>{escape(title)}</p><pre>{escape(mask(text))}</pre>"


def titled(name: str, inside: str) -> str:
    """A part with its name above it."""
    return f"<h3>{escape(name)}</h3>{inside}"


def nothing(sentence: str) -> str:
    """Why there is nothing to see."""
    return f'<p class="fm-none">{escape(sentence)}</p>'


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    heads = "".join(f"<th>{name}</th>" for name in names)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="fm-table"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>'
