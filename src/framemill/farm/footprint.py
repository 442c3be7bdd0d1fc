"""What the processes of an embedded farm have used so far, as the kernel counts it."""

import contextlib
from collections.abc import Iterable

import psutil

_MEDIA = ("framemill.media.forkserver", "ffmpeg")  # in the command lines of children that count for a stage


def farm_cpu_seconds() -> float:
    """CPU seconds of this process and of Ray's: everything below it that is no media process."""
    mine, *below = _family()
    return _sum([mine, *(child for child in below if not _is_media(child))])


def tree_cpu_seconds() -> float:
    """CPU seconds of this process and everything below it, children that have ended included."""
    return _sum(_family(), ended=True)


def _family() -> list[psutil.Process]:
    mine = psutil.Process()
    return [mine, *mine.children(recursive=True)]


def _sum(processes: Iterable[psutil.Process], *, ended: bool = False) -> float:
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):  # it ended while we looked
            times = process.cpu_times()
            total += times.user + times.system
            total += times.children_user + times.children_system if ended else 0.0
    return total


def _is_media(process: psutil.Process) -> bool:
    try:
        command = " ".join(process.cmdline())
    except psutil.Error:
        return True
    return any(word in command for word in _MEDIA)
