"""The support bundle: what somebody needs to see who was not there, in one file. No media, no secret.

It works without a farm, without a database and on a disk that cannot be written to: what cannot be had is named in
`manifest.json`, with the reason. The store is read as it stands, by any version of its tables: a row goes in as a row.
"""

import contextlib
import errno
import io
import json
import logging
import os
import platform
import re
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import IO, Any, NamedTuple

import psutil

from framemill import __version__
from framemill.config import Settings, origin_of, secrets_set, usable_cpus
from framemill.errors import DiskFull, FramemillError, OutputError
from framemill.farm.place import blobs_of, bucket_of
from framemill.farm.slots import usual_slots
from framemill.media import ffmpeg
from framemill.media.capabilities import graphics_devices
from framemill.secrets import mask, masked, masked_settings
from framemill.store.history import History

log = logging.getLogger(__name__)

LOG_BYTES = 2 << 20
"""The end of each of the farm's logs."""
RAY_LOG_BYTES = 256 << 10
"""The end of each of Ray's."""
RAY_LOGS = 40
NEWEST_JOBS = 50
FAILED_JOBS = 3
"""Jobs that are told in full, where none is named: those that failed last."""
MOST_ROWS = 20_000
PLAN_BYTES = 8 << 20
"""A larger plan is left out; it is the list of the frames that makes it large."""
_LIBRARIES = (
    *("ray", "av", "imageio-ffmpeg", "sqlalchemy", "alembic", "psycopg", "pydantic", "pydantic-settings"),
    *("fastapi", "starlette", "uvicorn", "httpx", "psutil", "python-json-logger", "rich", "click"),
)

Member = tuple[str, bytes]


class Written(NamedTuple):
    """A bundle that was written."""

    path: Path
    size: int
    """Bytes."""
    members: tuple[str, ...]
    missing: Mapping[str, str]
    """What is not in it, and why."""


async def ffmpeg_in_use() -> str:
    """The build of the ffmpeg in use and where it is, or why there is none."""
    try:
        return f"{await ffmpeg.build_id()} ({ffmpeg.binary()})"
    except (FramemillError, OSError) as error:
        return f"none: {error}"


def write_bundle(
    settings: Settings, destination: Path, *, job_id: str | None = None, ffmpeg_build: str = "?", now: datetime
) -> Written:
    """Collect what there is into a .tar.gz that its owner alone can read; `job_id`: the job to tell in full.

    Nothing else is written. Raises `OutputError` when the destination cannot be written to.
    """
    subject = _Subject(settings, job_id, ffmpeg_build, _known_secrets(settings), now)
    if destination.is_dir():
        destination /= f"framemill-support-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.tar.gz"
    names: list[str] = []
    with _new_file(destination) as file, tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT) as bundle:
        for name, data in _members(subject):
            entry = tarfile.TarInfo(f"framemill-support/{name}")
            entry.size, entry.mtime, entry.mode = len(data), int(now.timestamp()), 0o600
            bundle.addfile(entry, io.BytesIO(data))
            names.append(name)
    return Written(destination, destination.stat().st_size, tuple(names), subject.missing)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What the bundle is about, and what was missed on the way."""

    settings: Settings
    job_id: str | None
    ffmpeg_build: str
    known: tuple[str, ...]
    now: datetime
    missing: dict[str, str] = field(default_factory=dict)

    def json(self, value: Any) -> bytes:
        """A value as a member, without secrets."""
        return json.dumps(masked(value, self.known), indent=1, ensure_ascii=False).encode(errors="backslashreplace")

    def miss(self, what: str, error: BaseException) -> None:
        """Note what could not be had."""
        lines = f"{type(error).__name__}: {error}".splitlines()
        self.missing[what] = mask(lines[0], self.known)
        log.debug("%s is missing", what, exc_info=error, extra={"action": "support_part_missing"})


def _members(subject: _Subject) -> Iterator[Member]:
    parts: dict[str, Callable[[_Subject], Iterator[Member]]] = {
        "versions": _versions,
        "settings": _settings,
        "machine": _machine,
        "farm": _farm,
        "logs": _logs,
        "store": _store,
    }
    names = []
    for part, collect in parts.items():
        try:
            for name, data in collect(subject):
                names.append(name)
                yield name, data
        except Exception as error:  # noqa: BLE001 – whatever is broken here is what the bundle is for
            subject.miss(part, error)
    told = {"made_at": subject.now.astimezone(UTC).isoformat(), "framemill": __version__, "job": subject.job_id}
    yield "manifest.json", subject.json({**told, "members": names, "missing": subject.missing})


def _versions(subject: _Subject) -> Iterator[Member]:
    libraries = {}
    for name in _LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            libraries[name] = metadata.version(name)
    versions = {
        "framemill": __version__,
        "ffmpeg": subject.ffmpeg_build,
        "python": platform.python_version(),
        "system": platform.platform(),
        "libc": " ".join(platform.libc_ver()),
        "sqlite": sqlite3.sqlite_version,
        **libraries,
    }
    yield "versions.json", subject.json(versions)


def _settings(subject: _Subject) -> Iterator[Member]:
    shown = masked_settings(subject.settings)
    origins = origin_of(subject.settings)
    yield "settings.json", subject.json([{"name": n, "value": shown[n], "from": origin} for n, _, origin in origins])


def _machine(subject: _Subject) -> Iterator[Member]:
    root = subject.settings.folder.root
    nearest = next(place for place in (root, *root.parents) if place.is_dir())
    memory, disk = psutil.virtual_memory(), shutil.disk_usage(nearest)
    facts: dict[str, Any] = {
        "processors": usable_cpus(),
        "slots": usual_slots(),
        "load": os.getloadavg(),
        "memory": {"bytes": memory.total, "available": memory.available, "swap_used": psutil.swap_memory().used},
        "graphics": graphics_devices(),
        "open_files": psutil.Process().rlimit(psutil.RLIMIT_NOFILE) if hasattr(psutil, "RLIMIT_NOFILE") else None,
        "disk": {"folder": str(nearest), "bytes": disk.total, "free": disk.free, "writable": os.access(root, os.W_OK)},
        "blobs": _blobs(subject.settings),
        "data_folder": [_entry(path) for path in sorted(root.iterdir())] if root.is_dir() else "not there",
    }
    yield "machine.json", subject.json(facts)


def _blobs(settings: Settings) -> dict[str, str]:
    """Where they are, and what is wrong with that."""
    bucket = bucket_of(settings)
    return {"in": str(settings.folder.blobs if bucket is None else bucket), "away": blobs_of(settings).away()}


def _entry(path: Path) -> str:
    facts = path.lstat()
    changed = datetime.fromtimestamp(facts.st_mtime, UTC).isoformat(timespec="seconds")
    return f"{facts.st_mode:o} {facts.st_uid} {facts.st_size} {changed} {path.name}"


def _farm(subject: _Subject) -> Iterator[Member]:
    file = subject.settings.folder.farm_file
    if not file.exists():
        subject.missing["farm.json"] = "no farm has run here, or it was taken down"
        return
    farm = json.loads(file.read_bytes())
    yield "farm.json", subject.json(farm)
    yield "processes.json", subject.json(_processes(farm))
    yield from _ends(subject, "ray", _ray_logs(farm), RAY_LOG_BYTES)


def _ray_logs(farm: Mapping[str, Any]) -> list[Path]:
    """Ray's logs that were written to last. A service may have a /tmp of its own, which only its processes see."""
    folder = str(farm.get("temp_dir") or "/nonexistent")
    supervisor = (farm.get("supervisor") or {}).get("pid")
    for root in ("", f"/proc/{supervisor}/root"):
        paths = Path(f"{root}{folder}/session_latest/logs").glob("*")
        with contextlib.suppress(OSError):
            if found := [path for path in paths if _is_log(path)]:
                return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)[:RAY_LOGS]
    return []


def _processes(farm: Mapping[str, Any]) -> list[dict[str, Any]]:
    supervisor = (farm.get("supervisor") or {}).get("pid")
    found = []
    for process in psutil.process_iter(["pid", "name", "status", "create_time", "num_threads", "memory_info"]):
        with contextlib.suppress(OSError, psutil.Error):
            if process.pid == supervisor or os.getsid(process.pid) == farm.get("session"):
                facts = dict(process.info)
                found.append({**facts, "memory_info": facts["memory_info"] and facts["memory_info"].rss})
    return found


def _logs(subject: _Subject) -> Iterator[Member]:
    folder = subject.settings.folder.logs
    paths = [*folder.glob("*.log"), *folder.glob("*.log.1")]
    if not paths:
        subject.missing["logs"] = f"there are none in {folder}"
    yield from _ends(subject, "logs", sorted(path for path in paths if _is_log(path)), LOG_BYTES)


def _is_log(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _ends(subject: _Subject, folder: str, paths: Iterable[Path], most: int) -> Iterator[Member]:
    for path in paths:
        name = f"{folder}/{_plain(path.name)}"
        try:
            yield name, _end_of_log(path, most, subject.known)
        except OSError as error:
            subject.miss(name, error)


def _end_of_log(path: Path, most: int, known: tuple[str, ...]) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most))
        data = file.read(most)
    if size > most:  # half a line may be half a secret
        data = data.partition(b"\n")[2]
    return mask(data.decode(errors="replace"), known).encode()


def _plain(name: str) -> str:
    """Safe as the name of a member, wherever it came from."""
    return re.sub(r"[^A-Za-z0-9._-]|^\.+", "_", name)[:100] or "_"


def _store(subject: _Subject) -> Iterator[Member]:
    with History(subject.settings.database_url) as history:
        if history.stale:
            subject.missing["the last changes"] = history.stale
        summary, missing = history.of_farm()
        subject.missing.update({f"store.json: {name}": mask(why, subject.known) for name, why in missing.items()})
        yield "store.json", subject.json(summary)
        yield "jobs.json", subject.json(history.newest_jobs(NEWEST_JOBS))
        for job_id in [subject.job_id] if subject.job_id else history.last_failed(FAILED_JOBS):
            folder = f"jobs/{_plain(job_id)}"
            told = history.of_job(job_id, MOST_ROWS)
            if not told["job"]:
                subject.missing[folder] = "the store has no such job"
                continue
            for name, rows in told.items():
                yield f"{folder}/{name}.json", subject.json(rows)
            yield from _plans(subject, job_id, folder)


def _plans(subject: _Subject, job_id: str, folder: str) -> Iterator[Member]:
    blobs = blobs_of(subject.settings)
    for plan in sorted(name for name in blobs.names("titles", f"{job_id}-") if name.endswith(".json")):
        name = f"{folder}/plan-{_plain(plan)}"
        try:
            if (size := blobs.size_of(blobs.path(f"titles/{plan}")) or 0) > PLAN_BYTES:
                subject.missing[name] = f"it is large: {size} bytes"
            else:
                yield name, subject.json(json.loads(blobs.read(f"titles/{plan}")))
        except (OSError, ValueError, FramemillError) as error:
            subject.miss(name, error)


def _known_secrets(settings: Settings) -> tuple[str, ...]:
    """Secrets whose very letters are known, so that they are found wherever they stand."""
    found = secrets_set(settings)
    root = settings.folder.root
    for path in (*root.glob("*.key"), *root.glob("*.token"), *root.glob("*.password")):
        with contextlib.suppress(OSError):
            found |= set(path.read_text(errors="replace")[:4096].split("\n"))
    return tuple(sorted(secret.strip() for secret in found if secret.strip()))


@contextlib.contextmanager
def _new_file(destination: Path) -> Iterator[IO[bytes]]:
    """A file that appears whole or not at all."""
    part = destination.with_name(f".{os.getpid()}-{destination.name}")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            yield file
        part.replace(destination)
    except OSError as error:
        kind = DiskFull if error.errno == errno.ENOSPC else OutputError
        raise kind(f"The bundle cannot be written to {destination}: {error.strerror}. Name another with -o.") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
