"""One ffmpeg process for a group of chunks: decode with pre-roll, trim exactly, encode each chunk on its own.

Beside the chunks it hashes a few decoded frames (the *witness*), so that the groups can prove that seeking gave the
pixels a whole decode gives: every frame where the index knows its hash, else those on both sides of a seam.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import ffmpeg

from framemill.media.colour import with_light
from framemill.media.drawing import apply
from framemill.media.edit import Edit, source_frame, span
from framemill.media.index import FrameIndex, HashedFrame, widest_gap
from framemill.media.ladder import Picture
from framemill.media.laid import Still, draw_bitmaps, draw_lines, placed, seen, supply
from framemill.media.oldcodecs import OLD_CODECS, carrier_of
from framemill.media.options import SWS_FLAGS, Pass, video_encoder
from framemill.media.plan import Chunk, Group, decode_groups, presentation_times
from framemill.media.soundcodecs import AUDIO_CPU_FLAGS
from framemill.media.title import Film, Title

#: Frames compared at each seam between two decodes.
SEAM_FRAMES = 2

# Nothing of this build or of the source's tags in the file.
_BARE = {"fflags": "+bitexact", "map_metadata": "-1"}
# Frames pass as they are: none dropped, none doubled, each with its own time.
AS_THEY_ARE = {"fps_mode": "passthrough", "enc_time_base": "filter"}


def group_command(  # noqa: PLR0917
    title: Title,
    renditions: Sequence[int],
    group: Group,
    outputs: Sequence[Path],
    witness: Path | None,
    during: Sequence[Pass | None] = (),
) -> list[str]:
    """Arguments for ffmpeg that encode the group's chunks into `outputs` and the witness hashes (none: not at all).

    One decode serves all of these renditions; the outputs are all chunks of the first of them, of the second…
    `during`: which pass it is over each output; none: the only one.
    """
    film = title.pictured
    index, plan = film.index, film.plan
    chunks = plan.group_chunks(group)
    form = carrier_of(title.settings.video_codec)
    watched = watched_frames(film, group) if witness is not None else ()
    pads = _decoded(title, group).filter_multi_output("split", len(chunks) + bool(watched))
    sized = [_sized(pads.stream(pad), title) for pad in range(len(chunks))]
    shown = [_shown(stream, film, chunk, len(renditions)) for stream, chunk in zip(sized, chunks, strict=True)]
    places = itertools.product(renditions, chunks)
    stamps = {(each, chunk.number): _stamps(film, chunk, film.pictures[each]) for each, chunk in places}
    stills = supply([on.still for laid in stamps.values() for on in laid])
    streams = []
    for place, rendition in enumerate(renditions):
        picture = film.pictures[rendition]
        for number, chunk in enumerate(chunks):
            timed = shown[number][place]
            if plan.trim_by == "number" and picture.color_range:  # a graph that stays must not convert to the first
                timed = timed.filter("setparams", range=picture.color_range)
            options = video_encoder(
                title.settings,
                picture.pix_fmt,
                picture.rate,
                chunk.idrs,
                grid=bool(plan.segments),
                first=chunk.number == 0,
                whole=len(plan.chunks) == 1 and not title.joined,
                during=during[place * len(chunks) + number] if during else None,
            )
            options = with_light(options, picture.look)
            path = str(outputs[place * len(chunks) + number])
            drawn = _draw(timed, picture, lossless=title.settings.qp == 0)
            drawn = _stamped(drawn, stamps[rendition, chunk.number], stills)
            streams.append(ffmpeg.output(drawn, path, f=form, **_BARE, **AS_THEY_ARE, **options))
    if watched:
        hashed = _select(pads.stream(len(chunks)), index, watched)
        streams.append(ffmpeg.output(hashed, str(witness), f="framehash", hash="murmur3", **AS_THEY_ARE))
    tools: tuple[str, ...] = ("-nostdin", "-v", "level+warning", "-max_error_rate", "1", "-filter_complex_threads", "1")
    if title.settings.video_codec in OLD_CODECS:  # whose quantisers find other values with AVX2
        tools += AUDIO_CPU_FLAGS
    argv: list[str] = ffmpeg.merge_outputs(*streams).global_args(*tools).overwrite_output().get_args()
    return argv


def _decoded(title: Title, group: Group) -> Any:
    """The source's pictures from the group's keyframe on, under the subtitles that are pictures themselves."""
    film = title.pictured
    # Counting filters would count anew if the graph were rebuilt where the source changes its size; `scale` follows it.
    counts = film.plan.trim_by == "number" or _changes_times(film)
    steady = {"reinit_filter": "0"} if counts else {}
    source = ffmpeg.input(title.source.path, copyts=None, threads="1", **steady, **_seek(film.index, group))
    if film.laid.bitmaps is not None and title.source.first_picture is not None:
        return draw_bitmaps(source["V:0"], source[f"s:{film.laid.bitmaps}"], title.source.first_picture)
    return source["V:0"]


def _changes_times(film: Film) -> bool:
    return film.edit is not None and film.edit.changes_times


def _sized(stream: Any, title: Title) -> Any:
    """All frames with the size of the first, for filters that look at several: no work where the source has one."""
    first = title.source.first_picture
    if first is None or not _changes_times(title.pictured):
        return stream
    return stream.filter("scale", w=first.width, h=first.height, flags=SWS_FLAGS)


def _seek(index: FrameIndex, group: Group) -> dict[str, str | None]:
    """Input options that start the demuxer at the group's keyframe; exactness comes from the trim, not from here."""
    if group.seek is None:
        return {}
    seconds = float(group.seek * index.time_base)
    return {"seek_timestamp": "1", "noaccurate_seek": None, "ss": f"{seconds:.6f}"}


def _shown(stream: Any, film: Film, chunk: Chunk, copies: int) -> list[Any]:
    """Exactly the chunk's frames, counted from 0 in time, before each rendition gets its size."""
    # From 0, since MP4 holds no negative times; by number, where it holds no such times. The join stamps them.
    if film.edit is None:
        start = film.index.pts[chunk.first]
        cut = _trim(stream, film, chunk.first, chunk.end, chunk)
    else:
        cut, start = _edited(stream, film, film.edit, chunk)
    cut = apply(cut, film.steps)
    if film.laid.lines is not None:
        if film.edit is not None and film.edit.rate is not None:  # it counts from 0, and in its own ticks
            shown = film.shown
            cut = cut.filter("settb", str(shown.time_base)).filter("setpts", f"PTS+({shown.pts[0]})")
            start = shown.pts[chunk.first]
        cut = draw_lines(cut, film.laid.lines)
    timed = cut.filter("setpts", f"PTS-({start})" if film.shown.encodable else "N")
    if copies == 1:
        return [timed]
    pads = timed.filter_multi_output("split", copies)
    return [pads.stream(pad) for pad in range(copies)]


def drawn_frames(title: Title, first: int, end: int) -> Any:
    """The shown frames `first` ≤ n < `end` of a title in one piece, counted from 0 in time, as its picture has them."""
    film = title.pictured
    (chunk,), (picture,) = film.plan.chunks, film.pictures
    part = chunk.model_copy(update={"first": first, "end": end, "idrs": ()})
    decoded = _decoded(title, decode_of(film, first, end))
    stamps = _stamps(film, part, picture)
    drawn = _draw(_shown(_sized(decoded, title), film, part, 1)[0], picture, lossless=False)
    return _stamped(drawn, stamps, supply([on.still for on in stamps]))


def decode_of(film: Film, first: int, end: int) -> Group:
    """From where those frames of a film in one piece are decoded, and how many that takes."""
    if film.plan.trim_by == "number" or film.laid.bitmaps is not None:  # what counts begins at the start
        return film.plan.groups[0]
    part = film.plan.chunks[0].model_copy(update={"first": first, "end": end, "idrs": ()})
    (group,) = decode_groups(film.shown, (part,), 0, 0, film.index.pts[0])
    return group


def _trim(stream: Any, film: Film, low: int, high: int, chunk: Chunk) -> Any:
    """Exactly those frames of the source: by time in ticks, or by number where times repeat or run backwards.

    No start in the first chunk and no end in the last, so that frames the index does not know are found out.
    """
    index, plan = film.index, film.plan
    first = low if chunk.number > 0 or low > 0 else None
    end = high if chunk.number < len(plan.chunks) - 1 or high < len(index.pts) else None
    if plan.trim_by == "number":
        limits = {"start_frame": first, "end_frame": end}
    else:
        limits = {
            "start_pts": None if first is None else index.pts[first],
            "end_pts": None if end is None else index.pts[end] if end < len(index.pts) else None,
        }
    given = {key: value for key, value in limits.items() if value is not None}
    return stream.filter("trim", **given) if given else stream


# `fps` ends where the decoder says that the last frame does, which the index knows a little differently: frames that
# are missing there repeat the last one, and the trim takes away what is too much.
_SPARE = {"stop": "8", "stop_mode": "clone"}


def _edited(stream: Any, film: Film, edit: Edit, chunk: Chunk) -> tuple[Any, int]:
    """The chunk's frames after a change of fields or rate, and the time of the first in their own ticks."""
    index, shown = film.index, film.shown
    low, high = span(index, edit, shown, chunk.first, chunk.end)
    stream = _trim(stream, film, low, high, chunk)
    if edit.deinterlace:
        stream = stream.filter("bwdif", mode=edit.deinterlace, parity="auto", deint="all")
    if edit.rate is not None:
        half = index.time_base / 2 if edit.deinterlace else index.time_base
        origin = index.seconds(edit.first) / half
        stream = stream.filter("setpts", f"PTS-({origin})").filter("fps", fps=str(edit.rate))
        if chunk.end == len(shown.pts):
            stream = stream.filter("tpad", **_SPARE)
        return stream.filter("trim", start_pts=chunk.first, end_pts=chunk.end), chunk.first
    if edit.deinterlace:
        # Not at the ends of what is shown: nothing lies beyond, and times that run backwards would be cut away.
        limits = {"start_pts": shown.pts[chunk.first]} if chunk.first else {}
        limits |= {"end_pts": shown.pts[chunk.end]} if chunk.end < len(shown.pts) else {}
        stream = stream.filter("trim", **limits) if limits else stream
    return stream, shown.pts[chunk.first]


def _draw(stream: Any, picture: Picture, *, lossless: bool) -> Any:
    """The picture's filters, each of which is no work where the frame is so already.

    Size, format, aspect and range are pinned: a source that changes on the way must neither change the chunks'
    parameter sets nor have ffmpeg convert behind our back.
    """
    stream = apply(stream, (*picture.look.before, *picture.steps)).filter("setsar", picture.sample_aspect_ratio)
    stream = apply(stream, (*picture.look.steps, *picture.after))
    for number, pix_fmt in enumerate(picture.pix_fmts):
        stream = stream.filter("scale", flags=SWS_FLAGS) if number else stream
        stream = stream.filter("format", pix_fmt)
    if lossless:  # alternating views make x264 reorder its references, and lossless is no longer
        stream = stream.filter("sidedata", "delete", type="STEREO3D")
    return apply(stream, picture.look.tags)


class _On(NamedTuple):
    """A stamp on one rendition of a chunk."""

    still: Still
    begin: Fraction | None
    """Seconds of the chunk from which on it is seen; none: its start."""
    end: Fraction | None


def _stamps(film: Film, chunk: Chunk, picture: Picture) -> list[_On]:
    """The stamps that are seen on some of the chunk's frames, the lowest first."""
    best, found = film.pictures[0], []
    for stamp in film.laid.stamps:
        on = seen(stamp.where, film.shown)
        if max(on.start, chunk.first) < min(on.stop, chunk.end):
            place = placed(stamp, (picture.width, picture.height), (best.width, best.height))
            begin = _before(film.shown, chunk, on.start) if on.start > chunk.first else None
            end = _before(film.shown, chunk, on.stop) if on.stop < chunk.end else None
            found.append(_On(Still(stamp, place, picture.pix_fmt, picture.look.scaler), begin, end))
    return found


def _stamped(stream: Any, stamps: Sequence[_On], stills: Iterator[Any]) -> Any:
    """The picture under those stamps; `stills`: the frame of each."""
    for still, begin, end in stamps:
        stream = still.over(stream, next(stills), begin, end)
    return stream


def _before(shown: FrameIndex, chunk: Chunk, number: int) -> Fraction:
    """Seconds of the chunk in the middle between that frame and the one before: no rounding tells them wrong."""
    times = expected_times(shown, chunk)
    at = number - chunk.first
    return Fraction(times[at - 1] + times[at], 2) * shown.time_base


def watched_frames(film: Film, group: Group) -> tuple[range, ...]:
    """The source's frames that the group hashes; empty where it decodes from the start by number."""
    index, plan = film.index, film.plan
    first, end = seams(film, plan.group_chunks(group))
    count = film.edit.end if film.edit is not None else len(index.pts)
    if plan.trim_by == "number":
        return ()
    if film.edit is not None and film.edit.rate is not None and index.source == "packets":
        # At a rate as many frames come out whatever goes in: only what goes in tells whether the packets are right.
        return (range(first, min(end + SEAM_FRAMES, count)),)
    if len(plan.groups) == 1:
        return ()
    if index.hashes:
        return (range(first, end),) if group.seek is not None else ()
    head = range(first, min(first + SEAM_FRAMES, end)) if first else range(0)
    tail = range(end, min(end + SEAM_FRAMES, count))
    return tuple(frames for frames in (head, tail) if frames)


def seams(film: Film, chunks: Sequence[Chunk]) -> tuple[int, int]:
    """The source's frames at which neighbouring chunks begin and end, half-open: the same on both sides of a seam."""
    ends = chunks[0].first, chunks[-1].end
    first, end = (source_frame(film.index, film.edit, film.shown, number) for number in ends)
    return first, end


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
