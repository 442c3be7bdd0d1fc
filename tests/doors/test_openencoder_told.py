"""What Open Encoder's jobs tell of themselves on its pages: why they have failed, and how fast they were encoded."""

import json
from typing import Any

import pytest
from doors.openencoder_jobs import id_of, job_of, made, read, shown

from framemill.jobs.model import ChunkRow
from framemill.jobs.reasons import Reason
from framemill.jobs.states import ChunkState, Failed, InputsReady, Planned, Started
from framemill.store.chunks import replace_chunks

pytestmark = pytest.mark.usefixtures("named_store")

FRAMES = 750
"""Of each half of the film, which is a minute long."""


def encoding(door: Any, *seconds: float | None) -> str:
    """The id of a job whose chunks have taken so long; none: it waits."""
    made(door)
    read(door, 1)
    job_id = id_of(door, 1)
    output = shown(door, 1).outputs[0].id
    rows = [
        ChunkRow(
            job_id=job_id,
            output_id=output,
            number=number,
            key=f"key {number}",
            first_frame=number * FRAMES,
            end_frame=(number + 1) * FRAMES,
            state=ChunkState.WAITING if took is None else ChunkState.COMMITTED,
            frames_done=0 if took is None else FRAMES,
            seconds=took,
        )
        for number, took in enumerate(seconds)
    ]
    door.moved(job_id, Started(), InputsReady(), Planned())
    with door.database.writing() as conn:
        replace_chunks(conn, job_id, 1, rows)
    return job_id


def test_a_job_whose_source_nobody_has_read_tells_why_as_ffprobe_would(door: Any) -> None:
    """Its page shows that, and knows no other field."""
    refused = made(door, preset="nobody's")
    made(door)
    assert job_of(door, 2)["probe"] is None
    door.moved(id_of(door, 2), Started(), Failed(Reason.SOURCE_MISSING, "https://u:hush@films.example/a is not there."))
    gone = job_of(door, 2)

    assert "hush" not in gone["probe"]
    for job in (refused, gone):
        assert json.loads(job["probe"]) == {"error": {"code": -1313558101, "string": job["error"]}}


def test_a_job_that_fails_later_tells_of_its_source_what_it_is(door: Any) -> None:
    made(door)
    read(door, 1)
    door.moved(id_of(door, 1), Started(), InputsReady(), Failed(Reason.FFMPEG_FAILED, "It cannot be encoded."))

    assert json.loads(job_of(door, 1)["probe"]).keys() == {"format", "streams", "chapters"}


@pytest.mark.parametrize(
    ("seconds", "speed", "fps"),
    [((9.0, 9.0), "6x", 150.0), ((0.0, 9.0), "3x", 75.0), ((0.0, 0.0), None, None)],
)
def test_frames_that_were_there_already_make_no_job_fast(
    seconds: tuple[float, float], speed: str | None, fps: float | None, door: Any
) -> None:
    """Encoded within ten seconds; what took no time was encoded for another job, or by an attempt before."""
    job_id = encoding(door, *seconds)
    door.moved(job_id, Failed(Reason.FFMPEG_FAILED, "It cannot be joined."), timings={"encoding": 10.0})

    for job in (job_of(door, 1), door.get("/api/jobs").json()["items"][0]):
        assert (job["speed"], job["fps"]) == (speed, fps)
        assert job["progress"] == 99


def test_progress_does_not_go_back_where_the_farm_falls_silent(door: Any) -> None:
    encoding(door, None)
    door.farm.progress_told = {"frames": FRAMES // 2, "frames_planned": FRAMES}
    assert job_of(door, 1)["progress"] == 50
    door.farm.silent = True
    assert job_of(door, 1)["progress"] == 50
