"""Reads encoded chunks: files this farm wrote itself, so PyAV may open them in-process."""

import hashlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from pydantic import BaseModel

from framemill.errors import ChunkMismatch


class ChunkFacts(BaseModel):
    """What an encoded chunk holds."""

    frames: int
    size: int
    """Bytes of the file."""
    sha256: str
    """Of the file."""
    parameter_sets: str
    """SHA-256 of the codec's extradata; equal in all chunks that are joined."""
    reorder: int
    """How many packets at most are decoded before one that is shown earlier (the depth of B-frames)."""
    seam_hashes: dict[int, str] = {}
    """Hashes of decoded source frames around the chunk's ends, by their number in the source."""


def packets_of(container: Any) -> Iterator[Any]:
    """The packets of the only video stream in decode order, without the empty flush packet."""
    return (packet for packet in container.demux(container.streams.video[0]) if packet.size)


def ranks(times: Sequence[int]) -> list[int]:
    """For packets in decode order with these times: the place of each in presentation order."""
    order = sorted(range(len(times)), key=times.__getitem__)
    found = [0] * len(times)
    for rank, at in enumerate(order):
        found[at] = rank
    return found


def check_chunk(path: Path, expected: Sequence[int], time_base: Fraction) -> ChunkFacts:
    """Facts of a chunk that holds the expected frames: as many, the first a keyframe, the same times between them.

    `expected`: times in ticks of `time_base`. Raises `ChunkMismatch` when it holds other frames.
    """
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ChunkMismatch(f"The chunk holds no frame; {len(expected)} were planned.")
        stream = container.streams.video[0]
        packets = [(packet.pts, packet.is_keyframe) for packet in packets_of(container)]
        extradata = stream.codec_context.extradata or b""
        own_base = stream.time_base
    if len(packets) != len(expected):
        raise ChunkMismatch(f"The chunk holds {len(packets)} frames; {len(expected)} were planned.")
    if not packets[0][1]:
        raise ChunkMismatch("The chunk does not begin with a keyframe.")
    times = [pts for pts, _ in packets]
    shown = sorted(times)
    for rank, (pts, planned) in enumerate(zip(shown, expected, strict=True)):
        if (pts - shown[0]) * own_base != (planned - expected[0]) * time_base:
            raise ChunkMismatch(
                f"Frame {rank} of the chunk is {float((pts - shown[0]) * own_base):.6f} s after the first."
            )
    return ChunkFacts(
        frames=len(packets),
        size=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        parameter_sets=hashlib.sha256(extradata).hexdigest(),
        reorder=max((at - rank for at, rank in enumerate(ranks(times))), default=0),
    )
