"""What a door keeps for its clients beside jobs: small things under a name, in the door's own words."""

from typing import Any

from pydantic import Field

from framemill.jobs.model import Utc, new_id
from framemill.jobs.settings import Value


class Keepsake(Value):
    """Something that a client wants kept; only its door knows what it means."""

    id: str = Field(default_factory=new_id)
    account: str
    door: str
    kind: str
    """What it is, in the door's words."""
    name: str
    data: dict[str, Any] = Field(default_factory=dict)
    """What may be shown of it."""
    sealed: str | None = None
    """What may not, sealed; none: nothing of it is secret."""
    created_at: Utc
    updated_at: Utc
