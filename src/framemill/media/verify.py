"""The gate: nothing is published before what was written was read back and found to be what the plan promised."""

import hashlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from pydantic import BaseModel

from framemill.errors import VerificationFailed
from framemill.media.boxes import track_starts
from framemill.media.index import decoded
from framemill.media.isolate import Task
from framemill.media.rate import Bucket, leaky_bucket
from framemill.media.stitch import SoundTrack, VideoTrack

# Matroska keeps milliseconds; every other container of ours keeps the tick of the track.
_COARSEST = Fraction(1, 1000)


class VerifyRequest(BaseModel):
    """A file or playlist that was written, and what must be in it."""

    path: str
    video: VideoTrack | None = None
    audio: SoundTrack | None = None
    segment_starts: list[int] = []
    """Frames that must be keyframes."""
    player: tuple[int, int] | None = None
    """(bits per second, bits): what a player reads and can hold, where `maxrate` and `bufsize` promise it enough."""
    starts_from_boxes: bool = False
    """Also read the first times from the boxes (progressive MP4 and MOV)."""


class Proof(BaseModel):
    """What was read back; part of the job's report."""

    frames: int = 0
    largest_time_error_seconds: float = 0.0
    """Of any frame, against the plan; below one tick of the container."""
    keyframes: int = 0
    bucket: Bucket | None = None
    """How a player's buffer fares, where a maximum was promised."""
    audio_packets: int = 0
    audio_samples: int = 0
    """That are heard: without the encoder's priming."""
    audio_sha256: str = ""
    """Of the sound's packets, equal to the whole-file encode's."""
    first_video_seconds: float | None = None
    first_audio_seconds: float | None = None


def verify(request: VerifyRequest) -> Proof:
    """Read a written result back; raises `VerificationFailed` with the first difference."""
    proof = Proof()
    with av.open(request.path, metadata_errors="replace") as container:
        if request.video is not None:
            proof = _check_video(container, request, request.video)
    if request.audio is not None:
        proof = proof.model_copy(update=_check_audio(request.path, request.audio))
    if request.starts_from_boxes:
        proof = proof.model_copy(update=_check_starts(request))
    return proof


VERIFY = Task("framemill.media.verify:verify", VerifyRequest, Proof)


def _check_video(container: Any, request: VerifyRequest, track: VideoTrack) -> Proof:
    stream = container.streams.video[0]
    read = [(packet.pts, packet.is_keyframe, packet.size) for packet in container.demux(stream) if packet.size]
    packets = [(pts, key) for pts, key, _ in read]
    if len(packets) != len(track.times):
        raise VerificationFailed(f"The result holds {len(packets)} frames; the plan has {len(track.times)}.")
    packets.sort()
    tick = max(stream.time_base, track.time_base)
    worst = Fraction(0)
    for frame, ((pts, _), planned) in enumerate(zip(packets, track.times, strict=True)):
        error = abs(pts * stream.time_base - planned * track.time_base)
        if error > max(tick, _COARSEST if stream.time_base >= _COARSEST else tick):
            raise VerificationFailed(f"Frame {frame} is {float(error):.6f} s off its planned time.")
        worst = max(worst, error)
    for frame in request.segment_starts:
        if not packets[frame][1]:
            raise VerificationFailed(f"Frame {frame} starts a segment but is no keyframe.")
    return Proof(
        frames=len(packets),
        largest_time_error_seconds=float(worst),
        keyframes=sum(key for _, key in packets),
        bucket=_check_rate(request, track, [size for _, _, size in read]),
    )


def _check_rate(request: VerifyRequest, track: VideoTrack, sizes: list[int]) -> Bucket | None:
    """The player's buffer over the joined packets, in the order of decoding."""
    if request.player is None:
        return None
    rate, buffer = request.player
    ends = [*track.times[1:], track.times[-1] + track.last_duration]
    shown = [(end - start) * track.time_base for start, end in zip(track.times, ends, strict=True)]
    bucket = leaky_bucket(sizes, shown, rate, buffer)
    if bucket.underflows:
        raise VerificationFailed(
            f"A player's buffer of {buffer} bits runs empty at frame {bucket.first_underflow}: set a larger "
            "bufsize or maxrate, or chunks=1."
        )
    return bucket


def _sound(path: str) -> tuple[int, str, int]:
    """Packets of the first audio stream, their hash, and the samples that lie after time zero."""
    digest, count, end = hashlib.sha256(), 0, Fraction(0)
    with av.open(path, metadata_errors="replace") as container:
        stream = container.streams.audio[0]
        for packet in container.demux(stream):
            if packet.size:
                digest.update(bytes(packet))
                count += 1
                end = max(end, ((packet.pts or 0) + (packet.duration or 0)) * packet.time_base)
        return count, digest.hexdigest(), round(end * stream.rate)


def _check_audio(path: str, track: SoundTrack) -> dict[str, Any]:
    written, encoded = _sound(path), _sound(track.path)
    if written[:2] != encoded[:2]:
        raise VerificationFailed(
            f"The result holds {written[0]} packets of sound, not the {encoded[0]} that were encoded."
        )
    return {"audio_packets": written[0], "audio_sha256": written[1], "audio_samples": encoded[2]}


def _check_starts(request: VerifyRequest) -> dict[str, Any]:
    starts = {start.handler: start.seconds for start in reversed(track_starts(Path(request.path)))}
    found: dict[str, Any] = {}
    if request.video is not None:
        planned = request.video.times[0] * request.video.time_base
        _agree("pictures", starts.get("vide"), planned, request.video.time_base)
        found["first_video_seconds"] = float(planned)
    if request.audio is not None:
        _agree("sound", starts.get("soun"), request.audio.offset, Fraction(1, 8000))
        found["first_audio_seconds"] = float(request.audio.offset)
    return found


def _agree(what: str, found: Fraction | None, planned: Fraction, tick: Fraction) -> None:
    if found is None or abs(found - planned) > tick:
        at = "nowhere" if found is None else f"at {float(found):.6f} s"
        raise VerificationFailed(f"The boxes start the {what} {at}; the plan says {float(planned):.6f} s.")


class Decoded(BaseModel):
    """What a whole decode of a result gave."""

    frames: int = 0
    samples: int = 0


async def decode_back(path: str, proof: Proof) -> Decoded:
    """Decode every frame and sample of a result; raises `VerificationFailed` at the first complaint.

    Each packet must give its frame: as many come out as the gate has counted.
    """
    found = {"v": 0, "a": 0}
    for kind, there in (("v", proof.frames), ("a", proof.audio_packets)):
        if not there:
            continue
        rows, said = await decoded(path, f"0:{kind}:0")
        if said.lines:
            raise VerificationFailed(f"The result does not decode without complaint: {said.lines[0]}.")
        found[kind] = sum(row.duration for row in rows) if kind == "a" else len(rows)
    if found["v"] != proof.frames:
        raise VerificationFailed(f"{found['v']} of the {proof.frames} frames of the result decode.")
    return Decoded(frames=found["v"], samples=found["a"])
