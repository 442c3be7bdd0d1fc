"""What is thrown away from the cache of chunks, and when the disk is too full to take in work.

Nothing here can lose work: what is in use stays, and the rest can be encoded anew. So a wrong clock costs time at most.
"""

import math
from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

from pydantic import Field

from framemill.jobs.settings import Value

DAY_SECONDS = 86_400
GO_ON_FACTOR = 1.25
"""Times the low-water mark that must be free before a paused farm goes on; else it would stop and go by the second."""


class Entry(NamedTuple):
    """Something in the cache; there may be a million of them."""

    key: str
    size: int
    """Bytes."""
    last_used: float
    """Seconds since the epoch."""
    in_use: bool = False
    """A job that has not ended wants it."""


class CacheLimits(Value):
    """How much is kept, and for how long."""

    cache_bytes: int = Field(default=20 << 30, ge=0)
    """Of all entries, those in use included."""
    cache_days: float = Field(default=14.0, ge=0)
    """Since the last use."""


def expendable(entries: Iterable[Entry], limits: CacheLimits, now: float, *, wanted_bytes: int = 0) -> list[str]:
    """Keys to remove, the oldest first; never one in use.

    What is too old goes, then as much as it takes to stay inside the limit, and to free `wanted_bytes` at least (see
    `wanted_room`), as far as that goes. `now`: seconds since the epoch.
    """
    everything = list(entries)
    total = sum(map(itemgetter(1), everything))
    oldest_kept = now - limits.cache_days * DAY_SECONDS
    excess = max(total - limits.cache_bytes, wanted_bytes)
    free = [entry for entry in everything if not entry.in_use and (excess > 0 or entry.last_used < oldest_kept)]
    free.sort(key=itemgetter(2))
    removed = []
    for entry in free:
        if entry.last_used >= oldest_kept and excess <= 0:
            break
        removed.append(entry.key)
        excess -= entry.size
    return removed


def under_pressure(free_bytes: int, min_free_bytes: int, *, paused: bool) -> bool:
    """Whether the farm takes in no work for want of room; `paused`: whether it does not already."""
    return free_bytes < (min_free_bytes * GO_ON_FACTOR if paused else min_free_bytes)


def wanted_room(free_bytes: int, min_free_bytes: int, *, paused: bool) -> int:
    """Bytes that the cache should give up: under pressure as many as let the farm go on, else none."""
    if not under_pressure(free_bytes, min_free_bytes, paused=paused):
        return 0
    return math.ceil(min_free_bytes * GO_ON_FACTOR) - free_bytes
