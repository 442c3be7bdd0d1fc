"""Those who do the work, as the coordinator reaches them: a port, so that it runs without Ray, too."""

from typing import Protocol

from framemill.farm.orders import Order, Result
from framemill.policy.fleet import Report
from framemill.policy.tasks import DELIVER, Lane


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


def member_of(actor: str, lane: Lane) -> str:
    """The name under which an actor works in that lane: its own, but for the lane that it has beside another one."""
    return f"{actor}/{lane}" if lane == DELIVER else actor


def actor_of(member: str) -> str:
    """The actor that works under that name."""
    return member.partition("/")[0]
