"""Decodes a damaged source in a child, to see where it is damaged (`damage.LOCATE`)."""

from typing import Any

import av
import av.error

from framemill.media.damage import Located, LocateRequest
from framemill.media.readable import reading


def locate(request: LocateRequest) -> Located:
    """Decode the whole stream, and note what the decoder says of each packet and frame."""
    found = Located()
    with av.open(request.path, metadata_errors="replace", options=dict(reading(request.path))) as container:
        stream: Any = container.streams[request.stream]
        stream.codec_context.thread_count = 1
        try:
            for packet in container.demux(stream):
                _decoded(packet, stream, found)
        except (av.error.FFmpegError, OSError, IndexError):  # IndexError: a stream turned up on the way (PyAV 18)
            return found
    return found


def _decoded(packet: Any, stream: Any, found: Located) -> None:
    flush = not packet.size
    try:
        frames = packet.decode()
        refused = False
    except av.error.FFmpegError:
        frames, refused = [], True
    if not flush:
        found.packets.append(None if packet.pts is None else float(packet.pts * stream.time_base))
        found.key.append(packet.is_keyframe)
        found.refused.append(refused and bool(found.frames))
    for frame in frames:
        found.frames.append(frame.time)
        found.corrupt.append(frame.is_corrupt)
