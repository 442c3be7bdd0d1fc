"""What this machine can do, and what is wrong with it: facts first, then a pure judgement with the next thing to do."""

import asyncio
import os
import platform
import shutil
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import psutil

from framemill import __version__
from framemill.config import Settings, usable_cpus
from framemill.errors import FramemillError
from framemill.farm.embedded import embedded_farm, workspace
from framemill.farm.place import blobs_of, bucket_of
from framemill.farm.slots import SLOT_BYTES, slots_for
from framemill.jobs.settings import Value
from framemill.media import ffmpeg
from framemill.media.capabilities import (
    HARDWARE_ENCODERS,
    SOUND_ENCODERS,
    VIDEO_ENCODERS,
    Tried,
    graphics_devices,
    try_encoders,
)
from framemill.media.confine import unconfined
from framemill.media.index import DECODE, FRAMEHASH
from framemill.media.options import ENCODERS
from framemill.media.soundcodecs import AUDIO_ENCODERS

_LITTLE_DISK = 5 << 30  # bytes: less than a long film and its chunks take
_FEW_FILES = 1024  # open files: Ray alone takes some hundred


class Facts(Value):
    """What was found out."""

    framemill: str
    python: str
    system: str
    ffmpeg: str
    ffmpeg_path: str
    exact: bool
    """Whether this ffmpeg knows the options that exact decoding takes."""
    encoders: tuple[Tried, ...]
    processors: int
    memory_bytes: int
    available_bytes: int
    graphics: tuple[str, ...]
    """Device files of graphics chips."""
    ray: str
    ray_seconds: float | None = None
    """How long a farm took to start; none: it did not."""
    ray_said: str = ""
    folder: str
    disk_free_bytes: int
    disk_writable: bool
    open_files: int
    unconfined: str = ""
    """What processes that read media cannot be kept from here; empty: they can be kept from all of it."""
    blobs: str = ""
    """The bucket that the farm's machines share; empty: there is none."""
    blobs_said: str = ""
    """Why it will not do; empty: it will."""

    @property
    def slots(self) -> int:
        """Encodes side by side."""
        return slots_for(self.processors, self.available_bytes)


class Problem(Value):
    """Something is wrong, and what to do about it."""

    grave: bool
    """Whether it keeps jobs from being done."""
    what: str
    next: str


def judge(facts: Facts) -> list[Problem]:
    """What is wrong with a machine, the gravest first."""
    works = {tried.encoder: tried for tried in facts.encoders if tried.encodes and tried.decodes}
    found = []

    def problem(wrong: bool, what: str, then: str, *, grave: bool = False) -> None:
        if wrong:
            found.append(Problem(grave=grave, what=what, next=then))

    other = "Unset FRAMEMILL_FFMPEG to use the bundled ffmpeg, or name a newer or fuller one."
    problem(not facts.exact, f"ffmpeg {facts.ffmpeg} is too old to decode exactly.", other, grave=True)
    needed = {encoder.name for encoder in ENCODERS.values()} | {name for name, _ in AUDIO_ENCODERS.values()}
    for tried in facts.encoders:
        missing = tried.encoder in needed and tried.encoder not in works
        problem(missing, f"{tried.codec} does not work here ({tried.encoder}: {tried.said}).", other, grave=True)
    problem(
        facts.ray_seconds is None,
        f"The farm's processes do not start: {facts.ray_said}",
        "Look at `framemill doctor -v`; free memory, and see that /tmp can be written to.",
        grave=True,
    )
    problem(
        not facts.disk_writable,
        f"Nothing can be written to {facts.folder}.",
        "Choose another folder, or change its owner.",
        grave=True,
    )
    problem(
        bool(facts.blobs_said),
        f"The farm's bucket cannot be used: {facts.blobs_said}",
        "Look at FRAMEMILL_BLOBS_URL, FRAMEMILL_BLOBS_ENDPOINT and the key: `framemill config` shows where they stand.",
        grave=True,
    )
    problem(
        bool(facts.unconfined),
        f"A film that takes over a decoder could do more than it should: {facts.unconfined}.",
        "Run it on Linux 6.12 or newer, or in a container without network; and take films from people you trust only.",
    )
    problem(
        facts.disk_free_bytes < _LITTLE_DISK,
        f"{facts.folder} has {_gb(facts.disk_free_bytes)} free; a long film and its chunks may take more.",
        "Free some room, or write to another disk: work lies beside the destination.",
    )
    problem(
        facts.slots < facts.processors,
        f"There is memory for {facts.slots} of {facts.processors} encodes side by side: each takes up to "
        f"{_gb(SLOT_BYTES)}, and {_gb(facts.available_bytes)} is available.",
        "End other programs, or go on: fewer slots take longer, nothing else.",
    )
    problem(
        facts.open_files < _FEW_FILES,
        f"Only {facts.open_files} files may be open at a time.",
        f"Raise the limit: `ulimit -n {_FEW_FILES * 4}`.",
    )
    nvidia = any("nvidia" in device for device in facts.graphics)
    nvenc = [tried for tried in facts.encoders if tried.encoder.endswith("_nvenc")]
    problem(
        nvidia and not any(tried.encoder in works for tried in nvenc),
        f"There is an NVIDIA device, but it does not encode ({nvenc[0].said if nvenc else 'not tried'}).",
        "Compute cards (A100, H100) have no encoder; for others install the driver with its libnvidia-encode.",
    )
    return sorted(found, key=lambda problem: not problem.grave)


def _gb(size: float) -> str:
    return f"{size / (1 << 30):.1f} GiB"


async def examine(folder: Path, settings: Settings) -> Facts:
    """Look at this machine; `folder`: where outputs would go. What the settings name is tried, too."""
    encoders = await try_encoders([*VIDEO_ENCODERS, *SOUND_ENCODERS, *HARDWARE_ENCODERS])
    memory = psutil.virtual_memory()
    there = await asyncio.to_thread(_nearest, folder)
    bucket = bucket_of(settings)
    return Facts(
        framemill=__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        ffmpeg=await ffmpeg.build_id(),
        ffmpeg_path=ffmpeg.binary(),
        exact=await _decodes_exactly(),
        encoders=tuple(encoders),
        processors=usable_cpus(),
        memory_bytes=memory.total,
        available_bytes=memory.available,
        graphics=tuple(graphics_devices()),
        ray=version("ray"),
        folder=str(there),
        disk_free_bytes=shutil.disk_usage(there).free,
        unconfined=unconfined(),
        disk_writable=os.access(there, os.W_OK),
        blobs="" if bucket is None else str(bucket),
        blobs_said=await asyncio.to_thread(_checked, settings),
        open_files=psutil.Process().rlimit(psutil.RLIMIT_NOFILE)[0] if hasattr(psutil, "RLIMIT_NOFILE") else _FEW_FILES,
    )


def _checked(settings: Settings) -> str:
    try:
        blobs_of(settings).check()
    except FramemillError as error:
        return error.message
    return ""


def start_farm(facts: Facts, *, verbose: bool) -> Facts:
    """The facts with how starting a farm went; in the main thread, since Ray wants it."""
    began = time.monotonic()
    try:
        with workspace(Path(tempfile.gettempdir())) as paths, embedded_farm(paths, 1, verbose=verbose) as farm:
            farm.ready()
            return facts.model_copy(update={"ray_seconds": round(time.monotonic() - began, 1)})
    except FramemillError as error:
        return facts.model_copy(update={"ray_said": error.message})


def _nearest(folder: Path) -> Path:
    """The folder, or what is there of the way to it."""
    return next(place for place in (folder, *folder.parents) if place.is_dir())


async def _decodes_exactly() -> bool:
    picture = ("-f", "lavfi", "-i", "testsrc=size=64x64:rate=25:duration=0.2")
    finished = await ffmpeg.run([ffmpeg.binary(), *DECODE, *picture, *FRAMEHASH], timeout=20)
    return finished.status == 0
