"""Waits for a source to be read, which the farm does while its job is held."""

import asyncio

from framemill.api.convertrilo.orders import Orders
from framemill.api.convertrilo.refused import Refused
from framemill.services.costing import Cost
from framemill.services.jobs import Shown

PATIENCE_SECONDS = 45.0
"""Less than a minute, after which most proxies give up."""
_FIRST_SECONDS, _LONGEST_SECONDS = 0.1, 1.0


async def probed(orders: Orders, job_id: str, patience_seconds: float = PATIENCE_SECONDS) -> tuple[Shown, Cost]:
    """A job whose source was read, and what it will cost.

    Raises `Refused` where it cannot be read, was not sent yet, or is still not read after a while.
    """
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + patience_seconds, _FIRST_SECONDS
    while True:
        shown, found = await asyncio.to_thread(orders.looked_at, job_id)
        if found is not None:
            return shown, found
        if loop.time() + pause > until:
            told = f"The source of job {job_id} is still being fetched and read: ask again in a moment."
            raise Refused(409, "probe_failed", told)
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_SECONDS)
