"""Damage that asks nothing of a file but its bytes, and the odd values that damaged fields are given."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeAlias

Damage: TypeAlias = Callable[[bytes, random.Random], bytes]
"""Makes a damaged copy of a file; bytes that it finds nothing in to damage come back as they are."""

HEADER = 4 << 10


def odd_value(rng: random.Random, value: int, bits: int) -> int:
    """What a field of that many bits may be changed to: an extreme, a near miss, or anything."""
    top = 1 << bits
    near = (value - 1, value + 1, value * 2, value // 2, value ^ (1 << rng.randrange(bits)))
    extremes = (0, 1, top - 1, top // 2 - 1, top // 2, rng.randrange(top))
    return rng.choice([odd % top for odd in (*near, *extremes) if odd % top != value])


def put(data: bytes, at: int, new: bytes) -> bytes:
    """The bytes with some of them written over."""
    return data[:at] + new + data[at + len(new) :]


def put_odd(data: bytes, at: int, width: int, rng: random.Random) -> bytes:
    """The bytes with an odd value in the big-endian field of `width` bytes at `at`."""
    value = int.from_bytes(data[at : at + width], "big")
    return put(data, at, odd_value(rng, value, 8 * width).to_bytes(width, "big"))


def span(data: bytes, rng: random.Random, most: float = 0.1) -> tuple[int, int]:
    """The start and end of a random part: at least a byte, at most that share of the whole."""
    length = rng.randint(1, max(1, int(len(data) * most)))
    start = rng.randrange(max(1, len(data) - length))
    return start, min(start + length, len(data))


def flips(count: int, within: int | None = None) -> Damage:
    """Flip that many bits, of the first `within` bytes or of all."""

    def damage(data: bytes, rng: random.Random) -> bytes:
        found = bytearray(data)
        for _ in range(count if found else 0):
            found[rng.randrange(min(within or len(found), len(found)))] ^= 1 << rng.randrange(8)
        return bytes(found)

    return damage


def run_of(fill: int | None) -> Damage:
    """Write one byte value over a run of bytes; none: noise."""

    def damage(data: bytes, rng: random.Random) -> bytes:
        start, end = span(data, rng)
        return put(data, start, rng.randbytes(end - start) if fill is None else bytes([fill]) * (end - start))

    return damage


def _cut_end(data: bytes, rng: random.Random) -> bytes:
    """Lose from a byte to nine tenths of the end."""
    lost = rng.choice((1, rng.randint(1, 200), int(len(data) * rng.uniform(0, 0.9))))
    return data[: len(data) - max(1, lost)]


def _cut_start(data: bytes, rng: random.Random) -> bytes:
    return data[rng.choice((1, rng.randint(1, 200), max(1, int(len(data) * rng.uniform(0, 0.5))))) :]


def _hole(data: bytes, rng: random.Random) -> bytes:
    start, end = span(data, rng)
    return data[:start] + data[end:]


def _duplicated(data: bytes, rng: random.Random) -> bytes:
    start, end = span(data, rng)
    return data[:end] + data[start:]


def _swapped(data: bytes, rng: random.Random) -> bytes:
    """Exchange two parts of equal length."""
    length = rng.randint(1, max(1, len(data) // 20))
    first, second = sorted(rng.randrange(max(1, len(data) - length)) for _ in range(2))
    second = max(second, first + length)
    one, other = data[first : first + length], data[second : second + length]
    return put(put(data, first, other), second, one[: len(other)])


def _garbage(data: bytes, rng: random.Random) -> bytes:
    return data + rng.randbytes(rng.choice((1, 7, 188, 4096, max(1, len(data) // 3))))


def _twice(data: bytes, _: random.Random) -> bytes:
    return data * 2


KINDS: dict[str, Damage] = {
    "flip-1": flips(1),
    "flip-10": flips(10),
    "flip-1000": flips(1000),
    "flip-header-1": flips(1, HEADER),
    "flip-header-20": flips(20, HEADER),
    "zeros": run_of(0),
    "ones": run_of(0xFF),
    "noise": run_of(None),
    "cut-end": _cut_end,
    "cut-start": _cut_start,
    "hole": _hole,
    "duplicated": _duplicated,
    "swapped": _swapped,
    "garbage": _garbage,
    "twice": _twice,
}
