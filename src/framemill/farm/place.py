"""Where a farm keeps its things and how it behaves: what each of its actors is told when it is made."""

from pathlib import Path
from typing import Literal

from framemill.config import DataFolder
from framemill.jobs.settings import Value
from framemill.policy.admission import Limits
from framemill.policy.retention import CacheLimits
from framemill.storage.local import LocalBlobs

NAMESPACE = "framemill"
COORDINATOR = "coordinator"
HEAD_RESOURCE = "framemill_head"
"""How much of it there is does not matter: what stands on the head takes a thousandth of one."""


class Place(Value):
    """A farm on one machine."""

    root: Path
    """Blobs, outputs and what processes leave about themselves."""
    database: str
    """URL; holds a password, where it has one."""
    slots: int
    namespace: str = NAMESPACE
    """Of its actors in Ray."""
    machine: str
    """This computer's name in the farm."""
    patient: bool = True
    """A farm that stays: what is in its way may pass. One that ends with its job says so instead."""
    limits: Limits = Limits()
    cache: CacheLimits = CacheLimits()
    min_free_bytes: int = 0
    speculate: bool = True
    log_level: str = "WARNING"
    log_format: Literal["json", "text"] = "text"
    logs: Path | None = None
    """Folder of the log files; none: stderr."""

    @property
    def blobs(self) -> LocalBlobs:
        """The farm's blobs."""
        return LocalBlobs(DataFolder(self.root).blobs)

    @property
    def work(self) -> Path:
        """Outputs before they are delivered."""
        return DataFolder(self.root).work

    @property
    def alive(self) -> Path:
        """Written by the coordinator every two seconds: whoever watches it sees that it is alive."""
        return DataFolder(self.root).sign_of_life
