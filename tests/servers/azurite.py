"""Azurite, Microsoft's own stand-in for Azure's blobs; npm fetches it once into the user's cache folder."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers.started import await_port, free_port, running

PACKAGE = "azurite@3.35.0"
"""The last one for Node 20."""
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Which everybody knows: https://learn.microsoft.com/en-us/azure/storage/common/storage-use-azurite"""
INSTALL_SECONDS = 240


@dataclass(frozen=True)
class Azurite:
    endpoint: str
    account: str = ACCOUNT
    key: str = KEY


@contextmanager
def running_azurite(folder: Path) -> Iterator[Azurite]:
    """Start it, and stop it in the end; skips, and says what is missing, where it cannot be."""
    program = shutil.which("azurite-blob") or _installed()
    port, log = free_port(), folder / "azurite.log"
    where = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder / "azurite")]
    # Without the last of them it refuses every client that is newer than itself.
    argv = [program, *where, "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    with running(argv, log) as process:
        await_port(port, process, log)
        yield Azurite(f"http://127.0.0.1:{port}/{ACCOUNT}")


def _installed() -> str:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "framemill-tests" / PACKAGE
    program = cache / "node_modules" / ".bin" / "azurite-blob"
    if shutil.which("npm") is None:
        pytest.skip(f"no Azurite: npm is missing; or npm install --global {PACKAGE}")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            argv = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(cache), PACKAGE]
            done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
            if done.returncode != 0 or not program.exists():
                pytest.skip(f"no Azurite: npm install {PACKAGE} failed: {done.stderr[-200:]}")
    return str(program)
