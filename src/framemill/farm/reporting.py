"""A worker tells the coordinator how it is, every two seconds. One that is not heard ends its own work."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import ray
from ray.exceptions import RayError

from framemill.farm.bench import Bench
from framemill.farm.canary import FAILED
from framemill.farm.place import COORDINATOR, Place
from framemill.media import ffmpeg
from framemill.policy.fleet import Report

log = logging.getLogger(__name__)

REPORT_SECONDS = 2.0
_ANSWER_SECONDS = 5.0
_PROVE_SECONDS = 30.0
DESERTED_SECONDS = 20.0
"""Without a coordinator for that long, what a worker does is given out again elsewhere, or soon will be."""


async def keep_reporting(bench: Bench, place: Place, canary: Callable[[], Awaitable[str]] | None) -> None:
    """Report until the process ends. A machine proves itself first, by its canary."""
    proving = None
    if canary is not None:
        build, told = await ffmpeg.build_id(), await canary()
        bench.note_canary(told, build)
        proving = asyncio.ensure_future(_prove(bench, canary, told, build))
    try:
        await _report(bench, place)
    finally:
        if proving is not None:
            proving.cancel()


async def _report(bench: Bench, place: Place) -> None:
    loop = asyncio.get_running_loop()
    heard = loop.time()
    line = _Line(place)
    while True:
        began = loop.time()
        if await line.told(bench.report()):
            heard = loop.time()
        elif loop.time() - heard > DESERTED_SECONDS:
            await bench.stop_all()
        # A coordinator that has just started wants to know soon.
        pause = REPORT_SECONDS if line.stands else REPORT_SECONDS / 4
        await asyncio.sleep(max(0.0, pause - (loop.time() - began)))


class _Line:
    """The way to the coordinator. Ray's calls may hang as long as its head is away: nobody waits for them here."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._coordinator: Any = None
        self._looking: asyncio.Future[Any] | None = None

    @property
    def stands(self) -> bool:
        """Whether a coordinator was found, and has not failed to answer since."""
        return self._coordinator is not None

    async def told(self, report: Report) -> bool:
        """Tell it; whether it has heard."""
        try:
            if self._coordinator is None:
                self._coordinator = await self._found()
            await _at_most(_ANSWER_SECONDS, asyncio.ensure_future(_heard(self._coordinator, report)))
        except (RayError, ValueError, TimeoutError, OSError) as error:  # ValueError: there is no such actor
            log.debug("the coordinator does not answer: %r", error)
            self._coordinator = None
            return False
        return True

    async def _found(self) -> Any:
        if self._looking is None:
            looking = asyncio.to_thread(ray.get_actor, COORDINATOR, namespace=self._place.namespace)
            self._looking = asyncio.ensure_future(looking)
        try:
            return await _at_most(_ANSWER_SECONDS, self._looking, cancel=False)
        finally:
            if self._looking.done():  # else it is waited for again: a look takes a thread
                self._looking = None


async def _heard(coordinator: Any, report: Report) -> None:
    await coordinator.heard.remote(report)


async def _at_most(seconds: float, work: "asyncio.Future[Any]", *, cancel: bool = True) -> Any:
    """Its result; raises `TimeoutError` after that long, without waiting for it to take notice."""
    done, _ = await asyncio.wait({work}, timeout=seconds)
    if not done:
        if cancel:
            work.cancel()
        raise TimeoutError(f"no answer within {seconds:g} s")
    return work.result()


async def _prove(bench: Bench, canary: Callable[[], Awaitable[str]], told: str, build: str) -> None:
    """Again whenever something failed that may be the machine's fault; and what kept it from coming out may pass."""
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PROVE_SECONDS if told == FAILED else None):
                await bench.doubted.wait()
        bench.doubted.clear()
        told = await canary()
        bench.note_canary(told, build)
