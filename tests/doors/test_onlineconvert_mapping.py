"""Between online-convert's words and the farm's: tables that leave nothing out, tokens, and what went wrong."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from framemill.api.onlineconvert import mapping, problems, statuses
from framemill.api.onlineconvert.kept import Conversion, Note, OutputTarget, note_of
from framemill.api.onlineconvert.tokens import job_of, token_of
from framemill.errors import KeyRefused
from framemill.jobs.model import Event, Input, Job, Output, Warned, new_id
from framemill.jobs.reasons import Reason
from framemill.jobs.states import ChunkState, DeliveryState, InputState, JobState
from framemill.sealing import Seals
from framemill.services.jobs import Shown

NOON = datetime(2030, 5, 17, 12, tzinfo=UTC)
SEALS = Seals("a farm's secret")
CONVERSIONS = (Conversion(target="mp4", category="video"), Conversion(target="webm", category="video"))


def shown(state: JobState = JobState.COMPLETED, *, note: Note | None = None, **more: Any) -> Shown:
    """A job of two inputs and two conversions, in that state."""
    data = (note or Note(conversions=CONVERSIONS)).data
    job = Job(account="a", door="onlineconvert", state=state, created_at=NOON, door_data=data, **more)
    inputs = [source(job, "remote"), source(job, "remote", position=1)]
    outputs = [
        Output(job_id=job.id, name="in.mp4", metadata={"conversion": conversion.id}, input_ids=(one.id,))
        for conversion in CONVERSIONS
        for one in inputs
    ]
    return Shown(job, inputs, outputs)


def source(job: Job, kind: str, **more: Any) -> Input:
    return Input(job_id=job.id, uri="https://films.example/in.mov", metadata={"type": kind}, **more)


def failed(one: Input, reason: Reason) -> Input:
    return one.model_copy(update={"state": InputState.FAILED, "reason": reason, "message": "It went wrong."})


def test_the_tables_leave_nothing_out() -> None:
    assert set(statuses.OF_STATES) == set(JobState)
    assert set(statuses.INFO) == set(statuses.CODES)
    assert set(problems.CODES) == set(Reason)
    assert set(mapping.INPUT_STATUSES) == set(InputState)
    assert set(mapping.TARGET_STATUSES) == set(DeliveryState)
    assert set(mapping.THREADS) == set(ChunkState)
    assert set(mapping.INPUT_STATUSES.values()) <= {"canceled", "downloading", "failed", "ready"}
    assert set(mapping.TARGET_STATUSES.values()) == {"waiting", "uploading", "completed", "failed"}


def test_every_status_but_one_is_that_of_some_job() -> None:
    told = {code for code in statuses.CODES if statuses.states_of(code)}
    assert set(statuses.CODES) - told == {"pending"}
    assert statuses.states_of("running") == frozenset()


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([], "incomplete"),
        ([InputState.WAITING], "downloading"),
        ([InputState.READY, InputState.FETCHING], "downloading"),
        ([InputState.READY], "ready"),
        ([InputState.READY, InputState.FAILED], "ready"),
    ],
)
def test_a_held_jobs_status_follows_from_what_there_is(states: list[InputState], code: str) -> None:
    found = shown(JobState.HELD)
    inputs = [found.inputs[0].model_copy(update={"state": state}) for state in states]
    assert statuses.code_of(replace(found, inputs=inputs)) == code
    without = shown(JobState.HELD, note=Note())
    assert statuses.code_of(without) == "incomplete"


def test_history_has_a_row_for_each_change_of_status() -> None:
    kinds = ["created", "edited", "prepared", "edited", "prepared", "queued", "ingesting", "planning", "encoding"]
    kinds += ["stitching", "encoding", "packaging", "playable", "warned", "delivering", "cancelling", "cancelled"]
    events = [
        Event(seq=seq, job_id="j", at=NOON, kind=kind, data={"state": "held"} if kind == "created" else {})
        for seq, kind in enumerate(kinds)
    ]
    rows = statuses.history(events)
    assert [row.code for row in rows] == ["incomplete", "ready", "queued", "downloading", "processing", "canceled"]
    assert [row.event.kind for row in rows][-2:] == ["planning", "cancelling"]
    assert len({row["id"] for row in mapping.history(rows)}) == len(rows)


def test_check_16_an_input_that_fails_fails_the_job_or_is_warned_of() -> None:
    found = shown(JobState.FAILED, reason=Reason.SOURCE_MISSING, message="It went wrong.")
    inputs = [found.inputs[0], failed(found.inputs[1], Reason.SOURCE_MISSING)]
    (error,) = problems.errors(replace(found, inputs=inputs))
    assert error == {
        "source": "input",
        "id_source": inputs[1].id,
        "code": 404,
        "message": "It went wrong.",
        "details": {},
    }
    assert problems.warnings(replace(found, inputs=inputs)) == []

    told = Warned(about="job", about_id="j", reason=Reason.SOURCE_MISSING, message="x is left out: It went wrong.")
    kept = replace(shown(JobState.COMPLETED, warnings=(told,)), inputs=inputs)
    assert problems.errors(kept) == []
    assert problems.warnings(kept) == [error]


def test_check_17_cloud_inputs_have_numbers_of_their_own() -> None:
    found = shown(JobState.FAILED, reason=Reason.SOURCE_REFUSED)
    cloud = failed(source(found.job, "cloud"), Reason.SOURCE_REFUSED)
    away = failed(source(found.job, "cloud"), Reason.SOURCE_UNREACHABLE)
    torn = failed(source(found.job, "cloud"), Reason.UNREADABLE_SOURCE)
    errors = problems.errors(replace(found, inputs=[cloud, away, torn]))
    assert [one["code"] for one in errors] == [17, 99, 6005]


@pytest.mark.parametrize("reason", [Reason.SPEND_CAP_REACHED, Reason.INTERNAL, Reason.NEVER_STARTED])
def test_whatever_fails_a_job_is_about_a_conversion_or_an_input(reason: Reason) -> None:
    (error,) = problems.errors(shown(JobState.FAILED, reason=reason, message="No more."))
    assert (error["source"], error["id_source"], error["message"]) == ("conversion", CONVERSIONS[0].id, "No more.")
    nothing = replace(shown(JobState.FAILED, note=Note(), reason=reason), inputs=[], outputs=[])
    assert len(problems.errors(nothing)) == 1


def test_outputs_that_were_left_out_are_warned_of_by_their_conversion() -> None:
    found = shown(JobState.COMPLETED)
    given_up = {"reason": Reason.SPEND_CAP_REACHED, "message": "The cap is reached."}
    outputs = [
        one.model_copy(update=given_up) if one.metadata["conversion"] == CONVERSIONS[1].id else one
        for one in found.outputs
    ]
    told = replace(found, outputs=outputs)
    (warning,) = problems.warnings(told)
    assert (warning["source"], warning["id_source"], warning["code"]) == ("conversion", CONVERSIONS[1].id, 402)
    assert [one.metadata["conversion"] for one in mapping.made_outputs(told)] == [CONVERSIONS[0].id] * 2


def test_whether_an_output_can_be_fetched() -> None:
    plain = Output(job_id="j", name="a.mp4")
    assert mapping.output_status(plain, NOON) == "enabled"
    assert (
        mapping.output_status(plain.model_copy(update={"withdrawn_at": NOON, "expires_at": NOON}), NOON) == "disabled"
    )
    until = plain.model_copy(update={"expires_at": NOON, "download_limit": 2, "download_count": 1})
    assert mapping.output_status(until, NOON - timedelta(seconds=1)) == "enabled"
    assert mapping.output_status(until, NOON) == "expired"
    often = plain.model_copy(update={"download_limit": 2, "download_count": 2})
    assert mapping.output_status(often, NOON) == "overuse"


def test_time_is_written_without_a_zone_and_found_in_ids() -> None:
    assert mapping.moment(NOON) == "2030-05-17T12:00:00"
    made = mapping.made_at(new_id(), NOON)
    assert abs(datetime.now(UTC) - made) < timedelta(minutes=1)
    assert mapping.made_at("other", NOON) == NOON
    assert mapping.made_at("00000000-0000-4000-8000-000000000000", NOON) == NOON


def test_a_token_opens_the_job_that_it_is_made_of() -> None:
    job_id = new_id()
    token = token_of(SEALS, job_id)
    assert len(token) == 32
    assert job_of(SEALS, token) == job_id
    assert token == token_of(Seals("a farm's secret"), job_id)
    assert token != token_of(SEALS, new_id())
    for wrong in ("", token[:-1], token + "A", "_" + token[1:], "ü" * 32, "!" * 32, token_of(Seals("other"), job_id)):
        with pytest.raises(KeyRefused):
            job_of(SEALS, wrong)


def test_what_is_secret_of_a_conversion_is_kept_sealed() -> None:
    target = OutputTarget(type="ftp", parameters={"file": "a"}, credentials={"password": "sw0rdf1sh"})
    made = Conversion(
        target="mp4", category="video", options={"width": 2, "download_password": "0pen"}, output_target=(target,)
    )
    kept = made.kept(SEALS)
    assert "sw0rdf1sh" not in kept.model_dump_json()
    assert "0pen" not in kept.model_dump_json()
    assert "sw0rdf1sh" not in repr(made)
    assert kept.opened(SEALS) == made
    plain = Conversion(target="mp4", category="video")
    assert plain.kept(SEALS) == plain == plain.opened(SEALS)


def test_a_note_is_read_as_it_was_kept() -> None:
    note = Note(process=False, conversions=CONVERSIONS, server="https://x").with_passwords(["one", "two"], SEALS)
    job = Job(account="a", door="onlineconvert", created_at=NOON, door_data=note.data)
    assert note_of(job) == note
    assert note_of(job).passwords(SEALS) == ("one", "two")
    assert note_of(job).with_passwords([], SEALS).passwords(SEALS) == ()
    assert "one" not in job.model_dump_json().replace("none", "")
