"""One film encoded twice with the same settings: in chunks by the farm, and by one plain ffmpeg, as people run it."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import clips  # noqa: E402

from framemill.media.options import ENCODERS  # noqa: E402
from framemill.media.quality import Quality, measure, read_footage  # noqa: E402
from framemill.services.local import LocalSession, local_session  # noqa: E402
from framemill.services.requests import encode_request  # noqa: E402

FILM = ROOT.parent / "shared" / "media" / "big-buck-bunny-480p-30sec.mp4"
CODECS = ("h264", "h265", "av1")

#: What keeps an encoder's keyframes to those that are asked for, as a package's chunks have them.
_GRID = {
    "h264": ("-x264-params", "scenecut=0:keyint=infinite:open-gop=0"),
    "h265": ("-x265-params", "log-level=error:scenecut=0:keyint=-1:open-gop=0", "-forced-idr", "1"),
    "av1": ("-svtav1-params", "scd=0", "-g", str(1 << 20)),
}
#: The encoder's own keyframes beside those that are asked for, in closed GOPs, as a file's chunks have them.
_FORCED = {
    "h264": ("-x264-params", "open-gop=0"),
    "h265": ("-x265-params", "log-level=error:open-gop=0", "-forced-idr", "1"),
    "av1": ("-svtav1-params", "scd=0"),
}
#: What somebody gets who names the codec and the quality.
_DEFAULT = {"h264": (), "h265": ("-x265-params", "log-level=error"), "av1": ()}


@dataclass(frozen=True)
class Encoded:
    """One encode of the film."""

    path: Path
    seams: tuple[int, ...] = ()
    """The first frame of each chunk but the first."""
    idrs: tuple[int, ...] = ()
    """The first frame of each segment, of a package."""

    @property
    def kbits(self) -> float:
        """Kilobits per second of the pictures' packets alone: no container, no sound."""
        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            packets = [packet for packet in container.demux(stream) if packet.size]
            assert stream.time_base is not None
            seconds = sum(packet.duration or 0 for packet in packets) * stream.time_base
        return float(sum(packet.size for packet in packets) * 8 / seconds / 1000)


class Bench:
    """The film, a folder for its encodes, and a farm that takes one job after another."""

    def __init__(self, farm: LocalSession, folder: Path, film: Path, chunk_seconds: float | None) -> None:
        self._farm = farm
        self._cut = {"chunk_seconds": f"{chunk_seconds:g}"} if chunk_seconds else {}
        self._folder = folder
        self.film = film
        self.footage = asyncio.run(read_footage(str(film)))

    def chunked(self, codec: str, crf: float, *, package: bool = False) -> Encoded:
        """By the farm: a file, or a package with one rendition of the film's size."""
        target = self._folder / (f"chunked-{crf:g}" + ("" if package else ".mp4"))
        first = self.footage.first
        rung = f'[{{"height": {min(first.width, first.height)}, "crf": {crf}}}]'
        quality = {"ladder": rung} if package else {"crf": f"{crf:g}"}
        words = {"video_codec": codec, "audio_codec": "none", **quality, **self._cut}
        request = encode_request(str(self.film), str(target), "hls" if package else "h264", words)
        row = self._farm.encode(request, lambda _: None)
        if row["state"] != "completed":
            raise SystemExit(f"{target.name}: {row['message']}")
        plan: dict[str, Any] = row["report"]["plan"]
        seams = tuple(chunk["first"] for chunk in plan["chunks"][1:])
        return Encoded(target / "video.mp4" if package else target, seams, tuple(plan["segments"]))

    def plain(self, codec: str, crf: float, idrs: Sequence[int] = (), *, grid: bool = False) -> Encoded:
        """By one ffmpeg with its default threads; `idrs`: frames that must be IDR; `grid`: and no others."""
        out = self._folder / f"plain-{crf:g}.mp4"
        encoder = ENCODERS[codec]
        words = ["-c:v", encoder.name, "-preset", encoder.preset, "-crf", f"{crf:g}", "-pix_fmt", "yuv420p", "-an"]
        words += _GRID[codec] if grid else _FORCED[codec] if idrs else _DEFAULT[codec]
        if idrs:
            words += ["-force_key_frames", "expr:" + "+".join(f"eq(n,{frame})" for frame in idrs)]
        clips.ffmpeg("-i", self.film, "-map", "0:V:0", "-fps_mode", "passthrough", *words, out)
        return Encoded(out)

    def quality(self, encoded: Encoded) -> Quality:
        """Every frame of an encode against the film's."""

        async def found() -> Quality:
            return await measure(self.footage, await read_footage(str(encoded.path)))

        return asyncio.run(found())


@contextmanager
def bench(options: argparse.Namespace) -> Iterator[Bench]:
    """A farm and a film, as the shared options say; without a film's name the default one, else a generated one."""
    seconds: float | None = options.seconds
    with tempfile.TemporaryDirectory(prefix="framemill-bench-") as scratch:
        folder = Path(scratch)
        film = options.source or (FILM if FILM.exists() else _generated(folder, seconds or 30))
        if seconds:
            short = folder / f"short{film.suffix}"
            clips.ffmpeg("-i", film, "-map", "0:V:0", "-t", str(seconds), "-c", "copy", short)
            film = short
        (folder / "farm").mkdir()
        with local_session(folder / "farm", 2) as farm:
            yield Bench(farm, folder, film, options.chunk_seconds)


def _generated(folder: Path, seconds: float) -> Path:
    """A slow zoom with film grain: motion and noise, as a camera has them."""
    film = folder / "generated.mkv"
    graph = f"mandelbrot=size=640x360:rate=24:end_pts=2000,trim=duration={seconds},noise=alls=6:allf=t,format=yuv420p"
    clips.ffmpeg("-f", "lavfi", "-i", graph, "-c:v", "libx264", "-preset", "veryfast", "-crf", "10", film)
    return film


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options that these benchmarks share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, metavar="FILE", help=f"the film (default: {FILM.name}, or a made one)")
    parser.add_argument("--seconds", type=float, metavar="S", help="only the film's first seconds")
    parser.add_argument("--chunk-seconds", type=float, metavar="S", help="length of a chunk (default: the plan's)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    return parser
