"""What the dashboard stands on: whoever puts a farm together fills these in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from framemill.sealing import Seals
from framemill.services.callers import Caller
from framemill.services.fileplace import FilePlace
from framemill.services.jobs import Jobs, Nudge
from framemill.services.visitors import Visitors
from framemill.store.database import Database


class FarmTold(Protocol):
    """What only a living farm knows. Each raises `FarmError` when it does not answer in good time."""

    async def status(self) -> dict[str, Any]:
        """Slots, workers, backlog, as JSON."""
        ...

    async def progress(self, job_id: str) -> dict[str, Any]:
        """`frames` and `frames_planned`, with those under way."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class DashboardParts:
    """The dashboard's parts."""

    database: Database
    nudge: Nudge
    farm: FarmTold
    visitors: Visitors
    seals: Seals
    """What links are signed with."""
    files: FilePlace
    logs: Path
    """Folder of the farm's log files."""

    def jobs(self, caller: Caller) -> Jobs:
        """The jobs that the caller sees."""
        return Jobs(self.database, self.nudge, caller=caller, door="dashboard")
