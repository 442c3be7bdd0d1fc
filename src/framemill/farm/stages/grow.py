"""Beside encoding and stitching: every package of a job is made playable as far as it goes."""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import AsyncIterator, Sequence

from framemill.farm.job import OneJob
from framemill.farm.orders import Grown, GrowOrder
from framemill.jobs.model import Job, Output
from framemill.policy.tasks import STITCH
from framemill.storage.workplace import growing_folder

log = logging.getLogger(__name__)

_FIRST_LOOK_SECONDS = 0.1
_LAST_LOOK_SECONDS = 2.0
"""How often it is looked for sound that is being encoded: less and less often."""
_TRY_AGAIN_SECONDS = 5.0


class Growing:
    """The packages of one job while they grow. What goes wrong here harms nobody: the finished ones come."""

    def __init__(self, one: OneJob) -> None:
        self._one = one
        self._news: list[asyncio.Event] = []

    def chunk_done(self) -> None:
        """There may be more to play."""
        for news in self._news:
            news.set()

    async def run(self) -> None:
        """Let them grow until all of it can be played."""
        job, _, outputs = await self._one.store.load()
        packages = [output for output in self._one.live(outputs) if output.settings.grows]
        async with asyncio.TaskGroup() as group:
            for output in packages:
                group.create_task(self._grow(job, output))

    async def _grow(self, job: Job, output: Output) -> None:
        news = asyncio.Event()
        self._news.append(news)
        folder = growing_folder(self._one.folder(job), output.id)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        key = self._one.title_key(job, output)
        order = GrowOrder(title_key=key, folder=str(folder))
        spans, told, patience = 0, False, _FIRST_LOOK_SECONDS
        while True:
            news.clear()
            result = await self._one.dispatcher.aside(STITCH, f"grow:{key}", order)
            grown = result if isinstance(result, Grown) else Grown(reason=result.reason, message=result.message)
            if grown.reason is not None:
                log.info("not grown: %s", grown.message, extra={"action": "not_grown", "job": job.id})
            if grown.spans and not told:
                await self._one.store.note_playable(output, job.attempt)
                told = True
            if grown.reason is None and grown.spans == grown.total:
                return
            patience = _FIRST_LOOK_SECONDS if grown.spans > spans else min(2 * patience, _LAST_LOOK_SECONDS)
            spans = grown.spans
            if not grown.more:
                later = _TRY_AGAIN_SECONDS if grown.reason is not None else patience if grown.unheard else None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(later):
                        await news.wait()


@contextlib.asynccontextmanager
async def growing(one: OneJob, outputs: Sequence[Output]) -> AsyncIterator[Growing]:
    """While the block runs those of a job's outputs grow that are packages; nobody writes there when it is left.

    Not on a farm that ends with its job: nobody would come to play them.
    """
    packages = [output for output in outputs if output.settings.grows and one.patient]
    them = Growing(one)
    if not packages:
        yield them
        return
    doing = asyncio.ensure_future(them.run())
    doing.add_done_callback(_told)
    try:
        yield them
    finally:
        doing.cancel()
        await asyncio.wait([doing])


def _told(doing: "asyncio.Future[None]") -> None:
    error = None if doing.cancelled() else doing.exception()
    if error is not None:
        log.warning("a package does not grow: %s", error, exc_info=error, extra={"action": "not_grown"})


def forget_growth(one: OneJob, job: Job) -> None:
    """What has grown by a plan that does not hold any more."""
    for folder in one.folder(job).glob(".live-*"):
        shutil.rmtree(folder, ignore_errors=True)
