"""What the API stands on: whoever puts a farm together fills these in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from framemill.config import Network
from framemill.sealing import Seals
from framemill.services.callbacks import Desk
from framemill.services.fileplace import FilePlace
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

    async def probe(self, order: dict[str, Any]) -> dict[str, Any]:
        """What is in a source: `uri`, `name`, `outputs` and `run` in (`farm.orders.ProbeOrder`), its answer out."""
        ...

    async def progress_of(self, job_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """`frames` and `frames_planned` of several jobs; those without a plan are not in it."""
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
    files: FilePlace
    """Where uploads come in and outputs lie."""
    public_url: str | None = None
    """How clients reach the API; none: as they asked."""
    trusted_proxies: tuple[Network, ...] = ()
    """Where requests come from that may say how the client has asked."""
    allowed_networks: tuple[Network, ...] = ()
    """Private networks that messages of any account may go to."""
    metrics_open: bool = False
    """Whether `/metrics` needs no key."""
    counts_folder: Path | None = None
    """Where the replicas of this machine leave what they have counted; none: there is but one."""
    not_fronted: Callable[[], str] = lambda: ""
    """Why what stands in front of the replicas does not stand yet; empty: it does. May block for a moment."""
    tells_request_id: bool = True
    """Answers carry X-Request-Id. Not where whoever serves the application adds it, as Ray Serve does."""

    @property
    def desk(self) -> Desk:
        """Where wishes to be told are taken."""
        return Desk(self.seals, self.allowed_networks)
