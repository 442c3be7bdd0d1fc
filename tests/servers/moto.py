"""moto's S3, by pip alone: quick, and gullible. It takes every key, forged signatures, and wrong check sums."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers.started import await_port, free_port, running

pytest.importorskip("moto.server", reason="package missing: pip install moto[server]")


@contextmanager
def running_moto(folder: Path) -> Iterator[str]:
    """Its endpoint."""
    port, log = free_port(), folder / "moto.log"
    with running([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], log) as process:
        await_port(port, process, log)
        yield f"http://127.0.0.1:{port}"
