"""One ffmpeg process for a group of chunks: decode with pre-roll, trim exactly, encode each chunk on its own.

Beside the chunks it hashes a few decoded frames (the *witness*), so that the groups can prove that seeking gave the
pixels a whole decode gives: every frame where the index knows its hash, else those on both sides of a seam.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import ffmpeg

from framemill.media.index import FrameIndex, HashedFrame, widest_gap
from framemill.media.ladder import Picture
from framemill.media.options import SWS_FLAGS, video_encoder
from framemill.media.plan import Chunk, Group, VideoPlan, presentation_times
from framemill.media.title import Title

#: Frames compared at each seam between two decodes.
SEAM_FRAMES = 2

# Nothing of this build or of the source's tags in the file.
_BARE = {"fflags": "+bitexact", "map_metadata": "-1"}
# Frames pass as they are: none dropped, none doubled, each with its own time.
_AS_THEY_ARE = {"fps_mode": "passthrough", "enc_time_base": "filter"}


def group_command(title: Title, rendition: int, group: Group, outputs: Sequence[Path], witness: Path) -> list[str]:
    """Arguments for ffmpeg that encode the group's chunks into `outputs` (one each) and the witness hashes."""
    film = title.pictured
    index, plan, picture = film.index, film.plan, film.pictures[rendition]
    chunks = plan.group_chunks(group)
    watched = watched_frames(index, plan, group)
    # Counting filters would count anew if the graph were rebuilt where the source changes its size; `scale` follows it.
    steady = {} if plan.trim_by == "pts" else {"reinit_filter": "0"}
    decoded = ffmpeg.input(title.source.path, copyts=None, threads="1", **steady, **_seek(index, group))["V:0"]
    pads = decoded.filter_multi_output("split", len(chunks) + bool(watched))
    streams = []
    for pad, (chunk, path) in enumerate(zip(chunks, outputs, strict=True)):
        trimmed = _trim(pads.stream(pad), index, plan, chunk)
        # From 0, since MP4 holds no negative times; by number, where it holds no such times. The join stamps them.
        timed = trimmed.filter("setpts", f"PTS-({index.pts[chunk.first]})" if index.encodable else "N")
        if plan.trim_by == "number" and picture.color_range:  # a graph that stays must not convert to the first range
            timed = timed.filter("setparams", range=picture.color_range)
        options = video_encoder(
            title.settings,
            picture.pix_fmt,
            picture.crf,
            chunk.idrs,
            grid=bool(plan.segments),
            first=chunk.number == 0,
            whole=len(plan.chunks) == 1,
        )
        streams.append(
            ffmpeg.output(
                _draw(timed, picture, lossless=title.settings.qp == 0),
                str(path),
                f="mp4",
                **_BARE,
                **_AS_THEY_ARE,
                **options,
            )
        )
    if watched:
        hashed = _select(pads.stream(len(chunks)), index, watched)
        streams.append(ffmpeg.output(hashed, str(witness), f="framehash", hash="murmur3", **_AS_THEY_ARE))
    tools = ("-nostdin", "-v", "level+warning", "-max_error_rate", "1", "-filter_complex_threads", "1")
    argv: list[str] = ffmpeg.merge_outputs(*streams).global_args(*tools).overwrite_output().get_args()
    return argv


def _seek(index: FrameIndex, group: Group) -> dict[str, str | None]:
    """Input options that start the demuxer at the group's keyframe; exactness comes from the trim, not from here."""
    if group.seek is None:
        return {}
    seconds = float(group.seek * index.time_base)
    return {"seek_timestamp": "1", "noaccurate_seek": None, "ss": f"{seconds:.6f}"}


def _trim(stream: Any, index: FrameIndex, plan: VideoPlan, chunk: Chunk) -> Any:
    """Exactly the chunk's frames: by time in ticks, or by number where times repeat or run backwards.

    No start in the first chunk and no end in the last, so that frames the index does not know are found out.
    """
    first = chunk.first if chunk.number > 0 else None
    end = chunk.end if chunk.number < len(plan.chunks) - 1 else None
    if plan.trim_by == "number":
        limits = {"start_frame": first, "end_frame": end}
    else:
        limits = {
            "start_pts": None if first is None else index.pts[first],
            "end_pts": None if end is None else index.pts[end],
        }
    given = {key: value for key, value in limits.items() if value is not None}
    return stream.filter("trim", **given) if given else stream


def _draw(stream: Any, picture: Picture, *, lossless: bool) -> Any:
    """The picture's filters, each of which is no work where the frame is so already.

    Size, format, aspect and range are pinned: a source that changes on the way must neither change the chunks'
    parameter sets nor have ffmpeg convert behind our back.
    """
    stream = stream.filter("scale", picture.width, picture.height, flags=SWS_FLAGS)
    stream = stream.filter("setsar", picture.sample_aspect_ratio)
    for number, pix_fmt in enumerate(picture.pix_fmts):
        stream = stream.filter("scale", flags=SWS_FLAGS) if number else stream
        stream = stream.filter("format", pix_fmt)
    if lossless:  # alternating views make x264 reorder its references, and lossless is no longer
        stream = stream.filter("sidedata", "delete", type="STEREO3D")
    if picture.rgb:
        return stream.filter("setparams", colorspace="gbr")
    return stream.filter("setparams", range=picture.color_range) if picture.color_range else stream


def watched_frames(index: FrameIndex, plan: VideoPlan, group: Group) -> tuple[range, ...]:
    """The decoded frames that the group hashes; empty where it decodes from the start by number."""
    chunks = plan.group_chunks(group)
    first, end, count = chunks[0].first, chunks[-1].end, len(index.pts)
    if plan.trim_by == "number" or len(plan.groups) == 1:
        return ()
    if index.hashes:
        return (range(first, end),) if group.seek is not None else ()
    head = range(first, min(first + SEAM_FRAMES, end)) if first else range(0)
    tail = range(end, min(end + SEAM_FRAMES, count))
    return tuple(frames for frames in (head, tail) if frames)


def _select(stream: Any, index: FrameIndex, watched: Sequence[range]) -> Any:
    begin, end = watched[0].start, watched[-1].stop
    limits = {"start_pts": index.pts[begin]} | ({"end_pts": index.pts[end]} if end < len(index.pts) else {})
    stream = stream.filter("trim", **limits)  # ends the decode; select alone would run on to the end of the file
    if len(watched) == 1:
        return stream
    spans = (f"between(pts,{index.pts[frames.start]},{index.pts[frames.stop - 1]})" for frames in watched)
    return stream.filter("select", "+".join(spans))


def witnessed(index: FrameIndex, rows: Sequence[HashedFrame]) -> dict[int, str]:
    """Frame number → hash of what a decode delivered; frames that the index does not know are left out."""
    return {index.numbers[row.pts]: row.digest for row in rows if row.pts in index.numbers}


def expected_times(index: FrameIndex, chunk: Chunk) -> list[int]:
    """The times, in ticks of the index, at which the chunk's packets are shown, counted from its first."""
    if not index.encodable:
        return list(range(chunk.frames))
    return [pts - index.pts[chunk.first] for pts in index.pts[chunk.first : chunk.end]]


def output_times(index: FrameIndex, zero: Fraction) -> tuple[list[int], Fraction]:
    """Time of every frame in the output, counted from `zero` seconds, and the time base of these times.

    That is the source's, but where frames lie so far apart that no container counts it: there ticks are coarser.
    """
    origin = round(zero / index.time_base)
    widest = max((b - a for a, b in pairwise(index.pts)), default=0)
    if widest < widest_gap(index.time_base):
        return presentation_times(time - origin for time in index.pts), index.time_base
    coarse = Fraction(1, max(1, math.floor((1 << 31) / (widest * index.time_base)) - 1))
    coarse = max(coarse, index.time_base)
    return presentation_times(round((time - origin) * index.time_base / coarse) for time in index.pts), coarse
