"""Who does the work, as the coordinator sees them: a port, so that the coordinator's logic runs without Ray."""

from typing import Protocol

from framemill.farm.orders import Encoded, ExtraOrder, GroupOrder, Planned, PlanOrder, Progress, Stitched, StitchOrder


class Crew(Protocol):
    """Workers and a stitcher. Every call may be cancelled: its children are dead by the time it ends.

    Raises `FarmError` when whoever worked on it is gone; then nobody knows whether it was done.
    """

    async def plan(self, order: PlanOrder) -> Planned:
        """Index and plan; raises what planning raises."""
        ...

    async def encode(self, order: GroupOrder | ExtraOrder) -> Encoded:
        """Encode on the next free slot."""
        ...

    async def finish(self, order: StitchOrder) -> Stitched:
        """Join, package and verify."""
        ...

    async def progress(self) -> list[Progress]:
        """How far the orders under way are."""
        ...
