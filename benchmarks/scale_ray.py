"""Real Ray, a real coordinator, workers that sleep: how much of N slots comes through to the chunks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ray
from benchmarks.scale_farm import Asked, SleepingHands, store_in, submit

from framemill.config import DataFolder, environment
from framemill.farm.actors import _Carrier
from framemill.farm.bench import Bench
from framemill.farm.coordinator import Coordinator
from framemill.farm.orders import GroupOrder, Order, Result
from framemill.farm.place import COORDINATOR, Place
from framemill.farm.reporting import keep_reporting
from framemill.policy.admission import Limits
from framemill.policy.tasks import ENCODE, STITCH, Lane

ROOT = Path(__file__).resolve().parents[1]
LEAST_SHARE = 0.85
_JOBS = 2
_START_SECONDS = 60.0


class SleepingCarrier(_Carrier):
    """A worker or stitcher that sleeps `seconds` for each chunk, and writes small plans and results."""

    def __init__(self, place: Place, name: str, lane: Lane, *, slots: int, jobs: list[Asked], seconds: float) -> None:
        self._hands = SleepingHands(place.blobs, jobs, machines=1, slots=1, stitchers=1, seed=0)
        self._seconds = seconds
        self._bench = Bench(name, place.machine, lane, slots, self._perform)
        self._reporting = [asyncio.get_running_loop().create_task(keep_reporting(self._bench, place, None))]

    async def _perform(self, order: Order, on_share: Callable[[float], None]) -> Result:
        _, result = self._hands.result(order)
        if isinstance(order, GroupOrder):
            await asyncio.sleep(self._seconds)
        return result


def share_of(slots: int, *, rounds: int, seconds: float, folder: Path) -> float:
    """Chunks at a time, as a share of the slots, from the first job's submission to the last one's end."""
    each = slots * rounds // _JOBS or 1
    jobs = [Asked(number, f"account-{number}", "", tuple([48] * each), 640, 360, "h264") for number in range(_JOBS)]
    with _farm(folder, slots, jobs, seconds) as (coordinator, database):
        ids = submit(database, jobs)
        began = time.monotonic()
        rows = ray.get([coordinator.run.remote(job_id) for job_id in ids])
        took = time.monotonic() - began
    failed = [row for row in rows if row["state"] != "completed"]
    if failed:
        raise SystemExit(f"A job ended {failed[0]['state']}: {failed[0]['message']}")
    return each * _JOBS * seconds / took / slots


@contextlib.contextmanager
def _farm(folder: Path, slots: int, jobs: list[Asked], seconds: float) -> Iterator[tuple[Any, Any]]:
    temporary = tempfile.mkdtemp(prefix="fm-", dir="/tmp")
    told = {
        "RAY_AUTH_TOKEN": _TOKEN,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    root = Path(tempfile.mkdtemp(prefix="scale-", dir=folder))
    try:
        with environment(told), store_in(root) as (database, _):
            ray.init(
                "local", num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False,
                object_store_memory=100 << 20, _temp_dir=temporary, _node_ip_address="127.0.0.1",
            )  # fmt: skip
            place = Place(
                root=DataFolder(root).root, database=str(database.url), slots=slots, namespace=f"scale-{root.name}",
                machine="simulated", patient=True, limits=Limits(active_jobs=64),
            )  # fmt: skip
            yield _assembled(place, jobs, seconds), database
    finally:
        ray.shutdown()
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(root, ignore_errors=True)


def _assembled(place: Place, jobs: list[Asked], seconds: float) -> Any:
    many: dict[str, Any] = {"num_cpus": 0, "max_concurrency": 10_000, "namespace": place.namespace}
    coordinator: Any = ray.remote(Coordinator).options(name=COORDINATOR, **many).remote(place)
    carrier = ray.remote(SleepingCarrier)
    # Whoever drops a handle ends its actor.
    _HELD[:] = [
        carrier.options(name=name, **many).remote(place, name, lane, slots=slots, jobs=jobs, seconds=seconds)
        for name, lane, slots in (("worker", ENCODE, place.slots), ("stitcher", STITCH, 4))
    ]
    until = time.monotonic() + _START_SECONDS
    while not ray.get(coordinator.status.remote())["ready"]:
        if time.monotonic() > until:
            raise SystemExit("No worker reports.")
        time.sleep(0.05)
    return coordinator


_HELD: list[Any] = []
_TOKEN = os.urandom(32).hex()
