"""What servers of files have in common: how they say that they are full, and how a stream that broke off goes on."""

import contextlib
import re
from collections.abc import Callable, Generator, Iterator
from typing import TypeAlias

from framemill.errors import StorageBroken, StorageUnreachable

NO_ROOM = re.compile(r"(?i)no space|disk (is )?full|quota|storage alloc|insufficient|not enough space")
"""In the words of servers whose protocol has no word of its own for it."""

BlocksFrom: TypeAlias = Callable[[int], Generator[bytes, None, None]]
"""The blocks from a byte on. Raises `StorageBroken` or `StorageUnreachable` where they end before all has come."""


def resumed(blocks_from: BlocksFrom, start: int, retries: int) -> Iterator[bytes]:
    """The blocks from `start` on, taken up again where they broke off: `retries` times, if each brought something.

    Raises whatever the last one raised.
    """
    at = start
    while True:
        begun = at
        try:
            with contextlib.closing(blocks_from(at)) as blocks:
                for block in blocks:
                    at += len(block)
                    yield block
        except (StorageBroken, StorageUnreachable):
            if at == begun or not retries:
                raise
            retries -= 1
        else:
            return
