"""Whether a client has the file already, or wants it as it was: RFC 9110 §13, in the order that it prescribes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def decided(headers: Mapping[str, str], etag: str, modified: datetime) -> int:
    """200: it is sent; 304: the client has it; 412: it is another one than the client wants. `modified`: whole seconds.

    For GET and HEAD.
    """
    if (matches := headers.get("if-match")) is not None:
        if not _lists(matches, etag, strong=True):
            return 412
    elif (since := _date(headers.get("if-unmodified-since"))) is not None and modified > since:
        return 412
    if (matches := headers.get("if-none-match")) is not None:
        return 304 if _lists(matches, etag, strong=False) else 200
    since = _date(headers.get("if-modified-since"))
    return 304 if since is not None and modified <= since else 200


def range_holds(headers: Mapping[str, str], etag: str, modified: datetime) -> bool:
    """Whether the file is still the one of which the client wants a range (`If-Range`)."""
    said = headers.get("if-range")
    if said is None:
        return True
    if said.startswith(('"', "W/")):
        return said == etag and not etag.startswith("W/")
    return _date(said) == modified


def _lists(said: str, etag: str, *, strong: bool) -> bool:
    if said.strip() == "*":
        return True
    tags = [tag.strip() for tag in said.split(",")]
    if strong:
        return etag in tags and not etag.startswith("W/")
    return etag.removeprefix("W/") in {tag.removeprefix("W/") for tag in tags}


def _date(said: str | None) -> datetime | None:
    """What cannot be read is passed over."""
    try:
        found = None if said is None else parsedate_to_datetime(said)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found
