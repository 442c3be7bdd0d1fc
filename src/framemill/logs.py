"""Logs of the farm's processes: JSON a line or text, each with the job and the chunk that was worked on, no secrets.

A process with a role writes into `<data folder>/logs/<role>.log`, and turns the file over itself. Writing to stderr
and leaving that to the supervisor would not do: the actors are Ray's children, whose stderr goes into Ray's own
folder, which goes with the farm; and a replaced actor may live beside its successor for a minute, so two processes
may write into one file.
"""

import contextlib
import fcntl
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pythonjsonlogger.json import JsonFormatter

from framemill.secrets import mask, masked

LogFormat = Literal["json", "text"]

#: What a record says of itself beside its sentence; `extra` and `log_context` know more words, which JSON shows.
FIELDS = ("action", "job", "chunk", "machine", "worker")
FILE_BYTES = 10 << 20
"""Bytes at which a file is turned over."""
OLD_FILES = 4
"""Files that are kept beside the one being written: `<role>.log.1`, the newest, and so on."""

_context: ContextVar[dict[str, Any]] = ContextVar("framemill_log_context", default={})  # noqa: B039 – never changed in place


@contextlib.contextmanager
def log_context(**fields: Any) -> Iterator[None]:
    """Everything logged inside carries these fields (`job=…, chunk=…`), also from tasks and threads begun there.

    An inner context adds to the outer one; what a line says itself in `extra` stands. None takes a field away.
    """
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def log_to(level: str, form: LogFormat = "text", *, file: Path | None = None) -> None:
    """Have this process log from that level on, to stderr or into a file; asked again, it replaces what it did before.

    Libraries are heard from WARNING on. A file that cannot be opened or written to ends nothing: the lines then go to
    stderr.
    """
    root = logging.getLogger()
    for former in [*root.handlers]:
        root.removeHandler(former)
        former.close()
    handler: logging.Handler = LogFile(file) if file is not None else logging.StreamHandler()
    handler.setFormatter(_Json() if form == "json" else _Text())
    handler.addFilter(_fill_in)
    root.addHandler(handler)
    logging.getLogger("framemill").setLevel(level)
    root.setLevel(max(logging.getLogger("framemill").level, logging.WARNING))


def log_file(folder: Path, role: str) -> Path:
    """Where a process of that role logs. A role is a name such as `coordinator` or `worker-cpu`."""
    return folder / f"{re.sub(r'[^A-Za-z0-9._-]', '_', role)}.log"


class LogFile(logging.Handler):
    """Appends lines to a file that several processes may write to, each line whole, and turns it over when it is full.

    At most `file_bytes` and a line are in a file, and `old_files` older ones are kept.
    """

    def __init__(self, path: Path, *, file_bytes: int = FILE_BYTES, old_files: int = OLD_FILES) -> None:
        super().__init__()
        self._path = path
        self._file_bytes = file_bytes
        self._old_files = old_files
        self._open: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        try:
            line = (self.format(record) + "\n").encode(errors="backslashreplace")
        except Exception:  # noqa: BLE001 – a line that cannot be formatted is the caller's mistake, never its end
            self.handleError(record)
            return
        try:
            os.write(self._writable(len(line)), line)
        except OSError:  # no room, no folder, no right: the work goes on
            self._let_go()
            with contextlib.suppress(OSError, ValueError, AttributeError):
                sys.stderr.write(line.decode())

    def close(self) -> None:
        """Let go of the file."""
        self.acquire()
        try:
            self._let_go()
        finally:
            self.release()
        super().close()

    def _writable(self, more: int) -> int:
        """The file that now has this name, with room for so many bytes."""
        opened = self._current()
        if _size(opened) and _size(opened) + more > self._file_bytes:
            fcntl.flock(opened, fcntl.LOCK_EX)
            try:
                if _same_file(opened, self._path):  # nobody else has turned it over meanwhile
                    self._turn_over()
            finally:
                self._let_go()
            opened = self._current()
        return opened

    def _current(self) -> int:
        if self._open is None or not _same_file(self._open, self._path):
            self._let_go()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._open = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        return self._open

    def _turn_over(self) -> None:
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._old_files + 1))]
        for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)

    def _let_go(self) -> None:
        if self._open is not None:
            os.close(self._open)  # and with it the lock
            self._open = None


def _size(opened: int) -> int:
    return os.fstat(opened).st_size


def _same_file(opened: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(opened), os.stat(path))
    except FileNotFoundError:
        return False


def _fill_in(record: logging.LogRecord) -> bool:
    """Give a record the fields of the context that it does not have itself."""
    for name, value in _context.get().items():
        if value is not None and name not in record.__dict__:
            setattr(record, name, value)
    return True


class _Json(JsonFormatter):
    """`{"time": …, "level": …, "logger": …, "message": …}` and whatever else the record has."""

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={
                **{"asctime": "time", "levelname": "level", "name": "logger"},
                **{"exc_info": "exception", "stack_info": "stack"},
            },
            json_ensure_ascii=False,
        )

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 – the library's name
        """RFC 3339 in UTC."""
        return _time(record)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Without secrets."""
        shown: dict[str, Any] = masked({name: value for name, value in log_data.items() if value is not None})
        return shown


class _Text(logging.Formatter):
    """A line for people: time, level, logger, sentence, and the fields that were given."""

    def format(self, record: logging.LogRecord) -> str:
        """Without secrets."""
        told = [f"{name}={record.__dict__[name]}" for name in FIELDS if record.__dict__.get(name) is not None]
        line = f"{_time(record)} {record.levelname} {record.name} {record.getMessage()}"
        if told:
            line += f" ({' '.join(told)})"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return mask(line)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
