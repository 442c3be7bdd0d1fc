"""Fragments of MP4, and the index of a file that consists of them.

Box numbers refer to ISO/IEC 14496-12.
"""

import io
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import av

from framemill.errors import VerificationFailed
from framemill.media.boxes import top_boxes

_ONE_FRAGMENT = "100000000"  # microseconds; longer than any segment
_HEADER = 8  # bytes of a box before its body
_INDEX = 40  # bytes of a `sidx` (8.16.3) of version 1 without entries
_ENTRY = 12
_STARTS_WITH_SAP = 1 << 31 | 1 << 28  # of type 1: every segment begins with a picture that nothing before is needed for


def fragments(template: Any, base: Fraction, packets: Iterable[Any], options: dict[str, str]) -> tuple[bytes, bytes]:
    """The packets as fragmented MP4: (`ftyp` and `moov`, the `moof` and `mdat` pairs)."""
    buffer = io.BytesIO()
    fixed = {"fflags": "+bitexact", "write_btrt": "0", "frag_duration": _ONE_FRAGMENT}
    with av.open(buffer, "w", format="mp4", options=fixed | options) as output:
        stream = output.add_stream_from_template(template, opaque=True)
        if template.codec_context.name == "hevc":
            stream.codec_context.codec_tag = "hvc1"
        if template.type == "audio":  # of as much as was read, which is not always alike: the muxer counts for itself
            stream.codec_context.bit_rate = 0
        stream.time_base = base
        for packet in packets:
            packet.stream = stream
            packet.time_base = base
            output.mux_one(packet)
    data = buffer.getvalue()
    boxes = list(top_boxes(data))
    head = b"".join(data[start:end] for kind, start, end in boxes if kind in {"ftyp", "moov"})
    body = b"".join(data[start:end] for kind, start, end in boxes if kind in {"styp", "moof", "mdat"})
    return head, body


def key_ranges(body: bytes, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """(first byte, how many) of each fragment up to the end of its first sample; `sizes`: of those samples, in bytes.

    A fragment begins with every keyframe. Raises `VerificationFailed` where there are more of one than of the other.
    """
    boxes = list(top_boxes(body))
    starts = [start for kind, start, _ in boxes if kind == "moof"]
    data = [start for kind, start, _ in boxes if kind == "mdat"]
    if not len(starts) == len(data) == len(sizes):
        raise VerificationFailed(f"A segment has {len(starts)} fragments, and {len(sizes)} keyframes to begin them.")
    return [(start, held + _HEADER + size - start) for start, held, size in zip(starts, data, sizes, strict=True)]


def index_room(entries: int) -> int:
    """Bytes to keep free for the index of at most so many segments."""
    return _INDEX + _ENTRY * entries


def no_index(entries: int) -> bytes:
    """What stands in its place until it is known."""
    return _free(index_room(entries))


def index_box(scale: int, bounds: Sequence[int], sizes: Sequence[int], entries: int) -> tuple[bytes, int]:
    """The index (`sidx`) of segments that follow it, with the room that is left behind it; and its size without that.

    `bounds`: when each begins and the last one ends, in ticks; `entries`: what there is room for.
    """
    if len(sizes) > entries:
        raise VerificationFailed(f"There is room for {entries} segments in an index, not for {len(sizes)}.")
    left = _ENTRY * (entries - len(sizes))
    size = index_room(len(sizes))
    head = struct.pack(">I4sB3xIIQQHH", size, b"sidx", 1, 1, scale, bounds[0], left, 0, len(sizes))
    rows = b"".join(
        struct.pack(">III", length, after - before, _STARTS_WITH_SAP)
        for length, before, after in zip(sizes, bounds, bounds[1:], strict=False)
    )
    return head + rows + _free(left), size


def _free(size: int) -> bytes:
    return struct.pack(">I4s", size, b"free") + bytes(size - _HEADER) if size else b""
