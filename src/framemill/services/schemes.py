"""How a door tells its clients: what it writes, and how it signs. A registry is a mapping from a scheme's name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection

from framemill.jobs.telling import Message
from framemill.sealing import Seals
from framemill.services.jobs import Shown


@dataclass(frozen=True, slots=True)
class Occasion:
    """What there is to tell."""

    kind: str
    """`job.completed`, …, or `webhook.test`."""
    at: datetime
    shown: Shown | None = None
    """The job as of then; none: it is about no job."""
    number: int | None = None
    """The event's; none: it is none."""
    facts: Any = None
    """What the scheme has read beside."""
    seals: Seals | None = None
    """The farm's, for what a message says that is signed."""


Headers: TypeAlias = Callable[[Message, Sequence[str], datetime], Mapping[str, str]]
"""What is sent beside a message's body: from the message, the secrets that it is signed with (the newest first), and
the time of this try."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a door tells its clients."""

    body: Callable[[Occasion], str | None]
    """The message's body, which is the same at every try; none: it has nothing to say of that."""
    headers: Headers
    reads: Callable[[Connection, Shown], Any] | None = None
    """What it has to know beside the job, read where the job was; it is the occasion's `facts`."""
