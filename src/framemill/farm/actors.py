"""The actors that touch media, each a thin shell: Ray calls in, calls to plain modules out."""

import asyncio
import functools
import logging
import os

from framemill.farm.bench import Bench
from framemill.farm.canary import encode_canary
from framemill.farm.orders import Order, Result
from framemill.farm.performing import perform
from framemill.farm.place import Place
from framemill.farm.reporting import keep_reporting
from framemill.logs import log_file, log_to
from framemill.media import isolate
from framemill.policy.tasks import ENCODE, STITCH, Lane

log = logging.getLogger(__name__)


class _Carrier:
    """Carries out orders, and reports."""

    def __init__(self, place: Place, name: str, lane: Lane, slots: int) -> None:
        log_as(place, name)
        isolate.warm()
        self._bench = Bench(name, place.machine, lane, slots, functools.partial(perform, blobs=place.blobs))
        canary = encode_canary if lane == ENCODE and place.patient else None
        self._reporting = asyncio.get_running_loop().create_task(keep_reporting(self._bench, place, canary))
        self._reporting.add_done_callback(_end_process)

    async def do(self, task: str, order: Order, epoch: int) -> Result:
        """Carry out an order, or join it."""
        return await self._bench.do(task, order, epoch)

    async def stop(self, task: str, epoch: int) -> None:
        """End an order; its children are dead when this returns."""
        await self._bench.stop(task, epoch)


class Worker(_Carrier):
    """One machine's encoders: an ffmpeg child for each order under way."""

    def __init__(self, place: Place, name: str) -> None:
        super().__init__(place, name, ENCODE, place.slots)


class Stitcher(_Carrier):
    """Joins, packages and verifies."""

    def __init__(self, place: Place, name: str) -> None:
        super().__init__(place, name, STITCH, min(place.slots, _MOST_JOINS))


def _end_process(reporting: "asyncio.Task[None]") -> None:
    """Who does not report any more is given nothing more: another process starts in its place."""
    error = None if reporting.cancelled() else reporting.exception()
    log.critical("reporting ended, and so does this process", exc_info=error, extra={"action": "worker_ended"})
    os._exit(1)


_MOST_JOINS = 4  # each reads and writes as fast as the disk does


def log_as(place: Place, role: str) -> None:
    """Have this actor's process log where the farm's logs are."""
    file = log_file(place.logs, role) if place.logs is not None else None
    log_to(place.log_level, place.log_format, file=file)
