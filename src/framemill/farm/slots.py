"""How many encodes a machine has room for."""

import psutil

from framemill.config import usable_cpus

#: Memory of one slot: what an encode of 1080p takes, of any encoder at its usual speed (`benchmarks/memory.py`).
SLOT_BYTES = 600 << 20
#: What the farm itself takes when it is idle: Ray's processes, the coordinator, the stitcher, a worker.
FARM_BYTES = 700 << 20


def slots_for(cpus: int, available_bytes: int) -> int:
    """Slots of a machine: one a processor, as far as the memory goes, and at least one."""
    return max(1, min(cpus, (available_bytes - FARM_BYTES) // SLOT_BYTES))


def usual_slots() -> int:
    """Slots of this machine as it is now."""
    return slots_for(usable_cpus(), psutil.virtual_memory().available)
