"""Uploads and their parts."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from framemill.errors import StaleWrite
from framemill.jobs.states import ACTIVE_JOB
from framemill.jobs.uploads import Part, Upload, UploadState
from framemill.store.exchange_tables import upload_parts, uploads
from framemill.store.rows import from_row, to_row, upsert
from framemill.store.schema import inputs, jobs


def add_upload(conn: Connection, upload: Upload) -> None:
    """Write a new upload."""
    conn.execute(insert(uploads).values(to_row(upload, uploads)))


def load_upload(conn: Connection, upload_id: str) -> Upload | None:
    """The upload of that id, where there is one."""
    row = conn.execute(select(uploads).where(uploads.c.id == upload_id)).mappings().first()
    return None if row is None else from_row(Upload, row)


def save_upload(conn: Connection, upload: Upload) -> Upload:
    """Write an upload over the version that it was read with; as it stands then.

    Raises `StaleWrite`, and has written nothing, when it has another one by now.
    """
    after = upload.model_copy(update={"version": upload.version + 1})
    guarded = update(uploads).where(uploads.c.id == upload.id, uploads.c.version == upload.version)
    if conn.execute(guarded.values(to_row(after, uploads))).rowcount != 1:
        raise StaleWrite(f"Upload {upload.id} is not at version {upload.version} any more: read it again.")
    return after


def list_uploads(
    conn: Connection, account: str | None = None, before: str | None = None, limit: int = 100
) -> list[Upload]:
    """Uploads of an account (none: all), newest first; those made before the one of that id."""
    page = select(uploads).order_by(uploads.c.id.desc()).limit(limit)
    if account is not None:
        page = page.where(uploads.c.account == account)
    if before is not None:
        page = page.where(uploads.c.id < before)
    return [from_row(Upload, row) for row in conn.execute(page).mappings()]


def parts_of(conn: Connection, upload_id: str) -> list[Part]:
    """The parts that have come, in their order."""
    mine = select(upload_parts).where(upload_parts.c.upload_id == upload_id).order_by(upload_parts.c.number)
    return [from_row(Part, row) for row in conn.execute(mine).mappings()]


def put_part(conn: Connection, part: Part, expires_at: datetime) -> bool:
    """Write a part, over an earlier one of its number; False, and nothing written, where the upload is open no more.

    The upload's version grows: who is putting its parts together finds out that they have changed.
    """
    mine = update(uploads).where(uploads.c.id == part.upload_id, uploads.c.state == UploadState.OPEN)
    grown = {"version": uploads.c.version + 1, "expires_at": expires_at}
    if conn.execute(mine.values(grown)).rowcount != 1:
        return False
    upsert(conn, upload_parts, [part])
    total = select(func.sum(upload_parts.c.size)).where(upload_parts.c.upload_id == part.upload_id).scalar_subquery()
    conn.execute(update(uploads).where(uploads.c.id == part.upload_id).values(received=total))
    return True


def drop_parts(conn: Connection, upload_id: str) -> None:
    """Forget the parts of an upload: they are one file now, or nobody wants them."""
    conn.execute(delete(upload_parts).where(upload_parts.c.upload_id == upload_id))


def remove_upload(conn: Connection, upload_id: str) -> None:
    """Forget an upload, with its parts."""
    conn.execute(delete(uploads).where(uploads.c.id == upload_id))


def is_needed(conn: Connection, upload_id: str) -> bool:
    """Whether a job that has not ended has it for a source."""
    return bool(needed_by(conn, upload_id, limit=1))


def needed_by(conn: Connection, upload_id: str, limit: int = 1000) -> list[str]:
    """Jobs that have it for a source and have not ended."""
    query = select(jobs.c.id).distinct().join(inputs, jobs.c.id == inputs.c.job_id)
    mine = query.where(inputs.c.upload_id == upload_id, jobs.c.state.in_(sorted(ACTIVE_JOB))).limit(limit)
    return list(conn.execute(mine).scalars())


def referred_to(conn: Connection, upload_ids: Collection[str]) -> set[str]:
    """Which of these any job has for a source, ended or not: it may be tried again."""
    mine = select(inputs.c.upload_id).distinct().where(inputs.c.upload_id.in_(list(upload_ids)))
    return set(conn.execute(mine).scalars())


def over(conn: Connection, now: datetime, limit: int = 500) -> list[Upload]:
    """Uploads whose time is over, and that no job refers to; those of which it was over first, first."""
    needed = select(inputs.c.id).where(inputs.c.upload_id == uploads.c.id).exists()
    query = select(uploads).where(uploads.c.expires_at < now, ~needed).order_by(uploads.c.expires_at).limit(limit)
    return [from_row(Upload, row) for row in conn.execute(query).mappings()]
