"""Segments as MPEG transport streams: a function of their packets, the plan, and how many packets went before.

Every segment is muxed on its own, so each begins with its tables. What libav's muxer cannot know is where the
continuity counters of the segment before have ended: they are set afterwards. Field names are of ISO/IEC 13818-1.
"""

import io
import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import av

PACKET = 188  # bytes
CLOCK = Fraction(1, 90_000)
_MEDIA_PID = 0x100  # libav's first stream

# Pictures are decoded before they are shown, and the clock knows nothing before 0: the title begins later on it.
_USUAL_ORIGIN = 10  # seconds; Apple's tools begin there


def ts_origin(delay_seconds: Fraction) -> int:
    """Seconds on the stream's clock at which a title begins; its pictures are decoded so long before they are shown."""
    return max(_USUAL_ORIGIN, math.ceil(delay_seconds) + 1)


def transport_segment(
    template: Any, base: Fraction, packets: Iterable[Any], origin: int, counters: dict[int, int]
) -> bytes:
    """One segment. `counters`: which packet follows next, by PID; they are counted on."""
    buffer = io.BytesIO()
    options = {"fflags": "+bitexact", "max_delay": "0", "avoid_negative_ts": "disabled"}
    with av.open(buffer, "w", format="mpegts", options=options) as output:
        stream = output.add_stream_from_template(template, opaque=True)
        stream.time_base = CLOCK
        for packet in packets:
            packet.stream = stream
            dts = packet.pts if packet.dts is None else packet.dts
            packet.pts, packet.dts = _on_clock(packet.pts, base, origin), _on_clock(dts, base, origin)
            packet.duration = round(packet.duration * base / CLOCK)
            packet.time_base = CLOCK
            output.mux_one(packet)
    data = bytearray(buffer.getvalue())
    for at in range(0, len(data), PACKET):
        if data[at + 3] & 0x10:  # only packets with a payload are counted
            pid = _pid(data, at)
            counter = counters.get(pid, 0)
            data[at + 3] = data[at + 3] & 0xF0 | counter
            counters[pid] = (counter + 1) % 16
    return bytes(data)


def first_picture_size(data: bytes) -> int:
    """Bytes of a segment up to the end of its first picture: its tables, and one access unit."""
    begun, end = False, len(data)
    for at in range(0, len(data), PACKET):
        if _pid(data, at) == _MEDIA_PID:
            if data[at + 1] & 0x40 and begun:  # payload_unit_start_indicator
                break
            begun, end = True, at + PACKET
    return end


def _pid(data: bytes | bytearray, at: int) -> int:
    return (data[at + 1] & 0x1F) << 8 | data[at + 2]


def _on_clock(ticks: int, base: Fraction, origin: int) -> int:
    return round((ticks * base + origin) / CLOCK)
