"""The crew on Ray: the only module with `.remote()` calls to workers and the stitcher."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from framemill.errors import FarmError, FramemillError
from framemill.farm.orders import Encoded, ExtraOrder, GroupOrder, Planned, PlanOrder, Progress, Stitched, StitchOrder

Result = TypeVar("Result")


class RayCrew:
    """Workers with slots, and a stitcher, as actor handles."""

    def __init__(self, workers: list[Any], slots: int, stitcher: Any) -> None:
        self._workers = workers
        self._stitcher = stitcher
        self._free: asyncio.Queue[Any] = asyncio.Queue()
        for slot in range(slots * len(workers)):
            self._free.put_nowait(workers[slot % len(workers)])

    async def plan(self, order: PlanOrder) -> Planned:
        """Index and plan on any worker."""
        return await _called(self._workers[0].plan.remote(order), Planned)

    async def encode(self, order: GroupOrder | ExtraOrder) -> Encoded:
        """Encode on the next free slot."""
        worker = await self._free.get()
        try:
            return await _called(worker.encode.remote(order), Encoded)
        finally:
            self._free.put_nowait(worker)

    async def finish(self, order: StitchOrder) -> Stitched:
        """Join, package and verify."""
        return await _called(self._stitcher.finish.remote(order), Stitched)

    async def progress(self) -> list[Progress]:
        """How far the orders under way are; silent workers are left out."""
        answers = await asyncio.gather(*(worker.progress.remote() for worker in self._workers), return_exceptions=True)
        return [report for answer in answers if isinstance(answer, list) for report in answer]


def own_error(error: RayTaskError, who: str) -> FramemillError:
    """The error of ours that a call raised over there; a `FarmError` for anything else."""
    return error.cause if isinstance(error.cause, FramemillError) else FarmError(f"{who}: {error.cause!r}")


async def _called(reference: Any, kind: type[Result]) -> Result:
    """Await a call; cancelling cancels it over there, and waits until it has ended."""
    try:
        answer: Result = await reference
        return answer
    except asyncio.CancelledError:
        ray.cancel(reference)
        await _ended(reference)
        raise
    except RayTaskError as error:
        raise own_error(error, kind.__name__) from error
    except RayActorError as error:
        raise FarmError(f"A worker was lost: {error}") from error


async def _ended(reference: Awaitable[Any]) -> None:
    try:
        await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(_awaited(reference))), timeout=10)
    except (RayError, TimeoutError):
        return


async def _awaited(reference: Awaitable[Any]) -> None:
    await reference
