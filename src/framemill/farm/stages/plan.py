"""Has every output planned, and writes the chunks of all of them at once."""

import asyncio
import contextlib
from collections.abc import Iterable

from framemill.farm.errands import Errands
from framemill.farm.job import OneJob
from framemill.farm.orders import ChunkPlace, Planned, PlanOrder
from framemill.farm.stages.grow import forget_growth
from framemill.farm.stages.reserve import reserve_cost
from framemill.farm.titles import places_of
from framemill.jobs import lifecycle, states
from framemill.jobs.model import ChunkRow, Job, Output
from framemill.jobs.reasons import Reason
from framemill.jobs.states import JobEvent
from framemill.policy.tasks import Task
from framemill.store import chunks as chunk_rows


async def plan_outputs(one: OneJob, instruction: lifecycle.MakePlan) -> JobEvent:
    """Plan what is not planned yet; the event that this leads to."""
    job, inputs, outputs = await one.store.load()
    await asyncio.to_thread(forget_growth, one, job)
    orders: dict[str, PlanOrder] = {}
    of_task: dict[str, Output] = {}
    rows: list[ChunkRow] = []
    for output in one.live(outputs):
        key = one.title_key(job, output)
        source = one.source_of(output, inputs)
        if one.blobs.has(key):  # by a coordinator before this one
            rows += _rows(job, output, await asyncio.to_thread(places_of, await one.title(job, output)))
        elif source is None or source.index_key is None:
            failed = await one.fail_output(output, Reason.SOURCE_MISSING, "Its source is not here.")
            if failed is not None:
                return failed
        else:
            of_task[f"plan:{key}"] = output
            orders[f"plan:{key}"] = PlanOrder(
                title_key=key,
                source_key=source.index_key,
                settings=output.settings,
                run=job.run,
                decode=instruction.decode_index,
                linear=instruction.linear,
            )
    tasks = [Task(id=task_id, standing=one.standing(job), turn=-1) for task_id in orders]
    async with contextlib.aclosing(one.answers(Errands(job, orders), tasks)) as answers:
        async for task, result, _ in answers:
            await one.store.account("plan", result.usage)
            if not isinstance(result, Planned) or result.reason is not None:
                failed = await one.fail_output(of_task[task.id], result.reason or Reason.INTERNAL, result.message)
                if failed is not None:
                    return failed
                continue
            if result.warning:
                await one.store.warn(result.warning)
            rows += _rows(job, of_task[task.id], result.chunks)
    epoch = one.store.epoch
    await one.store.write(lambda conn: chunk_rows.replace_chunks(conn, job.id, job.attempt, rows, epoch=epoch))
    return await reserve_cost(one) or states.Planned()


def _rows(job: Job, output: Output, places: Iterable[ChunkPlace]) -> list[ChunkRow]:
    return [
        ChunkRow(
            job_id=job.id,
            attempt=job.attempt,
            output_id=output.id,
            rendition=place.rendition,
            number=place.number,
            group_number=place.group,
            key=place.key,
            first_frame=place.first,
            end_frame=place.end,
        )
        for place in places
    ]
