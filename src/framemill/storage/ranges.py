"""Reads a large thing as several ranges at once, and gives them out in order: one connection rarely fills a line."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from framemill.errors import StorageBroken

BLOCK_BYTES = 8 << 20
"""One request: large enough for its round trip not to count."""
AT_ONCE = 6
"""With the block that the caller holds: 56 MiB, whatever the size of the whole."""


def in_order(fetch: Callable[[int, int], bytes], start: int, size: int, what: str) -> Iterator[bytes]:
    """The bytes from `start` to `size`, in blocks. `fetch` gets a half-open range; it is called by several threads.

    Raises what it raises, and `StorageBroken` where it brings more or less than it was asked for.
    """
    borders = range(start, size, BLOCK_BYTES)
    if len(borders) <= 1:
        if borders:
            yield _whole(fetch(start, size), size - start, what)
        return
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="storage-range")
    coming: deque[tuple[Future[bytes], int]] = deque()
    try:
        for first in borders:
            end = min(first + BLOCK_BYTES, size)
            coming.append((pool.submit(fetch, first, end), end - first))
            if len(coming) == AT_ONCE:
                yield _next(coming, what)
        while coming:
            yield _next(coming, what)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _next(coming: deque[tuple[Future[bytes], int]], what: str) -> bytes:
    future, length = coming.popleft()
    return _whole(future.result(), length, what)


def _whole(block: bytes, length: int, what: str) -> bytes:
    if len(block) != length:
        raise StorageBroken(f"{what}: asked for {length} bytes, the store sent {len(block)}. Try again.")
    return block
