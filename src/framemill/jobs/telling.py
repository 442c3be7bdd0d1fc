"""Whom the world's side of a job is told to, and what became of each message: frozen values, as they are stored."""

from typing import Any, Literal

from pydantic import Field

from framemill.jobs.model import NATIVE, CallbackPolicy, Utc, new_id
from framemill.jobs.settings import Value


class Webhook(Value):
    """A receiver that hears of all jobs of an account."""

    id: str = Field(default_factory=new_id)
    account: str
    door: str = NATIVE
    """The API it was made at."""
    url: str
    """With every secret masked."""
    sealed_url: str | None = None
    """The same with its secrets, sealed; none: it has none."""
    sealed_secret: str
    """What its messages are signed with, sealed."""
    sealed_old_secret: str | None = None
    old_secret_until: Utc | None = None
    """Until then they are signed with the secret before, too."""
    kinds: tuple[str, ...]
    """Kinds of events that it hears; `*`: all."""
    policy: CallbackPolicy = CallbackPolicy()
    description: str | None = None
    failures: int = Field(default=0, ge=0)
    """Tries that failed, one after the other."""
    failing_since: Utc | None = None
    disabled_at: Utc | None = None
    """Nothing is sent to it since."""
    reason: Literal["owner", "failing", "gone"] | None = None
    """Why it is disabled: its owner wished it; too many tries failed; it answered that it is gone."""
    message: str | None = None
    created_at: Utc
    metadata: dict[str, Any] = Field(default_factory=dict)


class Try(Value):
    """One try of a message, and what came of it."""

    at: Utc
    status: int | None = None
    """HTTP's; none: there was no answer."""
    error: str | None = None
    """Why there was none."""
    seconds: float
    response: str | None = None
    """How the answer's body begins."""


class Message(Value):
    """What one receiver is told; its id and its body stay the same at every try."""

    id: str = Field(default_factory=new_id)
    account: str
    webhook_id: str | None = None
    """The webhook that hears it; none: a callback of the job."""
    job_id: str | None = None
    stream: str
    """Of one stream there is never more than one on its way."""
    kind: str
    """`job.completed`, …"""
    host: str
    """Host and port of the receiver."""
    url: str
    sealed_url: str | None = None
    policy: CallbackPolicy
    body: str
    state: Literal["waiting", "delivered", "failed", "dropped"] = "waiting"
    """`dropped`: its webhook was disabled before it could be sent."""
    tries: int = Field(default=0, ge=0)
    story: tuple[Try, ...] = ()
    """Of each try, oldest first; of very many the newest."""
    by_hand: bool = False
    """Somebody asked for it once more: it is tried once."""
    created_at: Utc
    due_at: Utc | None = None
    """Of the next try; none: there is none."""
    ended_at: Utc | None = None
