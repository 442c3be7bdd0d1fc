"""A field-coded (PAFF) H.264 stream, every field a picture of its own, written bit by bit.

No encoder at hand makes such a stream. This one is 64x64, made of PCM blocks and skipped blocks without deblocking, and
its frames are shown in another order than they are decoded.
"""

from __future__ import annotations

GOP = 13  # frames: an IDR, then six times a reference frame followed by the frame shown before it
GOPS = 4


def field_units() -> list[tuple[int, bytes]]:
    """The stream in decode order: (rank of the field in display order, its access unit)."""
    order = [0, *(shown for pair in range(1, GOP, 2) for shown in (pair + 1, pair))]
    units = []
    for gop in range(GOPS):
        frame_num = 0
        for shown in order:
            for bottom in (0, 1):
                head = b"" if shown or bottom else _parameter_sets()
                unit = _field(gop, shown, bottom, frame_num)
                units.append((2 * (gop * GOP + shown) + bottom, head + unit))
            frame_num += shown % 2 == 0
    return units


def _parameter_sets() -> bytes:
    sps = Bits()
    sps.u(24, 77 << 16 | 30)  # Main, level 3
    sps.ue(0, 4, 0, 4, 2)  # id, 8 bits of frame_num, order by lsb of 8 bits, two reference frames
    sps.u(1, 0)
    sps.ue(3, 1)  # 4 blocks wide, 2 x 2 blocks high
    sps.u(3, 0b001)  # fields allowed, not MBAFF, direct_8x8_inference
    sps.u(2, 0b01)  # no cropping; VUI follows
    sps.u(4, 0)
    sps.u(1, 1)
    sps.u(32, 1)
    sps.u(32, 50)  # 25 frames a second
    sps.u(1, 1)
    sps.u(4, 0b0001)  # no HRD, no pic_struct, bitstream restriction
    sps.u(1, 1)
    sps.ue(0, 0, 10, 10, 1, 2)  # reorder depth 1, two frames buffered
    pps = Bits()
    pps.ue(0, 0)
    pps.u(2, 0)  # CAVLC
    pps.ue(0, 0, 0)
    pps.u(3, 0)
    pps.ue(0, 0, 0)
    pps.u(3, 0b100)  # deblocking is controlled by the slice
    return sps.nal(3, 7) + pps.nal(3, 8)


def _field(gop: int, shown: int, bottom: int, frame_num: int) -> bytes:
    """One field: PCM blocks where the picture moves, the same field of the frame before elsewhere."""
    picture, intra, reference = gop * GOP + shown, shown == 0, shown % 2 == 0
    idr = intra and not bottom
    bits = Bits()
    bits.ue(0, 7 if intra else 5, 0)
    bits.u(8, frame_num)
    bits.u(2, 0b10 | bottom)
    if idr:
        bits.ue(gop % 2)
    bits.u(8, 2 * shown + bottom)
    if not intra:
        bits.u(2, 0)  # one reference, in the usual order
    if reference:
        bits.u(2 if idr else 1, 0)
    bits.ue(0, 1)  # no change of quality; no deblocking
    skipped = 0
    for block in range(8):
        if not intra and (block + picture) % 3:
            skipped += 1
            continue
        bits.ue(*(() if intra else (skipped,)), 25 if intra else 30)
        skipped = 0
        bits.align()
        for size, slope in ((16, 5), (8, 2), (8, 3)):
            for index in range(size * size):
                x, y = index % size, index // size
                bits.u(8, 16 + (slope * (x + 2 * y) + 7 * picture + 40 * bottom + 11 * block) % 200)
    if skipped:
        bits.ue(skipped)
    return bits.nal(2 if reference else 0, 5 if idr else 1)


class Bits:
    """An H.264 bit writer."""

    def __init__(self) -> None:
        self.bits: list[str] = []

    def u(self, width: int, value: int) -> None:
        self.bits.append(f"{value:0{width}b}")

    def ue(self, *values: int) -> None:
        for value in values:
            code = f"{value + 1:b}"
            self.bits.append("0" * (len(code) - 1) + code)

    def align(self) -> None:
        self.bits.append("0" * (-sum(map(len, self.bits)) % 8))

    def nal(self, ref_idc: int, kind: int) -> bytes:
        """Close the unit: stop bit, emulation prevention, start code."""
        text = "".join(self.bits) + "1"
        text += "0" * (-len(text) % 8)
        body, zeros = bytearray(), 0
        for byte in int(text, 2).to_bytes(len(text) // 8, "big"):
            if zeros >= 2 and byte <= 3:
                body.append(3)
                zeros = 0
            body.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return b"\0\0\0\1" + bytes([ref_idc << 5 | kind]) + bytes(body)
