"""Uploads that nobody finished, and those that no job refers to, go when their time is over; and so do leftovers."""

import logging
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from framemill.farm.collecting import DRAFT_SECONDS, Collected
from framemill.jobs.states import advance
from framemill.jobs.uploads import UPLOAD_TRANSITIONS, TimeOver, Upload, UploadState
from framemill.storage.blobs import Blobs
from framemill.storage.straight import given_up
from framemill.store import uploads as upload_rows
from framemill.store.database import Database

log = logging.getLogger(__name__)

REMEMBERED = timedelta(days=30)
"""How long it is known of an upload that it has expired."""
_WITH_BYTES = {UploadState.OPEN, UploadState.COMPLETED}


def with_uploads(
    found: Collected, database: Database, blobs: Blobs, now: datetime, *, dry_run: bool = False
) -> Collected:
    """Throw away what nobody needs of uploads (`dry_run`: only count), and add it to what was found beside."""
    with database.reading() as conn:
        over = upload_rows.over(conn, now)
    folder = blobs.path("uploads")
    doomed = {upload.id for upload in over if upload.state in _WITH_BYTES}
    gone = [path for upload_id in doomed for path in _files(folder / upload_id)]
    left = [path for path in _leftovers(database, folder, now) if path.parent.name not in doomed]
    sizes = [_size(path) for path in (*gone, *left)]
    if not dry_run:
        # First the rows: nobody is to find an upload whose bytes are gone.
        ended = [upload.id for upload in over if _ended(database, upload, now)]
        for upload_id in ended:
            shutil.rmtree(folder / upload_id, ignore_errors=True)
            blobs.unshare(folder / upload_id)
        for upload in over:
            if upload.id in ended and blobs.straight is not None:
                given_up(blobs.straight, upload)
        for path in left:
            path.unlink(missing_ok=True)
    return found.model_copy(update={"files": found.files + len(sizes), "bytes": found.bytes + sum(sizes)})


def _ended(database: Database, upload: Upload, now: datetime) -> bool:
    """Write that its time is over; what was over before is forgotten. False where it changed since it was looked at."""

    def end(conn: Connection) -> bool:
        current = upload_rows.load_upload(conn, upload.id)
        if current is None or current.version != upload.version or upload_rows.referred_to(conn, [upload.id]):
            return False
        upload_rows.drop_parts(conn, upload.id)
        if upload.state not in _WITH_BYTES:
            upload_rows.remove_upload(conn, upload.id)
            return True
        why = "nobody finished it" if upload.state is UploadState.OPEN else "no job refers to it"
        state = advance(UPLOAD_TRANSITIONS, upload.state, TimeOver())
        told = {"state": state, "message": f"Its time is over, and {why}.", "blob": None}
        upload_rows.save_upload(conn, upload.model_copy(update={**told, "expires_at": now + REMEMBERED}))
        log.info("upload %s: %s", upload.id, why, extra={"action": "upload_expired"})
        return True

    with database.writing() as conn:
        return end(conn)


def _leftovers(database: Database, folder: Path, now: datetime) -> Iterator[Path]:
    """Files that no row names: bodies that lost against another one, or whose writer died."""
    for one in folder.iterdir() if folder.is_dir() else ():
        files = [path for path in _files(one) if _age(path, now) > DRAFT_SECONDS]
        if not files:
            continue
        with database.reading() as conn:
            upload = upload_rows.load_upload(conn, one.name)
            parts = upload_rows.parts_of(conn, one.name)
        named = {f"part-{part.number:05}-{part.etag}" for part in parts}
        if upload is not None and upload.state is UploadState.OPEN:
            named.add("tus")
        if upload is not None and upload.blob is not None:
            named.add(Path(upload.blob).name)
        yield from (path for path in files if path.name not in named)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []


def _age(path: Path, now: datetime) -> float:
    """Seconds; none where others have removed it."""
    try:
        return now.timestamp() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
