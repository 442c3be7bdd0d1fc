"""What went wrong with a job, in this door's numbers. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from framemill.api.onlineconvert.kept import conversion_of, note_of, sent_as
from framemill.jobs.model import Input
from framemill.jobs.reasons import Reason
from framemill.jobs.states import InputState, JobState
from framemill.secrets import mask
from framemill.services.jobs import Shown

CODES: Mapping[Reason, int] = MappingProxyType(
    {
        Reason.SOURCE_MISSING: 404,
        Reason.SOURCE_REFUSED: 401,
        Reason.SOURCE_UNREACHABLE: 504,
        Reason.UNREADABLE_SOURCE: 6005,
        Reason.SOURCE_DAMAGED: 6006,
        Reason.SOURCE_ENCRYPTED: 6007,
        Reason.SOURCE_TOO_LARGE: 413,
        Reason.NO_DECODER: 6008,
        Reason.WRONG_SETTINGS: 6009,
        Reason.NO_ENCODER: 6010,
        Reason.FFMPEG_FAILED: 6000,
        Reason.CHILD_FAILED: 6000,
        Reason.STALLED: 6000,
        Reason.QUARANTINED: 6000,
        Reason.CHUNK_MISMATCH: 6000,
        Reason.VERIFICATION_FAILED: 6000,
        Reason.OUT_OF_MEMORY: 6011,
        Reason.DISK_FULL: 507,
        Reason.TARGET_REFUSED: 99,
        Reason.TARGET_UNREACHABLE: 99,
        Reason.TARGET_FULL: 99,
        Reason.WORKER_LOST: 500,
        Reason.TIMED_OUT: 408,
        Reason.SPEND_CAP_REACHED: 402,
        Reason.BALANCE_TOO_LOW: 402,
        Reason.QUOTA_EXCEEDED: 402,
        Reason.NEVER_STARTED: 410,
        Reason.CANCELLED_BY_CLIENT: 499,
        Reason.INTERNAL: 500,
    }
)
"""17, 99, 401, 404, 6005 are its own; the others are this farm's choice, and stay."""

_CLOUD_MISSING, _CLOUD_FAILED = 17, 99
_OF_SOURCES = frozenset(
    {
        Reason.SOURCE_MISSING,
        Reason.SOURCE_REFUSED,
        Reason.SOURCE_UNREACHABLE,
        Reason.UNREADABLE_SOURCE,
        Reason.SOURCE_DAMAGED,
        Reason.SOURCE_ENCRYPTED,
        Reason.SOURCE_TOO_LARGE,
        Reason.NO_DECODER,
    }
)


def code_of(reason: Reason, source: Input | None = None) -> int:
    """The number of a reason; `source`: the input that it is about."""
    if source is not None and sent_as(source).type in {"cloud", "gdrive_picker"}:
        if reason in {Reason.SOURCE_MISSING, Reason.SOURCE_REFUSED}:
            return _CLOUD_MISSING
        if reason is Reason.SOURCE_UNREACHABLE:
            return _CLOUD_FAILED
    return CODES[reason]


def errors(shown: Shown) -> list[dict[str, Any]]:
    """Why a job has failed; none where it has not."""
    job = shown.job
    if job.state is not JobState.FAILED:
        return []
    reason = job.reason or Reason.INTERNAL
    if reason in _OF_SOURCES:
        failed = _failed_inputs(shown) or [_of_input(source, reason, job.message) for source in shown.inputs[:1]]
        return failed or [_of_job(shown, reason, job.message)]
    return _failed_outputs(shown) or [_of_job(shown, reason, job.message)]


def warnings(shown: Shown) -> list[dict[str, Any]]:
    """What a job went on without."""
    if shown.job.state is JobState.FAILED:
        return []
    parts = [*_failed_inputs(shown), *_failed_outputs(shown)]
    said = {part["message"] for part in parts}
    others = [
        one
        for one in shown.job.warnings
        if one.about == "job" and not any(message and message in one.message for message in said)
    ]
    return [*parts, *(_of_job(shown, one.reason, one.message) for one in others)]


def _failed_inputs(shown: Shown) -> list[dict[str, Any]]:
    failed = [source for source in shown.inputs if source.state is InputState.FAILED]
    return [_of_input(source, source.reason or Reason.INTERNAL, source.message) for source in failed]


def _failed_outputs(shown: Shown) -> list[dict[str, Any]]:
    """One of each conversion and reason, however many inputs it has."""
    failed: dict[tuple[str, Reason], str | None] = {}
    for output in shown.outputs:
        if output.reason is not None:
            failed.setdefault((conversion_of(output), output.reason), output.message)
    return [
        _told("conversion", conversion, code_of(reason), message or reason.value)
        for (conversion, reason), message in failed.items()
    ]


def _of_input(source: Input, reason: Reason, message: str | None) -> dict[str, Any]:
    return _told("input", source.id, code_of(reason, source), message or reason.value)


def _of_job(shown: Shown, reason: Reason, message: str | None) -> dict[str, Any]:
    """About its first conversion: there are no others than about an input or a conversion."""
    conversions = note_of(shown.job).conversions
    return _told("conversion", conversions[0].id if conversions else "", CODES[reason], message or reason.value)


def _told(source: Literal["input", "conversion"], id_source: str, code: int, message: str | None) -> dict[str, Any]:
    return {"source": source, "id_source": id_source, "code": code, "message": mask(message or ""), "details": {}}
