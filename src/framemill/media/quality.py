"""How close one film comes to another, frame by frame: luma PSNR, SSIM and VMAF, in one ffmpeg process."""

import asyncio
import csv
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import ffmpeg

from framemill.config import usable_cpus
from framemill.errors import FfmpegFailed, MediaError, SourceUnreadable
from framemill.media.ffmpeg import ffmpeg as run_ffmpeg
from framemill.media.index import FirstFrame, FrameIndex
from framemill.media.options import SWS_FLAGS
from framemill.media.plan import presentation_times
from framemill.media.source import Source, index_source, read_source

#: The model that libvmaf has built in for a 1080p screen, watched from three times its height.
MODEL = "vmaf_v0.6.1"

#: What libvmaf takes as it is.
_MEASURABLE = frozenset(f"yuv{chroma}p{depth}" for chroma in (420, 422, 444) for depth in ("", "10le", "12le", "16le"))


@dataclass(frozen=True, slots=True)
class Footage:
    """A file whose pictures can be compared: what it is, and all of its frames."""

    source: Source
    first: FirstFrame
    index: FrameIndex

    @property
    def path(self) -> str:
        """Where it is."""
        return self.source.path

    @property
    def frames(self) -> int:
        """How many frames a decode of the whole file delivers."""
        return len(self.index.pts)

    @property
    def times(self) -> list[Fraction]:
        """Seconds from the first frame to each one; they always grow."""
        shown = presentation_times(self.index.pts)
        return [(time - shown[0]) * self.index.time_base for time in shown]

    @property
    def seconds(self) -> Fraction:
        """How long it is shown: from its first frame to the end of its last."""
        return self.times[-1] + self.index.last_duration * self.index.time_base


@dataclass(frozen=True, slots=True)
class FrameQuality:
    """How close one frame of B comes to its frame of A. All three look at luma alone."""

    seconds: Fraction
    """Its time in B, from B's first frame."""
    psnr: float
    """dB. libvmaf caps it at 6 dB a bit and 12 more: equal frames have 60 dB in 8 bits, 72 in 10."""
    ssim: float
    """1: equal."""
    vmaf: float
    """0 to 100. Equal frames have 100 where they move, and 97.4 where nothing moves: so the model was trained."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What was measured: `frames[n]` is frame n of B against the frame of A it was paired with."""

    frames: tuple[FrameQuality, ...]
    paired_by: Literal["order", "time"]
    """`order`: both have equally many frames. `time`: each of B's has the frame of A that is nearest in time, both
    counted from their first; it ends with the film that ends first."""
    reference_frames: int
    distorted_frames: int


async def read_footage(path: str) -> Footage:
    """Read a local file and list its frames.

    Raises `SourceMissing` where there is none, `SourceUnreadable` where no picture of it can be decoded.
    """
    source = await read_source(path)
    if source.inspection.video is None:
        raise SourceUnreadable(f"{path} holds sound but no pictures; name a video to compare.")
    index = await index_source(source, decode=False, linear=False)
    if index is None or source.first_picture is None:
        raise SourceUnreadable(f"No picture of {path} can be decoded; name a video that plays.")
    return Footage(source, source.first_picture, index)


async def measure(reference: Footage, distorted: Footage, on_frames: Callable[[int], None] | None = None) -> Quality:
    """Compare every frame of `distorted` (B) with its frame of `reference` (A).

    B is made to A's size, pixel format and range first. `on_frames` hears how many frames are done. Raises
    `MediaError` when ffmpeg cannot.
    """
    paired_by: Literal["order", "time"] = "order" if reference.frames == distorted.frames else "time"

    def progress(block: dict[str, str]) -> None:
        if on_frames is not None and block.get("frame", "").isdigit():
            on_frames(int(block["frame"]))

    with tempfile.TemporaryDirectory(prefix="framemill-") as folder:
        log = Path(folder) / "frames.csv"
        argv = quality_command(reference, distorted, log, by_order=paired_by == "order", threads=usable_cpus())
        try:
            await run_ffmpeg(argv, on_progress=progress)
        except FfmpegFailed as error:
            if "No such filter: 'libvmaf'" in error.stderr:
                raise MediaError("This ffmpeg has no libvmaf; unset FRAMEMILL_FFMPEG to use the bundled one.") from None
            raise
        rows = await asyncio.to_thread(_read_log, log)
    frames = tuple(
        FrameQuality(seconds, psnr, ssim, vmaf)
        for seconds, (psnr, ssim, vmaf) in zip(distorted.times, rows, strict=False)
    )
    if not frames:
        raise MediaError(f"No frame of {distorted.path} could be paired with one of {reference.path}.")
    return Quality(frames, paired_by, reference.frames, distorted.frames)


def quality_command(reference: Footage, distorted: Footage, log: Path, *, by_order: bool, threads: int) -> list[str]:
    """Arguments for ffmpeg that compare two films and write one line a frame into `log`."""
    pads = [_alike(footage, reference.first, by_order=by_order) for footage in (distorted, reference)]
    if pads[0] == pads[1]:  # a film against itself
        twice = pads[0].filter_multi_output("split")
        pads = [twice.stream(0), twice.stream(1)]
    compared = ffmpeg.filter(
        pads,
        "libvmaf",
        model=f"version={MODEL}",
        feature="name=psnr|name=float_ssim",
        log_fmt="csv",  # an eighth of its JSON, which a long film makes larger than memory
        log_path=str(log),
        n_threads=threads,
        shortest=1,  # frames that only one of them has are compared with none
        ts_sync_mode="nearest",
    )
    # Every pair counts, whatever its time; what it looks like does not.
    output = ffmpeg.output(compared, "-", f="null", fps_mode="passthrough", enc_time_base="filter")
    argv: list[str] = output.global_args("-nostdin", "-v", "error").get_args()
    return argv


def _alike(footage: Footage, reference: FirstFrame, *, by_order: bool) -> Any:
    """A film as the reference is, with times by which the frames of both are paired.

    `copyts` keeps ffmpeg from mending the times that pair them; `reinit_filter` lets the graph, which counts, live on
    where a film changes its size.
    """
    stream = ffmpeg.input(footage.path, copyts=None, reinit_filter="0")["V:0"]
    if by_order:
        stream = stream.filter("settb", "1/25").filter("setpts", "N")
    else:
        stream = stream.filter("setpts", "PTS-STARTPTS")
    levels = "pc" if reference.color_range == "pc" else "tv"
    stream = stream.filter("scale", reference.width, reference.height, flags=SWS_FLAGS, out_range=levels)
    stream = stream.filter("format", measured_format(reference.pix_fmt))
    # Tags are no pixels: where they differ, ffmpeg would convert behind our back.
    untagged = dict.fromkeys(("colorspace", "color_primaries", "color_trc"), "unknown")
    return stream.filter("setparams", range=levels, **untagged)


def measured_format(pix_fmt: str) -> str:
    """The pixel format to measure in: the reference's, or one that libvmaf takes and that holds all of its luma."""
    plain = pix_fmt.replace("yuvj", "yuv")
    if plain in _MEASURABLE:
        return plain
    return "yuv444p16le" if pix_fmt.endswith(("le", "be")) else "yuv444p"


def _read_log(log: Path) -> list[tuple[float, float, float]]:
    with log.open(newline="") as lines:
        return parse_log(lines)


def parse_log(lines: Iterable[str]) -> list[tuple[float, float, float]]:
    """(PSNR, SSIM, VMAF) of every frame, from libvmaf's CSV."""
    rows: Sequence[dict[str, str]] = list(csv.DictReader(lines))
    return [(float(row["psnr_y"]), float(row["float_ssim"]), float(row["vmaf"])) for row in rows]
