"""What a job may still spend: its outputs are paid in the order in which they are encoded, as far as that goes.

Reaching the cap is allowed, exceeding it is not. What cannot be paid any more is told as soon as that is certain, so
that nothing more is done for it. Of outputs that were done at once the last word is whoever's that charges them.
"""

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Budget(Generic[Key]):
    """Of one job."""

    def __init__(self, costs: Mapping[Key, int], left: int | None) -> None:
        """`costs`: of each output, thousandths of a credit; `left`: what they may cost together, none: anything."""
        self._costs = dict(costs)
        self._left = left

    def encoded(self, key: Key) -> None:
        """An output is done; to say so twice, or of one that was beyond, does nothing. One that cannot be paid beside
        those before it takes nothing from those behind it: it will not be charged."""
        cost = self._costs.pop(key, 0)
        if self._left is not None and cost <= self._left:
            self._left -= cost

    def beyond(self) -> list[Key]:
        """Those that are not encoded, and cannot be paid any more; each is told once."""
        left = self._left
        found = [] if left is None else [key for key, cost in self._costs.items() if cost > left]
        for key in found:
            del self._costs[key]
        return found
