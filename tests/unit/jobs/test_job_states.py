"""Every table is total, reachable and ends where it says; `advance` and `diagram` read it."""

import pickle
import typing
from enum import StrEnum
from typing import Any

import pytest

from framemill import errors
from framemill.errors import InvalidTransition
from framemill.jobs import states
from framemill.jobs.reasons import Reason, reason_of
from framemill.jobs.states import ChunkState, DeliveryState, InputState, JobState, advance, diagram

TABLES: list[tuple[Any, type[StrEnum], Any, StrEnum, set[StrEnum]]] = [
    # table, states, events, where nothing follows by itself
    (states.JOB_TRANSITIONS, JobState, states.JobEvent, JobState.HELD, set(states.ENDED_JOB)),
    (
        states.INPUT_TRANSITIONS,
        InputState,
        states.InputEvent,
        InputState.WAITING,
        {InputState.READY, InputState.FAILED},
    ),
    (
        states.CHUNK_TRANSITIONS,
        ChunkState,
        states.ChunkEvent,
        ChunkState.WAITING,
        {ChunkState.COMMITTED, ChunkState.QUARANTINED},
    ),
    (
        states.DELIVERY_TRANSITIONS,
        DeliveryState,
        states.DeliveryEvent,
        DeliveryState.WAITING,
        {DeliveryState.COMPLETED, DeliveryState.FAILED},
    ),
]
AGAIN = {states.RetryAsked, states.FetchAgain, states.ChunkReturned, states.UploadAgain}
every_table = pytest.mark.parametrize(("table", "kind", "events", "first", "ends"), TABLES, ids=lambda it: "")


@every_table
def test_a_table_is_total(table: Any, kind: Any, events: Any, first: Any, ends: Any) -> None:
    assert set(table) == set(kind)
    assert {event for edges in table.values() for event in edges} == set(typing.get_args(events))


@every_table
def test_every_state_is_reachable(table: Any, kind: Any, events: Any, first: Any, ends: Any) -> None:
    reached, fresh = {first}, {first}
    while fresh:
        fresh = {following for state in fresh for following in table[state].values()} - reached
        reached |= fresh
    assert reached == set(kind)


@every_table
def test_the_ends_are_as_named(table: Any, kind: Any, events: Any, first: Any, ends: Any) -> None:
    assert {state for state, edges in table.items() if set(edges) <= AGAIN} == ends


@every_table
def test_every_state_can_come_to_an_end(table: Any, kind: Any, events: Any, first: Any, ends: Any) -> None:
    ending = set(ends)
    while more := {state for state, edges in table.items() if ending & set(edges.values())} - ending:
        ending |= more
    assert ending == set(kind)


def test_advance_follows_an_edge() -> None:
    assert advance(states.JOB_TRANSITIONS, JobState.QUEUED, states.Started()) is JobState.INGESTING


def test_an_event_without_an_edge_tells_the_story() -> None:
    with pytest.raises(
        InvalidTransition, match=r"job in state 'queued' cannot take 'Planned' \(after held\)"
    ) as caught:
        advance(states.JOB_TRANSITIONS, JobState.QUEUED, states.Planned(), ("held",))
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 (our own bytes)
    assert (again.state, again.event, again.story) == ("queued", "Planned", ("held",))


def test_the_diagram_has_every_edge() -> None:
    drawn = diagram(states.JOB_TRANSITIONS).splitlines()
    assert drawn[:2] == ["stateDiagram-v2", "    [*] --> held"]
    assert "    encoding --> planning: IndexRefuted" in drawn
    assert sum(": " in line for line in drawn) == sum(map(len, states.JOB_TRANSITIONS.values()))
    assert sorted(line for line in drawn if line.endswith("--> [*]")) == [
        "    cancelled --> [*]",
        "    completed --> [*]",
        "    failed --> [*]",
    ]


def test_a_reason_knows_whether_again_may_help() -> None:
    assert Reason.WORKER_LOST.retryable
    assert not Reason.UNREADABLE_SOURCE.retryable


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.UnknownPreset(""), Reason.WRONG_SETTINGS),
        (errors.SourceMissing(""), Reason.SOURCE_MISSING),
        (errors.FfmpegFailed(""), Reason.FFMPEG_FAILED),
        (errors.ChunkMismatch(""), Reason.CHUNK_MISMATCH),
        (OSError(28, "No space left on device"), Reason.DISK_FULL),
        (OSError(5, "Input/output error"), Reason.INTERNAL),
        (KeyError("?"), Reason.INTERNAL),
    ],
)
def test_an_error_stands_for_a_reason(error: BaseException, reason: Reason) -> None:
    assert reason_of(error) is reason
