"""How good an encode is: one film measured against another, and what there is to say about it."""

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from framemill.errors import OutputError, SourceMissing, WrongUse
from framemill.media import figures
from framemill.media.quality import MODEL, Footage, Quality, measure, read_footage
from framemill.services.requests import PACKAGE_FILES, existing

OnProgress = Callable[[dict[str, Any]], None]
SeamsFrom = Literal["given", "report", "keyframes"]


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """Two films, checked to be there."""

    reference: str
    """A: an absolute path."""
    distorted: str
    """B: an absolute path."""
    page: Path | None
    """Where the page goes, if one is wanted."""
    seams: tuple[int, ...] | None = None
    """The first frame behind each seam; none: B's keyframes."""
    seams_from: SeamsFrom = "keyframes"
    encoded_frames: int | None = None
    """How many frames the report says that B has."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found."""

    reference: Footage
    distorted: Footage
    quality: Quality
    seams: tuple[int, ...]
    seams_from: SeamsFrom
    means: figures.Means
    p1: float
    """First percentile of the frames' VMAF."""
    lowest: int
    """The frame with the lowest VMAF."""
    worst_second: figures.Second
    around_seams: figures.AroundSeams | None


def compare_request(
    reference: str,
    distorted: str,
    *,
    page: str | None = None,
    seams: Sequence[int] | None = None,
    report: str | None = None,
    usual_page: bool = True,
) -> CompareRequest:
    """Check a request, and complete it with the page's usual place: beside B, with its name.

    B may be the folder of a package: its MP4 is meant. Raises `SourceMissing` for what is not there, `WrongUse` for
    what cannot be, `OutputError` where the page cannot be written: better now than after an hour.
    """
    if seams is not None and report is not None:
        raise WrongUse("--seams and --report both say where the seams are; give one of them.")
    paths = existing(_film(reference)), existing(_film(distorted))
    usual = f"{os.path.splitext(distorted.rstrip('/'))[0]}.compare.html" if usual_page else None
    wanted = page or usual
    place = _page_place(wanted) if wanted else None
    if report is not None:
        firsts, frames = _seams_of_report(report)
        return CompareRequest(*paths, place, firsts, "report", frames)
    if seams is not None:
        return CompareRequest(*paths, place, tuple(seams), "given")
    return CompareRequest(*paths, place)


def _film(path: str) -> str:
    inside = os.path.join(path, PACKAGE_FILES[0])
    return inside if os.path.isdir(path) and os.path.isfile(inside) else path


def _page_place(page: str) -> Path:
    path = Path(page).absolute()
    if path.suffix.lower() not in {".html", ".htm"}:
        raise WrongUse(f"{page}: the page is HTML; name a file that ends in .html.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The page cannot be put at {page}: {error.strerror}; name another with -o.") from None
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise OutputError(f"The page cannot be put at {page}: nothing can be written there; name another with -o.")
    return path


def _seams_of_report(report: str) -> tuple[tuple[int, ...], int]:
    """Where the chunks of an encode begin, and how many frames it has, from its JSON report."""
    try:
        chunks = json.loads(Path(report).read_text())["plan"]["chunks"]
        return tuple(int(chunk["first"]) for chunk in chunks), max(int(chunk["end"]) for chunk in chunks)
    except OSError as error:
        raise SourceMissing(f"The report {report} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise WrongUse(f"{report} is no report that tells of chunks; `framemill encode --json` writes one.") from None


async def compare(request: CompareRequest, on_progress: OnProgress) -> Comparison:
    """Measure B against A. Raises `SourceError` for a film without pictures, `WrongUse` for seams that B has not."""
    on_progress({"state": "reading"})
    reference, distorted = await asyncio.gather(read_footage(request.reference), read_footage(request.distorted))
    seams = _seams(request, distorted)
    expected = min(reference.frames, distorted.frames)

    def measured(frames: int) -> None:
        on_progress({"state": "measuring", "frames": frames, "frames_planned": expected})

    quality = await measure(reference, distorted, measured)
    return Comparison(
        reference=reference,
        distorted=distorted,
        quality=quality,
        seams=tuple(seam for seam in seams if seam < len(quality.frames)),
        seams_from=request.seams_from,
        means=figures.means(quality.frames),
        p1=figures.percentile((frame.vmaf for frame in quality.frames), 1),
        lowest=figures.lowest(quality.frames),
        worst_second=figures.worst_second(quality.frames),
        around_seams=figures.around_seams(quality.frames, seams),
    )


def _seams(request: CompareRequest, distorted: Footage) -> tuple[int, ...]:
    """The first frame behind each seam, in order; the film's start is none."""
    if request.encoded_frames is not None and request.encoded_frames != distorted.frames:
        raise WrongUse(
            f"The report tells of {request.encoded_frames} frames, and {distorted.path} has {distorted.frames}; "
            f"name the report of that encode."
        )
    if request.seams is None:
        return tuple(point.frame for point in distorted.index.seek_points if point.frame)
    outside = next((seam for seam in request.seams if not 0 <= seam < distorted.frames), None)
    if outside is not None:
        raise WrongUse(f"There is no seam at frame {outside}: {distorted.path} has {distorted.frames} frames.")
    return tuple(sorted(set(request.seams) - {0}))


def comparison_facts(comparison: Comparison) -> dict[str, Any]:
    """All of it as plain JSON values; what there is of every frame as columns of equal length."""
    frames, around, second = comparison.quality.frames, comparison.around_seams, comparison.worst_second
    low = comparison.lowest
    return {
        "reference": footage_facts(comparison.reference),
        "distorted": footage_facts(comparison.distorted),
        "paired_by": comparison.quality.paired_by,
        "pairs": len(frames),
        "model": MODEL,
        "psnr": {"mean": comparison.means.psnr},
        "ssim": {"mean": comparison.means.ssim},
        "vmaf": {
            "mean": comparison.means.vmaf,
            "p1": comparison.p1,
            "lowest": {"frame": low, "seconds": float(frames[low].seconds), "vmaf": frames[low].vmaf},
            "worst_second": {"seconds": float(frames[second.first].seconds), **asdict(second)},
        },
        "seams": {"from": comparison.seams_from, "frames": list(comparison.seams)},
        "around_seams": asdict(around) if around else None,
        "frames": {
            "seconds": [float(frame.seconds) for frame in frames],
            "psnr": [frame.psnr for frame in frames],
            "ssim": [frame.ssim for frame in frames],
            "vmaf": [frame.vmaf for frame in frames],
        },
    }


def footage_facts(footage: Footage) -> dict[str, Any]:
    """One of the films, as plain JSON values; the bit rate is that of the whole file, its sound included."""
    inspection = footage.source.inspection
    stream = next(stream for stream in inspection.facts["streams"] if stream["index"] == inspection.video)
    size = os.path.getsize(footage.path)
    return {
        "path": footage.path,
        "size": size,
        "bit_rate": round(size * 8 / footage.seconds),
        "seconds": float(footage.seconds),
        "frames": footage.frames,
        "codec": stream.get("codec_name", "unknown"),
        "width": footage.first.width,
        "height": footage.first.height,
        "pix_fmt": footage.first.pix_fmt,
    }
