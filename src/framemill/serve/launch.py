"""Starts the processes of service mode that are not media: Ray's head, the deployer, and the supervisor itself.

They are children of another kind than `media.process` has: as urgent as everything else, and logging into a file.
"""

import asyncio
import functools
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from framemill.config import environment
from framemill.media.process import die_with

_TAIL_BYTES = 1 << 18


async def start_session(
    argv: Sequence[str], variables: Mapping[str, str], *, folder: Path, log: Path
) -> asyncio.subprocess.Process:
    """Start a process as the leader of a session of its own: its children are found by its id, and it outlives us."""
    with environment(variables), new_log(log) as file:
        return await asyncio.create_subprocess_exec(*argv, **_ways(file, folder), start_new_session=True)


async def start_child(
    argv: Sequence[str], variables: Mapping[str, str], *, folder: Path, log: Path
) -> asyncio.subprocess.Process:
    """Start a process that ends when we do, however we end."""
    with environment(variables), new_log(log) as file:
        return await asyncio.create_subprocess_exec(
            *argv,
            **_ways(file, folder),
            preexec_fn=functools.partial(die_with, os.getpid()),  # it makes system calls only
        )


def start_detached(argv: Sequence[str], variables: Mapping[str, str], *, log: Path) -> subprocess.Popen[bytes]:
    """Start a process that goes on when this one and its terminal are gone."""
    with environment(variables), new_log(log) as file:
        return subprocess.Popen(argv, **_ways(file, Path("/")), start_new_session=True)


def python(*words: str) -> list[str]:
    """This Python with those arguments; nothing is imported from the folder that it happens to start in."""
    return [sys.executable, "-P", *words]


def new_log(path: Path) -> IO[bytes]:
    """An empty file for what a child writes; what the one before wrote is kept beside it, as `….1`. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.replace(path.with_name(path.name + ".1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o640)
    return open(descriptor, "wb", buffering=0)


def last_lines(path: Path, count: int = 15) -> str:
    """The end of what a child wrote; empty where there is nothing."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.strip().splitlines()[-count:])


def _ways(file: IO[bytes], folder: Path) -> dict[str, Any]:
    return {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": subprocess.STDOUT, "cwd": folder}
