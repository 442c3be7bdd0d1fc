"""Those who do the work, as the coordinator reaches them: a port, so that it runs without Ray, too."""

from typing import Protocol

from framemill.farm.orders import Order, Result
from framemill.policy.fleet import Report


class Hands(Protocol):
    """The workers and stitchers, by name."""

    async def do(self, worker: str, task: str, order: Order, epoch: int) -> Result:
        """Have it carried out, or join it. Raises `WorkerLost`: then nobody knows whether it was done."""
        ...

    async def stop(self, worker: str, task: str, epoch: int) -> None:
        """Have it ended; its children are dead when this returns, or the worker cannot be reached."""
        ...

    async def renew(self, report: Report) -> None:
        """End a worker that does not answer, so that another one starts in its place."""
        ...
