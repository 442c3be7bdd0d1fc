"""The actors of a farm on this machine's Ray."""

import time
from typing import Any

import ray
from ray.exceptions import RayError

from framemill.errors import FarmError
from framemill.farm.actors import MakeKeyring, Stitcher, Worker
from framemill.farm.coordinator import Coordinator, MakeBeside
from framemill.farm.place import COORDINATOR, HEAD_RESOURCE, Place
from framemill.farm.slots import SLOT_BYTES

_START_SECONDS = 60.0


def assemble(place: Place, *, detached: bool, keyring: MakeKeyring, beside: MakeBeside | None = None) -> list[Any]:
    """Make the actors that are not there yet; their handles, the coordinator's first.

    `detached`: they outlive whoever makes them. Else they end with the last of these handles.
    `keyring`: makes what opens stores, in each process that needs it. `beside`: makes what runs in the coordinator's.
    """
    # In service mode whoever writes to the store stands on the head.
    life = {"lifetime": "detached", "resources": {HEAD_RESOURCE: 0.001}} if detached else {}
    # Actors take no CPU of Ray's: slots are counted by the coordinator, an encode is a child and no Ray task.
    many = {
        "num_cpus": 0,
        "max_concurrency": 10_000,
        "max_restarts": -1,
        "namespace": place.namespace,
        "get_if_exists": True,
        **life,
    }
    worker, stitcher = f"worker-{place.machine}", f"stitcher-{place.machine}"
    return [
        ray.remote(Coordinator).options(name=COORDINATOR, **many).remote(place, beside),
        ray.remote(Worker).options(name=worker, memory=place.slots * SLOT_BYTES, **many).remote(place, worker, keyring),
        ray.remote(Stitcher).options(name=stitcher, **many).remote(place, stitcher, keyring),
    ]


def wait_until_ready(coordinator: Any, seconds: float = _START_SECONDS) -> None:
    """Wait until the coordinator has taken up its jobs, and a worker reports. Raises `FarmError`."""
    until = time.monotonic() + seconds
    while True:
        try:
            status: dict[str, Any] = ray.get(coordinator.status.remote(), timeout=max(0.1, until - time.monotonic()))
        except RayError as error:
            raise FarmError(f"The coordinator does not answer: {error}") from error
        if status["ready"]:
            return
        if time.monotonic() > until:
            raise FarmError("No worker reports; the farm's log says why.")
        time.sleep(0.05)
