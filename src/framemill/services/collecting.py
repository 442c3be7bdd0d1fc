"""Throws away what nobody needs of a farm that does not run; one that runs does it itself."""

import contextlib
from datetime import UTC, datetime
from typing import Any

from framemill.config import Settings
from framemill.errors import FarmError
from framemill.farm.collecting import InUse, collect, collect_shared
from framemill.farm.expiring import with_uploads
from framemill.farm.keeping import in_use
from framemill.farm.place import blobs_of
from framemill.policy.retention import CacheLimits
from framemill.store.database import Database


def collect_here(settings: Settings, *, dry_run: bool) -> dict[str, Any]:
    """What was thrown away, or would be. Raises `FarmError` where no farm has ever been."""
    folder = settings.folder
    if not folder.blobs.is_dir():
        raise FarmError(f"No farm has left anything in {settings.data_dir}.")
    blobs = blobs_of(settings)
    limits = CacheLimits(cache_bytes=settings.cache_bytes, cache_days=settings.cache_days)
    with contextlib.closing(Database(settings.database_url)) as database:
        with database.reading() as conn:
            used: InUse = in_use(conn, blobs, folder.work)
        gone = collect(blobs, folder.work, limits, used, dry_run=dry_run)
        if blobs.shared:
            gone += collect_shared(blobs, limits, used, dry_run=dry_run)
        gone = with_uploads(gone, database, blobs, datetime.now(UTC), dry_run=dry_run)
    return {"dry_run": dry_run, **gone.model_dump()}
