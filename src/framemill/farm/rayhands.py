"""The workers on Ray: the only module that calls them."""

import logging
import os
import signal
from typing import Any

import psutil
import ray
from ray.exceptions import RayError, RayTaskError

from framemill.errors import FarmError, FramemillError, WorkerLost
from framemill.farm.hands import actor_of
from framemill.farm.orders import Order, Result
from framemill.farm.place import Place
from framemill.jobs.reasons import Reason
from framemill.policy.fleet import Report

log = logging.getLogger(__name__)


class RayHands:
    """Workers and stitchers as named actors."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._handles: dict[str, Any] = {}

    async def do(self, worker: str, task: str, order: Order, epoch: int) -> Result:
        """Have it carried out, or join it. Raises `WorkerLost`."""
        result: Result = await self._called(worker, "do", task, order, epoch)
        return result

    async def stop(self, worker: str, task: str, epoch: int) -> None:
        """Have it ended. Raises `WorkerLost`."""
        await self._called(worker, "stop", task, epoch)

    async def renew(self, report: Report) -> None:
        """End its process: at once where it is ours, else by Ray, which takes five seconds for one that is stopped."""
        if report.machine == self._place.machine and end_process(report.pid, report.started):
            return
        try:
            ray.kill(self._handle(report.worker), no_restart=False)
        except (RayError, ValueError) as error:
            log.warning("%s could not be ended: %s", report.worker, error)

    async def _called(self, worker: str, method: str, *args: Any) -> Any:
        try:
            return await getattr(self._handle(worker), method).remote(*args)
        except RayTaskError as error:
            if isinstance(error.cause, FramemillError):
                raise error.cause from None
            log.error("%s.%s failed", worker, method, exc_info=error)
            return Result(reason=Reason.INTERNAL, message=f"{type(error.cause).__name__}: {error.cause}")
        except (RayError, ValueError) as error:
            self._handles.pop(worker, None)
            raise WorkerLost(f"{worker} was lost: {type(error).__name__}") from None

    def _handle(self, worker: str) -> Any:
        if worker not in self._handles:
            self._handles[worker] = ray.get_actor(actor_of(worker), namespace=self._place.namespace)
        return self._handles[worker]


def end_process(pid: int, started: float) -> bool:
    """Kill that very process; False when it is not there any more."""
    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - started) > 1.0:
            return False
        os.kill(pid, signal.SIGKILL)
    except (psutil.Error, ProcessLookupError):
        return False
    return True


def own_error(error: RayTaskError, who: str) -> FramemillError:
    """The error of ours that a call raised over there; a `FarmError` for anything else."""
    return error.cause if isinstance(error.cause, FramemillError) else FarmError(f"{who}: {error.cause!r}")
