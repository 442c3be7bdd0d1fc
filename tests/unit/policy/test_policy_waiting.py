"""Why a job does not move: a sentence for every code, the first cause before the others, and a next step for each."""

import itertools
from typing import Any

import pytest

from framemill.jobs.model import Waiting
from framemill.jobs.states import ENDED_JOB, JobState
from framemill.policy.retention import under_pressure
from framemill.policy.waiting import STEPS, Capacity, Code, FarmFacts, JobFacts, next_step, waiting

GB = 1 << 30
WORKING = [
    JobState.INGESTING,
    JobState.PLANNING,
    JobState.ENCODING,
    JobState.STITCHING,
    JobState.PACKAGING,
    JobState.DELIVERING,
]
PAUSED: dict[str, Any] = {"trouble": Code.PAUSED, "trouble_seconds": 90}
FULL: dict[str, Any] = {"trouble": Code.DISK, "free_bytes": 700 << 20, "min_free_bytes": GB}
BUSY: dict[str, Any] = {"workers": 2, "slots": 8, "busy": 8}

TOLD: list[tuple[Code, JobState, dict[str, Any], dict[str, Any], str]] = [
    (Code.HELD, JobState.HELD, {}, {}, "It is held until its owner starts it."),
    (
        Code.HELD,
        JobState.HELD,
        {"inputs": 3, "missing": ("a.mp4",)},
        PAUSED,
        "It is held until its owner starts it (2 of 3 inputs here).",
    ),
    (Code.PAUSED, JobState.QUEUED, {}, PAUSED, "The farm was paused by its operator 90 s ago."),
    (Code.PAUSED, JobState.ENCODING, {"ready": 4}, {**PAUSED, **BUSY}, "The farm was paused by its operator 90 s ago."),
    (
        Code.ACCOUNT_LIMIT,
        JobState.QUEUED,
        {"account_jobs": 3, "account_limit": 3},
        {"active_jobs": 64},
        "3 jobs of this account are worked on, and its limit is 3.",
    ),
    (
        Code.ACCOUNT_LIMIT,
        JobState.QUEUED,
        {"account_jobs": 1, "account_limit": 1},
        {},
        "1 job of this account is worked on, and its limit is 1.",
    ),
    (
        Code.FARM_LIMIT,
        JobState.QUEUED,
        {"account_jobs": 2, "account_limit": 3},
        {"active_jobs": 64},
        "64 jobs are worked on, and the farm's limit is 64.",
    ),
    (Code.DISK, JobState.QUEUED, {}, FULL, "The disk has 0.68 GiB free; the farm goes on at 1.25 GiB."),
    (
        Code.STORE_AWAY,
        JobState.STITCHING,
        {"ready": 1},
        {"trouble": Code.STORE_AWAY, "trouble_seconds": 400},
        "The store has been away for 7 min.",
    ),
    (Code.NO_WORKER, JobState.QUEUED, {}, {"workers": 0, "active_jobs": 64}, "No worker reports."),
    (Code.NO_WORKER, JobState.PLANNING, {"ready": 1}, {"workers": 0}, "No worker reports."),
    (Code.NO_SLOT, JobState.ENCODING, {"ready": 5}, BUSY, "5 tasks wait: all 8 slots are busy."),
    (
        Code.NO_SLOT,
        JobState.PLANNING,
        {"ready": 1},
        {"slots": 1, "busy": 1},
        "1 task waits: the only slot is busy.",
    ),
    (
        Code.NO_SLOT,
        JobState.ENCODING,
        {"ready": 1, "alone": True},
        {"slots": 8, "busy": 3},
        "1 task waits for a machine without other work; 3 of 8 slots are busy.",
    ),
    (
        Code.NO_ENCODER,
        JobState.ENCODING,
        {"ready": 2, "needs": "h264_nvenc"},
        BUSY,
        "None of 2 workers has the encoder h264_nvenc.",
    ),
    (
        Code.NO_GPU_SLOT,
        JobState.ENCODING,
        {"ready": 2, "needs": "h264_nvenc"},
        {"slots": 8, "busy": 2, "encoders": {"h264_nvenc": Capacity(2, 2)}},
        "2 tasks wait for the encoder h264_nvenc: all 2 slots are busy.",
    ),
    (
        Code.SOURCE_WAITING,
        JobState.INGESTING,
        {"inputs": 2, "missing": ("b.mp4",)},
        PAUSED,
        "1 of 2 inputs is not here yet: b.mp4.",
    ),
    (
        Code.SOURCE_AWAY,
        JobState.INGESTING,
        {"away": "https://example.org/a.mp4", "away_seconds": 11.2},
        {},
        "https://example.org/a.mp4 does not answer; it is asked again in 12 s.",
    ),
    (
        Code.RETRYING,
        JobState.ENCODING,
        {"delayed": 2, "delayed_seconds": 3.2},
        BUSY,
        "2 tasks failed and are tried again in 4 s.",
    ),
    (
        Code.QUARANTINED,
        JobState.ENCODING,
        {"quarantined": (120, 132)},
        {},
        "Frames 120 to 131 fail wherever encoded; the smallest range that does is looked for.",
    ),
    (
        Code.QUARANTINED,
        JobState.ENCODING,
        {"quarantined": (120, 121)},
        {},
        "Frame 120 fails wherever encoded; the smallest range that does is looked for.",
    ),
    (Code.CANCELLING, JobState.CANCELLING, {"running": 3}, PAUSED, "3 tasks of it are being stopped."),
    (Code.CANCELLING, JobState.CANCELLING, {"running": 1}, {}, "1 task of it is being stopped."),
]


@pytest.mark.parametrize(("code", "state", "job", "farm", "sentence"), TOLD, ids=lambda it: "")
def test_it_says_why(code: Code, state: JobState, job: dict[str, Any], farm: dict[str, Any], sentence: str) -> None:
    told = waiting(JobFacts(state=state, **job), FarmFacts(**farm))

    assert told == Waiting(code=code.value, sentence=sentence)


def test_there_is_an_example_of_every_code() -> None:
    assert {code for code, *_ in TOLD} == set(Code)


@pytest.mark.parametrize("state", list(ENDED_JOB))
def test_an_ended_job_waits_for_nothing(state: JobState) -> None:
    assert waiting(JobFacts(state=state), FarmFacts(**PAUSED)) is None


@pytest.mark.parametrize("state", WORKING)
def test_a_job_that_moves_waits_for_nothing(state: JobState) -> None:
    job = JobFacts(state=state, running=1, ready=3, delayed=1, quarantined=(1, 2))

    assert waiting(job, FarmFacts(**PAUSED)) is None


@pytest.mark.parametrize("state", [JobState.QUEUED, *WORKING])
def test_a_job_in_whose_way_nothing_stands_waits_for_nothing(state: JobState) -> None:
    assert waiting(JobFacts(state=state, ready=3), FarmFacts(slots=8, busy=2)) is None
    assert waiting(JobFacts(state=state, account_jobs=99), FarmFacts()) is None


def test_a_mark_that_stops_the_intake_stops_no_job_that_is_worked_on() -> None:
    farm = FarmFacts(intake_only=True, **FULL)

    assert waiting(JobFacts(state=JobState.ENCODING, ready=1), farm) is None
    assert waiting(JobFacts(state=JobState.QUEUED), farm) is not None


def test_the_figure_that_is_told_is_the_one_that_ends_the_pause() -> None:
    assert not under_pressure(5 * GB // 4, GB, paused=True)


def test_a_task_that_is_ready_says_more_than_one_that_is_tried_again() -> None:
    job = JobFacts(state=JobState.ENCODING, ready=1, delayed=1, delayed_seconds=8)

    assert [told.code for farm in ({}, BUSY) if (told := waiting(job, FarmFacts(**farm)))] == ["retrying", "no_slot"]


def test_every_code_has_a_next_step_of_its_own() -> None:
    assert set(STEPS) == set(Code)
    assert len(set(STEPS.values())) == len(Code)
    assert all(step.endswith(".") and next_step(code) == step for code, step in STEPS.items())


def test_a_code_of_another_version_has_a_next_step() -> None:
    assert next_step("made_up") == "See `framemill status` and the farm's log."


@pytest.mark.parametrize(
    ("seconds", "told"), [(-1, "0 s"), (0.2, "1 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h")]
)
def test_times_are_told_in_round_units(seconds: float, told: str) -> None:
    job = JobFacts(state=JobState.ENCODING, delayed=1, delayed_seconds=seconds)
    because = waiting(job, FarmFacts())

    assert because is not None
    assert because.sentence == f"1 task failed and is tried again in {told}."


def test_whatever_holds_there_is_one_sentence() -> None:
    jobs = [
        JobFacts(state=state, running=running, ready=ready, needs=needs, delayed=delayed)
        for state, running, ready, needs, delayed in itertools.product(
            JobState, (0, 2), (0, 3), ("", "av1_nvenc"), (0, 1)
        )
    ]
    farms = [
        FarmFacts(trouble=trouble, workers=workers, slots=workers * 2, busy=busy)
        for trouble, workers, busy in itertools.product((None, Code.PAUSED, Code.DISK), (0, 1), (0, 2))
    ]
    for job, farm in itertools.product(jobs, farms):
        told = waiting(job, farm)
        assert told is None or (told.sentence[0].isupper() or told.sentence[0].isdigit())
        assert told is None or (told.sentence.endswith(".") and len(told.sentence) < 120)
