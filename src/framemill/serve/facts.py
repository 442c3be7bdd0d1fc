"""What the API asks of a living farm: calls to its coordinator."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from framemill.errors import FarmError
from framemill.farm.orders import Probed, ProbeOrder
from framemill.farm.place import COORDINATOR, NAMESPACE
from framemill.farm.rayhands import own_error

log = logging.getLogger(__name__)

_WAKE_SECONDS = 5.0
GATHER_SECONDS = 0.05
"""Between two calls that tell what has changed: each costs both sides more than what it tells."""


class CoordinatorFacts:
    """The coordinator, as long as it answers; found again when another one has taken its place."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._nudging = ThreadPoolExecutor(1, thread_name_prefix="nudge")
        self._changing = threading.Lock()
        self._changed: set[str] = set()
        self._rested = threading.Event()  # never set: to wait for it is to rest
        self._wanted = False
        """Somebody will tell what has changed, and has not begun to."""

    async def status(self) -> dict[str, Any]:
        """Slots, workers, backlog. Raises `FarmError`, as all of these."""
        return await self._asked("status")

    async def progress(self, job_id: str) -> dict[str, Any]:
        """`frames` and `frames_planned`, with those under way."""
        return await self._asked("progress", job_id)

    async def probe(self, order: dict[str, Any]) -> dict[str, Any]:
        """What is in a source, and what outputs of it would take."""
        answer: Probed = await self._called("probe", ProbeOrder.model_validate(order))
        return answer.model_dump(mode="json")

    async def progress_of(self, job_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Frames of several jobs."""
        return await self._asked("progress_of", list(job_ids))

    async def gc(self, dry_run: bool) -> dict[str, Any]:
        """Throw away what nobody needs, or tell what would be."""
        return await self._asked("gc", dry_run)

    async def drain(self, seconds: float) -> dict[str, Any]:
        """Begin nothing more, and wait so long for what runs."""
        return await self._asked("drain", seconds)

    def nudge(self, job_ids: Sequence[str]) -> None:
        """Tell the coordinator which jobs have changed, without waiting for it. One that does not hear it looks for
        itself within seconds. What changes while it is being told, or a moment later, is told at one go."""
        with self._changing:
            self._changed.update(job_ids)
            waiting, self._wanted = self._wanted, True
        if not waiting:
            self._nudging.submit(self._tell)

    def _tell(self) -> None:
        with self._changing:
            job_ids, self._changed, self._wanted = sorted(self._changed), set(), False
        try:
            ray.get(self._found().wake.remote(job_ids), timeout=_WAKE_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, the coordinator looks for itself
            self._handle = None
            log.info("the coordinator was not nudged: %s", type(error).__name__)
        self._rested.wait(GATHER_SECONDS)

    async def _asked(self, method: str, *args: Any) -> dict[str, Any]:
        told: dict[str, Any] = await self._called(method, *args)
        return told

    async def _called(self, method: str, *args: Any) -> Any:
        try:
            handle = await asyncio.to_thread(self._found)
            return await getattr(handle, method).remote(*args)
        except RayTaskError as error:
            raise own_error(error, "The coordinator failed") from error
        except (RayError, ValueError) as error:
            self._handle = None
            raise FarmError(
                f"The coordinator does not answer: {type(error).__name__}. It comes back by itself."
            ) from None

    def _found(self) -> Any:
        if self._handle is None:
            self._handle = ray.get_actor(COORDINATOR, namespace=NAMESPACE)
        return self._handle
