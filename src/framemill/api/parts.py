"""What the API stands on: whoever puts a farm together fills these in."""

from dataclasses import dataclass
from typing import Any, Protocol

from framemill.sealing import Seals
from framemill.services.jobs import Nudge
from framemill.store.database import Database


class FarmFacts(Protocol):
    """What only a living farm knows. Each raises `FarmError` when the farm does not answer in good time."""

    async def status(self) -> dict[str, Any]:
        """Slots, workers, backlog: whatever the coordinator tells of itself, as JSON."""
        ...

    async def progress(self, job_id: str) -> dict[str, Any]:
        """`frames` and `frames_planned`, with those under way; `bytes` and `bytes_planned` of a source on its way."""
        ...

    async def gc(self, dry_run: bool) -> dict[str, Any]:
        """Throw away what nobody needs, or tell what would be, as JSON."""
        ...

    async def drain(self, seconds: float) -> dict[str, Any]:
        """Start nothing more and wait that long for what runs; what became of it, as JSON."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiParts:
    """The API's parts."""

    database: Database
    nudge: Nudge
    admin_key: str
    """Opens everything."""
    seals: Seals
    """What links, sessions and stored addresses are signed and sealed with."""
    farm: FarmFacts
    public_url: str | None = None
    """How clients reach the API; none: as they asked."""
    tells_request_id: bool = True
    """Answers carry X-Request-Id. Not where whoever serves the application adds it, as Ray Serve does."""
