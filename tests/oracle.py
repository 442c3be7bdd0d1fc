"""What a chunked encode is judged by: one plain ffmpeg run over the whole file, and nothing of framemill's own.

`decode` says which frames a file shows and when, `compare` whether an output shows its source's frames at its source's
times, and `box_starts` what an MP4's own boxes say about its beginning (libav hides edit lists).
"""

from __future__ import annotations

import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import av
import imageio_ffmpeg

SCALER = "flags=bicubic+accurate_rnd+full_chroma_int+bitexact"
NO_STREAM = "matches no streams"
RATE_FILTERS = re.compile(
    r"\b(fps|framerate|minterpolate|bwdif|yadif|estdif|w3fdif|nnedi|setpts|settb|tinterlace|telecine|pullup"
    r"|detelecine|decimate|mpdecimate|separatefields|framestep)\b"
)


class Frame(NamedTuple):
    """One decoded frame: when it is shown, and the hash of its pixels."""

    time: Fraction
    hash: str


@dataclass(frozen=True)
class Decoded:
    """What one plain run gave."""

    frames: tuple[Frame, ...]
    tick: Fraction
    """One unit of the time base."""
    size: str
    """`WxH` of the frames; empty without frames."""
    status: int
    errors: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Exit status 0, and not a word of complaint."""
        return self.status == 0 and not self.errors

    @property
    def absent(self) -> bool:
        """There is no such stream to decode."""
        return any(NO_STREAM in line for line in self.errors)


@dataclass(frozen=True)
class Audio:
    """The first audio stream, decoded: when it starts, how many samples, and the MD5 of them as 32-bit floats."""

    start: Fraction
    samples: int
    md5: str
    rate: int
    clean: bool


@dataclass(frozen=True)
class Verdict:
    """How an output compares with its source."""

    exact: bool
    frames_expected: int
    frames_got: int
    difference: str
    """The first difference as a sentence; empty when there is none."""
    error_ticks: float
    """The largest error of a time, in ticks of the coarser time base."""
    clean: bool
    """Plain ffmpeg decoded the source with status 0 and without a word."""
    audio_shift: Fraction | None
    """How much later than it should the output's sound starts; none unless both have sound. Not part of `exact`."""
    audio_missing: int | None
    """How many samples fewer than its source the output's sound has. Not part of `exact`."""


class BoxStart(NamedTuple):
    """Where a track of an MP4 begins, by its boxes."""

    track: int
    kind: str
    """`vide`, `soun`, `text`…"""
    start: Fraction
    """Presentation time of the first sample that is shown, in seconds."""


# Decoding


def decode(path: Path, vf: str | None = None, pix_fmt: str | None = None, cover: bool = False) -> Decoded:
    """Decode the first real video stream, whole and in one piece; with `cover`, cover art where there is no other."""
    graph = ",".join(filter(None, [vf, pix_fmt and f"scale={SCALER},format={pix_fmt}"]))
    clock = "filter" if RATE_FILTERS.search(graph) else "demux"
    options = ["-an", *(["-vf", graph] if graph else []), "-fps_mode", "passthrough", "-enc_time_base", clock]
    done = _framehash(path, "0:V:0", options)
    if cover and NO_STREAM in done.stderr:
        done = _framehash(path, "0:v:0", options)
    tick, rows = _rows(done.stdout)
    frames = tuple(Frame(pts * tick, hash) for pts, _, hash in rows)
    return Decoded(frames, tick, _header(done.stdout, "dimensions"), done.returncode, tuple(done.stderr.splitlines()))


def audio_samples(path: Path) -> Audio | None:
    """Decode the first audio stream; none when there is none, or nothing of it decodes."""
    pcm = ["-vn", "-c:a", "pcm_f32le"]
    with tempfile.TemporaryDirectory(prefix="framemill-oracle-") as folder:
        digest = Path(folder) / "md5"
        done = _framehash(path, "0:a:0", pcm, ["-map", "0:a:0", *pcm, "-f", "md5", str(digest)])
        tick, rows = _rows(done.stdout)
        if not rows:
            return None
        rate = int(_header(done.stdout, "sample_rate"))
        samples = round(sum(duration for _, duration, _ in rows) * tick * rate)
        md5 = digest.read_text().strip().removeprefix("MD5=")
    return Audio(rows[0][0] * tick, samples, md5, rate, done.returncode == 0 and not done.stderr)


def is_clean(path: Path) -> bool:
    """Whether plain ffmpeg decodes the pictures (the sound, where there are none) without a word."""
    pictures = decode(path)
    if not pictures.absent:
        return pictures.clean
    sound = audio_samples(path)
    return sound is not None and sound.clean


def _framehash(
    path: Path, stream: str, options: Sequence[str], more: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """One plain run: frame hashes on stdout, complaints on stderr."""
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]
    source = ["-copyts", "-threads", "1", "-i", str(path), "-map", stream]
    command = [*ffmpeg, *source, *options, "-f", "framehash", "-hash", "md5", "-", *more]
    return subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")


def _rows(listing: str) -> tuple[Fraction, list[tuple[int, int, str]]]:
    """The tick of a framehash listing, and its rows: pts, duration, hash."""
    lines = [line.split(",") for line in listing.splitlines() if line and not line.startswith("#")]
    rows = [(int(pts), int(duration), hash.strip()) for _, _, pts, duration, _, hash in lines]
    return Fraction(_header(listing, "tb") or 1), rows


def _header(listing: str, name: str) -> str:
    found = re.search(rf"^#{name} 0: (\S+)", listing, re.M)
    return found[1] if found else ""


# Comparing


def compare(source: Path, output: Path) -> Verdict:
    """Judge an output that should show every frame of its source at its own time, counted from the common origin.

    The origin is the start of the earliest of the first frame and the first audio sample, of what the output kept.
    Where the output has other pixels than the source (size, format), the source is converted by the exact scaler first.
    """
    got, got_audio = decode(output), audio_samples(output)
    expected = decode(source, cover=bool(got.frames))
    audio, clean = audio_samples(source), expected.clean
    if expected.absent:
        clean = audio is not None and audio.clean
    if got.frames and _hashes(got) != _hashes(expected):
        expected = decode(source, _conversion(output, got.size), cover=True)
    starts = [frame.time for frame in expected.frames[:1]] + ([audio.start] if audio and got_audio else [])
    origin = min(starts, default=Fraction(0))
    times = [frame.time - origin for frame in expected.frames]
    tick = max(expected.tick, got.tick)
    errors = _time_errors(times, [frame.time for frame in got.frames], tick)
    difference = _pixels_differ(expected, got) or _times_differ(times, got, errors, tick)
    if not got.frames and not got_audio:
        difference = "The output holds neither pictures nor sound."
    elif got.frames and not got.clean:
        difference = f"The output does not decode without errors: {'; '.join(got.errors[:2]) or got.status}."
    return Verdict(
        exact=not difference,
        frames_expected=len(expected.frames),
        frames_got=len(got.frames),
        difference=difference,
        error_ticks=float(max(errors.values(), default=Fraction(0)) / tick),
        clean=clean,
        audio_shift=got_audio.start - (audio.start - origin) if audio and got_audio else None,
        audio_missing=audio.samples - got_audio.samples if audio and got_audio else None,
    )


def _hashes(decoded: Decoded) -> list[str]:
    return [frame.hash for frame in decoded.frames]


def _conversion(output: Path, size: str) -> str:
    """The graph that brings any frame to the output's size and pixel format."""
    with av.open(str(output), metadata_errors="replace") as container:
        pixels = container.streams.video[0].codec_context.pix_fmt
    return f"scale={size.replace('x', ':')}:{SCALER},format={pixels}"


def _time_errors(expected: Sequence[Fraction], got: Sequence[Fraction], tick: Fraction) -> dict[int, Fraction]:
    """By frame: how far its time is off. Frames that had to move, as theirs was not after the last, are left out."""
    moved = accumulate(expected, lambda before, time: max(time, before + tick))
    rows = enumerate(zip(expected, moved, got, strict=False))
    return {index: abs(is_ - should) for index, (should, bumped, is_) in rows if bumped == should}


def _pixels_differ(expected: Decoded, got: Decoded) -> str:
    """The first frame that is not the one it should be."""
    should, have = _hashes(expected), _hashes(got)
    for index, (one, other) in enumerate(zip(should, have, strict=False)):
        if one == other:
            continue
        at = f"frame {index} ({float(expected.frames[index].time):.3f} s)"
        if other in should[index + 1 : index + 25]:
            return f"From {at} on: {should.index(other, index) - index} missing."
        if index and other == have[index - 1]:
            return f"Instead of {at} the frame before it is shown again."
        return f"The pixels of {at} differ."
    if len(should) != len(have):
        return f"{len(have)} frames instead of {len(should)}, the first {min(len(should), len(have))} of them right."
    return ""


def _times_differ(times: Sequence[Fraction], got: Decoded, errors: dict[int, Fraction], tick: Fraction) -> str:
    """The first frame that is more than a tick away from its time, or not after the frame before it."""
    shown = [frame.time for frame in got.frames]
    for index, time in enumerate(shown):
        if errors.get(index, 0) > tick:
            return f"Frame {index} is shown at {float(time):.6f} s instead of {float(times[index]):.6f} s."
        if index and time <= shown[index - 1]:
            return f"Frame {index} is shown at {float(time):.6f} s, not after the frame before it."
    return ""


# Boxes


def box_starts(mp4: Path) -> list[BoxStart]:
    """Where each track begins, from `elst`, `stts`, `ctts` (`tfdt`, `trun` in fragments) alone."""
    data = mp4.read_bytes()
    top = list(_boxes(data))
    moov = next(body for kind, body in top if kind == "moov")
    movie_scale = _scale(_child(moov, "mvhd"))
    fragments = [traf for kind, moof in top if kind == "moof" for name, traf in _boxes(moof) if name == "traf"]
    starts = []
    for trak in (body for kind, body in _boxes(moov) if kind == "trak"):
        tkhd, mdia = _child(trak, "tkhd"), _child(trak, "mdia")
        track = _u32(tkhd, 20 if tkhd[0] else 12)
        scale, kind = _scale(_child(mdia, "mdhd")), _child(mdia, "hdlr")[8:12].decode("latin-1")
        stbl = _child(_child(mdia, "minf"), "stbl")
        first = min([*_sample_times(stbl), *_fragment_times(fragments, track)], default=None)
        if first is not None:
            wait, media_start = _edit(trak)
            start = Fraction(wait, movie_scale) + Fraction(max(first - media_start, 0), scale)
            starts.append(BoxStart(track, kind, start))
    return starts


def _boxes(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", data, at + 8), 16
        size = size or len(data) - at
        yield kind.decode("latin-1"), data[at + head : at + size]
        at += max(size, head)


def _child(data: bytes, name: str) -> bytes:
    """The body of the first box of that kind; empty when there is none."""
    return next((body for kind, body in _boxes(data) if kind == name), b"")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _i32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big", signed=True)


def _scale(header: bytes) -> int:
    """The time scale of an mvhd or mdhd."""
    return _u32(header, 20 if header[0] else 12)


def _edit(trak: bytes) -> tuple[int, int]:
    """How long the track waits (in the movie's scale), and where in its media it then begins (in its own)."""
    elst = _child(_child(trak, "edts"), "elst")
    width, wait = (20, 0) if elst[:1] == b"\1" else (12, 0)
    for index in range(_u32(elst, 4) if elst else 0):
        entry = elst[8 + index * width :]
        duration, media = struct.unpack_from(">Qq" if width == 20 else ">Ii", entry)
        if media >= 0:
            return wait, media
        wait += duration
    return wait, 0


def _sample_times(stbl: bytes) -> Iterator[int]:
    """The presentation times of the first samples, before the edit list: enough of them to pass any reordering."""
    stts, ctts = _child(stbl, "stts"), _child(stbl, "ctts")
    steps = (_u32(stts, 12 + 8 * n) for n in range(_u32(stts, 4)) for _ in range(_u32(stts, 8 + 8 * n)))
    offsets = (_i32(ctts, 12 + 8 * n) for n in range(_u32(ctts, 4)) for _ in range(_u32(ctts, 8 + 8 * n)))
    time = 0
    for step, _ in zip(steps, range(64), strict=False):
        yield time + next(offsets, 0)
        time += step


def _fragment_times(trafs: Sequence[bytes], track: int) -> Iterator[int]:
    """The same of the track's first fragment."""
    traf = next((traf for traf in trafs if _u32(_child(traf, "tfhd"), 4) == track), b"")
    tfhd, tfdt, trun = _child(traf, "tfhd"), _child(traf, "tfdt"), _child(traf, "trun")
    if not trun:
        return
    tf_flags, flags = _u32(tfhd, 0) & 0xFFFFFF, _u32(trun, 0) & 0xFFFFFF
    at = 8 + 8 * bool(tf_flags & 0x1) + 4 * bool(tf_flags & 0x2)
    usual = _u32(tfhd, at) if tf_flags & 0x8 else 0
    time = int.from_bytes(tfdt[4:], "big")
    at = 8 + 4 * bool(flags & 0x1) + 4 * bool(flags & 0x4)
    for _ in range(_u32(trun, 4)):
        fields = {}
        for bit in (0x100, 0x200, 0x400, 0x800):
            if flags & bit:
                fields[bit] = _i32(trun, at)
                at += 4
        yield time + fields.get(0x800, 0)
        time += fields.get(0x100, usual)
