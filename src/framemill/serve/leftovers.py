"""What a supervisor left behind that was killed: a whole farm, which nobody watches any more."""

import logging
from pathlib import Path

from framemill.config import DataFolder
from framemill.errors import FarmError
from framemill.serve.farmfile import FarmFile, boot_id, read_farm, remove_farm
from framemill.serve.head import forget, remove_temp_dir
from framemill.serve.processes import end_session, is_ours

log = logging.getLogger(__name__)


def end_leftovers(folder: DataFolder) -> FarmFile | None:
    """End the farm that still stands in the folder's farm.json, and tell which it was; call it under the lock.

    Raises `FarmError` when something of it cannot be ended.
    """
    farm = read_farm(folder)
    if farm is None:
        return None
    if farm.boot_id == boot_id():  # before the last boot there were other processes of these numbers
        end_farm(farm)
    remove_temp_dir(Path(farm.temp_dir))
    forget(folder.gcs)
    folder.sign_of_life.unlink(missing_ok=True)
    remove_farm(folder)
    log.warning("ended what was left of farm %s", farm.farm_id, extra={"action": "leftovers_ended"})
    return farm


def end_farm(farm: FarmFile) -> None:
    """Kill every process of the farm but its supervisor. Raises `FarmError` when one stays."""
    session = farm.session
    if session is not None and not is_known(farm):
        session = None
    left = end_session(session, farm.farm_id)
    if left:
        raise FarmError(
            f"Processes {', '.join(map(str, left))} of the farm do not end, although they were killed: "
            "the system holds them, as it does when a disk does not answer."
        )


def is_known(farm: FarmFile) -> bool:
    """Whether the session of that number is the farm's still."""
    if farm.session is None:
        return False
    return (farm.head is not None and farm.head.alive) or is_ours(farm.session, farm.farm_id)
