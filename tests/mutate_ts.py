"""Damage to MPEG transport streams: packets lost and moved, clocks and counters that lie (ISO/IEC 13818-1)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from mutate_bytes import Damage, put

PACKET = 188
SYNC = 0x47


def packets(data: bytes) -> list[bytes]:
    """The packets of a stream, and what is left after the last."""
    return [data[at : at + PACKET] for at in range(0, len(data), PACKET)]


def reordered(change: Callable[[list[bytes], random.Random], None]) -> Damage:
    """Damage to the row of packets, in place, done one to forty times."""

    def damage(data: bytes, rng: random.Random) -> bytes:
        found = packets(data)
        for _ in range(rng.choice((1, 5, 40))):
            change(found, rng)
        return b"".join(found)

    return damage


def _drop(found: list[bytes], rng: random.Random) -> None:
    if len(found) > 4:
        del found[rng.randrange(len(found))]


def _drop_many(found: list[bytes], rng: random.Random) -> None:
    if len(found) > 4:
        at = rng.randrange(len(found))
        del found[at : at + rng.randint(1, max(1, len(found) // 60))]


def _double(found: list[bytes], rng: random.Random) -> None:
    at = rng.randrange(len(found))
    found.insert(at, found[at])


def _swap(found: list[bytes], rng: random.Random) -> None:
    one, other = rng.randrange(len(found)), rng.randrange(len(found))
    found[one], found[other] = found[other], found[one]


def written(places: Callable[[bytes], Iterator[int]], change: Callable[[int, random.Random], int]) -> Damage:
    """Change one to forty of the bytes at these places."""

    def damage(data: bytes, rng: random.Random) -> bytes:
        found = [at for at in places(data) if at < len(data)]
        for at in rng.sample(found, min(len(found), rng.choice((1, 5, 40)))):
            data = put(data, at, bytes([change(data[at], rng) & 0xFF]))
        return data

    return damage


def _flip(byte: int, rng: random.Random) -> int:
    return byte ^ 1 << rng.randrange(8)


def _starts(data: bytes) -> Iterator[int]:
    return (at for at in range(0, len(data) - PACKET + 1, PACKET) if data[at] == SYNC)


def _head(data: bytes) -> Iterator[int]:
    """The bytes with the packet's number (PID), its flags and its counter."""
    return (at + byte for at in _starts(data) for byte in (1, 2, 3))


def _counters(data: bytes) -> Iterator[int]:
    """The bytes whose lower half counts the packets of a stream."""
    return (at + 3 for at in _starts(data))


def _payload(data: bytes, at: int) -> int:
    """Where the payload of the packet at `at` begins, after its adaptation field if it has one (2.4.3.2)."""
    return at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)


def _clocks(data: bytes) -> Iterator[int]:
    """The bytes of every PCR (2.4.3.5)."""
    for at in _starts(data):
        if data[at + 3] & 0x20 and data[at + 4] >= 7 and data[at + 5] & 0x10:
            yield from range(at + 6, at + 12)


def _times(data: bytes) -> Iterator[int]:
    """The bytes of every PTS and DTS (2.4.3.7)."""
    for at in _starts(data):
        pes = _payload(data, at)
        if data[at + 1] & 0x40 and pes + 19 < at + PACKET and data[pes : pes + 3] == b"\0\0\1":
            stamps = {2: 5, 3: 10}.get(data[pes + 7] >> 6, 0)
            yield from range(pes + 9, pes + 9 + stamps)


def _tables(data: bytes) -> Iterator[int]:
    """The bytes of the tables that say which streams there are: short sections at a payload's start."""
    for at in _starts(data):
        section = _payload(data, at)
        if data[at + 1] & 0x40 and section + 5 < at + PACKET and data[section : section + 3] != b"\0\0\1":
            yield from range(section, min(section + 40, at + PACKET))


def _shifted(data: bytes, rng: random.Random) -> bytes:
    """A few bytes too many or too few in the middle: the packets after them are not where they should be."""
    at = rng.randrange(len(data))
    lost = rng.randint(1, PACKET - 1)
    return data[:at] + (data[at + lost :] if rng.random() < 0.5 else rng.randbytes(lost) + data[at:])


KINDS: dict[str, Damage] = {
    "ts-dropped": reordered(_drop),
    "ts-dropped-many": reordered(_drop_many),
    "ts-duplicated": reordered(_double),
    "ts-swapped": reordered(_swap),
    "ts-sync": written(_starts, lambda _, rng: rng.choice((0, 0x46, 0xFF))),
    "ts-shifted": _shifted,
    "ts-head": written(_head, _flip),
    "ts-continuity": written(
        lambda data: (at + 3 for at in _starts(data)), lambda byte, rng: byte ^ rng.randint(1, 15)
    ),
    "ts-clock": written(_clocks, _flip),
    "ts-times": written(_times, _flip),
    "ts-tables": written(_tables, _flip),
}
