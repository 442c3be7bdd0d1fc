"""The first page: the farm in one line, a place to drop files, and the jobs as they run."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from nicegui import ui

from framemill.dashboard import words
from framemill.dashboard.door import caller_of
from framemill.dashboard.dropping import drop_zone
from framemill.dashboard.frame import frame, kept_up
from framemill.dashboard.parts import DashboardParts
from framemill.errors import FarmError
from framemill.jobs.model import Job
from framemill.jobs.states import ACTIVE_JOB, ENDED_JOB, JobState
from framemill.secrets import mask_url
from framemill.services.farm import Standing, standing
from framemill.services.jobs import Shown

_PAGE = 50
_STATES: Mapping[str, frozenset[JobState] | None] = {"all": None, "active": ACTIVE_JOB, "ended": ENDED_JOB}

_COLUMNS = [
    {"name": "state", "label": "State", "field": "state", "align": "left"},
    {"name": "name", "label": "Job", "field": "name", "align": "left"},
    {"name": "progress", "label": "Progress", "field": "share", "align": "left"},
    {"name": "took", "label": "Took", "field": "took", "align": "right"},
    {"name": "made", "label": "Made", "field": "made", "align": "right"},
]

_STATE_CELL = '<q-td :props="props"><span :class="\'fm-state \' + props.row.state">{{ props.row.state }}</span></q-td>'
_NAME_CELL = """
<q-td :props="props" class="fm-name">
  <a :href="'jobs/' + props.row.id">{{ props.row.name }}</a>
  <div v-if="props.row.told" class="fm-told">{{ props.row.told }}</div>
</q-td>"""
_PROGRESS_CELL = """
<q-td :props="props">
  <div class="fm-bar" role="progressbar" :aria-valuenow="props.row.percent">
    <div :class="'fm-bar-fill ' + props.row.state" :style="'width:' + props.row.percent + '%'"></div>
  </div>
  <span class="fm-percent">{{ props.row.progress }}</span>
</q-td>"""


_NO_JOBS = "<div class='fm-none'>No jobs yet: drop a film above, or post one to /v1/jobs.</div>"


def install(parts: DashboardParts) -> None:
    """Serve the page at `/`."""

    @ui.page("/")
    def jobs_page(request: Request) -> None:
        caller = caller_of(request)
        jobs = parts.jobs(caller)
        with frame("Jobs", caller):
            farm_line = ui.html("", sanitize=False).classes("fm-farm")
            drop_zone(parts, caller)
            with ui.row().classes("fm-tools"):
                chosen = ui.toggle(list(_STATES), value="all").props("no-caps dense")
            table = ui.table(columns=_COLUMNS, rows=[], row_key="id").classes("fm-jobs").props("flat")
            table.add_slot("body-cell-state", _STATE_CELL)
            table.add_slot("body-cell-name", _NAME_CELL)
            table.add_slot("body-cell-progress", _PROGRESS_CELL)
            table.add_slot("no-data", _NO_JOBS)

            async def look() -> None:
                now = datetime.now(UTC)
                page = await asyncio.to_thread(jobs.listed, _STATES[chosen.value], _PAGE, None)
                rows = [row_of(shown, now) for shown in page.jobs]
                if rows != table.rows:
                    table.rows = rows
                line = farm_words(await asyncio.to_thread(standing, parts.database, now), await _live(parts))
                if line != farm_line.content:
                    farm_line.set_content(line)

            chosen.on_value_change(look)
            kept_up(look)


def row_of(shown: Shown, now: datetime) -> dict[str, Any]:
    """A job as a row of the table."""
    job = shown.job
    share = shown.frames / shown.frames_planned if shown.frames_planned else 0.0
    if job.state is JobState.COMPLETED:
        share = 1.0
    told = job.message if job.state in ENDED_JOB else shown.waiting.sentence if shown.waiting else ""
    return {
        "id": job.id,
        "state": job.state.value,
        "name": name_of(shown),
        "told": told or "",
        "percent": int(share * 100),
        "progress": words.percent(share) if shown.frames_planned or share else "",
        "took": words.span(_worked(job, now)) if job.started_at else "",
        "made": words.ago(job.created_at, now),
    }


def name_of(shown: Shown) -> str:
    """What to call a job: its first source."""
    first = shown.inputs[0] if shown.inputs else None
    if first is None:
        return shown.job.id
    more = f" and {len(shown.inputs) - 1} more" if len(shown.inputs) > 1 else ""
    return (first.filename or mask_url(first.uri).rpartition("/")[2] or shown.job.id) + more


def farm_words(farm: Standing, live: Mapping[str, Any] | None) -> str:
    """The farm in one line of HTML; none of it was said by a client."""
    if live is None:
        return '<span class="fm-state failed">no coordinator</span> Nothing is begun until it is back, by itself.'
    state = "paused" if farm.paused else "ready"
    slots = f"{live.get('busy', 0)} of {live.get('slots', 0)} slots busy"
    told = [f'<span class="fm-state {state}">{state}</span>', slots]
    backlog = live.get("backlog_seconds")
    if backlog:
        told.append(f"{words.span(float(backlog))} of work waiting")
    told += [f"{count} {name}" for name, count in sorted(farm.jobs.items())]
    return " · ".join(told)


def _worked(job: Job, now: datetime) -> float:
    begun = job.started_at or job.created_at
    return ((job.ended_at or now) - begun).total_seconds()


async def _live(parts: DashboardParts) -> Mapping[str, Any] | None:
    try:
        async with asyncio.timeout(2):
            return await parts.farm.status()
    except (FarmError, TimeoutError):
        return None
