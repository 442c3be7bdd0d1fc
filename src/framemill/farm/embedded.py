"""A farm inside the calling process: a private Ray that starts with it and ends with it."""

import contextlib
import errno
import functools
import logging
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import ray

from framemill.config import environment
from framemill.errors import DiskFull, FarmError, OutputError
from framemill.farm.cluster import assemble, wait_until_ready
from framemill.farm.place import Place
from framemill.farm.rayhands import own_error
from framemill.farm.slots import SLOT_BYTES
from framemill.storage.keyring import Keyring, local_keyring
from framemill.storage.local import LocalBlobs
from framemill.store.database import Database

_OBJECT_STORE_BYTES = 100 << 20  # nothing large ever travels through it
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Paths:
    """Where an embedded farm keeps its things; all of it goes with the farm."""

    root: Path

    @property
    def database(self) -> str:
        """URL of the store."""
        return f"sqlite:///{self.root / 'framemill.db'}"

    @property
    def blobs(self) -> LocalBlobs:
        """The farm's blobs."""
        return LocalBlobs(self.root / "blobs")


@contextlib.contextmanager
def workspace(beside: Path) -> Iterator[Paths]:
    """A folder for a farm next to where its output goes: there is the room, and a rename from there is one step."""
    try:
        beside.mkdir(parents=True, exist_ok=True)
        root = Path(tempfile.mkdtemp(prefix=".framemill-", dir=beside))
    except OSError as error:
        kind = DiskFull if error.errno == errno.ENOSPC else OutputError
        raise kind(f"Nothing can be written to {beside}: {error.strerror}. Choose another folder.") from None
    try:
        yield Paths(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


class Farm:
    """Handle of a running embedded farm."""

    def __init__(self, actors: list[Any]) -> None:
        self._actors = actors
        self._coordinator = actors[0]

    def ready(self) -> None:
        """Wait until the farm can take a job and run it. Raises `FarmError`."""
        wait_until_ready(self._coordinator)

    def start(self, job_id: str) -> Any:
        """Begin to drive a job; the returned reference is for `wait`."""
        return self._coordinator.run.remote(job_id)

    def wait(self, running: Any, seconds: float) -> dict[str, Any] | None:
        """The job's row once it has ended, or None after `seconds`."""
        try:
            row: dict[str, Any] = ray.get(running, timeout=seconds)
            return row
        except ray.exceptions.GetTimeoutError:
            return None
        except ray.exceptions.RayTaskError as error:
            raise own_error(error, "The coordinator failed") from error
        except ray.exceptions.RayError as error:
            raise FarmError(f"The coordinator was lost: {error}") from error

    def progress(self, job_id: str) -> dict[str, Any]:
        """State, frames encoded and frames to encode."""
        told: dict[str, Any] = ray.get(self._coordinator.progress.remote(job_id), timeout=_START_SECONDS)
        return told

    def cancel(self, job_id: str) -> None:
        """Cancel a job; its children are dead when this returns."""
        ray.get(self._coordinator.cancel.remote(job_id), timeout=_START_SECONDS)


@contextlib.contextmanager
def embedded_farm(paths: Paths, slots: int, *, verbose: bool) -> Iterator[Farm]:
    """Start Ray and the actors in this process's shadow; everything is gone afterwards. Raises `FarmError`."""
    # Unix sockets have short names (107 bytes), so Ray's folder lives neither in the workspace nor in a long TMPDIR.
    temporary = tempfile.mkdtemp(prefix="fm-", dir="/tmp")
    level = "DEBUG" if verbose else "WARNING"
    try:
        with environment(_environment()):
            _start_ray(temporary, slots, verbose)
            _end_idlers(verbose)
            with contextlib.closing(Database(paths.database)) as database:
                database.create()
            yield _assemble(paths, slots, level)
    finally:
        ray.shutdown()
        shutil.rmtree(temporary, ignore_errors=True)


def _start_ray(temporary: str, slots: int, verbose: bool) -> None:
    if not verbose:
        logging.getLogger("ray").setLevel(logging.CRITICAL)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        # "local": never join whatever cluster an environment variable or a stale file names.
        ray.init(
            "local",
            num_cpus=slots,
            _memory=slots * SLOT_BYTES,
            include_dashboard=False,
            log_to_driver=verbose,
            configure_logging=verbose,
            logging_level=logging.INFO if verbose else logging.CRITICAL,
            object_store_memory=_OBJECT_STORE_BYTES,
            _temp_dir=temporary,
            _node_ip_address="127.0.0.1",
        )
    except SystemExit as leave:  # while it starts, Ray answers SIGTERM with this
        raise KeyboardInterrupt from leave
    except (RuntimeError, OSError, ValueError, ConnectionError) as error:
        raise FarmError(f"Ray did not start: {error}") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)  # Ray puts its own there, which ends the process at once


#: Ray's daemons that serve clusters of several machines, and logs that nobody reads here.
_IDLERS = ("autoscaler/_private/monitor.py", "log_monitor.py")


def _end_idlers(verbose: bool) -> None:
    """End what a farm of one machine has no use for: it takes CPU, and a second to answer SIGTERM at the end."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            command = " ".join(child.cmdline())
            if _IDLERS[0] in command or (_IDLERS[1] in command and not verbose):
                child.kill()


def _assemble(paths: Paths, slots: int, level: str) -> Farm:
    place = Place(
        root=paths.root,
        database=paths.database,
        slots=slots,
        namespace=f"embedded-{paths.root.name}",
        machine=socket.gethostname(),
        patient=False,
        log_level=level,
    )
    return Farm(assemble(place, detached=False, keyring=keyring_of))


def keyring_of(place: Place) -> Keyring:
    """What opens the stores that the local user has named: nobody else asks here for anything."""
    return local_keyring(place.root)


@functools.cache
def _token() -> str:
    """One for the life of this process: Ray keeps the first that it was given."""
    return secrets.token_hex(32)


def _environment() -> dict[str, str]:
    """A token of this farm's own, by the environment: Ray would else keep one in the user's home."""
    return {
        "RAY_AUTH_TOKEN": _token(),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",  # Ray's own is 15, and our children add ten
    }
