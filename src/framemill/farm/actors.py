"""The actors that touch media, each a thin shell: Ray calls in, calls to plain modules out."""

import logging
from pathlib import Path

from framemill.farm.encoding import encode_extra, encode_group
from framemill.farm.finishing import finish
from framemill.farm.orders import Encoded, ExtraOrder, GroupOrder, Planned, PlanOrder, Progress, Stitched, StitchOrder
from framemill.farm.titles import plan
from framemill.media import isolate
from framemill.storage.local import LocalBlobs


def log_to(level: str) -> None:
    """Have this actor's process log from that level on."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True)


class Worker:
    """One machine's encoders: an ffmpeg child for each order under way."""

    def __init__(self, blobs: str, log_level: str) -> None:
        log_to(log_level)
        self._blobs = LocalBlobs(Path(blobs))
        self._frames: dict[tuple[str, int, int], int] = {}

    async def encode(self, order: GroupOrder | ExtraOrder) -> Encoded:
        """Encode; cancelling kills the child."""
        if isinstance(order, ExtraOrder):
            return await encode_extra(order, self._blobs)
        place = (order.title_key, order.rendition, order.group)
        try:
            return await encode_group(order, self._blobs, lambda frames: self._frames.__setitem__(place, frames))
        finally:
            self._frames.pop(place, None)

    async def plan(self, order: PlanOrder) -> Planned:
        """Index and plan."""
        return await plan(order, self._blobs)

    async def progress(self) -> list[Progress]:
        """How far the orders under way are."""
        return [
            Progress(title_key=title_key, rendition=rendition, group=group, frames=frames)
            for (title_key, rendition, group), frames in self._frames.items()
        ]


class Stitcher:
    """Joins, packages and verifies."""

    def __init__(self, blobs: str, log_level: str) -> None:
        log_to(log_level)
        self._blobs = LocalBlobs(Path(blobs))
        isolate.warm()

    async def finish(self, order: StitchOrder) -> Stitched:
        """Write and verify one output."""
        return await finish(order, self._blobs)
