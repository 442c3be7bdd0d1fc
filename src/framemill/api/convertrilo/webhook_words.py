"""Between Convertrilo's words about webhooks and ours. Pure."""

import itertools
from collections.abc import Sequence
from typing import Any

from pydantic import AnyHttpUrl, Field, TypeAdapter, field_validator

from framemill.api.convertrilo.encodes import Words
from framemill.api.convertrilo.mapping import moment
from framemill.api.convertrilo.telling import Event, event_of, events_of, kinds_of
from framemill.jobs.telling import Message, Try, Webhook
from framemill.services.idempotency import nth
from framemill.services.webhooks import WebhookChanges

LONGEST = 2048
"""Letters of an answer, or of what went wrong, that are told."""

_OK, _REDIRECT = 200, 300
_URL: TypeAdapter[AnyHttpUrl] = TypeAdapter(AnyHttpUrl)


class NewWebhook(Words):
    """A webhook to be made."""

    url: str = Field(max_length=8192)
    events: list[Event] = Field(min_length=1)

    @field_validator("url")
    @classmethod
    def _is_of_the_web(cls, url: str) -> str:
        _URL.validate_python(url)
        return url


class EditedWebhook(Words):
    """What is to be changed of one; what is not said stays."""

    url: str | None = Field(default=None, max_length=8192)
    events: list[Event] | None = Field(default=None, min_length=1)
    is_active: bool | None = None

    @field_validator("url")
    @classmethod
    def _is_of_the_web(cls, url: str | None) -> str | None:
        if url is not None:
            _URL.validate_python(url)
        return url

    @property
    def changes(self) -> WebhookChanges:
        """In our words."""
        said: dict[str, Any] = {} if self.url is None else {"url": self.url}
        if self.events is not None:
            said["kinds"] = kinds_of(self.events)
        if self.is_active is not None:
            said["enabled"] = self.is_active
        return WebhookChanges.model_validate(said)


def webhook(found: Webhook, messages: Sequence[Message]) -> dict[str, Any]:
    """A webhook; `messages`: the newest that were sent to it."""
    story = [one for message in messages for one in message.story]
    return {
        "id": found.id,
        "url": found.url,
        "events": events_of(found.kinds),
        "isActive": found.disabled_at is None,
        "failureCount": found.failures,
        "lastTriggeredAt": moment(max((one.at for one in story), default=None)),
        "lastFailedAt": moment(max((one.at for one in story if not _taken(one)), default=None)),
        "createdAt": moment(found.created_at),
    }


def tries(message: Message) -> list[dict[str, Any]]:
    """Each try as a delivery; one that nobody has tried yet is none."""
    first = message.tries - len(message.story) + 1
    retried = [one.at for one in message.story[1:]]
    return [
        {
            "id": nth(message.id, number),
            "webhookId": message.webhook_id,
            "event": event_of(message.kind),
            "jobId": message.job_id,
            "status": "success" if _taken(one) else "failed",
            "statusCode": one.status,
            "durationMs": round(one.seconds * 1000),
            "responseBody": None if one.response is None else one.response[:LONGEST],
            "error": _error(one),
            "attempt": number,
            "nextRetryAt": moment(message.due_at) if again is None and message.state == "waiting" else None,
            "retriedAt": moment(again),
            "createdAt": moment(one.at),
        }
        for number, (one, again) in enumerate(itertools.zip_longest(message.story, retried), start=first)
    ]


def _taken(one: Try) -> bool:
    return one.error is None and one.status is not None and _OK <= one.status < _REDIRECT


def _error(one: Try) -> str | None:
    if one.error is not None:
        return one.error[:LONGEST]
    return None if _taken(one) else f"The receiver answered {one.status}."
