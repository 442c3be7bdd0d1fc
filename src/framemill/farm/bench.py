"""Orders under way in one process: carried out once however often they are asked for, and stopped when nobody asks.

The process that asked may be gone by the time the work ends: then the next one asks for the same task, and joins it,
or gets what came of it.
"""

import asyncio
import logging
import os
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import psutil

from framemill.errors import StaleOrder
from framemill.farm.orders import OnShare, Order, Result
from framemill.policy.fleet import Report, Running
from framemill.policy.retry import KINDS, Kind
from framemill.policy.tasks import Lane

log = logging.getLogger(__name__)

Perform = Callable[[Order, OnShare], Awaitable[Result]]

KEPT_SECONDS = 60.0
"""How long a result that nobody has fetched is kept."""


@dataclass(slots=True)
class _Work:
    doing: "asyncio.Task[Result]"
    since: float
    share: float | None = None
    size: int = 0
    ended: float | None = None
    told: int = -1
    """The last epoch that was told the result."""

    @property
    def failed(self) -> bool:
        """It came to nothing, and somebody was told so: nobody else takes it for a failure of his own try."""
        if self.told < 0 or not self.doing.done():
            return False
        return self.doing.cancelled() or self.doing.exception() is not None or self.doing.result().reason is not None


class Bench:
    """The work of one worker or stitcher."""

    def __init__(self, name: str, machine: str, lane: Lane, slots: int, perform: Perform) -> None:
        self._perform = perform
        self._work: dict[str, _Work] = {}
        self._epoch = 0
        self.doubted = asyncio.Event()
        """Set when something failed that may be the machine's fault: it has to prove itself again."""
        own = psutil.Process()
        self._report = Report(
            worker=name,
            incarnation=uuid.uuid4().hex,
            machine=machine,
            slots=slots,
            memory=psutil.virtual_memory().total,
            lane=lane,
            pid=os.getpid(),
            started=own.create_time(),
        )

    def note_canary(self, canary: str, build: str) -> None:
        """What came of the machine's canary, with that ffmpeg build and architecture."""
        self._report = self._report._replace(canary=canary, build=build)

    async def do(self, task: str, order: Order, epoch: int) -> Result:
        """What comes of the order. Raises `StaleOrder` when a later coordinator has been heard of."""
        self._obey(epoch)
        work = self._work.get(task)
        while work is not None and (work.doing.cancelling() or work.told == epoch or work.failed):
            # It is stopped, or what came of it was told already: it is asked for anew.
            await asyncio.wait([work.doing])
            if self._work.get(task) is work:
                del self._work[task]
            work = self._work.get(task)
        if work is None:
            work = self._work[task] = self._begun(task, order)
        try:
            return await asyncio.shield(work.doing)
        except asyncio.CancelledError:
            if not work.doing.cancelled():
                raise  # whoever asked is gone; the work goes on
            raise StaleOrder(f"{task} was stopped: nobody waited for it any more.") from None
        finally:
            if work.doing.done():
                work.told = max(work.told, epoch)

    async def stop(self, task: str, epoch: int) -> None:
        """Have it ended: its children are dead when this returns."""
        self._obey(epoch)
        work = self._work.get(task)
        if work is not None:
            work.doing.cancel()
            await asyncio.wait([work.doing])
            if self._work.get(task) is work:
                del self._work[task]

    async def stop_all(self) -> None:
        """Have everything ended."""
        await asyncio.gather(*(self.stop(task, self._epoch) for task in list(self._work)))

    def report(self) -> Report:
        """What is under way, and what was done that its coordinator may not know of."""
        now = asyncio.get_running_loop().time()
        for task, work in list(self._work.items()):
            if work.doing.done() and work.ended is None:
                work.ended = now
            if work.ended is not None and now - work.ended > KEPT_SECONDS:
                del self._work[task]
        return self._report._replace(
            running=tuple(
                Running(task, 1.0 if work.doing.done() else work.share, now - work.since, work.size)
                for task, work in self._work.items()
                if work.told < self._epoch and not work.failed
            )
        )

    def _obey(self, epoch: int) -> None:
        if epoch < self._epoch:
            raise StaleOrder(f"The order is of epoch {epoch}, and this worker has heard of epoch {self._epoch}.")
        self._epoch = epoch

    def _begun(self, task: str, order: Order) -> _Work:
        told = {"task": task, **order.model_dump(include={"title_key", "renditions", "group"})}
        log.info("%s is begun", task, extra={"action": "order_begun", **told})

        def heard(share: float, size: int = 0) -> None:
            work.share, work.size = share, size

        doing = asyncio.ensure_future(self._perform(order, heard))
        doing.add_done_callback(lambda done: self._note_end(told, done))
        work = _Work(doing, asyncio.get_running_loop().time())
        return work

    def _note_end(self, told: dict[str, Any], done: "asyncio.Task[Result]") -> None:
        if done.cancelled() or done.exception() is not None:
            log.info("%s was ended", told["task"], extra={"action": "order_ended", **told})
            return
        reason = done.result().reason
        log.info("%s is done", told["task"], extra={"action": "order_done", **told, "reason": reason})
        if reason is not None and KINDS[reason] is Kind.REPEATABLE:
            self.doubted.set()
