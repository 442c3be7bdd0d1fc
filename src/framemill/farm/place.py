"""Where a farm keeps its things and how it behaves: what each of its actors is told when it is made."""

from pathlib import Path
from typing import Literal

from framemill.config import DataFolder, Settings
from framemill.jobs.settings import Value
from framemill.policy.admission import Limits
from framemill.policy.retention import CacheLimits
from framemill.storage.access import S3Access
from framemill.storage.blobs import Blobs, BucketAt, Home, blobs_at

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
    bucket: BucketAt | None = None
    """What its machines share; none: one machine's folder is all there is."""
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
    def blobs(self) -> Blobs:
        """The farm's blobs."""
        return blobs_at(Home(root=DataFolder(self.root).blobs, work=self.work, bucket=self.bucket))

    @property
    def work(self) -> Path:
        """Outputs before they are delivered."""
        return DataFolder(self.root).work

    @property
    def alive(self) -> Path:
        """Written by the coordinator every two seconds: whoever watches it sees that it is alive."""
        return DataFolder(self.root).sign_of_life


def bucket_of(settings: Settings) -> BucketAt | None:
    """What the farm's machines share, as its operator has set it; None: nothing."""
    if settings.blobs_url is None:
        return None
    name, _, prefix = settings.blobs_url.removeprefix("s3://").partition("/")
    key, secret = settings.blobs_key, settings.blobs_secret
    access = S3Access(
        access_key_id=key.get_secret_value() if key is not None else "",
        secret_access_key=secret.get_secret_value() if secret is not None else "",
        region=settings.blobs_region,
        endpoint=settings.blobs_endpoint or "",
    )
    return BucketAt(name=name, prefix=f"{prefix}/" if prefix else "", access=access)


def blobs_of(settings: Settings) -> Blobs:
    """The blobs of the farm that has those settings."""
    folder = settings.folder
    return blobs_at(Home(root=folder.blobs, work=folder.work, bucket=bucket_of(settings)))
