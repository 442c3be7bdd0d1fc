"""Broken files are broken in the way that was asked for, and the same way every time."""

from __future__ import annotations

import random
import struct
from itertools import pairwise

import mutate
import mutate_boxes
import mutate_bytes
import mutate_ebml
import mutate_ts
import pytest

NOISE = random.Random(2).randbytes(5000)  # noqa: S311 - no secret


def box(kind: bytes, *body: bytes) -> bytes:
    payload = b"".join(body)
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def element(name: int, *body: bytes) -> bytes:
    payload = b"".join(body)
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + (len(payload) | 1 << 28).to_bytes(4, "big") + payload


def words(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def mp4() -> bytes:
    """One track, its index before its samples."""
    avcc = box(b"avcC", bytes(range(1, 40)))
    tables = (
        box(b"stsd", words(0, 1), box(b"avc1", bytes(78), avcc)),
        box(b"stts", words(0, 1, 3, 100)),
        box(b"stsz", words(0, 0, 3, 20, 20, 20)),
        box(b"stco", words(0, 1, 400)),
    )
    media = box(b"mdia", box(b"mdhd", words(0, 0, 0, 2500, 300, 0)), box(b"minf", box(b"stbl", *tables)))
    return box(b"ftyp", b"isom") + box(b"moov", box(b"trak", media)) + box(b"mdat", NOISE[:60])


def webm() -> bytes:
    """One track, one cluster, two blocks."""
    blocks = [element(0xA3, b"\x81", struct.pack(">h", time), b"\x80", b"picture") for time in (0, 40)]
    cluster = element(0x1F43B675, element(0xE7, b"\x01\x00"), *blocks)
    track = element(0x1654AE6B, element(0xAE, element(0xD7, b"\x01"), element(0x86, b"V_VP9")))
    cues = element(0x1C53BB6B, element(0xBB, element(0xB3, b"\x05")))
    info = element(0x1549A966, element(0x2AD7B1, (10**6).to_bytes(3, "big")), element(0x4489, struct.pack(">d", 80)))
    return element(0x1A45DFA3, element(0x4282, b"webm")) + element(0x18538067, info, track, cluster, cues)


def ts() -> bytes:
    """Thirty packets: a table, pictures with a time and a clock, and what follows them."""
    found = []
    for number in range(30):
        table = b"\0" + bytes(range(1, 30))
        stamp = b"\0\0\1\xe0\0\0\x80\x80\x05\x21\0\1\0\1"
        starts, payload = (0x40, table) if number == 0 else (0x40, stamp) if number % 5 == 0 else (0, b"")
        adaptation = b"\x07\x10" + number.to_bytes(6, "big") if number % 10 == 5 else b""
        head = bytes([0x47, starts | 1, number, (0x30 if adaptation else 0x10) | number % 16])
        found.append((head + adaptation + payload).ljust(188, b"\xaa"))
    return b"".join(found)


FILES = {"mp4": mp4(), "matroska": webm(), "mpegts": ts(), None: NOISE}
EVERY = [(name, kind) for name, data in FILES.items() for kind in mutate.kinds_for(data)]


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_damage_is_damage_and_the_same_for_the_same_seed(name: str | None, kind: str) -> None:
    data = FILES[name]
    broken = [mutate.damaged(data, kind, seed) for seed in range(20)]

    assert data not in broken
    assert broken == [mutate.damaged(data, kind, seed) for seed in range(20)]
    assert len(set(broken)) > 1 or kind in {"twice", "mp4-moov-moved"}


@pytest.mark.parametrize("name", FILES)
def test_a_container_is_known_by_its_first_bytes(name: str | None) -> None:
    assert mutate.container(FILES[name]) == name


@pytest.mark.parametrize("name", FILES)
def test_a_file_gets_the_kinds_of_its_container_and_no_others(name: str | None) -> None:
    prefixes = {"mp4": "mp4-", "matroska": "ebml-", "mpegts": "ts-"}
    kinds = set(mutate.kinds_for(FILES[name])) - set(mutate_bytes.KINDS)

    assert bool(kinds) == (name is not None)
    assert all(kind.startswith(prefixes[str(name)]) for kind in kinds)


def test_a_kind_without_its_box_is_not_offered() -> None:
    assert "mp4-stts" in mutate.kinds_for(FILES["mp4"])
    assert "mp4-ctts" not in mutate.kinds_for(FILES["mp4"])


@pytest.mark.parametrize("kind", mutate.KINDS)
@pytest.mark.parametrize("data", [b"\x47", b"\0\0\0\x08ftyp", b"\x1a\x45\xdf\xa3\x84", bytes(8), b"\xff" * 400])
def test_any_bytes_can_be_damaged(kind: str, data: bytes) -> None:
    assert mutate.damaged(data, kind, 3) != data


def test_an_odd_value_is_another_value_that_fits() -> None:
    rng = random.Random(0)  # noqa: S311 - no secret
    for value in (0, 1, 7, 0x7FFF, 0xFFFF):
        odd = {mutate_bytes.odd_value(rng, value, 16) for _ in range(200)}

        assert value not in odd
        assert min(odd) >= 0
        assert max(odd) <= 0xFFFF


@pytest.mark.parametrize(("kind", "most"), [("flip-1", 1), ("flip-10", 10), ("flip-1000", 1000)])
def test_no_more_bits_are_flipped_than_asked_for(kind: str, most: int) -> None:
    data = FILES[None]
    broken = mutate.damaged(data, kind, 4)
    flipped = sum((a ^ b).bit_count() for a, b in zip(data, broken, strict=True))

    assert most * 0.9 <= flipped <= most


def test_header_damage_stays_in_the_header() -> None:
    data = FILES[None]

    assert all(mutate.damaged(data, "flip-header-20", seed)[4096:] == data[4096:] for seed in range(20))


def test_the_index_changes_places_with_the_samples() -> None:
    broken = mutate.damaged(FILES["mp4"], "mp4-moov-moved", 0)

    assert [each.kind for each in mutate_boxes.top_boxes(FILES["mp4"])] == [b"ftyp", b"moov", b"mdat"]
    assert [each.kind for each in mutate_boxes.top_boxes(broken)] == [b"ftyp", b"mdat", b"moov"]


@pytest.mark.parametrize("kind", ["mp4-stts", "mp4-stsz", "mp4-stco", "mp4-config-cut", "mp4-config-flipped"])
def test_tables_change_inside_and_the_boxes_stay(kind: str) -> None:
    data = FILES["mp4"]
    boxes = [each.kind for each in mutate_boxes.all_boxes(data)]

    for seed in range(20):
        broken = mutate.damaged(data, kind, seed)
        assert len(broken) == len(data)
        assert [each.kind for each in mutate_boxes.all_boxes(broken)] == boxes


def test_a_cut_configuration_leaves_room_for_what_follows() -> None:
    data = FILES["mp4"]
    entry = next(each for each in mutate_boxes.all_boxes(data) if each.kind == b"stsd")
    broken = mutate.damaged(data, "mp4-config-cut", 1)
    inside = list(mutate_boxes.top_boxes(broken, entry.body + 16 + 78, entry.end))

    assert [each.kind for each in inside] == [b"avcC", b"free"]
    assert inside[-1].end == entry.end


def test_elements_are_found_through_their_parents() -> None:
    names = [each.id for each in mutate_ebml.elements(FILES["matroska"])]

    assert names.count(0xA3) == 2
    assert {0x18538067, 0x1F43B675, 0xE7, 0xB3, 0x86} <= set(names)


def test_block_times_are_all_that_changes_in_a_block() -> None:
    data = FILES["matroska"]
    blocks = [each for each in mutate_ebml.elements(data) if each.id == 0xA3]
    allowed = {at for block in blocks for at in (block.body + 1, block.body + 2)}

    for seed in range(20):
        broken = mutate.damaged(data, "ebml-block-time", seed)
        assert {at for at, (a, b) in enumerate(zip(data, broken, strict=True)) if a != b} <= allowed


@pytest.mark.parametrize("kind", ["ts-dropped", "ts-duplicated", "ts-swapped"])
def test_packets_move_whole(kind: str) -> None:
    known = set(mutate_ts.packets(FILES["mpegts"]))

    assert all(set(mutate_ts.packets(mutate.damaged(FILES["mpegts"], kind, seed))) <= known for seed in range(20))


def test_times_of_a_stream_are_hit_and_nothing_else() -> None:
    data = FILES["mpegts"]
    stamps = {at for at, (a, b, c) in enumerate(zip(data, data[1:], data[2:], strict=False)) if (a, b, c) == (0, 0, 1)}
    allowed = {at + byte for at in stamps for byte in range(9, 14)}

    for seed in range(20):
        broken = mutate.damaged(data, "ts-times", seed)
        assert {at for at, (a, b) in enumerate(zip(data, broken, strict=True)) if a != b} <= allowed


def test_clocks_are_hit_and_nothing_else() -> None:
    data, broken = FILES["mpegts"], mutate.damaged(FILES["mpegts"], "ts-clock", 2)
    changed = [at % 188 for at, (a, b) in enumerate(zip(data, broken, strict=True)) if a != b]

    assert changed
    assert set(changed) <= set(range(6, 12))


def test_damage_that_shifts_packets_shifts_all_that_follow() -> None:
    broken = mutate.damaged(FILES["mpegts"], "ts-shifted", 5)

    assert len(broken) % 188
    assert any(a != b for a, b in pairwise([broken[at] for at in range(0, len(broken), 188)]))
