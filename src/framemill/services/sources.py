"""Uploads as the sources of jobs: which may be named, and what they are called then."""

from collections.abc import Sequence

from sqlalchemy import Connection

from framemill.errors import Conflict, NotFound
from framemill.jobs.model import UNUSABLE, Input, could_be_id
from framemill.jobs.uploads import Upload, UploadState
from framemill.services.callers import Caller
from framemill.services.desk import Desk
from framemill.services.fields import about
from framemill.services.inputs import InputRequest
from framemill.storage.keyring import way_to
from framemill.store import inputs as input_rows
from framemill.store import uploads as upload_rows
from framemill.store.jobs import load_bare_job
from framemill.store.videos import video_of_upload


def named(conn: Connection, inputs: Sequence[InputRequest], caller: Caller) -> tuple[InputRequest, ...]:
    """The inputs; those that are uploads with the upload's name, where they have none of their own.

    Raises `NotFound` and `Conflict` for an upload that cannot be used, with the field in its `param`.
    """
    found = []
    for position, one in enumerate(inputs):
        if one.upload_id is not None:
            with about(f"inputs.{position}.upload_id"):
                upload = usable(conn, one.upload_id, caller)
            one = one.model_copy(update={"filename": one.filename or upload.filename})  # noqa: PLW2901
        found.append(one)
    return tuple(found)


def alike(
    conn: Connection, inputs: Sequence[InputRequest], caller: Caller, door: str | None, desk: Desk | None
) -> tuple[InputRequest, ...]:
    """The inputs; those that shall be like one of another job with that one's source, and what opens it.

    `door`: whose jobs alone are seen; none: those of all. Raises `NotFound`, with the field in its `param`.
    """
    found = []
    for position, one in enumerate(inputs):
        if one.like is not None:
            with about(f"inputs.{position}.like"):
                other = _seen(conn, one.like, caller, door)
            changes = {"like": None, "filename": one.filename or other.filename, **_source_of(other, caller, desk)}
            one = one.model_copy(update=changes)  # noqa: PLW2901
        found.append(one)
    return tuple(found)


def _seen(conn: Connection, input_id: str, caller: Caller, door: str | None) -> Input:
    found = input_rows.load_input(conn, input_id) if could_be_id(input_id) else None
    job = None if found is None else load_bare_job(conn, found.job_id)
    if found is None or job is None or caller.sees not in {None, job.account} or door not in {None, job.door}:
        raise NotFound(f"There is no input {input_id!r}.")
    return found


def _source_of(other: Input, caller: Caller, desk: Desk | None) -> dict[str, object]:
    if other.upload_id is not None:
        return {"upload_id": other.upload_id}
    if other.unusable:
        return {"uri": other.uri.removeprefix(UNUSABLE), "unusable": other.message or "There is nothing to fetch."}
    if desk is None:
        return {"uri": other.uri, "credentials": other.credentials}
    way = way_to(other, caller.account)
    return {"uri": desk.keyring.uri(way), "credentials": other.credentials or desk.keyring.access(way)}


def usable(conn: Connection, upload_id: str, caller: Caller) -> Upload:
    """An upload that a job may name as its source, come or not. Raises `NotFound` and `Conflict`."""
    found = upload_rows.load_upload(conn, upload_id) if could_be_id(upload_id) else None
    if found is None or caller.sees not in {None, found.account}:
        raise NotFound(f"There is no upload {upload_id!r}.")
    if found.state in {UploadState.ABORTED, UploadState.EXPIRED}:
        raise Conflict(f"The upload {upload_id} is {found.state}, and its bytes are gone: upload it again.")
    return found


def refuse_needed(conn: Connection, upload_id: str) -> None:
    """Raise `Conflict` where an upload may not be thrown away: it is the original of a video, which may be made of it
    once more, or the source of a job that has not ended."""
    video = video_of_upload(conn, upload_id)
    if video is not None and video.withdrawn_at is None:
        raise Conflict(f"The upload {upload_id} is the original of a video: delete the video, and it goes with it.")
    if upload_rows.is_needed(conn, upload_id):
        raise Conflict(f"A job that has not ended needs the upload {upload_id}: cancel the job first.")
