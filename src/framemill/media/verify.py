"""The gate: nothing is published before what was written was read back and found to be what the plan promised."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from pydantic import BaseModel

from framemill.errors import VerificationFailed
from framemill.media.boxes import track_starts
from framemill.media.colour import VideoRange, told_colour
from framemill.media.index import decoded
from framemill.media.inspect import colour_facts
from framemill.media.isolate import Task
from framemill.media.rate import Bucket, leaky_bucket
from framemill.media.readable import playlists_followed
from framemill.media.stitch import SoundTrack, VideoTrack

# Matroska keeps milliseconds; every other container of ours keeps the tick of the track.
_COARSEST = Fraction(1, 1000)


class VerifyRequest(BaseModel):
    """A file or playlist that was written, and what must be in it."""

    path: str
    video: VideoTrack | None = None
    sounds: list[SoundTrack] = []
    """In the order of the file."""
    segment_starts: list[int] = []
    """Frames that must be keyframes."""
    player: tuple[int, int] | None = None
    """(bits per second, bits): what a player reads and can hold, where `maxrate` and `bufsize` promise it enough."""
    origin: Fraction = Fraction(0)
    """Seconds on the file's own clock that are the title's 0."""
    tags: dict[str, str] = {}
    """What the file says of itself."""
    dynamic: VideoRange | None = None
    """How far the light of its pictures goes; none: nobody promised it."""
    starts_from_boxes: bool = False
    """Also read the first times from the boxes (progressive MP4 and MOV)."""


class SoundProof(BaseModel):
    """What was read back of one track of sound."""

    audio_packets: int
    audio_samples: int
    audio_sha256: str
    language: str = ""
    first_audio_seconds: float | None = None


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
    colour: dict[str, str] = {}
    """What the file says of its pictures' colours, in ffprobe's words."""
    first_video_seconds: float | None = None
    first_audio_seconds: float | None = None
    further_sounds: list[SoundProof] = []
    """Of each track after the first."""


def verify(request: VerifyRequest) -> Proof:
    """Read a written result back; raises `VerificationFailed` with the first difference."""
    proof = Proof()
    with av.open(request.path, metadata_errors="replace") as container:
        _check_tags(container, request.tags)
        if request.video is not None:
            proof = _check_video(container, request, request.video)
    sounds = _check_sounds(request) if request.sounds else []
    if request.starts_from_boxes:
        _check_starts(request, sounds)
        if request.video is not None:
            proof = proof.model_copy(
                update={"first_video_seconds": float(request.video.times[0] * request.video.time_base)}
            )
    if not sounds:
        return proof
    first = sounds[0].model_dump(exclude={"language"})
    return proof.model_copy(update={**first, "further_sounds": sounds[1:]})


VERIFY = Task("framemill.media.verify:verify", VerifyRequest, Proof)


def _check_tags(container: Any, tags: dict[str, str]) -> None:
    if not tags:
        return
    told = {**container.metadata}
    for stream in container.streams:  # Ogg has them there
        told |= stream.metadata
    said = {key.lower(): value for key, value in told.items()}
    for key, value in tags.items():
        if said.get(key) != value:
            raise VerificationFailed(f"The result's tag {key} is {said.get(key)!r}, not {value!r}.")


def _check_video(container: Any, request: VerifyRequest, track: VideoTrack) -> Proof:
    stream = container.streams.video[0]
    read = [(packet.pts, packet.is_keyframe, packet.size) for packet in container.demux(stream) if packet.size]
    packets = [(pts, key) for pts, key, _ in read]
    if len(packets) != len(track.times):
        raise VerificationFailed(f"The result holds {len(packets)} frames; the plan has {len(track.times)}.")
    packets.sort()
    tick = max(stream.time_base, track.time_base)
    # A program stream does not time each frame of a packet, and its readers count on.
    rounds = stream.time_base >= _COARSEST or container.format.name == "mpeg"
    worst = Fraction(0)
    for frame, ((pts, _), planned) in enumerate(zip(packets, track.times, strict=True)):
        error = abs(pts * stream.time_base - request.origin - planned * track.time_base)
        if error > max(tick, _COARSEST if rounds else tick):
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
        colour=_check_colour(stream.codec_context, request.dynamic),
    )


def _check_colour(codec: Any, dynamic: VideoRange | None) -> dict[str, str]:
    """Light that goes further than a file says, or less far, is shown wrong by every player."""
    said = colour_facts(codec)
    found = told_colour(said).dynamic
    if dynamic is not None and found != dynamic:
        raise VerificationFailed(f"The result says that its pictures are {found}; they are {dynamic}.")
    return said


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


@dataclass(slots=True)
class _Heard:
    """The packets of one audio stream."""

    rate: int
    time_base: Fraction
    bare: Callable[[bytes], bytes]
    """A packet without what the container puts around it."""
    cut_alike: bool = True
    """Whether packets are what the encoder made; bare samples are cut anew by whoever reads them."""
    digest: Any = field(default_factory=hashlib.sha256)
    times: list[int] = field(default_factory=list)
    end: int = 0

    def add(self, packet: Any) -> None:
        self.digest.update(self.bare(bytes(packet)))
        at = packet.pts or 0
        self.times.append(at)
        self.end = max(self.end, at + (packet.duration or 0))

    def seconds(self, number: int) -> Fraction:
        return self.times[number] * self.time_base


def _heard(path: str) -> list[_Heard]:
    """Every audio stream, read once."""
    with av.open(path, metadata_errors="replace") as container:
        streams = list(container.streams.audio)
        found = {
            stream.index: _Heard(
                rate=stream.rate or 1,
                time_base=stream.time_base or Fraction(1),
                cut_alike=not stream.codec_context.name.startswith("pcm"),
                bare=_without_adts if _framed(stream) else bytes,
            )
            for stream in streams
        }
        for packet in container.demux(streams) if streams else ():
            if packet.size:
                found[packet.stream_index].add(packet)
        for stream in streams:  # padding behind the last sample is no sound
            one = found[stream.index]
            one.end = min(one.end, stream.duration or one.end) if one.times and one.times[0] <= 0 else one.end
    return list(found.values())


def _framed(stream: Any) -> bool:
    """Whether each packet of AAC says itself what it is, as in transport streams, and nothing says it for all."""
    return stream.codec_context.name.startswith("aac") and not stream.codec_context.extradata


def _without_adts(packet: bytes) -> bytes:
    """An AAC packet of a transport stream without its header: 7 bytes, or 9 with a checksum (ISO/IEC 13818-7, 6.2)."""
    return packet[7 if packet[1] & 1 else 9 :]


def _check_sounds(request: VerifyRequest) -> list[SoundProof]:
    """Each track against the file that it was encoded into: the same packets, at times that lie as far apart."""
    found = _heard(request.path)
    if len(found) < len(request.sounds):
        raise VerificationFailed(f"The result holds {len(found)} tracks of sound, not {len(request.sounds)}.")
    proofs = []
    for number, (track, written) in enumerate(zip(request.sounds, found, strict=False)):
        encoded = _heard(track.path)[0]
        counted = len(written.times) == len(encoded.times) or not written.cut_alike
        same = counted and written.digest.digest() == encoded.digest.digest()
        if not same:
            raise VerificationFailed(
                f"The result holds {len(written.times)} packets of sound in track {number}, "
                f"not the {len(encoded.times)} that were encoded."
            )
        _check_pace(written, encoded, number)
        if request.path.endswith(".m3u8"):
            _check_begin(written, encoded, request.origin + track.offset, number)
        proofs.append(
            SoundProof(
                audio_packets=len(written.times),
                audio_samples=round(encoded.end * encoded.time_base * encoded.rate),
                audio_sha256=written.digest.hexdigest(),
                language=track.language,
            )
        )
    return proofs


def _check_begin(written: _Heard, encoded: _Heard, offset: Fraction, number: int) -> None:
    """Of segments: the first packet, which is priming, lies as long before the track's start as it was encoded."""
    late = written.seconds(0) - encoded.seconds(0) - offset
    if abs(late) > written.time_base + encoded.time_base:
        raise VerificationFailed(f"Sound track {number} begins {float(late):.6f} s late.")


def _check_pace(written: _Heard, encoded: _Heard, number: int) -> None:
    """From the first packet to the last, each must be as long after the first as it was encoded."""
    most = max(written.time_base, encoded.time_base) + min(written.time_base, encoded.time_base)
    for place in range(len(written.times)) if written.cut_alike else ():
        gone = written.seconds(place) - written.seconds(0) - encoded.seconds(place) + encoded.seconds(0)
        if abs(gone) > most:
            raise VerificationFailed(f"Packet {place} of sound track {number} is {float(gone):.6f} s off its time.")


def _check_starts(request: VerifyRequest, sounds: list[SoundProof]) -> None:
    starts = track_starts(Path(request.path))
    heard = [start.seconds for start in starts if start.handler == "soun"]
    if request.video is not None:
        seen = next((start.seconds for start in starts if start.handler == "vide"), None)
        _agree("pictures", seen, request.video.times[0] * request.video.time_base, request.video.time_base)
    for place, track in enumerate(request.sounds):
        _agree("sound", heard[place] if place < len(heard) else None, track.offset, Fraction(1, 8000))
        sounds[place].first_audio_seconds = float(track.offset)


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
        with playlists_followed():
            rows, said = await decoded(path, f"0:{kind}:0")
        if said.lines:
            raise VerificationFailed(f"The result does not decode without complaint: {said.lines[0]}.")
        found[kind] = sum(row.duration for row in rows) if kind == "a" else len(rows)
    if found["v"] != proof.frames:
        raise VerificationFailed(f"{found['v']} of the {proof.frames} frames of the result decode.")
    return Decoded(frames=found["v"], samples=found["a"])
