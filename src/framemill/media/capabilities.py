"""What this machine's ffmpeg can encode and decode: found out by encoding a frame, and decoding it again.

Listed is not working: a build may name an encoder whose library, driver or hardware is not there. What was found is
kept in the user's cache, by machine and ffmpeg build.
"""

import asyncio
import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from framemill import __version__
from framemill.config import cache_dir, usable_cpus
from framemill.errors import EncoderMissing
from framemill.jobs.settings import OutputSettings, Value
from framemill.media import ffmpeg
from framemill.media.options import ENCODERS, encoder_of
from framemill.media.soundcodecs import AUDIO_ENCODERS

_TRY_SECONDS = 60.0
_TOO_LONG = f"it did not end within {_TRY_SECONDS:g} s"
_PICTURE = ("-f", "lavfi", "-i", "color=size=256x144:rate=25:duration=0.04")
_SOUND = ("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=0.2")
_VAAPI = ("-init_hw_device", "vaapi=va:/dev/dri/renderD128", "-filter_hw_device", "va")

#: ffmpeg's video encoders that are tried, and the codec that each writes.
VIDEO_ENCODERS: Mapping[str, str] = {
    "libx264": "h264", "libx265": "hevc", "libsvtav1": "av1", "libaom-av1": "av1", "libvpx-vp9": "vp9",
    "libvpx": "vp8", "mpeg2video": "mpeg2video", "mpeg4": "mpeg4", "mjpeg": "mjpeg", "prores_ks": "prores",
    "ffv1": "ffv1", "flv": "flv1", "msmpeg4": "msmpeg4v3", "wmv2": "wmv2",
}  # fmt: skip
#: The same of sound.
SOUND_ENCODERS: Mapping[str, str] = {
    "aac": "aac", "libopus": "opus", "flac": "flac", "alac": "alac", "libmp3lame": "mp3", "ac3": "ac3", "mp2": "mp2",
    "libvorbis": "vorbis", "pcm_s16le": "pcm_s16le", "wmav2": "wmav2",
}  # fmt: skip
#: Encoders of graphics chips, and what they take to be tried.
HARDWARE_ENCODERS: Mapping[str, tuple[str, ...]] = {
    "h264_nvenc": (), "hevc_nvenc": (), "av1_nvenc": (), "h264_qsv": (), "hevc_qsv": (), "h264_videotoolbox": (),
    "hevc_videotoolbox": (), "h264_vaapi": _VAAPI, "hevc_vaapi": _VAAPI, "av1_vaapi": _VAAPI,
}  # fmt: skip


class Tried(Value):
    """What came of encoding one frame with one encoder, and of decoding it."""

    encoder: str
    codec: str
    encodes: bool
    decodes: bool
    """Whether ffmpeg's own choice of a decoder gave the frame back; false also where there was none to decode."""
    said: str = ""
    """ffmpeg's own words, where it failed."""


async def try_encoders(names: Iterable[str]) -> list[Tried]:
    """Encode a frame with each, and decode it; from the cache where that was done before."""
    wanted = list(dict.fromkeys(names))
    cache = cache_dir() / f"capabilities-{await _machine()}.json"
    known = await asyncio.to_thread(_read, cache)
    missing = [name for name in wanted if name not in known]
    if missing:
        few = asyncio.Semaphore(usable_cpus())
        found = await asyncio.gather(*(_tried(name, few) for name in missing))
        known |= {tried.encoder: tried for tried in found}
        # A machine that was too busy may try again.
        await asyncio.to_thread(_write, cache, {name: one for name, one in known.items() if one.said != _TOO_LONG})
    return [known[name] for name in wanted]


async def require_encoders(settings: OutputSettings) -> None:
    """Raise `EncoderMissing` when this machine cannot encode what an output asks for."""
    names = []
    if settings.video_codec in ENCODERS:
        names.append(encoder_of(settings).name)
    if settings.audio_codec in AUDIO_ENCODERS:
        names.append(AUDIO_ENCODERS[settings.audio_codec][0])
    broken = next((tried for tried in await try_encoders(names) if not tried.encodes), None)
    if broken is not None:
        raise EncoderMissing(
            f"This machine's ffmpeg cannot encode with {broken.encoder}: {broken.said}. "
            "`framemill doctor` shows what works here."
        )


async def _tried(name: str, few: asyncio.Semaphore) -> Tried:
    codec = {**VIDEO_ENCODERS, **SOUND_ENCODERS}.get(name, name.split("_", maxsplit=1)[0])
    kind, source = ("a", _SOUND) if name in SOUND_ENCODERS else ("v", _PICTURE)
    device = HARDWARE_ENCODERS.get(name, ())
    upload = ("-vf", "format=nv12,hwupload") if device else ()
    muxer = "matroska" if codec in {"alac", "wmav2"} else "nut"  # NUT has no name for ALAC
    encode = (*device, *source, *upload, "-frames:v", "1", f"-c:{kind}", name, "-strict", "-2", "-f", muxer, "pipe:1")
    async with few:
        status, encoded, said = await _ran(encode)
        if status or not encoded:
            return Tried(encoder=name, codec=codec, encodes=False, decodes=False, said=said)
        again = ("-xerror", "-i", "pipe:0", "-map", f"0:{kind}:0", "-f", "framecrc", "pipe:1")
        status, decoded, said = await _ran(again, encoded)
    decodes = not status and any(not line.startswith(b"#") for line in decoded.splitlines())
    return Tried(encoder=name, codec=codec, encodes=True, decodes=decodes, said="" if decodes else said)


async def _ran(args: Sequence[str], stdin: bytes | None = None) -> tuple[int, bytes, str]:
    argv = [ffmpeg.binary(), "-nostdin", "-v", "level+error", *args]
    try:
        finished = await ffmpeg.run(argv, stdin=stdin, timeout=_TRY_SECONDS)
    except TimeoutError:
        return 1, b"", _TOO_LONG
    return finished.status, finished.stdout, ffmpeg.first_words(finished.stderr)


async def _machine() -> str:
    """Names what the answers depend on: the build, this machine, and the graphics devices that are there."""
    devices = await asyncio.to_thread(graphics_devices)
    parts = [__version__, await ffmpeg.build_id(), platform.node(), platform.release(), *devices]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def graphics_devices() -> list[str]:
    """Device files of graphics chips that this machine shows: NVIDIA's, and render nodes."""
    return sorted(str(path) for pattern in ("nvidia[0-9]*", "dri/renderD*") for path in Path("/dev").glob(pattern))


def _read(path: Path) -> dict[str, Tried]:
    try:
        return {name: Tried.model_validate(value) for name, value in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, AttributeError, ValidationError):  # not there, not readable, not ours
        return {}


def _write(path: Path, known: Mapping[str, Tried]) -> None:
    """Keep it; a home that cannot be written to costs no more than trying again."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps({name: tried.model_dump() for name, tried in known.items()}))
        part.replace(path)
    except OSError:
        return
