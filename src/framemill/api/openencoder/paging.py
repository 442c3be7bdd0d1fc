"""Pages and numbers as clients ask for them; what is none is no fault, and means the first page, or nothing."""

from typing import Annotated

from fastapi import Depends, Query

USUAL, MOST = 10, 500
"""Things of a page."""
_DIGITS = 12


def _whole(text: str) -> int:
    """The number that is meant; 0: none."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS else 0


def number_of(text: str) -> int:
    """An id in a path; 0, which nothing has, for what is none."""
    return _whole(text)


async def _page(page: Annotated[str, Query(max_length=50)] = "1") -> int:
    return max(1, min(_whole(page), 10**9))


async def _count(count: Annotated[str, Query(max_length=50)] = "10") -> int:
    return min(_whole(count) or USUAL, MOST)


WhichPage = Annotated[int, Depends(_page)]
"""From 1 on; 0 is the first one, too."""
PerPage = Annotated[int, Depends(_count)]
