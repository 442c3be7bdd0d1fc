"""Inputs that are uploads: waited for until they are here, and read where they lie."""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from framemill.farm.job import OneJob
from framemill.jobs.model import Input, Job, Waiting
from framemill.jobs.reasons import Reason
from framemill.jobs.states import INPUT_TRANSITIONS, FetchFailed, InputState, advance
from framemill.jobs.uploads import Upload, UploadState
from framemill.policy.waiting import Code
from framemill.store import uploads as upload_rows

_LOOK_SECONDS = 30.0
"""How often it is looked for an upload of which nobody has told that it is here: hundreds of jobs may wait for days."""
_GONE = {UploadState.ABORTED, UploadState.EXPIRED}


async def uploaded(one: OneJob, job: Job, inputs: Sequence[Input]) -> list[Input]:
    """The inputs; those that are uploads with the place of their bytes, or failed where these will never come.

    Waits as long as any is on its way and the job is as it was; its owner may add inputs and remove some meanwhile.
    Raises nothing for an upload that is gone.
    """
    waited = any(source.upload_id is not None for source in inputs)
    while True:
        one.news.clear()
        found = [await _looked_at(one, source) for source in inputs]
        missing = [source for source in found if _waits(source)]
        if not missing:
            break
        names = ", ".join(source.filename or source.uri for source in missing)
        sentence = f"Of {names} not all has been uploaded yet."
        await one.store.wait_for(Waiting(code=Code.SOURCE_WAITING, sentence=sentence))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await one.news.wait()
        now, inputs, _ = await one.store.load()
        if (now.state, now.attempt) != (job.state, job.attempt):  # whoever takes it up then waits on
            return [source for source in found if not _waits(source)]
    if waited:
        await one.store.wait_for(None)
    return found


def _waits(source: Input) -> bool:
    return source.upload_id is not None and source.state in _TO_FETCH and source.blob is None


_TO_FETCH = {InputState.WAITING, InputState.FETCHING}


async def _looked_at(one: OneJob, source: Input) -> Input:
    upload_id = source.upload_id
    if upload_id is None or source.state not in _TO_FETCH:
        return source

    def load(conn: Connection) -> Upload | None:
        return upload_rows.load_upload(conn, upload_id)

    upload = await one.store.read(load)
    if upload is None or upload.state in _GONE:
        why = "is gone" if upload is None else f"{upload.state}: {upload.message or 'its bytes are gone'}"
        told = f"The upload {source.filename or upload_id} {why} Upload it again, and submit the job with that one."
        return await _failed(one, source, told)
    if upload.state is not UploadState.COMPLETED or upload.blob is None:
        return source.model_copy(update={"blob": None})
    if await asyncio.to_thread(one.blobs.size_of, Path(upload.blob)) is None:
        return await _failed(one, source, f"The bytes of the upload {upload_id} are not in the farm's folder any more.")
    here = {"blob": upload.blob, "size": upload.size, "sha256": upload.sha256, "content_type": upload.content_type}
    return source.model_copy(update=here)


async def _failed(one: OneJob, source: Input, message: str) -> Input:
    failed = FetchFailed(Reason.SOURCE_MISSING, message)
    state = advance(INPUT_TRANSITIONS, source.state, failed)
    gone = source.model_copy(update={"state": state, "reason": failed.reason, "message": message})
    await one.store.save_input(gone)
    return gone
