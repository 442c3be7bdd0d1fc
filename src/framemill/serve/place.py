"""From settings to the place that a farm's actors are told of."""

import socket

from framemill.config import Settings
from framemill.farm.place import Place
from framemill.farm.slots import usual_slots
from framemill.policy.admission import Limits
from framemill.policy.retention import CacheLimits
from framemill.serve.head import Front, front_of
from framemill.services.fileplace import PROXY_BODY_BYTES, FilePlace
from framemill.storage.local import LocalBlobs


def file_place(settings: Settings, front: Front | None = None) -> FilePlace:
    """Where uploads come in and outputs lie. `front`: what really is in front, where that is known."""
    folder = settings.folder
    return FilePlace(
        blobs=LocalBlobs(folder.blobs),
        work=folder.work,
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
        limits=Limits(
            active_jobs=settings.active_jobs or max(_LEAST_JOBS, 2 * slots), jobs_per_account=settings.jobs_per_account
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
