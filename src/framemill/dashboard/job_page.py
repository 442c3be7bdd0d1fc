"""A job's page: where it is, what every chunk of it does, what comes out; and a player, while it is still encoded."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fastapi import Request
from nicegui import events, ui
from nicegui.elements.html import Html

from framemill.dashboard import drawing, tables
from framemill.dashboard.door import caller_of
from framemill.dashboard.frame import frame, kept_up
from framemill.dashboard.jobs_page import name_of
from framemill.dashboard.links import output_link
from framemill.dashboard.parts import DashboardParts
from framemill.dashboard.player import Player
from framemill.errors import FramemillError, NotFound
from framemill.jobs.model import Job
from framemill.jobs.states import ENDED_JOB
from framemill.services.callers import Caller
from framemill.services.charting import Chart, chart_of, outputs_with_cells
from framemill.services.jobs import Jobs
from framemill.services.logbook import lines_about
from framemill.services.reproducing import chunk_command, job_command


def install(parts: DashboardParts) -> None:
    """Serve the pages at `/jobs/{id}`."""

    @ui.page("/jobs/{job_id}")
    async def job_page(request: Request, job_id: str) -> None:
        caller = caller_of(request)
        jobs = parts.jobs(caller)
        try:
            chart = await asyncio.to_thread(chart_of, jobs, job_id, datetime.now(UTC))
        except NotFound as error:
            with frame("No such job", caller):
                ui.label(error.message).classes("fm-none")
            return
        with frame(name_of(chart.shown), caller):
            page = _Page(parts, caller, jobs, job_id)
            page.show(chart)
            kept_up(page.look)


@dataclass(slots=True)
class _Page:
    """One visitor's view of one job."""

    parts: DashboardParts
    caller: Caller
    jobs: Jobs
    job_id: str
    head: Html = field(init=False)
    stages: Html = field(init=False)
    player: Player = field(init=False)
    maps: Html = field(init=False)
    outputs: Html = field(init=False)
    story: Html = field(init=False)
    command: Html = field(init=False)
    log: Html = field(init=False)
    buttons: dict[str, ui.button] = field(default_factory=dict)
    ended: bool = False

    def __post_init__(self) -> None:
        with ui.row().classes("fm-title"):
            self.head = ui.html("", sanitize=False)
            ui.space()
            acts = {"Start": self.jobs.started, "Cancel": self.jobs.cancelled, "Retry": self.jobs.retried}
            for name, act in acts.items():
                self.buttons[name] = ui.button(name, on_click=self._asker(act)).props("no-caps outline dense")
        self.stages = _section("Stages")
        self.player = Player(self.parts)
        self.maps = _section("Chunks", legend=True)
        self.maps.on(
            "click",
            self._chosen,
            js_handler="(at) => { const chunk = at.target.closest('[data-chunk]');"
            " if (chunk) emit(chunk.dataset.chunk); }",
        )
        self.command = ui.html("", sanitize=False).classes("fm-command")
        self.outputs = _section("Renditions and files")
        self.story = _section("What happened")
        self.log = _section("Log")

    def show(self, chart: Chart) -> None:
        """Bring what is seen up to date."""
        now, job = datetime.now(UTC), chart.shown.job
        _put(self.head, tables.head(chart.shown, now))
        _put(self.stages, drawing.timeline(chart.spans) + tables.stages(chart.spans))
        _put(
            self.maps,
            "".join(
                tables.titled(output.name, drawing.chunk_map(rows))
                for output, rows in outputs_with_cells(chart)
                if rows
            )
            or tables.nothing("No chunks are planned yet."),
        )
        _put(self.outputs, tables.outputs(chart, self._link))
        _put(self.story, tables.story(chart.events, now))
        self.player.follow(chart)
        self.buttons["Start"].set_visibility(job.state == "held")
        self.buttons["Cancel"].set_visibility(job.state not in ENDED_JOB)
        self.buttons["Retry"].set_visibility(job.state in ENDED_JOB)
        self.ended = job.state in ENDED_JOB
        if not self.command.content and chart.shown.inputs and chart.shown.outputs:
            each = (job_command(job, chart.shown.inputs, output) for output in chart.shown.outputs)
            again = "\n".join(command for command in each if command)
            if again:
                _put(self.command, tables.command("The whole job, on any machine of the same kind", again))

    async def look(self) -> None:
        """Ask the store, and show what it says; of a job that has ended only whether that is still so."""
        if self.ended and self.log.content:
            shown = await asyncio.to_thread(self.jobs.shown, self.job_id)
            if shown.job.state in ENDED_JOB:
                return
        self.show(await asyncio.to_thread(chart_of, self.jobs, self.job_id, datetime.now(UTC)))
        _put(self.log, tables.log(await asyncio.to_thread(lines_about, self.parts.logs, self.job_id)))

    def _asker(self, act: Callable[[str], Job]) -> Callable[[], object]:
        async def ask() -> None:
            try:
                await asyncio.to_thread(act, self.job_id)
            except FramemillError as error:
                ui.notify(error.message, type="warning")
            self.ended = False
            await self.look()

        return ask

    async def _chosen(self, told: events.GenericEventArguments) -> None:
        """Somebody clicked on a chunk: show what it is, and how to encode it by hand."""
        output_id, rendition, number = str(told.args).split("/")
        chart = await asyncio.to_thread(chart_of, self.jobs, self.job_id, datetime.now(UTC))
        output = next(one for one in chart.shown.outputs if one.id == output_id)
        cell = next(
            cell
            for cell in chart.cells
            if (cell.output_id, cell.rendition, cell.number) == (output_id, int(rendition), int(number))
        )
        blobs = self.parts.files.blobs
        try:
            again = await asyncio.to_thread(chunk_command, blobs, chart.shown.job, output, int(rendition), int(number))
        except NotFound as error:
            again = f"# {error.message}"
        _put(self.command, tables.command(drawing.describe(cell), again))

    def _link(self, output_id: str, path: str) -> str:
        return output_link(self.parts, output_id, path, attachment=True)


def _section(title: str, *, legend: bool = False) -> Html:
    with ui.element("section").classes("fm-section"):
        ui.html(f"<h2>{title}{tables.LEGEND if legend else ''}</h2>", sanitize=False)
        return ui.html("", sanitize=False)


def _put(element: Html, content: str) -> None:
    if element.content != content:
        element.set_content(content)
