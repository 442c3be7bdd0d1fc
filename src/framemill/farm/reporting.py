"""A worker tells the coordinator how it is, every two seconds. One that is not heard ends its own work."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import ray
from ray.exceptions import RayError

from framemill.farm.bench import Bench
from framemill.farm.place import COORDINATOR, Place

log = logging.getLogger(__name__)

REPORT_SECONDS = 2.0
_ANSWER_SECONDS = 5.0
DESERTED_SECONDS = 20.0
"""Without a coordinator for that long, what a worker does is given out again elsewhere, or soon will be."""


async def keep_reporting(bench: Bench, place: Place, canary: Callable[[], Awaitable[str]] | None) -> None:
    """Report until the process ends. A machine proves itself first, by its canary."""
    loop = asyncio.get_running_loop()
    if canary is not None:
        bench.note_canary(await canary())
    heard = loop.time()
    coordinator: Any = None
    while True:
        began = loop.time()
        try:
            if coordinator is None:
                coordinator = await asyncio.to_thread(ray.get_actor, COORDINATOR, namespace=place.namespace)
            await asyncio.wait_for(_told(coordinator, bench), _ANSWER_SECONDS)
            heard = loop.time()
        except (RayError, ValueError, TimeoutError, OSError) as error:  # ValueError: there is no such actor
            log.debug("the coordinator does not answer: %s", error)
            coordinator = None
            if loop.time() - heard > DESERTED_SECONDS:
                await bench.stop_all()
        # A coordinator that has just started wants to know soon.
        pause = REPORT_SECONDS if coordinator is not None else REPORT_SECONDS / 4
        await asyncio.sleep(max(0.0, pause - (loop.time() - began)))


async def _told(coordinator: Any, bench: Bench) -> None:
    await coordinator.heard.remote(bench.report())
