"""How a door tells its clients: what it writes, and how it signs. A registry is a mapping from a scheme's name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from framemill.jobs.telling import Message
from framemill.services.jobs import Shown


@dataclass(frozen=True, slots=True)
class Occasion:
    """What there is to tell."""

    kind: str
    """`job.completed`, …, or `webhook.test`."""
    at: datetime
    shown: Shown | None = None
    """The job as of then; none: it is about no job."""


Headers: TypeAlias = Callable[[Message, Sequence[str], datetime], Mapping[str, str]]
"""What is sent beside a message's body: from the message, the secrets that it is signed with (the newest first), and
the time of this try."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a door tells its clients."""

    body: Callable[[Occasion], str]
    """The message's body, which is the same at every try."""
    headers: Headers
