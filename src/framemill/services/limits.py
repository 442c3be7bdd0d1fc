"""How often somebody may ask: counted in memory, by each API replica for itself.

So two replicas let through up to twice as much, and a replica that starts anew has forgotten what was. What is kept is
two counters for each key and account that asked within the last minutes, and nothing for others.
"""

import math
import time
from collections.abc import Iterator
from typing import NamedTuple

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

from framemill.errors import TooMany
from framemill.jobs.accounts import Quotas
from framemill.services.callers import Caller

_LOGIN_MINUTES = 5
_LOGINS_OF_A_NAME = RateLimitItemPerMinute(10, _LOGIN_MINUTES)
_LOGINS_FROM_A_PLACE = RateLimitItemPerMinute(50, _LOGIN_MINUTES)


class Allowance(NamedTuple):
    """How much is left of the limit that is nearest."""

    limit: int
    """Requests a minute."""
    remaining: int
    reset_seconds: int

    @property
    def headers(self) -> dict[str, str]:
        """As answers tell it: draft-ietf-httpapi-ratelimit-headers-06."""
        told = {"Limit": f"{self.limit}", "Remaining": f"{self.remaining}", "Reset": f"{self.reset_seconds}"}
        return {f"RateLimit-{name}": value for name, value in told.items()}


class RateLimits:
    """Requests a minute of each key, and of each account."""

    def __init__(self) -> None:
        self._counter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, caller: Caller, quotas: Quotas) -> tuple[Allowance | None, bool]:
        """Count a request: how much is left (none: there is no limit), and whether this one is within the limits."""
        nearest: Allowance | None = None
        within = True
        for item, who in _limits_of(caller, quotas):
            within = self._counter.hit(item, who) and within
            stats = self._counter.get_window_stats(item, who)
            reset = max(math.ceil(stats.reset_time - time.time()), 1)
            left = Allowance(item.amount, stats.remaining, reset)
            nearest = left if nearest is None or left.remaining < nearest.remaining else nearest
        return nearest, within


def _limits_of(caller: Caller, quotas: Quotas) -> Iterator[tuple[RateLimitItemPerMinute, str]]:
    if caller.admin:
        return
    if quotas.requests_per_minute_per_key is not None:
        yield RateLimitItemPerMinute(quotas.requests_per_minute_per_key), caller.actor
    if quotas.requests_per_minute is not None:
        yield RateLimitItemPerMinute(quotas.requests_per_minute), f"account:{caller.account}"


class FailedLogins:
    """Slows down whoever guesses passwords: ten wrong ones a name, fifty a place, within five minutes."""

    def __init__(self) -> None:
        self._counter = MovingWindowRateLimiter(MemoryStorage())

    def allow(self, name: str, place: str) -> None:
        """Raise `TooMany` where too many have failed by now."""
        for item, who in _guesses(name, place):
            if not self._counter.test(item, who):
                wait = max(self._counter.get_window_stats(item, who).reset_time - time.time(), 1.0)
                raise TooMany("Too many logins have failed: wait a while before the next.", wait)

    def failed(self, name: str, place: str) -> None:
        """One more."""
        for item, who in _guesses(name, place):
            self._counter.hit(item, who)


def _guesses(name: str, place: str) -> Iterator[tuple[RateLimitItemPerMinute, str]]:
    yield _LOGINS_OF_A_NAME, f"name:{name.lower()}"
    if place:
        yield _LOGINS_FROM_A_PLACE, f"place:{place}"
