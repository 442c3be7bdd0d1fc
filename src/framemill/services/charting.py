"""What a job looks like to somebody who watches it: its stages over time, and each chunk with what became of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from framemill.jobs.model import ChunkRow, Event, Job, Output
from framemill.jobs.states import ENDED_JOB, ChunkState, JobState
from framemill.services.jobs import Jobs, Shown

Fate: TypeAlias = Literal["waiting", "running", "done", "reused", "retried", "quarantined"]
"""What became of a chunk. `retried`: it waits or runs again after a try that came to nothing."""

FATES: tuple[Fate, ...] = ("waiting", "running", "done", "reused", "retried", "quarantined")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A chunk of one rendition."""

    output_id: str
    rendition: int
    number: int
    first_frame: int
    end_frame: int
    fate: Fate
    share: float
    """Of its frames that are encoded, 0 to 1."""
    worker: str = ""
    """Who is at it now."""
    tries: int = 0
    """Leases that came to nothing."""
    seconds: float | None = None
    """Wall time of its encode."""
    message: str = ""
    """Why it was put aside, or how it failed last."""

    @property
    def frames(self) -> int:
        """How many it holds."""
        return self.end_frame - self.first_frame


@dataclass(frozen=True, slots=True)
class Span:
    """A job was in that state from then to then; one that goes on ends now."""

    state: JobState
    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """How long."""
        return (self.end - self.begin).total_seconds()


@dataclass(frozen=True, slots=True)
class Chart:
    """A job, as of one moment."""

    shown: Shown
    cells: Sequence[Cell]
    spans: Sequence[Span]
    """Of the last attempt."""
    events: Sequence[Event]


def chart_of(jobs: Jobs, job_id: str, now: datetime) -> Chart:
    """The job as a chart. Raises `NotFound`."""
    shown = jobs.shown(job_id)
    events = jobs.events(job_id, 0)
    return Chart(shown, cells_of(jobs.chunks(job_id)), spans_of(events, shown.job, now), events)


def cells_of(rows: Iterable[ChunkRow]) -> list[Cell]:
    """The chunks, in their order."""
    return [
        Cell(
            output_id=row.output_id,
            rendition=row.rendition,
            number=row.number,
            first_frame=row.first_frame,
            end_frame=row.end_frame,
            fate=fate_of(row),
            share=min(1.0, row.frames_done / (row.end_frame - row.first_frame)),
            worker=row.worker or "",
            tries=row.tries,
            seconds=row.seconds or None,
            message=row.message or (f"{row.failures[-1].reason} on {row.failures[-1].machine}" if row.failures else ""),
        )
        for row in rows
    ]


def fate_of(row: ChunkRow) -> Fate:
    """What became of a chunk. One that took no time was encoded for another job, or by an attempt before this one."""
    if row.state is ChunkState.COMMITTED:
        return "done" if row.seconds else "reused"
    if row.state is ChunkState.QUARANTINED:
        return "quarantined"
    if row.tries:
        return "retried"
    return "running" if row.state is ChunkState.LEASED else "waiting"


def spans_of(events: Sequence[Event], job: Job, now: datetime) -> list[Span]:
    """The states that the last attempt went through, from what was written down when it entered each."""
    mine = [
        (JobState(event.kind if event.kind != "created" else event.data.get("state", "queued")), event.at)
        for event in events
        if event.kind == "created" or event.kind in set(JobState)
        if event.data.get("attempt", 1) == job.attempt
    ]
    spans = []
    for number, (state, begin) in enumerate(mine):
        if state in ENDED_JOB:
            continue
        end = mine[number + 1][1] if number + 1 < len(mine) else job.ended_at or now
        if end > begin:
            spans.append(Span(state, begin, end))
    return spans


def outputs_with_cells(chart: Chart) -> list[tuple[Output, dict[int, list[Cell]]]]:
    """Each output with its chunks by rendition; outputs without chunks have none."""
    found = []
    for output in chart.shown.outputs:
        by_rendition: dict[int, list[Cell]] = {}
        for cell in chart.cells:
            if cell.output_id == output.id:
                by_rendition.setdefault(cell.rendition, []).append(cell)
        found.append((output, by_rendition))
    return found
