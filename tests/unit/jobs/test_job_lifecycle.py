"""Events in, the moved job and its instructions out."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from framemill.errors import InvalidTransition
from framemill.jobs import lifecycle as do
from framemill.jobs.lifecycle import Notify, amend, handle, instructions_for
from framemill.jobs.model import Job, Waiting
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import RunSettings
from framemill.jobs.states import (
    ENDED_JOB,
    JOB_TRANSITIONS,
    CancelAsked,
    ChunksCommitted,
    ChunksReturned,
    Delivered,
    Failed,
    IndexRefuted,
    InputsReady,
    JobEvent,
    JobState,
    Packaged,
    Planned,
    RetryAsked,
    StartAsked,
    Started,
    Stitched,
    WorkStopped,
)

MakeJob = Callable[..., Job]
SECOND = timedelta(seconds=1)
STRAIGHT = (Started(), InputsReady(), Planned(), ChunksCommitted(), Stitched(), Packaged({"ok": 1}), Delivered())
EVENTS: tuple[JobEvent, ...] = (
    *STRAIGHT,
    StartAsked(),
    IndexRefuted("frames 0-48"),
    ChunksReturned(),
    Failed(Reason.FFMPEG_FAILED, "twice"),
    CancelAsked(),
    WorkStopped(),
    RetryAsked(),
)


def follow(job: Job, now: datetime, *events: JobEvent) -> tuple[Job, list[do.Instruction]]:
    """The job after those events, a second apart, and every instruction but the notices."""
    asked: list[do.Instruction] = []
    for event in events:
        now += SECOND
        job, instructions = handle(job, event, now)
        asked += [one for one in instructions if not isinstance(one, Notify)]
    return job, asked


def test_a_job_goes_its_way(make_job: MakeJob, now: datetime) -> None:
    job, asked = follow(make_job(), now, *STRAIGHT)
    assert asked == [
        do.FetchInputs("j", 1),
        do.MakePlan("j", 1, decode_index=False),
        do.EncodeChunks("j", 1),
        do.Stitch("j", 1),
        do.Package("j", 1),
        do.Deliver("j", 1),
    ]
    assert (job.state, job.version, job.report) == (JobState.COMPLETED, 8, {"ok": 1})
    assert (job.started_at, job.ended_at) == (now + SECOND, now + 7 * SECOND)
    assert job.timings == dict.fromkeys(
        ["queued", "ingesting", "planning", "encoding", "stitching", "packaging", "delivering"], 1.0
    )


def test_each_step_tells_what_it_was(make_job: MakeJob, now: datetime) -> None:
    _, (notice, *_) = handle(make_job(), Started(), now)
    assert notice == Notify("j", "ingesting", {"event": "Started", "from": "queued", "attempt": 1})


def test_the_inputs_of_a_held_job_are_fetched_at_once(make_job: MakeJob, now: datetime) -> None:
    job = make_job(start="held")
    assert job.state is JobState.HELD
    assert instructions_for(job) == (do.FetchInputs("j", 1),)
    assert follow(job, now, StartAsked())[0].state is JobState.QUEUED


def test_a_refuted_index_is_made_by_decode_then_decoded_linearly_then_given_up(
    make_job: MakeJob, now: datetime
) -> None:
    to_encoding, refuted = (Started(), InputsReady(), Planned()), IndexRefuted("chunk 3 delivered 47 frames of 48")
    job, asked = follow(make_job(), now, *to_encoding, refuted)
    assert asked[-1] == do.MakePlan("j", 1, decode_index=True)
    job, asked = follow(job, now, Planned(), ChunksCommitted(), refuted)
    assert asked[-1] == do.MakePlan("j", 1, decode_index=True, linear=True)
    job, asked = follow(job, now, Planned(), refuted)
    assert (job.state, job.reason, job.message) == (JobState.FAILED, Reason.CHUNK_MISMATCH, refuted.message)


def test_who_asks_for_a_decoded_index_gets_it_first(make_job: MakeJob, now: datetime) -> None:
    _, asked = follow(make_job(run=RunSettings(index="decode")), now, Started(), InputsReady())
    assert asked[-1] == do.MakePlan("j", 1, decode_index=True)


def test_returned_chunks_are_encoded_under_the_same_plan(make_job: MakeJob, now: datetime) -> None:
    _, asked = follow(make_job(), now, Started(), InputsReady(), Planned(), ChunksCommitted(), ChunksReturned())
    assert asked[-2:] == [do.Stitch("j", 1), do.EncodeChunks("j", 1)]


def test_a_failure_stops_what_is_still_encoded(make_job: MakeJob, now: datetime) -> None:
    failed = Failed(Reason.FFMPEG_FAILED, "frames 0-48")
    job, asked = follow(make_job(), now, Started(), InputsReady(), Planned(), failed)
    assert asked[-1] == do.StopWork("j", 1)
    assert (job.reason, job.message, job.ended_at) == (Reason.FFMPEG_FAILED, "frames 0-48", now + 4 * SECOND)


def test_a_cancelled_job_waits_for_its_workers(make_job: MakeJob, now: datetime) -> None:
    job, asked = follow(make_job(), now, Started(), CancelAsked())
    assert (job.state, asked[-1], job.ended_at) == (JobState.CANCELLING, do.StopWork("j", 1), None)
    with pytest.raises(InvalidTransition):
        handle(job, InputsReady(), now)
    job, _ = follow(job, now, WorkStopped())
    assert (job.state, job.reason) == (JobState.CANCELLED, Reason.CANCELLED_BY_CLIENT)


def test_a_queued_job_has_nobody_to_wait_for(make_job: MakeJob, now: datetime) -> None:
    assert follow(make_job(), now, CancelAsked())[0].state is JobState.CANCELLED


def test_a_retry_is_a_new_attempt_and_keeps_the_report_of_what_is_published(make_job: MakeJob, now: datetime) -> None:
    job, _ = follow(make_job(), now, *STRAIGHT, RetryAsked())
    assert (job.state, job.attempt, job.reason, job.timings) == (JobState.QUEUED, 2, None, {})
    assert (job.started_at, job.ended_at, job.report) == (None, None, {"ok": 1})
    job, asked = follow(job, now, Started(), Failed(Reason.DISK_FULL))
    assert asked == [do.FetchInputs("j", 2), do.StopWork("j", 2)]
    assert job.report == {"ok": 1}


def test_a_clock_that_is_behind_does_no_harm(make_job: MakeJob, now: datetime) -> None:
    job, _ = handle(make_job(), Started(), now - SECOND)
    assert job.timings == {"queued": 0.0}


def test_moving_ends_the_waiting(make_job: MakeJob, now: datetime) -> None:
    job = amend(make_job(), waiting=Waiting(code="no_slot", sentence="All slots are taken."), priority=3)
    assert (job.version, job.priority) == (2, 3)
    assert handle(job, Started(), now)[0].waiting is None


def test_only_an_event_changes_the_state(make_job: MakeJob) -> None:
    with pytest.raises(ValueError, match="only an event changes attempt, state"):
        amend(make_job(), state="completed", attempt=2)
    with pytest.raises(ValidationError):
        amend(make_job(), priorty=1)


@given(st.lists(st.sampled_from(EVENTS), max_size=40), st.sampled_from(["auto", "held"]))
def test_any_events_move_along_the_table_or_are_refused(events: list[JobEvent], start: str) -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    job = Job.model_validate({"account": "a", "door": "cli", "start": start, "created_at": now})
    for event in events:
        try:
            moved, (notice, *asked) = handle(job, event, now)
        except InvalidTransition:
            assert type(event) not in JOB_TRANSITIONS[job.state]
            continue
        # A plan that was refuted too often fails: that edge is in the table, too.
        assert moved.state in {JOB_TRANSITIONS[job.state][type(event)], JobState.FAILED}
        assert moved.state in JOB_TRANSITIONS[job.state].values()
        assert job.state not in ENDED_JOB or isinstance(event, RetryAsked)
        assert (moved.state in ENDED_JOB) == (moved.ended_at is not None)
        assert moved.version == job.version + 1
        assert isinstance(notice, Notify)
        assert tuple(asked) == instructions_for(moved)
        assert Job.model_validate(moved.model_dump()) == moved
        job = moved
