"""The actors that touch media, each a thin shell: Ray calls in, calls to plain modules out."""

import asyncio
import functools
import logging
import os
from collections.abc import Callable, Mapping
from typing import TypeAlias

from framemill.farm.bench import Bench
from framemill.farm.canary import encode_canary
from framemill.farm.hands import member_of
from framemill.farm.orders import OF_TARGETS, Order, Result
from framemill.farm.performing import perform
from framemill.farm.place import Place
from framemill.farm.reporting import keep_reporting
from framemill.logs import log_file, log_to
from framemill.media import isolate
from framemill.policy.tasks import DELIVER, ENCODE, STITCH, Lane
from framemill.storage.keyring import Keyring

log = logging.getLogger(__name__)

MakeKeyring: TypeAlias = Callable[[Place], Keyring]
"""What opens the stores that clients name; made in the process that moves the bytes."""


class _Carrier:
    """Carries out orders, and reports."""

    def __init__(self, place: Place, name: str, make_keyring: MakeKeyring, slots: Mapping[Lane, int]) -> None:
        """`slots`: in each of its lanes; the coordinator knows it under a name for each."""
        log_as(place, name)
        isolate.warm()
        carry_out = functools.partial(perform, blobs=place.blobs, keyring=make_keyring(place))
        self._benches = {
            lane: Bench(member_of(name, lane), place.machine, lane, many, carry_out) for lane, many in slots.items()
        }
        self._reporting = []
        for lane, bench in self._benches.items():
            canary = encode_canary if lane == ENCODE and place.patient else None
            reporting = asyncio.get_running_loop().create_task(keep_reporting(bench, place, canary))
            reporting.add_done_callback(_end_process)
            self._reporting.append(reporting)

    async def do(self, task: str, order: Order, epoch: int) -> Result:
        """Carry out an order, or join it."""
        first = next(iter(self._benches.values()))
        bench = self._benches.get(DELIVER, first) if isinstance(order, OF_TARGETS) else first
        return await bench.do(task, order, epoch)

    async def stop(self, task: str, epoch: int) -> None:
        """End an order; its children are dead when this returns."""
        await asyncio.gather(*(bench.stop(task, epoch) for bench in self._benches.values()))


class Worker(_Carrier):
    """One machine's encoders: an ffmpeg child for each order under way."""

    def __init__(self, place: Place, name: str, make_keyring: MakeKeyring) -> None:
        super().__init__(place, name, make_keyring, {ENCODE: place.slots})


class Stitcher(_Carrier):
    """Joins, packages and verifies; and, in slots of their own, delivers."""

    def __init__(self, place: Place, name: str, make_keyring: MakeKeyring) -> None:
        slots = {STITCH: min(place.slots, _MOST_JOINS), DELIVER: _MOST_DELIVERIES}
        super().__init__(place, name, make_keyring, slots)


def _end_process(reporting: "asyncio.Task[None]") -> None:
    """Who does not report any more is given nothing more: another process starts in its place."""
    error = None if reporting.cancelled() else reporting.exception()
    log.critical("reporting ended, and so does this process", exc_info=error, extra={"action": "worker_ended"})
    os._exit(1)


_MOST_JOINS = 4  # each reads and writes as fast as the disk does
_MOST_DELIVERIES = 4  # each holds some blocks of 8 MiB, and waits for the network


def log_as(place: Place, role: str) -> None:
    """Have this actor's process log where the farm's logs are."""
    file = log_file(place.logs, role) if place.logs is not None else None
    log_to(place.log_level, place.log_format, file=file)
