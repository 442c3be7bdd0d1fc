"""How often somebody may ask: counted in memory, by each API replica for itself.

So two replicas let through up to twice as much, and a replica that starts anew has forgotten what was. What is kept is
two counters for each key and account that asked within the last minutes, and nothing for others.
"""

import ipaddress
import math
import time
from collections.abc import Iterator
from typing import NamedTuple

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

from framemill.errors import TooMany
from framemill.jobs.accounts import Quotas
from framemill.services.callers import Caller

_LOGINS_OF_A_NAME = (RateLimitItemPerMinute(10, 5), RateLimitItemPerHour(40))
_LOGINS_FROM_A_PLACE = (RateLimitItemPerMinute(50, 5), RateLimitItemPerHour(200))


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
    """Slows down whoever guesses passwords: ten wrong ones a name within five minutes and forty within an hour, five
    times as many a place. A name is a user's, or what a password opens; where there is none, the place alone counts.
    This machine is no place: it is where the farm's own proxy asks from, for everybody."""

    def __init__(self) -> None:
        self._counter = MovingWindowRateLimiter(MemoryStorage())

    def allow(self, name: str | None, place: str) -> None:
        """Raise `TooMany` where too many have failed by now."""
        for item, who in _guesses(name, place):
            if not self._counter.test(item, who):
                wait = max(self._counter.get_window_stats(item, who).reset_time - time.time(), 1.0)
                raise TooMany("Too many passwords were wrong: wait a while before the next.", wait)

    def failed(self, name: str | None, place: str) -> None:
        """One more."""
        for item, who in _guesses(name, place):
            self._counter.hit(item, who)


def _guesses(name: str | None, place: str) -> Iterator[tuple[RateLimitItem, str]]:
    if name is not None:
        yield from ((item, f"name:{name.lower()}") for item in _LOGINS_OF_A_NAME)
    if place and not _is_here(place):
        yield from ((item, f"place:{place}") for item in _LOGINS_FROM_A_PLACE)


def _is_here(place: str) -> bool:
    try:
        return ipaddress.ip_address(place).is_loopback
    except ValueError:
        return False
