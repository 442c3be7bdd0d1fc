"""What the environment says; read, and set for our own children, here and nowhere else."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path


def ffmpeg_override() -> str | None:
    """`FRAMEMILL_FFMPEG`: path of an ffmpeg to use instead of the bundled one."""
    return os.environ.get("FRAMEMILL_FFMPEG") or None


def usable_cpus() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """These variables while the block runs; afterwards what was there before."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def cache_dir() -> Path:
    """Where what can be found out again is kept: `$XDG_CACHE_HOME/framemill`, else `~/.cache/framemill`."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "framemill"
