"""Edits against one plain ffmpeg run of the same graph: every pair of options at least once, over odd sources.

    python benchmarks/pairwise.py 7
    python benchmarks/pairwise.py 7 --cases 300 --media ~/samples

The seed decides the cases. Each is planned, cut into chunks, encoded without loss by the very commands that workers
run, and decoded again: frames and times have to be those of the plain run. The exit status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache
from itertools import accumulate, combinations, pairwise
from pathlib import Path
from typing import Any, Literal, TypeAlias

from rich.console import Console
from rich.markup import escape
from rich.progress import track

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import clips  # noqa: E402
from one_title import LOSSLESS, carried_out, plain  # noqa: E402

from framemill.errors import ChunkMismatch, FramemillError, SourceError  # noqa: E402
from framemill.jobs.settings import OutputSettings, RunSettings  # noqa: E402
from framemill.media import ffmpeg  # noqa: E402
from framemill.media.drawing import Step  # noqa: E402
from framemill.media.index import FrameIndex  # noqa: E402
from framemill.media.options import SWS_FLAGS  # noqa: E402
from framemill.media.source import Source, index_source, read_source  # noqa: E402
from framemill.media.title import Title, plan_title  # noqa: E402

MEDIA = ROOT.parent / "shared" / "media"
CASES = 150
MADE = (
    *("cfr_29_97.mp4", "vfr.mp4", "vfr.mkv", "changing_rate.mkv", "ts_3600.ts", "pts_wrap.ts", "backwards.ts"),
    *("equal_pts.mkv", "open_gop_h264.ts", "open_gop_hevc.mp4", "b_pyramid.mp4", "one_keyframe.mp4", "edit_list.mp4"),
    *("mpeg2_interlaced.ts", "mbaff.ts", "field_coded.mp4", "late_video.mp4", "raw.h264", "full_range.mp4", "sar.mp4"),
)
REAL = (
    *("bear-vp9-odd-dimensions.webm", "sample1.ts", "foreman-hevc-384.mp4", "no_duration.webm", "video_desks.3gp"),
    *("bbb_800x640_768kbps_30fps_avc_2b_firstpts_10_sec.mp4", "seg-3.ts", "non-existing-pps.ts", "mov_text.mp4"),
    *("nasa_13013_rotated.mp4", "sample_with_srt.mkv", "h264-mjpeg.mp4"),
)
#: Of each dimension, what it may be; a crop is a share of the source's size.
DIMENSIONS: dict[str, tuple[Any, ...]] = {
    "fps": (None, "24000/1001", "25", "60", "5", "30000/1001"),
    "fps_mode": ("force", "cap"),
    "deinterlace": ("off", "auto", "frame", "field"),
    "clip": ((None, None), (0.7, None), (None, 1.3), (0.333, 1.81)),
    "box": (None, (96, 96), (200, 100), (640, None)),
    "fit": ("fit", "fill", "pad", "stretch"),
    "upscale": (False, True),
    "crop": (None, (2, 2, 0), (2, 3, 1)),
    "rotate": (0, 90, 180, 270),
    "flip": ("none", "horizontal", "vertical"),
    "sharpen": (None, 0.5),
    "cut": ({"chunk_frames": 7}, {"chunk_frames": 23}, {"chunks": 3}, {"chunk_seconds": 0.5}),
    "index": ("auto", "decode"),
}

Case: TypeAlias = "dict[str, Any]"
Pair: TypeAlias = "tuple[str, int, str, int]"


@dataclass(frozen=True)
class Row:
    """One case and what came of it."""

    case: Case
    verdict: str
    """`same`, `refused`, `frames differ`, `times differ`, `failed`."""
    said: str = ""
    chunks: int = 0
    frames: int = 0


def cases(seed: int, sources: Sequence[str], count: int) -> Iterator[Case]:
    """So many cases, in which every pair of values is as soon as it can be."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    dimensions = {"source": tuple(sources), **DIMENSIONS}
    sizes = {name: len(values) for name, values in dimensions.items()}
    left = {
        (one, a, other, b)
        for one, other in combinations(sizes, 2)
        for a in range(sizes[one])
        for b in range(sizes[other])
    }
    for _ in range(count):
        tried = [{name: chance.randrange(size) for name, size in sizes.items()} for _ in range(60)]
        best = max(tried, key=lambda choice: len(_pairs(choice) & left))
        left -= _pairs(best)
        yield {name: dimensions[name][number] for name, number in best.items()} | {"uncovered": len(left)}


def _pairs(choice: dict[str, int]) -> set[Pair]:
    return {(one, choice[one], other, choice[other]) for one, other in combinations(choice, 2)}


@cache
def read(path: Path, how: str) -> tuple[Source, FrameIndex | None]:
    async def both() -> tuple[Source, FrameIndex | None]:
        source = await read_source(str(path))
        return source, await index_source(source, decode=how == "decode", linear=False)

    return asyncio.run(both())


@cache
def decoded(path: Path) -> tuple[Fraction, ...]:
    """The times of a plain decode, in seconds, from the first."""
    return tuple(plain(path, "null", "yuv420p")[1])


def settings_of(case: Case, source: Source) -> dict[str, Any]:
    """What the case asks for."""
    start, end = case["clip"]
    fps = {"fps": case["fps"], "fps_mode": case["fps_mode"]} if case["fps"] else {}
    box = {}
    if case["box"]:
        width, height = case["box"]
        box = {"width": width, "height": height, "fit": case["fit"] if height else "fit"}
    asked = {name: case[name] for name in ("deinterlace", "upscale", "rotate", "flip", "sharpen")}
    picture = source.first_picture
    if case["crop"] and picture is not None:
        across, down, odd = case["crop"]
        asked["crop"] = f"{picture.width // across // 2 * 2 + odd}:{picture.height // down // 2 * 2 + odd}"
    return {**LOSSLESS, **fps, **box, **asked, "start": start, "end": end}


def planned(case: Case, path: Path, how: Literal["auto", "decode"]) -> Title:
    """The plan, with the frames from the packets where they can be trusted, or from a decode."""
    source, index = read(path, how)
    settings = OutputSettings.model_validate(settings_of(case, source))
    run = RunSettings(**case["cut"], index=how)
    return plan_title(source, index, settings, run, asyncio.run(ffmpeg.build_id()))


def graph_of(case: Case, title: Title, times: Sequence[Fraction]) -> str:
    """The whole output as one graph of ffmpeg's. What frames are shown, and when, is worked out here once more."""
    film = title.pictured
    picture = film.pictures[0]
    rising = list(accumulate(times, max))
    start, end = case["clip"]
    first = bisect_left(rising, Fraction(str(start or 0)))
    last = bisect_left(rising, Fraction(str(end))) if end else len(rising)
    steps = [f"trim=start_frame={first}:end_frame={last}"]
    first_size = title.source.first_picture
    if film.edit is not None and film.edit.changes_times and first_size is not None:
        steps.append(f"scale={first_size.width}:{first_size.height}:flags={SWS_FLAGS}")
    mode = {"frame": "send_frame", "field": "send_field"}.get(case["deinterlace"])
    if case["deinterlace"] == "auto" and title.source.interlaced:
        mode = "send_frame"
    if mode:
        steps.append(f"bwdif=mode={mode}:deint=all")
    rate = Fraction(case["fps"]) if case["fps"] else None
    length = rising[-1] + film.index.last_duration * film.index.time_base
    if rate and (case["fps_mode"] == "force" or len(times) / length > rate * Fraction(1001, 1000)):
        steps += ["setpts=PTS-STARTPTS", f"fps={rate}"]
    look = picture.look
    drawn = (*film.steps, *look.before, *picture.steps, *look.steps, *picture.after)
    formats = [f"format={name}" for name in picture.pix_fmts]
    return ",".join([*steps, *map(_word, drawn), *formats, *map(_word, look.tags)])


def _word(step: Step) -> str:
    return f"{step.name}={':'.join(f'{name}={value}' for name, value in step.options)}" if step.options else step.name


def judge(case: Case, path: Path) -> Row:
    """One case, carried out in both ways."""
    try:
        title = planned(case, path, case["index"])
        counts = title.pictured.edit is not None and title.pictured.edit.changes_times
        hashes, times = plain(path, graph_of(case, title, decoded(path)), "yuv420p", steady=counts)
        try:
            got = carried_out(title)
        except ChunkMismatch:  # the farm takes the frames from a decode then, and so do we
            got = carried_out(planned(case, path, "decode"))
    except SourceError as error:
        return Row(case, "refused", error.message)
    except (FramemillError, AssertionError) as error:
        return Row(case, "failed", str(error)[:2000])
    except subprocess.CalledProcessError as error:
        return Row(case, "failed", f"plain: {error.stderr[:2000]}")
    verdict, said = "same", ""
    if got.hashes != hashes:
        wrong = [number for number, pair in enumerate(zip(got.hashes, hashes, strict=False)) if pair[0] != pair[1]]
        verdict, said = "frames differ", f"{len(got.hashes)} for {len(hashes)}, {len(wrong)} others: {wrong[:8]}"
    elif all(a < b for a, b in pairwise(times)) and got.times != times:
        wrong = [number for number, pair in enumerate(zip(got.times, times, strict=True)) if pair[0] != pair[1]]
        verdict, said = "times differ", f"{len(wrong)}: {wrong[:8]}"
    return Row(case, verdict, said, got.chunks, len(hashes))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--first", type=int, default=0, help="begin with that case of the seed's")
    parser.add_argument("--media", type=Path, default=MEDIA, help="folder of real clips; what is not there is left out")
    parser.add_argument("--clip", action="append", help="of the made clips this one, or `all` (default: a choice)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every row")
    options = parser.parse_args()
    console = Console(highlight=False)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="framemill-pairwise-") as folder:
        known = {name: options.media / name for name in REAL if (options.media / name).is_file()}
        made = list(clips.CLIPS) if options.clip == ["all"] else options.clip or list(MADE)
        if options.clip:
            known = {}
        asked = list(cases(options.seed, [*made, *known], options.cases))
        for case in track(asked[options.first :], description="cases", console=console):
            name = case["source"]
            if name not in known:
                known[name] = clips.CLIPS[name](Path(folder))
            row = judge(case, known[name])
            rows.append(row)
            if row.verdict not in {"same", "refused"}:
                console.print(f"[red]{row.verdict}[/] {escape(row.said)}\n  {escape(str(case))}")
            if options.json:
                options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1, default=str) + "\n")
    verdicts = Counter(row.verdict for row in rows)
    console.print(", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()))
    console.print(
        f"{sum(row.chunks for row in rows)} chunks, {sum(row.frames for row in rows)} frames, "
        f"{asked[-1]['uncovered']} pairs of values not tried"
    )
    for said, count in Counter(row.said for row in rows if row.verdict == "refused").most_common():
        console.print(f"refused {count}: {escape(said)}")
    return int(bool(verdicts.keys() - {"same", "refused"}))


if __name__ == "__main__":
    sys.exit(main())
