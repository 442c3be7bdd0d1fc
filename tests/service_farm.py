"""A farm that stays, of a folder of its own, and what is done to it from outside."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil
from servers.started import free_port

from framemill.client import Framemill
from framemill.config import DataFolder

FRAMEMILL = [sys.executable, "-m", "framemill"]
PATIENCE = 90.0
MARK = "FRAMEMILL_FARM"


class Service:
    """One data folder, and the farm that runs in it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """`settings`: more of them, by their names in the environment without `FRAMEMILL_`."""
        self.folder = folder
        self._settings = settings
        self._client: Framemill | None = None
        self.port = free_port()

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command of ours on this farm."""
        ours = {"DATA_DIR": str(self.folder), "MIN_FREE_BYTES": "0", "MEDIA_ROOTS": "/", **self._settings}
        environment = {**os.environ, **{f"FRAMEMILL_{name}": value for name, value in ours.items()}}
        ran = subprocess.run([*FRAMEMILL, *words], env=environment, text=True, capture_output=True, check=False)
        assert not check or ran.returncode == 0, f"{' '.join(words)} ended with {ran.returncode}: {ran.stderr}"
        return ran

    def up(self) -> None:
        self.run("up", "--port", str(self.port), "--slots", "2", "--detach")

    def down(self, *words: str) -> None:
        self.run("down", *words)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        """The admin's: it opens everything."""
        return DataFolder(self.folder).admin_key.read_text().strip()

    @property
    def client(self) -> Framemill:
        """One for the whole life: it finds the farm again after a restart."""
        if self._client is None:
            self._client = Framemill(self.url, self.key, patience_seconds=PATIENCE)
        return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(DataFolder(self.folder).farm_file.read_text())
        return facts

    @property
    def processes(self) -> list[psutil.Process]:
        """Everything that carries the farm's mark."""
        mark = self.facts["farm_id"]
        return [process for process in psutil.process_iter() if _marked(process, mark)]

    @property
    def encoders(self) -> list[psutil.Process]:
        return self.named("ffmpeg")

    def named(self, word: str) -> list[psutil.Process]:
        """Those of `processes` with that word in their name, which Ray gives its actors (`ray::ServeReplica:api…`)."""
        return [process for process in self.processes if _says(process, word)]


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _says(process: psutil.Process, word: str) -> bool:
    try:
        return word in process.cmdline()[0]
    except (psutil.Error, IndexError):
        return False


def listening(processes: Iterable[psutil.Process]) -> set[tuple[str, int]]:
    """The addresses and ports at which they take connections; some end while they are looked at."""
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.Error):
            told = process.net_connections("tcp")
            found |= {(one.laddr.ip, one.laddr.port) for one in told if one.status == psutil.CONN_LISTEN}
    return found


_LOOK = threading.Event()  # never set: other processes tell nobody when they are there


def until(holds: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait for another process to come that far."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what} did not happen within {seconds:g} s"
        _LOOK.wait(0.05)


def last_seen(there: Callable[[], object], what: str) -> float:
    """When the last look began that found it, by the monotonic clock: a look takes time, and it may go meanwhile."""
    found = time.monotonic()

    def gone() -> bool:
        nonlocal found
        began = time.monotonic()
        if there():
            found = began
            return False
        return True

    until(gone, f"the end of {what}")
    return found
