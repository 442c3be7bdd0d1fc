"""Damage to Matroska and WebM: sizes, names, times and tracks that lie (RFC 8794, RFC 9559)."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from typing import NamedTuple

from mutate_bytes import Damage, flips, put, put_odd

_MASTERS = {
    0x18538067: "Segment", 0x114D9B74: "SeekHead", 0x4DBB: "Seek", 0x1549A966: "Info", 0x1654AE6B: "Tracks",
    0xAE: "TrackEntry", 0xE0: "Video", 0xE1: "Audio", 0x1F43B675: "Cluster", 0xA0: "BlockGroup", 0x1C53BB6B: "Cues",
    0xBB: "CuePoint", 0xB7: "CueTrackPositions", 0x1043A770: "Chapters", 0x45B9: "EditionEntry", 0xB6: "ChapterAtom",
}  # fmt: skip
_CUE_TIME, _CUE_CLUSTER = 0xB3, 0xF1
_CLUSTER_TIME, _SIMPLE_BLOCK, _BLOCK, _BLOCK_DURATION = 0xE7, 0xA3, 0xA1, 0x9B
_TIME_SCALE, _DURATION = 0x2AD7B1, 0x4489
_CODEC_ID, _CODEC_PRIVATE = 0x86, 0x63A2
_TRACK_FIELDS = (0xD7, 0x83, 0xB0, 0xBA, 0x54B0, 0x54BA, 0xB5, 0x9F, 0x23E383, 0x56AA, 0x55EE)


class Element(NamedTuple):
    """Where an element begins, where its size and its payload do, and where it ends."""

    id: int
    start: int
    size_at: int
    body: int
    end: int


def elements(data: bytes, at: int = 0, end: int | None = None) -> Iterator[Element]:
    """All elements between two offsets, parents before children, as far as their sizes make sense."""
    end = len(data) if end is None else end
    while at + 2 <= end and data[at]:
        size_at = at + 9 - data[at].bit_length()
        if size_at >= end or not data[size_at]:
            return
        width = 9 - data[size_at].bit_length()
        size = int.from_bytes(data[size_at : size_at + width], "big") & ((1 << 7 * width) - 1)
        body = size_at + width
        unknown = size == (1 << 7 * width) - 1
        stop = end if unknown else body + size
        if stop > end:
            return
        name = int.from_bytes(data[at:size_at], "big")
        yield Element(name, at, size_at, body, stop)
        if name in _MASTERS:
            yield from elements(data, body, stop)
        at = stop


def _chosen(data: bytes, rng: random.Random, ids: Collection[int] = ()) -> Element | None:
    """One element with a payload; of these ids, or of all."""
    found = [one for one in elements(data) if (not ids or one.id in ids) and one.end > one.body]
    return rng.choice(found) if found else None


def values_of(*ids: int) -> Damage:
    """Odd values in one to three elements of these ids."""

    def damage(data: bytes, rng: random.Random) -> bytes:
        for _ in range(rng.randint(1, 3)):
            one = _chosen(data, rng, ids)
            if one is not None:
                data = put_odd(data, one.body, min(8, one.end - one.body), rng)
        return data

    return damage


def _size(data: bytes, rng: random.Random) -> bytes:
    """A wrong size in as many bytes as the right one; all ones mean that nobody knows it."""
    one = _chosen(data, rng)
    if one is None:
        return data
    bits, width = 7 * (one.body - one.size_at), one.body - one.size_at
    size = one.end - one.body
    wrong = rng.choice((0, size - 1, size + 1, size // 2, size * 2, (1 << bits) - 1, (1 << bits) - 2))
    return put(data, one.size_at, (wrong % (1 << bits) | 1 << bits).to_bytes(width, "big"))


def _id(data: bytes, rng: random.Random) -> bytes:
    one = _chosen(data, rng)
    return data if one is None else put_odd(data, one.start, one.size_at - one.start, rng)


def _dropped(data: bytes, rng: random.Random) -> bytes:
    one = _chosen(data, rng)
    return data if one is None else data[: one.start] + data[one.end :]


def _block_time(data: bytes, rng: random.Random) -> bytes:
    """The times of one to five blocks, which count from their cluster's (16 bits, signed)."""
    for _ in range(rng.randint(1, 5)):
        one = _chosen(data, rng, (_SIMPLE_BLOCK, _BLOCK))
        if one is not None and one.end - one.body > 4:
            data = put_odd(data, one.body + 1, 2, rng)
    return data


def _block_flags(data: bytes, rng: random.Random) -> bytes:
    """The flags of one to five blocks: lacing, keyframe; and sometimes the track they are of."""
    for _ in range(rng.randint(1, 5)):
        one = _chosen(data, rng, (_SIMPLE_BLOCK, _BLOCK))
        if one is not None and one.end - one.body > 4:
            data = put_odd(data, one.body + rng.choice((3, 3, 0)), 1, rng)
    return data


def _private(data: bytes, rng: random.Random) -> bytes:
    one = _chosen(data, rng, (_CODEC_PRIVATE,))
    return data if one is None else put(data, one.body, flips(rng.randint(1, 4))(data[one.body : one.end], rng))


KINDS: dict[str, Damage] = {
    "ebml-size": _size,
    "ebml-id": _id,
    "ebml-dropped": _dropped,
    "ebml-cues": values_of(_CUE_TIME, _CUE_CLUSTER),
    "ebml-cluster-time": values_of(_CLUSTER_TIME),
    "ebml-block-time": _block_time,
    "ebml-block-flags": _block_flags,
    "ebml-duration": values_of(_DURATION, _BLOCK_DURATION),
    "ebml-time-scale": values_of(_TIME_SCALE),
    "ebml-codec": values_of(_CODEC_ID),
    "ebml-private": _private,
    "ebml-track": values_of(*_TRACK_FIELDS),
}
