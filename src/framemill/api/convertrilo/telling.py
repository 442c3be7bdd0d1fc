"""What Convertrilo's webhooks are told: `{event, timestamp, data}`, signed over the raw body. Pure."""

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

from framemill.api.convertrilo.mapping import STATUSES, encoder, failure, moment, note_of
from framemill.api.convertrilo.prices import neu
from framemill.jobs.facts import seconds_of
from framemill.jobs.model import CallbackPolicy
from framemill.jobs.states import JobState
from framemill.jobs.telling import Message
from framemill.policy.callbacks import ENDS, TEST
from framemill.services.jobs import Shown
from framemill.services.schemes import Occasion, Scheme

Event: TypeAlias = Literal[
    "job.created", "job.queued", "job.running", "job.completed", "job.failed", "job.canceled"
]  # fmt: skip
EVENTS: tuple[Event, ...] = get_args(Event)

KINDS: Mapping[Event, str] = MappingProxyType(
    {
        "job.created": "job.created",
        "job.queued": "job.queued",
        "job.running": "job.ingesting",
        "job.completed": "job.completed",
        "job.failed": "job.failed",
        "job.canceled": "job.cancelled",
    }
)
"""The farm's own words. A job runs from the moment it is admitted, and the first thing it does is to fetch."""

_EVENTS: Mapping[str, str] = MappingProxyType({TEST: TEST, **{kind: event for event, kind in KINDS.items()}})

MANAGED, ONE_OFF = "convertrilo", "convertrilo-once"
"""The schemes of webhooks that were made, and of the URL that comes with one encode."""

POLICY = CallbackPolicy(
    scheme=MANAGED,
    timeout_seconds=15.0,
    retry_seconds=(60.0, 300.0, 1800.0),
    disable_after=10,
    trials_count=True,
)
"""Of a webhook: three more tries, and after ten that failed one after the other nothing more is sent to it."""

ONCE = {"scheme": ONE_OFF, "timeout_seconds": 15.0, "retry_seconds": ()}
"""Of the URL that comes with one encode: one try, when it has ended."""


def body(occasion: Occasion) -> str | None:
    """The message in JSON; none: nobody can ask for that event."""
    event = _EVENTS.get(occasion.kind)
    if event is None:
        return None
    data = {"message": "This is a test."} if occasion.shown is None else told_of(occasion.shown)
    told = {"event": event, "timestamp": moment(occasion.at), "data": data}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def end(occasion: Occasion) -> str | None:
    """The same of a job's end alone."""
    return body(occasion) if occasion.kind in ENDS else None


def told_of(shown: Shown) -> dict[str, Any]:
    """A job as it is told of."""
    job, note = shown.job, note_of(shown.job)
    told = {
        "jobId": job.id,
        "userId": job.account,
        "status": STATUSES[job.state],
        "encoder": encoder(job),
        "durationSec": duration(shown),
        "finalNeu": neu(job.spent),
        "externalId": note.external_id,
        "metadata": note.metadata,
    }
    if job.state is JobState.FAILED:
        told |= {"error": failure(job), "failureCode": job.reason}
    return told


def duration(shown: Shown) -> float | None:
    """Seconds of the source; none: nobody knows yet."""
    seconds = seconds_of(shown.inputs[0].facts) if shown.inputs else None
    return None if seconds is None else round(seconds, 3)


def signature(raw: bytes, secret: str) -> str:
    """Hex of HMAC-SHA256 over the body as it is sent; the key is the secret as it was told."""
    return hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def headers(message: Message, secrets: Sequence[str], _now: datetime) -> Mapping[str, str]:
    """Beside a managed webhook's message."""
    return {
        **unsigned(message, secrets, _now),
        "X-Webhook-Id": message.webhook_id or message.id,
        "X-Webhook-Signature": signature(message.body.encode(), secrets[0]),
    }


def unsigned(message: Message, _secrets: Sequence[str], _now: datetime) -> Mapping[str, str]:
    """Beside what the URL of one encode is sent."""
    return {"X-Webhook-Event": _EVENTS[message.kind]}


def kinds_of(events: Collection[Event]) -> tuple[str, ...]:
    """What a webhook hears that wants these."""
    return tuple(KINDS[event] for event in EVENTS if event in events)


def events_of(kinds: Collection[str]) -> list[str]:
    """What it wants that hears those."""
    return [event for event in EVENTS if KINDS[event] in kinds]


def event_of(kind: str) -> str:
    """What a message of that kind is called."""
    return _EVENTS[kind]


SCHEMES: Mapping[str, Scheme] = {MANAGED: Scheme(body, headers), ONE_OFF: Scheme(end, unsigned)}
