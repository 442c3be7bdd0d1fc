"""Puts every output where it was asked for. An earlier one is replaced only now, by what was verified."""

import asyncio
import functools
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from framemill.errors import DiskFull, OutputError
from framemill.farm.job import OneJob
from framemill.farm.orders import Stitched
from framemill.farm.stages.finish import output_folder
from framemill.jobs.model import Delivery, Job, Output, Waiting
from framemill.jobs.reasons import reason_of
from framemill.jobs.states import (
    DELIVERY_TRANSITIONS,
    Delivered,
    DeliveryState,
    JobEvent,
    Uploaded,
    UploadStarted,
    advance,
)
from framemill.storage.delivery import deliver
from framemill.store import deliveries as delivery_rows

_PATIENCE_SECONDS = 5.0


def expected_deliveries(job: Job, outputs: Sequence[Output], written: Mapping[str, Stitched]) -> list[Delivery]:
    """One for each file of each output; the same ids whoever writes them, and however often."""
    return [
        Delivery(
            id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{output.id}/{job.attempt}/{file.path}")),
            job_id=job.id,
            attempt=job.attempt,
            output_id=output.id,
            path=file.path,
            uri=output.target or "",
            size=file.size,
            sha256=file.sha256,
            md5=file.md5,
        )
        for output in outputs
        for file in written[output.id].files
    ]


async def deliver_outputs(one: OneJob) -> JobEvent:
    """Deliver what is not delivered yet; the event that this leads to."""
    job, _, outputs = await one.store.load()
    rows = await one.store.read(lambda conn: delivery_rows.load_deliveries(conn, job.id))
    mine = [row for row in rows if row.attempt == job.attempt]
    for output in one.live(outputs):
        waiting = [row for row in mine if row.output_id == output.id and row.state is not DeliveryState.COMPLETED]
        try:
            await _delivered(one, job, output)
        except OutputError as error:
            failed = await one.fail_output(output, reason_of(error), error.message)
            if failed is not None:
                return failed
            continue
        done = [_completed(row) for row in waiting]
        await one.store.write(functools.partial(delivery_rows.save_deliveries, changed=done))
    await asyncio.to_thread(_tidied, one, job, outputs)
    return Delivered()


async def _delivered(one: OneJob, job: Job, output: Output) -> None:
    """Move it; a full disk is waited for, where the farm stays. Without a target it stays where it is."""
    folder = output_folder(one, job, output)
    package = output.settings.container == "package"
    while output.target is not None and any(path.is_file() for path in folder.rglob("*")):
        try:
            await asyncio.to_thread(deliver, folder, output.target, package)
        except DiskFull as error:
            if not one.patient:
                raise
            await one.store.wait_for(Waiting(code="disk", sentence=error.message))
            await asyncio.sleep(_PATIENCE_SECONDS)
            continue
        await one.store.wait_for(None)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _completed(row: Delivery) -> Delivery:
    state = row.state
    if state is DeliveryState.WAITING:
        state = advance(DELIVERY_TRANSITIONS, state, UploadStarted())
    return row.model_copy(update={"state": advance(DELIVERY_TRANSITIONS, state, Uploaded())})


def _tidied(one: OneJob, job: Job, outputs: Sequence[Output]) -> None:
    """What earlier attempts have left, and what was moved away, goes; what stays here stays."""
    of_job = one.folder(job).parent
    for attempt in of_job.iterdir() if of_job.exists() else ():
        if attempt.name != str(job.attempt):
            shutil.rmtree(attempt, ignore_errors=True)
    for draft in one.folder(job).glob(".*"):  # of a stitcher that died
        shutil.rmtree(draft, ignore_errors=True)
    stay = [output for output in one.live(outputs) if output.target is None]
    if not stay:
        shutil.rmtree(of_job, ignore_errors=True)


def remove_attempt(one: OneJob, job: Job) -> None:
    """What an attempt has written that came to nothing."""
    shutil.rmtree(one.folder(job), ignore_errors=True)
    folder: Path = one.folder(job).parent
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()


def forget_plans(one: OneJob, job: Job) -> None:
    """Plans and results of a job that is done: the report tells what matters of them. Those of a failed one stay a
    while, for whoever asks why."""
    for kind in ("titles", "results"):
        for path in one.blobs.path(kind).glob(f"{job.id}-*.json"):
            path.unlink(missing_ok=True)
