"""What the API stands on: whoever puts a farm together fills these in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from framemill.config import Network
from framemill.sealing import Seals
from framemill.services.callers import Caller
from framemill.services.desk import Desk
from framemill.services.fileplace import FilePlace
from framemill.services.jobs import Nudge
from framemill.services.lending import Lender
from framemill.storage.credentials import Named
from framemill.storage.roots import Roots
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
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Doors by the host name at whose root they are."""
    trusted_proxies: tuple[Network, ...] = ()
    """Where requests come from that may say how the client has asked."""
    allowed_networks: tuple[Network, ...] = ()
    """Private networks that clients may have the farm connect to."""
    roots: Roots | None = None
    """Folders of this machine in which clients may name paths; none: anywhere."""
    credentials: Named = field(default_factory=dict)
    """Those of the settings, which clients may name."""
    tariffs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Prices of the other doors, by the door's name, as the operator has set them."""
    registration: Literal["open", "here", "closed"] = "here"
    """Whether people may make themselves users, as guests, where a door has that; `here`: only from this machine."""
    first_password: str = field(default="", repr=False)
    """What the first admin is known by, to choose a password; empty: nobody is."""
    doors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What else the operator has set of the other doors, by the door's name."""
    metrics_open: bool = False
    """Whether `/metrics` needs no key."""
    lender: Lender | None = None
    """The cloud that lends machines to the farm; none: the farm has those that have joined it by themselves."""
    counts_folder: Path | None = None
    """Where the replicas of this machine leave what they have counted; none: there is but one."""
    not_fronted: Callable[[], str] = lambda: ""
    """Why what stands in front of the replicas does not stand yet; empty: it does. May block for a moment."""
    tells_request_id: bool = True
    """Answers carry X-Request-Id. Not where whoever serves the application adds it, as Ray Serve does."""

    @property
    def desk(self) -> Desk:
        """Where wishes to be told are taken."""
        return Desk(self.seals, self.allowed_networks, self.credentials, roots=self.roots)

    def desk_of(self, caller: Caller) -> Desk:
        """The same for whoever asks."""
        return replace(self.desk, trusted=caller.here)
