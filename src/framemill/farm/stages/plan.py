"""Has every output planned, and writes the chunks of all of them at once."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence

from framemill.farm.errands import Errands
from framemill.farm.job import OneJob
from framemill.farm.orders import ChunkPlace, JoinedSource, Planned, PlanOrder, Result
from framemill.farm.stages.grow import forget_growth
from framemill.farm.stages.preflight import refuse_targets
from framemill.farm.stages.reserve import reserve_cost
from framemill.farm.stages.share import shared_out
from framemill.farm.surveying import draft_key
from framemill.farm.titles import places_of
from framemill.jobs import lifecycle, states
from framemill.jobs.model import ChunkRow, Input, Job, Output
from framemill.jobs.reasons import Reason
from framemill.jobs.states import Failed, JobEvent
from framemill.policy.tasks import Task
from framemill.store import chunks as chunk_rows


async def plan_outputs(one: OneJob, instruction: lifecycle.MakePlan) -> JobEvent:
    """Plan what is not planned yet; the event that this leads to."""
    job, inputs, outputs = await one.store.load()
    await asyncio.to_thread(forget_growth, one, job)
    await asyncio.to_thread(one.blobs.bring, [one.title_key(job, output) for output in one.live(outputs)])
    refused = None if job.refuted else await refuse_targets(one, job, one.live(outputs))
    if refused is not None:
        return refused
    job, inputs, outputs = await one.store.load()
    orders: dict[str, PlanOrder] = {}
    of_task: dict[str, Output] = {}
    rows: list[ChunkRow] = []
    for output in one.live(outputs):
        key = one.title_key(job, output)
        sources = one.sources_of(output, inputs)
        if one.blobs.has(key):  # by a coordinator before this one
            rows += _rows(job, output, await asyncio.to_thread(places_of, await one.title(job, output)))
        elif why := _hopeless(one, output, sources):
            failed = await one.fail_output(output, *why, sourceless=not sources)
            if failed is not None:
                return failed
        else:
            of_task[f"plan:{key}"] = output
            written = draft_key(key) if output.settings.two_passes else key
            orders[f"plan:{key}"] = _order(written, job, output, sources, instruction)
    drafts: dict[str, Output] = {}
    tasks = [Task(id=task_id, standing=one.standing(job), turn=-1) for task_id in orders]
    async with contextlib.aclosing(one.answers(Errands(job, orders), tasks)) as answers:
        async for task, result, _ in answers:
            output = of_task[task.id]
            await one.store.account("plan", result.usage)
            failed = await _noted(one, job, output, result, [] if output.settings.two_passes else rows)
            if failed is not None:
                return failed
            if output.settings.two_passes and result.reason is None:
                drafts[one.title_key(job, output)] = output
    for key, result in (await shared_out(one, job, list(drafts))).items():
        failed = await _noted(one, job, drafts[key], result, rows)
        if failed is not None:
            return failed
    epoch = one.store.epoch
    await one.store.write(lambda conn: chunk_rows.replace_chunks(conn, job.id, job.attempt, rows, epoch=epoch))
    return await reserve_cost(one) or states.Planned()


def _hopeless(one: OneJob, output: Output, sources: Sequence[Input]) -> tuple[Reason, str] | None:
    """Why an output is not even planned."""
    if not sources:
        return Reason.SOURCE_MISSING, "Its source is not here."
    settings = output.settings
    codec = _HARDWARE_NAMES.get(settings.video_codec, settings.video_codec)
    members = one.dispatcher.dispatch.members.values()
    there = any(encoder.startswith(f"{codec}_") for member in members for encoder in member.report.encoders)
    if settings.hardware == "gpu_only" and settings.encodes_video and not there:
        return Reason.NO_ENCODER, (
            f"No machine of this farm has a hardware encoder of {settings.video_codec} that works (hardware=gpu_only): "
            "set hardware=fastest to encode on CPUs, or add a machine with one; `framemill doctor` shows what works."
        )
    return None


_HARDWARE_NAMES = {"h265": "hevc"}
"""Codecs that hardware encoders call otherwise than we do."""


async def _noted(one: OneJob, job: Job, output: Output, result: Result, rows: list[ChunkRow]) -> Failed | None:
    """Add the chunks of a plan that was written; the event where its output cannot be made, and that is the end."""
    if not isinstance(result, Planned) or result.reason is not None:
        return await one.fail_output(output, result.reason or Reason.INTERNAL, result.message)
    if result.warning:
        await one.store.warn(result.warning)
    rows += _rows(job, output, result.chunks)
    return None


def _order(
    title_key: str, job: Job, output: Output, sources: Sequence[Input], instruction: lifecycle.MakePlan
) -> PlanOrder:
    first = sources[0]
    joined = [JoinedSource(source_key=one.index_key or "", start=one.start, end=one.end) for one in sources]
    settings = output.settings if len(joined) > 1 else output.settings.within(first.start, first.end)
    return PlanOrder(
        title_key=title_key,
        source_key=first.index_key or "",
        joined=tuple(joined) if len(joined) > 1 else (),
        keep=job.on_input_error == "keep",
        account=job.account,
        trusted=output.trusted,
        settings=settings,
        run=job.run,
        decode=instruction.decode_index,
        linear=instruction.linear,
    )


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
