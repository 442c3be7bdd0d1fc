"""ffmpeg itself: which build is in use, and running it."""

import errno
import hashlib
import os
import platform
import re
import signal
from collections.abc import Sequence

import imageio_ffmpeg

from framemill.config import ffmpeg_override
from framemill.errors import FfmpegFailed, WrongUse
from framemill.media import process
from framemill.media.process import Finished, Progress, quoted
from framemill.media.readable import guarded

__all__ = ["binary", "build_id", "errors_in", "ffmpeg", "first_words", "plain_words", "quoted", "run"]


def binary() -> str:
    """Path of the ffmpeg in use: `FRAMEMILL_FFMPEG`, else the bundled one. Raises `WrongUse` when there is none."""
    path = ffmpeg_override() or imageio_ffmpeg.get_ffmpeg_exe()
    if not os.access(path, os.X_OK):
        raise WrongUse(f"FRAMEMILL_FFMPEG names {path!r}, which cannot be run; unset it to use the bundled ffmpeg.")
    return path


async def build_id() -> str:
    """Names this ffmpeg build and CPU architecture: inside one such class, equal input gives equal bytes."""
    return await _build_id(binary())


_known_builds: dict[str, str] = {}


async def _build_id(path: str) -> str:
    if path not in _known_builds:
        finished = await run([path, "-version"])
        first, *rest = finished.stdout.decode(errors="replace").splitlines() or ["?"]
        configuration = hashlib.sha256("\n".join(rest).encode()).hexdigest()[:12]
        _known_builds[path] = (
            f"{first.removeprefix('ffmpeg version ').split(' ')[0]}-{configuration}-{platform.machine()}"
        )
    return _known_builds[path]


async def run(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    timeout: float | None = None,
    on_progress: Progress | None = None,
) -> Finished:
    """`process.run` of an ffmpeg that opens its inputs, and nothing that those name."""
    return await process.run(guarded(argv), stdin=stdin, timeout=timeout, on_progress=on_progress)


async def ffmpeg(args: Sequence[str], *, on_progress: Progress | None = None, timeout: float | None = None) -> Finished:
    """Run ffmpeg with these arguments; raises `FfmpegFailed` with the command and its last words."""
    argv = [binary(), *(("-progress", "pipe:1", "-nostats") if on_progress else ()), *args]
    finished = await run(argv, on_progress=on_progress, timeout=timeout)
    if finished.status != 0:
        too_long = finished.status == -signal.SIGXFSZ or os.strerror(errno.EFBIG) in finished.stderr
        said = "it wrote more than what is planned can take" if too_long else first_words(finished.stderr)
        raise FfmpegFailed(
            f"ffmpeg ended with exit status {finished.status}: {said}.",
            command=quoted(argv),
            stderr=finished.stderr,
        )
    return finished


def plain_words(line: str) -> str:
    """A line of ffmpeg's without the name and address of who said it, its level, and its full stop."""
    return re.sub(r"^(\[[^\]]*\] ?)+", "", line).rstrip(". ")


def errors_in(stderr: str) -> list[str]:
    """The lines of level error, in plain words, of what ffmpeg wrote under `-v level+…`.

    Libraries that write by themselves (SVT-AV1) mark no level, and are passed over.
    """
    return [plain_words(line) for line in stderr.splitlines() if _ERROR.search(line)]


_ERROR = re.compile(r"\[(error|fatal|panic)\]")


def first_words(stderr: str) -> str:
    """Why ffmpeg failed: its first line of level error, else its first line."""
    said = errors_in(stderr) or [plain_words(line) for line in stderr.strip().splitlines()]
    return next(iter(said), "it said nothing")
