"""What the pages draw and say, from values alone."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest

from framemill.dashboard import drawing, tables, words
from framemill.jobs.model import ChunkRow, Event, Failure, Input, Job, Output, Target
from framemill.jobs.reasons import Reason
from framemill.jobs.states import ChunkState, JobState
from framemill.services.charting import Cell, Chart, Span, cells_of, fate_of, outputs_with_cells, spans_of
from framemill.services.jobs import Shown
from framemill.services.logbook import Line

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)


def chunk(state: ChunkState = ChunkState.WAITING, **more: object) -> ChunkRow:
    return ChunkRow.model_validate(
        {
            "job_id": "j",
            "output_id": "o",
            "number": 0,
            "key": "k",
            "first_frame": 0,
            "end_frame": 100,
            "state": state,
            **more,
        }
    )


@pytest.mark.parametrize(
    ("row", "fate"),
    [
        (chunk(), "waiting"),
        (chunk(ChunkState.LEASED, worker="w"), "running"),
        (chunk(ChunkState.LEASED, worker="w", tries=1), "retried"),
        (chunk(tries=2), "retried"),
        (chunk(ChunkState.COMMITTED, seconds=1.5), "done"),
        (chunk(ChunkState.COMMITTED, seconds=1.5, tries=3), "done"),
        (chunk(ChunkState.COMMITTED, seconds=0.0), "reused"),
        (chunk(ChunkState.QUARANTINED, tries=2), "quarantined"),
    ],
)
def test_every_chunk_has_one_fate(row: ChunkRow, fate: str) -> None:
    assert fate_of(row) == fate


def test_a_cell_tells_where_a_chunk_runs_and_how_it_failed_last() -> None:
    failed = Failure(machine="m7", reason=Reason.FFMPEG_FAILED, digest="d", at=NOON)
    (cell,) = cells_of([chunk(ChunkState.LEASED, worker="m8", frames_done=25, tries=1, failures=(failed,))])
    assert (cell.share, cell.worker, cell.frames) == (0.25, "m8", 100)
    assert drawing.describe(cell) == "chunk 0, frames 0 to 99: retried (1 lost), 25 % on m8. ffmpeg_failed on m7"


def cell(number: int, frames: int, fate: str = "running", share: float = 0.5, message: str = "") -> Cell:
    return Cell(
        output_id="o",
        rendition=0,
        number=number,
        first_frame=0,
        end_frame=frames,
        fate=fate,  # type: ignore[arg-type]
        share=share,
        message=message,
    )


def boxes(svg: str, kind: str) -> list[float]:
    return [float(box.attrib["width"]) for box in ET.fromstring(svg).iter("rect") if box.attrib["class"] == kind]  # noqa: S314


def test_boxes_are_as_wide_as_their_frames_and_filled_as_far_as_they_are_encoded() -> None:
    svg = drawing.chunk_map({0: [cell(0, 100, share=0.5), cell(1, 300, share=0.25), cell(2, 600, "done", share=1.0)]})
    beds, fills = boxes(svg, "bed"), boxes(svg, "fill")
    assert [round(bed / 10) for bed in beds] == [10, 30, 60]
    assert [round(fill / bed, 2) for fill, bed in zip(fills, beds, strict=True)] == [0.5, 0.25, 1.0]


def test_the_shortest_chunk_can_still_be_seen_and_everything_has_room() -> None:
    beds = boxes(drawing.chunk_map({0: [cell(0, 1), cell(1, 1_000_000)]}), "bed")
    assert beds[0] >= 0.5
    crowd = boxes(drawing.chunk_map({0: [cell(number, 10) for number in range(3000)]}), "bed")
    assert sum(crowd) <= 1500  # half a unit at least, each, of a thousand: they may touch, and are still one picture
    assert len(crowd) == 3000


def test_what_a_client_or_an_encoder_said_is_no_markup() -> None:
    evil = "<script>alert(1)</script>"
    assert "<script" not in drawing.chunk_map({0: [cell(0, 1, "quarantined", message=evil)]})
    job = Job(account="a", door="native", created_at=NOON, state=JobState.FAILED, message=evil)
    source = Input(job_id=job.id, uri=f"/films/{evil}.mov")
    output = Output(job_id=job.id, name=evil, targets=(Target(uri=f"/out/{evil}"),), message=evil)
    shown = Shown(job, [source], [output])
    chart = Chart(shown, [], [], [])
    event = Event(seq=1, job_id=job.id, at=NOON, kind="failed", data={"message": evil})
    for html in (
        tables.head(shown, NOON),
        tables.outputs(chart, lambda output_id, path: f"/files/{path}"),
        tables.story([event], NOON),
        tables.log([Line("2030-05-17T12:00:00.000Z", "INFO", "worker", evil)]),
        tables.command(evil, evil),
        tables.nothing(evil),
    ):
        assert "<script" not in html
        assert "&lt;script" in html


def test_secrets_are_masked() -> None:
    job = Job(account="a", door="native", created_at=NOON)
    shown = Shown(job, [Input(job_id=job.id, uri="https://u:pa55word@host/in.mov?token=s3cret")], [])
    assert "pa55word" not in tables.head(shown, NOON)
    assert "s3cret" not in tables.head(shown, NOON)


def test_stages_are_those_of_the_last_attempt() -> None:
    def event(seconds: int, kind: str, attempt: int = 1) -> Event:
        return Event(
            seq=seconds, job_id="j", at=NOON + timedelta(seconds=seconds), kind=kind, data={"attempt": attempt}
        )

    job = Job(account="a", door="native", created_at=NOON, state=JobState.ENCODING, attempt=2)
    events = [
        *(event(0, "created"), event(1, "ingesting"), event(2, "failed")),
        *(event(10, "queued", 2), event(12, "ingesting", 2), event(13, "edited", 2), event(15, "encoding", 2)),
    ]
    spans = spans_of(events, job, NOON + timedelta(seconds=20))
    assert [(each.state, each.seconds) for each in spans] == [("queued", 2), ("ingesting", 3), ("encoding", 5)]
    ended = job.model_copy(update={"state": JobState.CANCELLED, "ended_at": NOON + timedelta(seconds=16)})
    spans = spans_of([*events, event(16, "cancelled", 2)], ended, NOON + timedelta(hours=1))
    assert [(each.state, each.seconds) for each in spans][-1] == ("encoding", 1)


def test_a_timeline_names_each_stage_with_its_length() -> None:
    spans = [
        Span(JobState.QUEUED, NOON, NOON + timedelta(seconds=1)),
        Span(JobState.ENCODING, NOON + timedelta(seconds=1), NOON + timedelta(seconds=91)),
    ]
    drawn = drawing.timeline(spans)
    assert "encoding: 1:30 min" in drawn
    assert "flex-grow:90000" in drawn
    assert not drawing.timeline([])


def test_chunks_go_to_their_outputs() -> None:
    job = Job(account="a", door="native", created_at=NOON)
    outputs = [Output(id="o", job_id=job.id, name="a"), Output(id="p", job_id=job.id, name="b")]
    chart = Chart(Shown(job, [], outputs), [cell(0, 10), cell(1, 10)], [], [])
    assert [(one.id, sorted(rows)) for one, rows in outputs_with_cells(chart)] == [("o", [0]), ("p", [])]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (60, "1:00 min"), (3599, "59:59 min"),
     (3600, "1:00 h"), (86399, "23:59 h"), (90000, "1 d 1 h")],
)  # fmt: skip
def test_spans_of_time(seconds: float, told: str) -> None:
    assert words.span(seconds) == told


def test_only_what_is_whole_is_a_hundred_per_cent() -> None:
    assert words.percent(0.9999) == "99 %"
    assert words.percent(1.0) == "100 %"
    assert words.percent(None) == ""
    assert words.ago(NOON, NOON + timedelta(seconds=1)) == "just now"
    assert words.ago(NOON, NOON + timedelta(days=2)) == "2030-05-17 12:00 UTC"
