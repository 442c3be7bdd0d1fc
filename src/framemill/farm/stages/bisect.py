"""Finds the smallest range of frames that cannot be encoded, and says so in one sentence with a command to see it."""

import asyncio
import contextlib
import logging
from itertools import product

from framemill.farm.errands import Errands, Piece
from framemill.farm.job import OneJob
from framemill.farm.orders import Result, TrialOrder
from framemill.jobs.model import Job
from framemill.jobs.reasons import Reason
from framemill.media.title import Title
from framemill.policy.bisect import Found, Outcome, Try, next_range
from framemill.policy.tasks import Task

log = logging.getLogger(__name__)

_MOST_SECONDS = 600.0
"""It explains a failure and mends nothing: longer than this nobody waits for it."""


async def smallest_failure(one: OneJob, job: Job, title: Title, piece: Piece, failed: Result) -> str:
    """What fails, as a sentence for the owner: the frames, ffmpeg's words and the command."""
    plan = title.pictured.plan
    lost = failed.reason is Reason.WORKER_LOST  # nobody shall find out at the cost of more workers
    chunks = plan.group_chunks(plan.groups[piece.group])
    first, end = chunks[0].first, chunks[-1].end
    told = failed
    try:
        async with asyncio.timeout(_MOST_SECONDS):
            for rendition, chunk in () if lost else product(piece.renditions, chunks):
                outcomes = [Outcome(chunk.first, chunk.end, True)]
                while not isinstance(tried := next_range(outcomes), Found):
                    result = await _tried(one, job, piece.title_key, rendition, tried)
                    outcomes.append(Outcome(tried.first, tried.end, result.reason is not None))
                    told = result if result.reason is not None else told
                if len(outcomes) > 1 and outcomes[0] != (tried.first, tried.end, True):
                    first, end = tried.first, tried.end
                    break
    except TimeoutError:
        log.info("the smallest failing range was not found in time", extra={"action": "bisected", "job": job.id})
    part, begin = title.part_at(first)  # an input's frames are counted from its own first one that is shown
    first, end = first - begin, end - begin
    frames = f"Frame {first}" if end == first + 1 else f"Frames {first} to {end - 1}"
    said = f"{frames} of {part.source.name} cannot be encoded, wherever it is tried: {told.message}"
    return f"{said} See: {told.command}" if told.command else said


async def _tried(one: OneJob, job: Job, title_key: str, rendition: int, part: Try) -> Result:
    order = TrialOrder(title_key=title_key, rendition=rendition, first=part.first, end=part.end)
    task = Task(id=f"trial:{job.id}:{title_key}:{rendition}:{part.first}-{part.end}", standing=one.standing(job))
    errands = Errands(job, {task.id: order})
    async with contextlib.aclosing(one.answers(errands, [task])) as answers:
        async for _, result, _ in answers:
            return result
    raise AssertionError("a task that was submitted is answered")
