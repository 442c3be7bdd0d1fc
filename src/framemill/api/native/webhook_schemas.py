"""The words of `/v1/webhooks`."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from framemill.api.native.words import Asked, Told
from framemill.api.strict import Free, Text
from framemill.policy.callbacks import ENDS

Url = Annotated[Text, Field(pattern=r"^https?://", max_length=8192)]
Kinds = Annotated[tuple[Annotated[Text, Field(max_length=60)], ...], Field(min_length=1, max_length=50)]


class NewWebhook(Asked):
    """Who is to hear of all jobs of the account."""

    url: Url
    """http:// or https://; redirects are not followed."""
    kinds: Kinds = ENDS
    """What it hears: `job.created`, a state (`job.completed`), `job.prepared`, `job.edited`, `job.warned`,
    `job.playable`, or `*`."""
    description: Annotated[Text, Field(max_length=1000)] | None = None
    metadata: Free = Field(default_factory=dict)
    """Yours; given back as it came."""


class EditedWebhook(Asked):
    """What is to be changed; what is left away stays."""

    url: Url = "https://"
    kinds: Kinds = ENDS
    description: Annotated[Text, Field(max_length=1000)] | None = None
    metadata: Free = Field(default_factory=dict)
    enabled: bool = True
    """`true` also forgets its failures."""


class RotateAsked(Asked):
    """How a secret is replaced."""

    overlap_seconds: float = Field(default=86_400.0, ge=0, le=30 * 86_400.0)
    """For so long messages are signed with the old one, too."""


class Webhook(Told):
    """Who hears of all jobs of the account."""

    id: str
    url: str
    """With every secret masked."""
    kinds: tuple[str, ...]
    description: str | None = None
    enabled: bool
    reason: str | None = None
    """Why it is disabled: `owner`, `failing` (too many tries failed) or `gone` (it answered 410)."""
    message: str | None = None
    failures: int
    """Tries that failed, one after the other."""
    door: str
    created_at: datetime
    metadata: dict[str, Any] = Field(default_factory=dict)


class SecretWebhook(Webhook):
    """The same when its secret is new: it is told this once."""

    secret: str
    """`whsec_…`: what messages are signed with (Standard Webhooks)."""


class Webhooks(Told):
    """The webhooks of the account."""

    data: tuple[Webhook, ...]


class Secret(Told):
    """What callbacks of jobs are signed with, where they bring no secret of their own."""

    secret: str


class DeliveryTry(Told):
    """One try, and what came of it."""

    at: datetime
    status: int | None = None
    """HTTP's; none: there was no answer."""
    error: str | None = None
    seconds: float
    response: str | None = None
    """How the answer's body began."""


class Delivery(Told):
    """A message to one receiver."""

    id: str
    """`webhook-id`: the same at every try."""
    webhook_id: str | None = None
    """None: it is for a callback of the job."""
    job_id: str | None = None
    kind: str
    url: str
    """With every secret masked."""
    state: str
    """waiting, delivered, failed, or dropped: its webhook was disabled before."""
    tries: tuple[DeliveryTry, ...] = ()
    created_at: datetime
    due_at: datetime | None = None
    """Of the next try."""
    ended_at: datetime | None = None


class WholeDelivery(Delivery):
    """The same with what is sent."""

    body: str


class Deliveries(Told):
    """A page of messages, newest first."""

    data: tuple[Delivery, ...]
    next_cursor: str | None = None
    """For `cursor=`; none: there are no more."""
