"""Breaks files, the same way for the same seed: bits and bytes of any file, and what is special to its container.

    damaged(path.read_bytes(), "mp4-stts", seed=7)

`KINDS` names every kind of damage; `kinds_for` those that make sense for a file, by its first bytes.
"""

from __future__ import annotations

import random

import mutate_boxes
import mutate_bytes
import mutate_ebml
import mutate_ts
from mutate_bytes import Damage

BY_CONTAINER: dict[str, dict[str, Damage]] = {
    "mp4": mutate_boxes.KINDS,
    "matroska": mutate_ebml.KINDS,
    "mpegts": mutate_ts.KINDS,
}
KINDS: dict[str, Damage] = {**mutate_bytes.KINDS, **{k: v for kinds in BY_CONTAINER.values() for k, v in kinds.items()}}

_MP4_BEGINNINGS = {b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}


def container(data: bytes) -> str | None:
    """`mp4`, `matroska` or `mpegts` by the first bytes; none for all others."""
    if data[4:8] in _MP4_BEGINNINGS:
        return "mp4"
    if data.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if len(data) > mutate_ts.PACKET and data[0] == data[mutate_ts.PACKET] == mutate_ts.SYNC:
        return "mpegts"
    return None


def kinds_for(data: bytes) -> list[str]:
    """The kinds of damage for a file: those for all files, and those of its container that find what they break."""
    special = BY_CONTAINER.get(container(data) or "", {})
    return [*mutate_bytes.KINDS, *(name for name, kind in special.items() if _applies(kind, data))]


def _applies(kind: Damage, data: bytes) -> bool:
    # A wrong name may by chance be the right one, so once is not enough.
    return any(kind(data, random.Random(seed)) != data for seed in range(3))  # noqa: S311 - no secret


def damaged(data: bytes, kind: str, seed: int) -> bytes:
    """A damaged copy, never equal to the file; where that kind finds nothing to damage, some bits are flipped."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    for damage in (*[KINDS[kind]] * 8, mutate_bytes.flips(11)):
        found = damage(data, rng)
        if found != data:
            return found
    return data + b"\0"
