"""Sources are brought here and read, each once; what was read before is not read again."""

import asyncio
import contextlib
import os
from pathlib import Path

from framemill.farm.errands import Errands
from framemill.farm.job import OneJob
from framemill.farm.orders import IngestOrder, SourceRead
from framemill.farm.stages.uploaded import uploaded
from framemill.jobs.facts import seconds_of
from framemill.jobs.model import Input, Job, Limits
from framemill.jobs.reasons import Reason
from framemill.jobs.states import (
    INPUT_TRANSITIONS,
    Failed,
    FetchAgain,
    Fetched,
    FetchFailed,
    FetchStarted,
    InputState,
    advance,
)
from framemill.policy.quotas import too_large, too_short
from framemill.policy.tasks import Task
from framemill.storage.keyring import way_to


async def ingest_inputs(one: OneJob) -> Failed | None:
    """Read every input that waits; None when the job can go on with what there is, else why not."""
    job, inputs, _ = await one.store.load()
    inputs = await uploaded(one, job, [await _fresh(one, job, source) for source in inputs])
    waiting = {f"ingest:{source.id}": source for source in inputs if source.state in _TO_FETCH}
    for task_id, source in waiting.items():
        if source.state is InputState.WAITING:
            state = advance(INPUT_TRANSITIONS, source.state, FetchStarted())
            waiting[task_id] = source.model_copy(update={"state": state})
            await one.store.save_input(waiting[task_id])
    orders = {task_id: _order(one, job, source) for task_id, source in waiting.items()}
    tasks = [Task(id=task_id, standing=one.standing(job), turn=-2) for task_id in waiting]
    async with contextlib.aclosing(one.answers(Errands(job, orders), tasks)) as answers:
        async for task, result, _ in answers:
            await one.store.account("read", result.usage)
            if isinstance(result, SourceRead):
                read = _read(waiting[task.id], _within(job.limits, result))
            else:  # lost on the way, once too often
                read = _read(waiting[task.id], SourceRead(reason=result.reason, message=result.message))
            await one.store.save_input(read)
    _, inputs, _ = await one.store.load()
    failed = [source for source in inputs if source.state is InputState.FAILED]
    ready = [source for source in inputs if source.state is InputState.READY]
    if failed and (job.on_input_error == "fail" or not ready):
        return Failed(failed[0].reason or Reason.INTERNAL, failed[0].message or "The source failed.")
    for source in failed:
        await one.store.warn(f"{source.uri} is left out: {source.message}", source.reason or Reason.INTERNAL)
    return None


def _order(one: OneJob, job: Job, source: Input) -> IngestOrder:
    folder = str(one.blobs.path(f"fetched/{source.id}"))
    if source.upload_id is not None:
        # It is a client's file in the farm's own folder: not trusted, so no playlist in it is followed; and without
        # links on the way there, since those are refused of what clients name.
        name, here = source.filename or source.uri, os.path.realpath(source.blob or "")
        return IngestOrder(uri=here, name=name, folder=folder, sha256=source.sha256 or "")
    return IngestOrder(
        **way_to(source, job.account).model_dump(),
        name=source.uri,
        folder=folder,
        most_bytes=job.limits.max_input_bytes,
        about_bytes=source.size,
        once=f"attempt-{job.attempt}" if source.read_once else "",
    )


_TO_FETCH = {InputState.WAITING, InputState.FETCHING}


async def _fresh(one: OneJob, job: Job, source: Input) -> Input:
    """An input as a new attempt finds it: what failed before, was thrown away meanwhile, or may have been mended by
    its owner, is read again."""
    if job.attempt == 1 or source.unusable or source.state not in {InputState.READY, InputState.FAILED}:
        return source
    known = source.index_key is not None and not await asyncio.to_thread(one.blobs.lost, [source.index_key])
    kept = not source.uri.startswith("/") or source.upload_id is not None  # nobody else writes there
    here = known and kept and await asyncio.to_thread(one.blobs.size_of, Path(source.blob or "")) is not None
    if here and source.state is InputState.READY:
        return source
    state = advance(INPUT_TRANSITIONS, source.state, FetchAgain())
    again = source.model_copy(update={"state": state, "reason": None, "message": None})
    await one.store.save_input(again)
    return again


def _within(limits: Limits, result: SourceRead) -> SourceRead:
    if result.reason is not None:
        return result
    seconds = seconds_of(result.facts)
    if (message := too_large(limits, result.size, seconds)) is not None:
        return SourceRead(reason=Reason.SOURCE_TOO_LARGE, message=message)
    if (message := too_short(limits, seconds)) is not None:
        return SourceRead(reason=Reason.SOURCE_DAMAGED, message=message)
    return result


def _read(source: Input, result: SourceRead) -> Input:
    if result.reason is not None:
        event = FetchFailed(result.reason, result.message)
        changes = {"reason": event.reason, "message": event.message}
        return source.model_copy(update={"state": advance(INPUT_TRANSITIONS, source.state, event), **changes})
    return source.model_copy(
        update={
            "state": advance(INPUT_TRANSITIONS, source.state, Fetched()),
            "blob": result.path,
            "size": result.size,
            "sha256": result.sha256,
            "fingerprint": result.sha256,
            "facts": result.facts,
            "index_key": result.source_key,
        }
    )
