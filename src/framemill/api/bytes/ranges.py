"""Which bytes of a file are asked for: RFC 9110 §14, of which Starlette's FileResponse knows most but not all.

What comes out is a Range header that FileResponse reads as the standard means it: it refuses what is to be passed over
(another unit, something malformed), and refuses a list in which one range of several cannot be had.
"""

import re
from collections.abc import Iterator

_ONE = re.compile(r"(\d{1,20})-(\d{1,20})?|-(\d{1,20})", re.ASCII)
MOST_RANGES = 100
"""A longer list is passed over: it costs more than it is worth."""


class NotSatisfiable(Exception):
    """None of the ranges lies in the file."""


def fit_range(asked: str, size: int, most_bytes: int | None = None) -> str | None:
    """The ranges of a file of `size` bytes that can be had; None: the header is to be passed over.

    `most_bytes`: of all of them together; what goes beyond is left away, and the client asks for the rest. Raises
    `NotSatisfiable`.
    """
    unit, _, rest = asked.partition("=")
    specs = [spec.strip() for spec in rest.split(",") if spec.strip()]
    if unit.strip().lower() != "bytes" or not 1 <= len(specs) <= MOST_RANGES:
        return None
    found = []
    for spec in specs:
        match = _ONE.fullmatch(spec)
        if match is None:
            return None
        first, last, suffix = match.groups()
        if first is None:
            found.append((max(0, size - int(suffix)), size - 1) if int(suffix) else (size, size - 1))
        elif last is None:
            found.append((int(first), size - 1))
        elif int(last) < int(first):
            return None
        else:
            found.append((int(first), min(int(last), size - 1)))
    inside = [(first, last) for first, last in found if first < size]
    if not inside:
        raise NotSatisfiable
    return "bytes=" + ",".join(f"{first}-{last}" for first, last in _within(inside, most_bytes))


def is_whole(fitted: str | None, size: int) -> bool:
    """Whether the answer holds all of the file."""
    return fitted is None or any(one == f"0-{size - 1}" for one in fitted.removeprefix("bytes=").split(","))


def _within(ranges: list[tuple[int, int]], most: int | None) -> Iterator[tuple[int, int]]:
    left = most
    for first, last in ranges:
        if left is None:
            yield first, last
        elif left > 0:
            end = min(last, first + left - 1)
            left -= end - first + 1
            yield first, end
