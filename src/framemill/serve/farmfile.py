"""`farm.json`: where a farm is and which processes are its own; written whole, readable by its owner alone."""

import contextlib
import json
import os
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from framemill.config import DataFolder, Settings
from framemill.sealing import make_secret
from framemill.serve.ports import Ports

#: Seconds by which start times of one process may differ: they are counted from the boot, and clocks are adjusted.
SAME_START_SECONDS = 2.0
_OWNER_ONLY = 0o600

State = Literal["starting", "running", "stopping"]


class _Told(BaseModel):
    """Lenient: another release may have written the file."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Mark(_Told):
    """A process for as long as it lives: numbers are used again, a number together with a start time is not."""

    pid: int
    started: float
    """Seconds since the epoch, as psutil tells it; another one when the clock was set meanwhile."""
    ticks: int | None = None
    """The same in the kernel's ticks since the boot, where the kernel tells them: no clock changes these."""

    @property
    def alive(self) -> bool:
        """Whether that very process is there and has not ended."""
        try:
            process = psutil.Process(self.pid)
            ended = process.status() == psutil.STATUS_ZOMBIE
            ticks = _ticks(self.pid)
            if self.ticks is not None and ticks is not None:
                return not ended and self.ticks == ticks
            return not ended and abs(process.create_time() - self.started) < SAME_START_SECONDS
        except psutil.Error:
            return False


class FarmFile(_Told):
    """A farm that runs, starts or stops; or ran, when its supervisor is gone."""

    farm_id: str
    """Random, of this run; every process of the farm has it as FRAMEMILL_FARM in its environment."""
    version: str
    state: State = "starting"
    doing: str = ""
    """What the supervisor waits for, in a few words."""
    supervisor: Mark
    head: Mark | None = None
    """Ray's `ray start --block`, the leader of the farm's session."""
    session: int | None = None
    """Session id of all of the farm's processes but the supervisor and the deployer."""
    host: str
    port: int
    url: str
    """Where clients on this machine find the API."""
    gcs_address: str
    ports: Ports
    temp_dir: str
    boot_id: str
    log_dir: str
    front: str = ""
    """What stands in front of the replicas: `haproxy` or `python`."""
    ray_jobs: str = ""
    """URL of Ray's dashboard, for `ray job submit --address`; empty: there is none."""
    blobs: str = ""
    """The bucket that its machines share; empty: its blobs are in its folder."""
    restarts: int = Field(default=0, ge=0)
    """How often the head was started again."""


def read_farm(folder: DataFolder) -> FarmFile | None:
    """What stands in the folder; None where nothing does, or nothing that makes sense."""
    try:
        return FarmFile.model_validate_json(folder.farm_file.read_bytes())
    except (OSError, ValidationError):
        return None


def write_farm(folder: DataFolder, farm: FarmFile) -> None:
    """Write it in one step: a reader sees the old one or the new one. Raises OSError."""
    part = folder.farm_file.with_name(f".farm.{os.getpid()}.json")
    text = json.dumps(farm.model_dump(mode="json"), indent=2) + "\n"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _OWNER_ONLY)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), _OWNER_ONLY)
        file.write(text)
    part.replace(folder.farm_file)


def remove_farm(folder: DataFolder) -> None:
    """Nothing runs any more."""
    folder.farm_file.unlink(missing_ok=True)


def admin_key_of(settings: Settings) -> str:
    """The key that opens every door, made where nobody has set one. Raises OSError where it cannot be kept."""
    if settings.admin_key is not None:
        return settings.admin_key.get_secret_value()
    return make_secret(settings.folder.admin_key)


def make_admin_password(settings: Settings) -> None:
    """What the first admin logs in with is there, where nobody has set it. Raises OSError where it cannot be kept."""
    if settings.admin_password is None:
        make_secret(settings.folder.admin_password)


def admin_password_of(settings: Settings) -> str:
    """What the first admin logs in with; empty: nothing was made."""
    if settings.admin_password is not None:
        return settings.admin_password.get_secret_value()
    with contextlib.suppress(OSError):
        return settings.folder.admin_password.read_text("ascii").strip()
    return ""


def mark_of(pid: int) -> Mark | None:
    """The process that has this number now; None when it is gone."""
    try:
        return Mark(pid=pid, started=psutil.Process(pid).create_time(), ticks=_ticks(pid))
    except psutil.Error:
        return None


def this_process() -> Mark:
    """The process that asks."""
    pid = os.getpid()
    return Mark(pid=pid, started=psutil.Process().create_time(), ticks=_ticks(pid))


def _ticks(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return int(stat.rpartition(b")")[2].split()[19])  # field 22 of proc(5), counted from behind the name


def boot_id() -> str:
    """Different after each boot, so that numbers of processes from before it mean nothing."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:  # no Linux
        return f"boot-{psutil.boot_time():.0f}"
