"""What the farm's logs say of one job."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from framemill.secrets import mask

_TAIL_BYTES = 4 << 20
"""Of each file; older lines are in the support bundle."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log."""

    at: str
    """RFC 3339."""
    level: str
    role: str
    """Which process wrote it."""
    text: str


def lines_about(folder: Path, job_id: str, limit: int = 200) -> list[Line]:
    """The last lines about that job in all logs of the folder, oldest first; secrets are masked."""
    found = [line for path in folder.glob("*.log") for line in _lines(path, job_id)]
    return sorted(found, key=lambda line: line.at)[-limit:]


def _lines(path: Path, job_id: str) -> Iterator[Line]:
    role, wanted = path.name.partition(".")[0], job_id.encode()
    for raw in _tail(path):
        if wanted not in raw:
            continue
        try:
            told = json.loads(raw)
        except ValueError:  # FRAMEMILL_LOG_FORMAT=text
            text = mask(raw.decode(errors="replace"))
            yield Line(text.partition(" ")[0], "", role, text)
            continue
        text = mask(str(told.get("message", "")))
        yield Line(str(told.get("time", "")), str(told.get("level", "")), role, text)


def _tail(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return []
    return lines[1:] if size > _TAIL_BYTES else lines
