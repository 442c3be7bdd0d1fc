"""How the pages say numbers and times."""

from datetime import datetime, timedelta

from rich import filesize

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def span(seconds: float) -> str:
    """A length of time: `0.4 s`, `38 s`, `3:07 min`, `2:04 h`, `3 d 4 h`."""
    if seconds < 9.95:  # noqa: PLR2004 - beyond, tenths say nothing
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02} min"
    if whole < _DAY:
        return f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02} h"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def ago(at: datetime, now: datetime) -> str:
    """How long ago that was; of what is more than a day old the date."""
    passed = now - at
    if passed > timedelta(days=1):
        return f"{at:%Y-%m-%d %H:%M} UTC"
    return "just now" if passed < timedelta(seconds=2) else f"{span(passed.total_seconds())} ago"


def size(count: int | None) -> str:
    """Bytes: `12.3 MB`; nothing where they are not known."""
    return "" if count is None else filesize.decimal(count)


def percent(share: float | None) -> str:
    """A share as per cent, rounded down: only what is whole is 100 %."""
    return "" if share is None else f"{int(share * 100)} %"
