"""Has every output joined, packaged and verified. What was verified once is not done again, whoever asks."""

import asyncio
import contextlib
import functools
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Connection

from framemill.errors import VerificationFailed
from framemill.farm.errands import Errands
from framemill.farm.intact import chunk_blob
from framemill.farm.job import OneJob
from framemill.farm.orders import Stitched, StitchOrder
from framemill.farm.stages.encode import NO_CHUNKS, return_chunks
from framemill.farm.stages.reserve import cost_of
from framemill.jobs.model import Job, Output
from framemill.jobs.reasons import Reason
from framemill.jobs.states import ChunksReturned, IndexRefuted, JobEvent
from framemill.policy.tasks import STITCH, Task
from framemill.storage.blobs import Blobs
from framemill.store import chunks as chunk_rows
from framemill.store.charging import charge


async def finish_outputs(one: OneJob) -> dict[str, Stitched] | JobEvent:
    """Every output as a verified folder, by its id; or the event that this leads to instead."""
    job, _, outputs = await one.store.load()
    written: dict[str, Stitched] = {}
    orders: dict[str, StitchOrder] = {}
    of_task: dict[str, Output] = {}
    for output in one.live(outputs):
        known = await asyncio.to_thread(_known, one, job, output)
        if known is not None:
            written[output.id] = known
            continue
        folder = output_folder(one, job, output)
        await asyncio.to_thread(folder.parent.mkdir, parents=True, exist_ok=True)
        task_id = f"finish:{one.title_key(job, output)}"
        of_task[task_id] = output
        orders[task_id] = StitchOrder(
            title_key=one.title_key(job, output),
            folder=str(folder),
            name=_file_name(output),
            verify=job.run.verify,
        )
    tasks = [Task(id=task_id, standing=one.standing(job), lane=STITCH) for task_id in orders]
    async with contextlib.aclosing(one.answers(Errands(job, orders), tasks)) as answers:
        async for task, result, _ in answers:
            output = of_task[task.id]
            if isinstance(result, Stitched):
                for stage, usage in result.stages.items():
                    await one.store.account(stage, usage)
            if isinstance(result, Stitched) and result.damaged:
                return await _return_chunks(one, job, result.damaged)
            if result.reason is Reason.CHUNK_MISMATCH:
                return IndexRefuted(result.message)
            if result.reason is not None or not isinstance(result, Stitched):
                failed = await one.fail_output(output, result.reason or Reason.INTERNAL, result.message)
                if failed is not None:
                    return failed
                continue
            if not await asyncio.to_thread(_whole, one.blobs, output_folder(one, job, output), result):
                raise VerificationFailed(f"What was written of {output.name} is not in the folder of the job any more.")
            await asyncio.to_thread(_note, one, job, output, result)
            written[output.id] = result
    return await _charged(one, job, outputs, written)


def output_folder(one: OneJob, job: Job, output: Output) -> Path:
    """Where an output is written before it is delivered, and stays when it is not."""
    return one.folder(job) / output.id


async def _return_chunks(one: OneJob, job: Job, keys: Sequence[str]) -> JobEvent:
    """The bytes of those blobs are not what was written: they are thrown away, and made again."""
    await asyncio.to_thread(_thrown_away, one, keys)
    by_blob = {chunk_blob(key): key for key in await one.store.read(
        lambda conn: chunk_rows.committed_keys(conn, job.id, job.attempt)
    )}  # fmt: skip
    chunks = [by_blob[key] for key in keys if key in by_blob]
    await return_chunks(one, job, chunks)
    return ChunksReturned()


def _thrown_away(one: OneJob, keys: Sequence[str]) -> None:
    one.require_blobs()
    for key in keys:
        one.blobs.remove(key)


async def _charged(
    one: OneJob, job: Job, outputs: Sequence[Output], written: dict[str, Stitched]
) -> dict[str, Stitched] | JobEvent:
    """Charge once for what is verified, in the order in which it was encoded, and of what was done at once in that in
    which it was verified; what the cap does not allow is given up."""
    cap, epoch = job.limits.max_spend, one.store.epoch
    by_id = {output.id: output for output in outputs}
    done = await one.store.read(lambda conn: chunk_rows.encoded_at(conn, job.id, job.attempt))
    ranked = sorted(written, key=lambda output_id: done.get(output_id, NO_CHUNKS))
    for output in [by_id[output_id] for output_id in ranked if by_id[output_id].charged is None]:
        title = await one.title(job, output)
        amount = cost_of(title, job.tariff)
        charging = functools.partial(_charge, job_id=job.id, output_id=output.id, amount=amount, cap=cap, epoch=epoch)
        refused = await one.store.write(charging)
        if refused is not None:
            del written[output.id]
            capped = refused is Reason.SPEND_CAP_REACHED
            of = f"the job's {(cap or 0) / 1000:g}" if capped else "its account's balance"
            message = f"{output.name} costs {amount / 1000:g} credits, more than is left of {of}."
            failed = await one.fail_output(output, refused, message)
            if failed is not None:
                return failed
    return written


def _charge(
    conn: Connection, *, job_id: str, output_id: str, amount: int, cap: int | None, epoch: int
) -> Reason | None:
    return charge(conn, job_id, output_id, amount, cap, epoch, datetime.now(UTC))


def _known(one: OneJob, job: Job, output: Output) -> Stitched | None:
    """What was verified before, when all of it is still there."""
    try:
        result = Stitched.model_validate_json(one.blobs.read(_result_key(one, job, output)))
    except (OSError, ValidationError):
        return None
    return result if _whole(one.blobs, output_folder(one, job, output), result) else None


def _whole(blobs: Blobs, folder: Path, result: Stitched) -> bool:
    """Whether all that was written lies there, or can be brought."""
    return all(blobs.size_of(folder / file.path) == file.size for file in result.files)


def _note(one: OneJob, job: Job, output: Output, result: Stitched) -> None:
    one.blobs.write(_result_key(one, job, output), result.model_dump_json().encode())


def _result_key(one: OneJob, job: Job, output: Output) -> str:
    return f"results/{one.title_key(job, output).removeprefix('titles/')}"


def _file_name(output: Output) -> str:
    """The file's name; of a package, the stem of its MP4; of what is packed, what it is before."""
    settings = output.settings
    if settings.kind == "package":
        return "video"
    drawn = settings.kind == "picture" and settings.archive  # these are packed where they are drawn
    return f"output.{'zip' if drawn else settings.container}"
