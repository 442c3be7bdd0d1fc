"""Reads what FTP servers say of their files: facts (RFC 3659), and the listings of before. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_UNIX = re.compile(
    r"(?P<kind>[-dlbcpsD])[-rwxsStTlL]{9}[.+@]?\s.*?\s(?P<size>\d+)\s+"
    r"(?:[A-Z][a-z]{2}\s+\d{1,2}|\d{1,2}\s+[A-Z][a-z]{2})\s+(?:\d{1,2}:\d{2}|\d{4})\s(?P<name>.+)"
)
_DOS = re.compile(
    r"\d{2}-\d{2}-(?:\d{2}|\d{4})\s+\d{2}:\d{2}(?:[AP]M)?\s+(?:(?P<folder><DIR>)\s+|(?P<size>\d+)\s)(?P<name>.+)"
)

_NO_NAME = re.compile(r"[/\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder, as the server says it."""

    name: str
    folder: bool
    size: int | None = None
    modified: datetime | None = None
    """None: not said, or in a time zone that is not said."""


def entry_of_facts(line: str) -> Entry | None:
    """Of `type=file;size=1;modify=20260101000000; name`; none for what is neither a file nor a folder below."""
    written, _, name = line.lstrip(" ").partition(" ")
    facts = dict(fact.lower().split("=", 1) for fact in written.split(";") if "=" in fact)
    kind = facts.get("type", "file")
    if kind not in {"file", "dir"} or not _is_name(name.rpartition("/")[2]):
        return None
    size = facts.get("size", "")
    return Entry(
        name.rpartition("/")[2],
        kind == "dir",
        int(size) if size.isascii() and size.isdigit() and kind == "file" else None,
        time_of(facts.get("modify", "")),
    )


def entries_of_facts(lines: Iterable[str]) -> Iterator[Entry]:
    """The same of many."""
    return (entry for line in lines if (entry := entry_of_facts(line)) is not None)


def entries_of_list(lines: Iterable[str]) -> Iterator[Entry]:
    """Of a listing as `ls -l` writes it, or DOS; links are left out, whose size it does not tell."""
    for line in lines:
        if (found := _UNIX.fullmatch(line)) is not None:
            kind, name, size = found["kind"], found["name"], found["size"]
        elif (found := _DOS.fullmatch(line)) is not None:
            kind, name, size = "d" if found["folder"] else "-", found["name"], found["size"]
        else:
            continue
        if kind in {"-", "d"} and _is_name(name):
            yield Entry(name, kind == "d", int(size) if kind == "-" else None)


def time_of(written: str) -> datetime | None:
    """Of `YYYYMMDDHHMMSS`, with or without parts of a second; in UTC, as RFC 3659 wants it."""
    try:
        return datetime.strptime(written[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _is_name(name: str) -> bool:
    """A server might name what lies elsewhere."""
    return name not in {"", ".", ".."} and not _NO_NAME.search(name)
