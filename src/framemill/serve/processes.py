"""The farm's processes as the system knows them: found by their session and by the mark in their environment.

Ray makes every worker a process group of its own, so a group names too few, and a name too many. The session is
inherited by all and left by none of ours; the mark `FRAMEMILL_FARM` is inherited, too, and outlives a session.
"""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from framemill.serve.roles import PASSING, role_of
from framemill.serve.watch import Seen

log = logging.getLogger(__name__)

MARK = "FRAMEMILL_FARM"
_LOOK_SECONDS = 0.05
#: A process just forked still has the words of its parent, until it becomes what it was made for.
_NEW_SECONDS = 10.0


@dataclass(slots=True)
class _Known:
    process: psutil.Process
    role: str
    started: float
    met: float
    """Monotonic seconds of the first look."""


class Lookout:
    """Looks at one farm's processes again and again; what does not change is read once."""

    def __init__(self, session: int, farm_id: str) -> None:
        self._session = session
        self._farm_id = farm_id
        self._known: dict[int, _Known] = {}
        self._new: set[int] = set()
        self._foreign: set[int] = set()

    def look(self) -> tuple[Seen, ...]:
        """Everything in the session that has not ended, and this farm's ffmpegs outside of it."""
        pids = psutil.pids()
        inside = {pid for pid in pids if _session_of(pid) == self._session}
        outside = self._strays([pid for pid in pids if pid not in inside])
        self._known = {pid: known for pid, known in self._known.items() if pid in inside or pid in outside}
        found = (self._seen(pid, inside) for pid in sorted(inside | outside))
        return tuple(seen for seen in found if seen is not None)

    def kill(self, seen: Seen) -> bool:
        """SIGKILL for that very process; False when it was gone."""
        known = self._known.get(seen.pid)
        if known is None or known.started != seen.started:
            return False
        try:
            known.process.kill()  # which looks whether somebody else has the number now
        except psutil.Error:
            return False
        return True

    def _strays(self, pids: list[int]) -> set[int]:
        """Our ffmpegs among processes outside the session. A new process is judged at the second look: by then it has
        become what it was made for."""
        self._foreign.intersection_update(pids)
        ripe = self._new.intersection(pids)
        self._new = {pid for pid in pids if pid not in self._foreign and pid not in ripe and pid not in self._known}
        strays = {pid for pid in ripe if _is_stray(pid, self._farm_id)}
        self._foreign |= ripe - strays
        return strays | {pid for pid in pids if pid in self._known and self._known[pid].role == "ffmpeg"}

    def _seen(self, pid: int, inside: set[int]) -> Seen | None:
        try:
            known = self._known.get(pid) or self._meet(pid)
            status = known.process.status()
            if status == psutil.STATUS_ZOMBIE:
                return None
            if known.role in PASSING or time.monotonic() - known.met < _NEW_SECONDS:
                known.role = role_of(known.process.cmdline())
            alone = known.role == "ffmpeg" and self._is_alone(known.process.ppid(), inside)
        except psutil.Error:
            self._known.pop(pid, None)
            return None
        return Seen(pid, known.started, known.role, stopped=status == psutil.STATUS_STOPPED, alone=alone)

    def _is_alone(self, parent: int, inside: set[int]) -> bool:
        """Whether nobody of the farm waits for a process; the deployer stands outside the session, and has its mark."""
        return parent not in inside and not _has_mark(parent, self._farm_id)

    def _meet(self, pid: int) -> _Known:
        process = psutil.Process(pid)
        self._known[pid] = _Known(process, role_of(process.cmdline()), process.create_time(), time.monotonic())
        return self._known[pid]


def members(session: int) -> list[psutil.Process]:
    """The processes of that session that have not ended."""
    found = []
    for pid in psutil.pids():
        if _session_of(pid) == session:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
    return found


def has_ended(session: int, program: str) -> bool:
    """Whether a program of that session has ended, and its parent has not taken note of it yet."""
    for pid in psutil.pids():
        if _session_of(pid) == session:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.name() == program and process.status() == psutil.STATUS_ZOMBIE:
                    return True
    return False


def marked(farm_id: str) -> list[psutil.Process]:
    """The processes, in whatever session, that have the farm's mark in their environment and have not ended."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if _has_mark(process.pid, farm_id) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end_session(session: int | None, farm_id: str, *, patience_seconds: float = 10.0) -> list[int]:
    """SIGKILL to every process of the session and to whoever else has the mark, until none is left.

    Returns the ids of those that are still there after `patience_seconds`: the kernel holds them, in a call to a disk.
    Never touches this process or its own session's other processes, unless they have the mark.
    """
    until = time.monotonic() + patience_seconds
    while True:
        doomed = {process.pid: process for process in _doomed(session, farm_id)}
        for process in doomed.values():
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        if not doomed:
            return []
        if time.monotonic() > until:
            return sorted(doomed)
        time.sleep(_LOOK_SECONDS)


def is_ours(session: int, farm_id: str) -> bool:
    """Whether a session has a process with the farm's mark. A number is no other session's while one process of it is
    there, so then the whole session is ours."""
    return any(_has_mark(process.pid, farm_id) for process in members(session))


def end_idlers(session: int) -> None:
    """End Ray Client's server, which nobody here speaks to: 50 MB. Ray takes SIGTERM for an end that was meant."""
    for process in members(session):
        with contextlib.suppress(psutil.Error):
            if role_of(process.cmdline()) == "client":
                process.terminate()


def _doomed(session: int | None, farm_id: str) -> Iterator[psutil.Process]:
    if session is not None and session not in {0, 1, os.getsid(0)}:
        yield from members(session)
    yield from (process for process in marked(farm_id) if process.pid != os.getpid())


def _is_stray(pid: int, farm_id: str) -> bool:
    try:
        return role_of(psutil.Process(pid).cmdline()) == "ffmpeg" and _has_mark(pid, farm_id)
    except psutil.Error:
        return False


def _has_mark(pid: int, farm_id: str) -> bool:
    try:
        # An empty mark is nobody's: it stands in processes that no farm has begun.
        return bool(farm_id) and psutil.Process(pid).environ().get(MARK) == farm_id
    except (psutil.Error, OSError):
        return False


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None
