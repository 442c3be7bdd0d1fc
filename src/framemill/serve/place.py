"""From settings to the place that a farm's actors are told of."""

import socket

from framemill.config import DataFolder, Settings
from framemill.farm.place import Place, blobs_of, bucket_of
from framemill.farm.slots import usual_slots
from framemill.policy.admission import Limits
from framemill.policy.retention import CacheLimits
from framemill.serve.head import Front, front_of
from framemill.services.fileplace import PROXY_BODY_BYTES, FilePlace
from framemill.store.database import Database
from framemill.store.epochs import current_epoch


def file_place(settings: Settings, front: Front | None = None) -> FilePlace:
    """Where uploads come in and outputs lie. `front`: what really is in front, where that is known."""
    folder = settings.folder
    return FilePlace(
        blobs=blobs_of(settings),
        work=folder.work,
        presigned=settings.presigned == "auto",
        min_free_bytes=settings.min_free_bytes,
        upload_bytes=settings.upload_bytes,
        body_bytes=None if (front or front_of(settings)) == "haproxy" else PROXY_BODY_BYTES,
        upload_days=settings.upload_days,
    )


def place_of(settings: Settings) -> Place:
    """The farm of service mode with those settings, on this machine."""
    folder = settings.folder
    slots = settings.slots or usual_slots()
    return Place(
        root=settings.data_dir,
        database=settings.database_url,
        slots=slots,
        machine=socket.gethostname(),
        bucket=bucket_of(settings),
        limits=Limits(
            active_jobs=settings.active_jobs or max(_LEAST_JOBS, 2 * slots),
            jobs_per_account=settings.jobs_per_account,
            jobs_per_door={
                name: table["active_jobs"] for name, table in settings.doors.items() if "active_jobs" in table
            },
        ),
        cache=CacheLimits(cache_bytes=settings.cache_bytes, cache_days=settings.cache_days),
        min_free_bytes=settings.min_free_bytes,
        speculate=settings.speculate,
        log_level=settings.log_level,
        log_format=settings.log_format,
        logs=folder.logs,
    )


#: Small jobs that are worked on at once on the smallest machine: most of a small job is waiting for somebody else.
_LEAST_JOBS = 64


def make_folders(database: Database, folder: DataFolder) -> None:
    """Make a new farm's folders. One that has run has had them: where they are missing now, its disk is away."""
    with database.reading() as conn:
        if current_epoch(conn) == 0:
            for path in (folder.work, folder.logs, folder.blobs):
                path.mkdir(parents=True, exist_ok=True, mode=0o700)
