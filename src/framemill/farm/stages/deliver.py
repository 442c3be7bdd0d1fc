"""Puts every output where it was asked for. An earlier one is replaced only now, by what was verified."""

import asyncio
import shutil
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from framemill.errors import DiskFull, OutputError, PathRefused
from framemill.farm.job import OneJob
from framemill.farm.stages.finish import output_folder
from framemill.farm.stages.send import Consignment
from framemill.farm.stages.withdraw import withdraw_deliveries
from framemill.jobs.model import Job, Output, Waiting
from framemill.jobs.reasons import reason_of
from framemill.jobs.states import Delivered, DeliveryState, Failed, JobEvent
from framemill.storage.address import is_remote
from framemill.storage.delivery import deliver, same_disk
from framemill.storage.putting import path_numbered
from framemill.storage.roots import refuse_moved
from framemill.store import deliveries as delivery_rows

_PATIENCE_SECONDS = 5.0


async def deliver_outputs(one: OneJob) -> JobEvent:
    """Deliver what is not delivered yet; the event that this leads to."""
    job, _, outputs = await one.store.load()
    rows = await one.store.read(lambda conn: delivery_rows.load_deliveries(conn, job.id))
    earlier = {
        row.uri for row in rows if row.attempt < job.attempt and row.uri and row.state is DeliveryState.COMPLETED
    }
    turn = asyncio.Lock()  # who fails looks at the others: not two at once
    work = []
    for output in one.live(outputs):
        mine = {row.id: row for row in rows if row.attempt == job.attempt and row.output_id == output.id}
        place = str(output_folder(one, job, output))
        if any(row.state is not DeliveryState.COMPLETED for row in mine.values()):
            await asyncio.to_thread(one.blobs.bring_files, Path(place))
        work.append(_output(Consignment(one, job, output, place, mine, frozenset(earlier)), turn))
    failed = await _first(work)
    if failed is not None:
        return failed
    await asyncio.to_thread(_tidied, one, job, outputs)
    return Delivered()


async def _output(consignment: Consignment, turn: asyncio.Lock) -> Failed | None:
    """Deliver one output: the event where that fails the job."""
    output = consignment.output
    moved = await asyncio.to_thread(_moved_last, consignment)
    others = [number for number in range(len(output.targets)) if number != moved]
    refused = await _first([consignment.sent(number) for number in others])
    if refused is None and moved is not None:
        refused = await _move(consignment, moved)
    if refused is None:
        await consignment.completed(None)
        if not output.stays:
            await asyncio.to_thread(shutil.rmtree, consignment.place, ignore_errors=True)
            await asyncio.to_thread(consignment.one.blobs.unshare, Path(consignment.place))
        return None
    async with turn:
        failed = await consignment.one.fail_output(output, refused.reason, refused.message)
    if failed is None:  # the job goes on, and nobody clears away behind it
        await withdraw_deliveries(consignment.one, consignment.job, [consignment.output])
    return failed


async def _first(work: Sequence[Coroutine[Any, Any, Failed | None]]) -> Failed | None:
    """The first that fails ends the others."""
    left = {asyncio.ensure_future(one) for one in work}
    try:
        while left:
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            failed = next((event for task in done if (event := task.result()) is not None), None)
            if failed is not None:
                return failed
    finally:
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
    return None


def _moved_last(consignment: Consignment) -> int | None:
    """The target to which the files are simply moved, once they are at all others: one on their own disk."""
    output = consignment.output
    if output.stays:
        return None
    here = [number for number, target in enumerate(output.targets) if not is_remote(target.uri)]
    folder = Path(consignment.place)
    if not here or (folder.exists() and not same_disk(folder, output.targets[here[-1]].uri)):
        return None
    return here[-1]


async def _move(consignment: Consignment, number: int) -> Failed | None:
    """Move it; a full disk is waited for, where the farm stays."""
    one, folder = consignment.one, Path(consignment.place)
    while await asyncio.to_thread(_holds_files, folder):
        try:
            refused = await consignment.named(number)
            if refused is not None:
                return refused
            target, package = consignment.output.targets[number], consignment.output.settings.folder
            if not consignment.output.trusted:
                await asyncio.to_thread(refuse_moved, target.uri)
            place = path_numbered(target.uri, target.number or 1, folder=package)
            await asyncio.to_thread(deliver, folder, place, package, consignment.policy(number))
        except DiskFull as error:
            if not one.patient:
                return await _refused(consignment, number, error)
            await one.store.wait_for(Waiting(code="disk", sentence=error.message))
            await asyncio.sleep(_PATIENCE_SECONDS)
            continue
        except PathRefused as error:
            return await _refused(consignment, number, OutputError(error.message))
        except OutputError as error:
            return await _refused(consignment, number, error)
        await one.store.wait_for(None)
    await consignment.completed(number)
    return None


def _holds_files(folder: Path) -> bool:
    """Whether there is anything left to be moved: a process that died may have moved all of it."""
    return any(path.is_file() for path in folder.rglob("*"))


async def _refused(consignment: Consignment, number: int, error: OutputError) -> Failed:
    await consignment.failed(number, reason_of(error), error.message)
    return Failed(reason_of(error), error.message)


def _tidied(one: OneJob, job: Job, outputs: Sequence[Output]) -> None:
    """What earlier attempts have left, and what was moved away, goes; what stays here stays."""
    of_job = one.folder(job).parent
    for attempt in of_job.iterdir() if of_job.exists() else ():
        if attempt.name != str(job.attempt):
            shutil.rmtree(attempt, ignore_errors=True)
    for draft in one.folder(job).glob(".*"):  # of a stitcher that died
        shutil.rmtree(draft, ignore_errors=True)
    stay = [output for output in one.live(outputs) if output.stays]
    if not stay:
        shutil.rmtree(of_job, ignore_errors=True)
    one.blobs.unshare(of_job, but=one.folder(job) if stay else None)


def remove_attempt(one: OneJob, job: Job) -> None:
    """What an attempt has written that came to nothing."""
    shutil.rmtree(one.folder(job), ignore_errors=True)
    one.blobs.unshare(one.folder(job))
    folder: Path = one.folder(job).parent
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()


def forget_plans(one: OneJob, job: Job) -> None:
    """Plans and results of a job that is done: the report tells what matters of them. Those of a failed one stay a
    while, for whoever asks why."""
    for kind in ("titles", "results"):
        for name in one.blobs.names(kind, f"{job.id}-"):
            one.blobs.remove(f"{kind}/{name}")
