"""Has the bits of an output's title shared out over its chunks: each is measured, then the plan is written again."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

from framemill.farm.errands import Errands
from framemill.farm.job import OneJob
from framemill.farm.orders import Order, Result, ShareOrder, SurveyOrder
from framemill.farm.surveying import draft_key
from framemill.farm.titles import read_title
from framemill.jobs.model import Job
from framemill.media.effort import FIRST_PASS, SECONDS_A_MEGAPIXEL
from framemill.media.title import Title
from framemill.media.twopass import to_share
from framemill.policy.tasks import Task


async def shared_out(one: OneJob, job: Job, title_keys: Sequence[str]) -> dict[str, Result]:
    """What came of writing each of those plans again, by its key; their drafts are written.

    What cannot be measured counts as an average chunk: whoever encodes it later says why, and does what that takes.
    """
    surveys: dict[str, SurveyOrder] = {}
    efforts: dict[str, float] = {}
    for key in map(draft_key, title_keys):
        title = await asyncio.to_thread(read_title, one.blobs, key)
        for order, effort in _surveys(title, key):
            task_id = f"survey:{key}:{order.group}:{order.renditions[0]}"
            surveys[task_id], efforts[task_id] = order, effort
    async for _, result in _answered(one, job, surveys, efforts):
        await one.store.account("survey", result.usage)
    shares = {key: ShareOrder(title_key=key, draft_key=draft_key(key)) for key in title_keys}
    return {key: result async for key, result in _answered(one, job, shares, {})}


async def _answered(
    one: OneJob, job: Job, orders: Mapping[str, Order], efforts: Mapping[str, float]
) -> AsyncGenerator[tuple[str, Result], None]:
    tasks = [
        Task(id=task_id, standing=one.standing(job), turn=-1, effort=efforts.get(task_id, 1.0)) for task_id in orders
    ]
    async with contextlib.aclosing(one.answers(Errands(job, orders), tasks)) as answers:
        async for task, result, _ in answers:
            yield task.id, result


def _surveys(title: Title, draft: str) -> Iterator[tuple[SurveyOrder, float]]:
    """An order for every group, with the seconds that a slot takes for it, in the renditions that have shares."""
    wanted = to_share(title)
    if not wanted:  # the source has no pictures after all
        return
    film = title.pictured
    for group in film.plan.groups:
        frames = sum(chunk.frames for chunk in film.plan.group_chunks(group))
        for batch in film.batches:
            renditions = tuple(rendition for rendition in batch if rendition in wanted)
            pixels = sum(film.pictures[rendition].width * film.pictures[rendition].height for rendition in renditions)
            if renditions:
                order = SurveyOrder(title_key=draft, renditions=renditions, group=group.number)
                yield order, frames * pixels / 1e6 * _SECONDS_A_MEGAPIXEL


_SECONDS_A_MEGAPIXEL = SECONDS_A_MEGAPIXEL["h264"] * FIRST_PASS
