"""How a job stands, in this door's words. Pure."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias, get_args

from framemill.api.onlineconvert.kept import note_of
from framemill.jobs.model import Event
from framemill.jobs.states import InputState, JobState
from framemill.policy.callbacks import PREPARED
from framemill.services.jobs import Shown

Code: TypeAlias = Literal[
    "incomplete", "ready", "queued", "pending", "downloading", "processing", "completed", "failed", "canceled"
]
CODES: tuple[Code, ...] = get_args(Code)

INFO: Mapping[Code, str] = MappingProxyType(
    {
        "incomplete": "Missing information to run the job",
        "ready": "The job is ready but not marked to be processed yet",
        "queued": "The file is waiting in the queue for being processed",
        "pending": "The file is waiting in the queue to be downloaded",
        "downloading": "The file is currently downloading from the source URL.",
        "processing": "The file is currently being converted",
        "completed": "The file has been successfully converted.",
        "failed": "The file has not been converted due to errors.",
        "canceled": "The job has been canceled.",
    }
)
"""As its documents say; they have no word for the last one, and `pending` is never the case here."""

OF_STATES: Mapping[JobState, Code] = MappingProxyType(
    {
        JobState.HELD: "incomplete",  # unless nothing is missing
        JobState.QUEUED: "queued",
        JobState.INGESTING: "downloading",
        JobState.PLANNING: "processing",
        JobState.ENCODING: "processing",
        JobState.STITCHING: "processing",
        JobState.PACKAGING: "processing",
        JobState.DELIVERING: "processing",
        JobState.COMPLETED: "completed",
        JobState.FAILED: "failed",
        JobState.CANCELLING: "canceled",  # nothing leads back from there
        JobState.CANCELLED: "canceled",
    }
)

_HERE = frozenset({InputState.READY, InputState.FAILED})


class Row(NamedTuple):
    """A change of a job's status."""

    event: Event
    code: Code


def code_of(shown: Shown) -> Code:
    """A job's status."""
    if shown.job.state is not JobState.HELD:
        return OF_STATES[shown.job.state]
    if not shown.inputs or not note_of(shown.job).conversions:
        return "incomplete"
    # One that failed fails the job, or is to be left out.
    return "ready" if all(one.state in _HERE for one in shown.inputs) else "downloading"


def states_of(code: str) -> frozenset[JobState]:
    """Those in which a job may be that has this status; none: there is no such status."""
    held = frozenset({JobState.HELD}) if code in {"incomplete", "ready", "downloading"} else frozenset()
    return held | {state for state, called in OF_STATES.items() if called == code}


def history(events: Sequence[Event]) -> list[Row]:
    """The changes of a job's status, oldest first: what happened and changed none is left out."""
    rows: list[Row] = []
    for event in events:
        code = _code_after(event)
        if code is not None and (not rows or rows[-1].code != code):
            rows.append(Row(event, code))
    return rows


def told(code: Code) -> dict[str, str]:
    """A status."""
    return {"code": code, "info": INFO[code]}


_STATES = frozenset(JobState)


def _code_after(event: Event) -> Code | None:
    if event.kind == PREPARED:
        return "ready"
    state = event.data.get("state") if event.kind == "created" else event.kind
    return OF_STATES[JobState(state)] if state in _STATES else None
