"""Who hears of what, when a message is tried again, and what ends it. Pure: time and chance are handed in."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from framemill.jobs.model import NATIVE, Callback, CallbackPolicy, Event, Job
from framemill.jobs.states import ENDED_JOB, JobState
from framemill.jobs.telling import Webhook

TEST = "webhook.test"
"""The kind of message that is sent to try a webhook; it is heard whatever kinds it wants."""

PREPARED = "prepared"
"""The kind of event that tells that all inputs of a held job are here and probed."""

ENDS: tuple[str, ...] = tuple(f"job.{state}" for state in JobState if state in ENDED_JOB)
"""What a webhook hears where nothing else was said."""

KINDS: tuple[str, ...] = (
    *("job.created", *(f"job.{state}" for state in JobState)),
    *("job.prepared", "job.edited", "job.warned", "job.playable"),
    *("job.uploaded", "job.withdrawn"),
)
"""What a webhook may hear: that a job was made, each state it enters, that the inputs of one that is held are here,
that it was edited, has warned, or that an output can be played as far as it goes; of a job that makes a video, that an
upload became it, and that it was deleted."""

ALL = "*"

SPREAD = 0.2
"""Pauses are longer by chance by up to this share, so that messages that failed together do not come back together."""

LONGEST_PAUSE_SECONDS = 86_400.0

_STATES = frozenset(JobState)
_OK, _REDIRECT, _REFUSED, _BROKEN = 200, 300, 400, 500
_GONE = 410


def kind_of(event: Event) -> str:
    """What a message of that event is called."""
    return f"job.{event.kind}"


def prepared(attempt: int, input_ids: Iterable[str]) -> dict[str, Any]:
    """What an event says that tells that those inputs of a held job are here."""
    return {"state": JobState.HELD.value, "attempt": attempt, "inputs": sorted(input_ids)}


def callback_hears(callback: Callback, event: Event) -> bool:
    """Whether a job's callback is told of the event."""
    if callback.on == "end":
        return event.kind in {state.value for state in ENDED_JOB}
    return event.kind in {"created", PREPARED} or event.kind in _STATES


def webhook_hears(webhook: Webhook, kind: str, door: str) -> bool:
    """Whether a webhook is told of events of that kind of a job that came through that door.

    Those of the native API hear of all jobs of their account, those that were made at another door of its jobs alone.
    """
    if webhook.disabled_at is not None or webhook.door not in {NATIVE, door}:
        return False
    return kind in webhook.kinds or ALL in webhook.kinds


def unknown_kinds(kinds: Collection[str]) -> list[str]:
    """Those that are none."""
    return sorted(set(kinds) - {*KINDS, ALL})


def as_of(job: Job, event: Event) -> Job:
    """The job as it was when the event happened, as far as the event tells: it may have moved on since."""
    state = JobState(event.kind) if event.kind in _STATES else None
    if state is None and isinstance(event.data.get("state"), str):
        state = JobState(event.data["state"])
    if state is None or (state is job.state and event.data.get("attempt", job.attempt) == job.attempt):
        return job
    changes: dict[str, Any] = {
        "state": state,
        "attempt": event.data.get("attempt", job.attempt),
        "entered_at": event.at,
        "ended_at": event.at if state in ENDED_JOB else None,
        "waiting": None,
    }
    if state not in ENDED_JOB:
        changes |= {"reason": None, "message": None}
    return job.model_copy(update=changes)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said to a message."""

    status: int | None
    """HTTP's; none: nothing."""
    retry_after_seconds: float | None = None
    """When it wants to be asked again, where it said so."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a message."""

    state: Literal["waiting", "delivered", "failed"]
    due_at: datetime | None = None
    """Of the next try."""
    gone: bool = False
    """The receiver is gone for good."""


def time_limit(policy: CallbackPolicy, tries: int) -> float:
    """Seconds that the next try may take, when there were that many."""
    if tries == 0 and policy.first_timeout_seconds is not None:
        return policy.first_timeout_seconds
    return policy.timeout_seconds


def verdict(
    policy: CallbackPolicy, answer: Answer, tries: int, *, now: datetime, chance: float, once: bool = False
) -> Verdict:
    """What becomes of a message after its try number `tries` (the first: 1) was answered so.

    2xx: delivered. 410: failed, and its receiver is gone. 4xx: failed where the policy says that a refusal is final.
    All else, 3xx too, is tried again after the policy's next pause, longer by `chance` (0 to 1); none is left: failed.
    `once`: it is not tried again whatever happens.
    """
    status = answer.status
    if status is not None and _OK <= status < _REDIRECT:
        return Verdict("delivered")
    if status == _GONE:
        return Verdict("failed", gone=True)
    refused = status is not None and _REFUSED <= status < _BROKEN
    if once or tries > len(policy.retry_seconds) or (refused and policy.refusal_is_final):
        return Verdict("failed")
    pause = policy.retry_seconds[tries - 1] * (1.0 + SPREAD * chance)
    pause = min(max(pause, answer.retry_after_seconds or 0.0), LONGEST_PAUSE_SECONDS)
    return Verdict("waiting", now + timedelta(seconds=pause))


def after(webhook: Webhook, found: Verdict, now: datetime) -> Webhook:
    """The webhook after one of its messages was tried: it counts failures, and is disabled by too many."""
    if found.state == "delivered":
        return webhook.model_copy(update={"failures": 0, "failing_since": None})
    failing = webhook.model_copy(
        update={"failures": webhook.failures + 1, "failing_since": webhook.failing_since or now}
    )
    if webhook.disabled_at is not None:
        return failing
    if found.gone:
        told = "It answered 410: it is gone. Enable it when it is back."
        return failing.model_copy(update={"disabled_at": now, "reason": "gone", "message": told})
    policy = webhook.policy
    span = (now - (failing.failing_since or now)).total_seconds()
    if policy.disable_after is None or failing.failures < policy.disable_after or span < policy.disable_span_seconds:
        return failing
    told = f"{failing.failures} tries failed one after the other. Repair the receiver, then enable it."
    return failing.model_copy(update={"disabled_at": now, "reason": "failing", "message": told})
