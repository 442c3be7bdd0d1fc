"""Damage to MP4 and MOV: boxes in wrong order, with wrong sizes and names, and tables that lie (ISO/IEC 14496-12)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from mutate_bytes import Damage, flips, put, put_odd

_PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"mvex", b"dinf", b"udta", b"mfra"}
_ENTRY_HEADS = {b"vide": 78, b"soun": 28}  # bytes of a sample entry before its own boxes (12.1.3, 12.2.3)
_CONFIGS = {b"avcC", b"hvcC", b"av1C", b"vpcC", b"esds", b"d263", b"dac3", b"glbl"}
_CODECS = (b"avc1", b"hvc1", b"mp4v", b"av01", b"vp09", b"mp4a", b"ac-3", b"s263", b"jpeg", b"tx3g", b"xxxx")


class Box(NamedTuple):
    """Where a box begins, where its payload does, and where it ends."""

    kind: bytes
    start: int
    body: int
    end: int


def top_boxes(data: bytes, at: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes between two offsets, as far as their sizes make sense."""
    end = len(data) if end is None else end
    while at + 8 <= end:
        size, head = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        size = size or end - at
        if size < head or at + size > end:
            return
        yield Box(data[at + 4 : at + 8], at, at + head, at + size)
        at += size


def all_boxes(data: bytes, at: int = 0, end: int | None = None) -> Iterator[Box]:
    """The same, and the boxes inside them."""
    for box in top_boxes(data, at, end):
        yield box
        if box.kind in _PARENTS:
            yield from all_boxes(data, box.body, box.end)


def _of_kind(data: bytes, kind: bytes) -> list[Box]:
    return [box for box in all_boxes(data) if box.kind == kind and box.end > box.body]


def _entries(data: bytes) -> Iterator[Box]:
    """The sample entries of every track."""
    for box in _of_kind(data, b"stsd"):
        yield from top_boxes(data, box.body + 8, box.end)


def _configs(data: bytes) -> Iterator[Box]:
    """What the sample entries hold for the decoders."""
    for entry in _entries(data):
        for head in _ENTRY_HEADS.values():
            yield from (box for box in top_boxes(data, entry.body + head, entry.end) if box.kind in _CONFIGS)


def _order(data: bytes, boxes: list[Box]) -> bytes:
    """The boxes in this order, and what lies after the last of them; no offset in them is mended."""
    return b"".join(data[box.start : box.end] for box in boxes) + data[max(box.end for box in boxes) :]


def _swapped(data: bytes, rng: random.Random) -> bytes:
    boxes = list(top_boxes(data))
    if len(boxes) < 2:
        return data
    one, other = rng.sample(range(len(boxes)), 2)
    boxes[one], boxes[other] = boxes[other], boxes[one]
    return _order(data, boxes)


def _moov_moved(data: bytes, rng: random.Random) -> bytes:
    """The index from before the samples to after them, or the other way round."""
    boxes = list(top_boxes(data))
    kinds = [box.kind for box in boxes]
    if b"moov" not in kinds or b"mdat" not in kinds:
        return data
    before = kinds.index(b"moov") < kinds.index(b"mdat")
    moov = boxes.pop(kinds.index(b"moov"))
    boxes.insert(len(boxes) if before else 1, moov)
    return _order(data, boxes)


def _dropped(data: bytes, rng: random.Random) -> bytes:
    """A box is gone, and its parents' sizes do not know."""
    boxes = list(all_boxes(data))
    if not boxes:
        return data
    box = rng.choice(boxes)
    return data[: box.start] + data[box.end :]


def _size(data: bytes, rng: random.Random) -> bytes:
    boxes = list(all_boxes(data))
    return put_odd(data, rng.choice(boxes).start, 4, rng) if boxes else data


def _renamed(data: bytes, rng: random.Random) -> bytes:
    boxes = list(all_boxes(data))
    if not boxes:
        return data
    kinds = [b"free", b"xxxx", rng.randbytes(4), *sorted({box.kind for box in boxes})]
    return put(data, rng.choice(boxes).start + 4, rng.choice(kinds))


def fields_of(*kinds: bytes) -> Damage:
    """Odd values in one to four of the 32-bit fields of a box: counts, times, sizes, offsets."""

    def damage(data: bytes, rng: random.Random) -> bytes:
        boxes = [box for kind in kinds for box in _of_kind(data, kind) if box.end - box.body >= 8]
        if not boxes:
            return data
        box = rng.choice(boxes)
        # The first fields (counts, time scales) as often as all the others.
        count = (box.end - box.body) // 4
        for _ in range(rng.randint(1, 4)):
            field = rng.randrange(1, count) if rng.random() < 0.5 else rng.randrange(1, min(count, 6))
            data = put_odd(data, box.body + 4 * field, 4, rng)
        return data

    return damage


def _time_scale(data: bytes, rng: random.Random) -> bytes:
    boxes = _of_kind(data, b"mdhd")
    if not boxes:
        return data
    box = rng.choice(boxes)
    return put_odd(data, box.body + (20 if data[box.body] == 1 else 12), 4, rng)


def _codec(data: bytes, rng: random.Random) -> bytes:
    entries = list(_entries(data))
    if not entries:
        return data
    entry = rng.choice(entries)
    return put(data, entry.start + 4, rng.choice([codec for codec in _CODECS if codec != entry.kind]))


def _entry(data: bytes, rng: random.Random) -> bytes:
    """Bits of a sample entry: picture size, channels, sample rate."""
    entries = [entry for entry in _entries(data) if entry.end > entry.body]
    if not entries:
        return data
    entry = rng.choice(entries)
    return put(data, entry.body, flips(3)(data[entry.body : min(entry.end, entry.body + 36)], rng))


def _config_cut(data: bytes, rng: random.Random) -> bytes:
    """A decoder's configuration ends early; a `free` box takes the room, so that nothing else is wrong."""
    boxes = [box for box in _configs(data) if box.end - box.body > 8]
    if not boxes:
        return data
    box = rng.choice(boxes)
    kept = rng.randrange(box.end - box.body - 8)
    rest = box.end - box.body - kept
    data = put(data, box.start, (8 + kept).to_bytes(4, "big"))
    return put(data, box.body + kept, rest.to_bytes(4, "big") + b"free")


def _config_flipped(data: bytes, rng: random.Random) -> bytes:
    boxes = [box for box in _configs(data) if box.end > box.body]
    if not boxes:
        return data
    box = rng.choice(boxes)
    return put(data, box.body, flips(rng.randint(1, 4))(data[box.body : box.end], rng))


def _samples(data: bytes, rng: random.Random) -> bytes:
    """Bits of the pictures and sounds themselves."""
    boxes = [box for box in top_boxes(data) if box.kind == b"mdat" and box.end > box.body]
    if not boxes:
        return data
    box = rng.choice(boxes)
    return put(data, box.body, flips(rng.choice((1, 5, 50)))(data[box.body : box.end], rng))


KINDS: dict[str, Damage] = {
    "mp4-swapped": _swapped,
    "mp4-moov-moved": _moov_moved,
    "mp4-dropped": _dropped,
    "mp4-size": _size,
    "mp4-renamed": _renamed,
    "mp4-time-scale": _time_scale,
    **{f"mp4-{kind.decode()}": fields_of(kind) for kind in (b"stts", b"ctts", b"stsz", b"stsc", b"stss", b"elst")},
    "mp4-stco": fields_of(b"stco", b"co64"),
    "mp4-headers": fields_of(b"mdhd", b"mvhd", b"tkhd", b"hdlr"),
    "mp4-fragment": fields_of(b"tfhd", b"tfdt", b"trun", b"trex", b"mfhd", b"sidx"),
    "mp4-codec": _codec,
    "mp4-entry": _entry,
    "mp4-config-cut": _config_cut,
    "mp4-config-flipped": _config_flipped,
    "mp4-samples": _samples,
}
