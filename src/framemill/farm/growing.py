"""What the stitcher does while a package is still being encoded: what is there in a row becomes playable.

Nothing depends on it: what it writes is thrown away in the end, and the finished package is written from the chunks
and verified as if it had never been. It is asked for after each chunk, and looks for itself what there is.
"""

import asyncio
import functools
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

from framemill.errors import ChunkMismatch, FramemillError
from framemill.farm.intact import chunk_blob, facts_blob
from framemill.farm.orders import Grown, GrowOrder
from framemill.farm.packaging import named_sounds, named_texts, segment_form
from framemill.farm.titles import load_title
from framemill.farm.tracks import planned_sounds, texts_of
from framemill.jobs.reasons import reason_of
from framemill.media.chunkfile import ChunkFacts
from framemill.media.growing import GROW, GrowRequest, GrowSound, Growth, GrowVideo, read_growth
from framemill.media.layout import Layout, layout
from framemill.media.package import MOST_REORDER, SegmentForm, SegmentRequest
from framemill.media.plan import Chunk
from framemill.media.stitch import VideoTrack
from framemill.media.title import Title
from framemill.storage.blobs import Blobs

_CHUNKS_AT_ONCE = 4  # of each rendition: their bytes are in memory, and nothing here shall take long
_CHILD_SECONDS = 300.0


def growing_sound(key: str) -> str:
    """Blob whose drafts are a package's sound while it is encoded. In a folder of its own: it is searched."""
    return f"growing/{key}.mp4"


async def grow_package(order: GrowOrder, blobs: Blobs) -> Grown:
    """Write what has become playable; how much there is then. Failures come back as values."""
    try:
        return await _grow(order, blobs)
    except (FramemillError, OSError) as error:
        message = error.message if isinstance(error, FramemillError) else str(error)
        return Grown(reason=reason_of(error), message=message)


async def _grow(order: GrowOrder, blobs: Blobs) -> Grown:
    title = await asyncio.to_thread(load_title, blobs, order.title_key)
    if title.film is None:
        return Grown()  # sound alone takes seconds: it comes with the finished package
    have = await asyncio.to_thread(read_growth, Path(order.folder), order.title_key)
    request = await asyncio.to_thread(next_request, title, order, blobs, have)
    total = len(title.film.plan.segments)
    if request is None:
        silent = await asyncio.to_thread(_silent, title, blobs)
        return Grown(spans=have.spans, total=total, unheard=silent)
    now = await GROW(request, timeout=_CHILD_SECONDS)
    wanted = request.have + request.spans
    return Grown(spans=now.spans, total=total, more=now.spans == wanted < total, unheard=now.spans < wanted)


def next_request(title: Title, order: GrowOrder, blobs: Blobs, have: Growth) -> GrowRequest | None:
    """What to write next; None when no further segment is encoded in every rendition."""
    film = title.pictured
    plan, renditions = film.plan, range(len(film.pictures))
    shown = _layout(blobs, order.title_key)  # at once, so that it is known when the first chunk comes

    def there(chunk: Chunk) -> bool:
        keys = [chunk_blob(title.chunk_key(rendition, chunk)) for rendition in renditions]
        blobs.bring(keys)
        return all(blobs.has(key) for key in keys)

    bounds = (*plan.segments, len(film.shown.pts))
    some = chunks_in_row(plan.chunks, bounds[have.spans], there, _CHUNKS_AT_ONCE)
    spans = bisect_right(bounds, some[-1].end) - 1 - have.spans if some else 0
    if spans <= 0:
        return None
    form = segment_form(title.settings, len(plan.segments), shown.delay * shown.time_base)
    sounds = _sounds(title, blobs, shown, form, (have.spans, spans))
    blobs.bring(f"texts/{title.text_key(rank)}" for rank, _ in title.texts)
    texts = texts_of(title, blobs, heard=title.sound)
    if sounds is None or len(texts) < len(title.texts):
        return None
    own = bounds[have.spans : have.spans + spans + 1]
    return GrowRequest(
        folder=order.folder,
        plan=order.title_key,
        have=have.spans,
        spans=spans,
        videos=[_video(title, rendition, some, own, shown, have.spans, blobs, form) for rendition in renditions],
        sounds=sounds,
        texts=named_texts(texts),
        iframes=title.settings.iframes,
        seconds=shown.seconds,
        origin=form.origin,
    )


def _sounds(
    title: Title, blobs: Blobs, shown: Layout, form: SegmentForm, share: tuple[int, int]
) -> list[GrowSound] | None:
    """What there is of each sound; none: nothing of one of them. `share`: spans that are there, and that follow."""
    have, spans = share
    planned = planned_sounds(title, blobs)
    found = [_sound(key, blobs) for key in planned]
    tracks = [
        track.model_copy(update={"path": str(path)})
        for track, (path, _) in zip(planned.values(), found, strict=True)
        if path is not None
    ]
    if len(tracks) < len(found):
        return None
    return [
        GrowSound(
            folder=named.folder,
            name=named.name,
            language=named.language,
            default=named.default,
            path=track.path,
            whole=whole,
            offset=track.offset,
            begin=shown.cuts[have - 1] if have else None,
            cuts=shown.cuts[have : have + spans],
            target=shown.sound_target,
            form=form,
        )
        for track, (_, whole), named in zip(tracks, found, named_sounds(tracks), strict=True)
    ]


def chunks_in_row(chunks: Sequence[Chunk], first: int, there: Callable[[Chunk], bool], most: int) -> tuple[Chunk, ...]:
    """From the chunk that holds frame `first` on, those that are there without a gap; at most so many."""
    at = bisect_right(chunks, first, key=lambda chunk: chunk.first) - 1
    end = at
    while end < min(len(chunks), at + most) and there(chunks[end]):
        end += 1
    return tuple(chunks[at:end])


def _video(  # noqa: PLR0917
    title: Title, rendition: int, some: Sequence[Chunk], own: Sequence[int], shown: Layout, number: int,
    blobs: Blobs, form: SegmentForm,
) -> GrowVideo:  # fmt: skip
    """A rendition's share: `own` are the bounds of its segments, in frames of the title."""
    picture = title.pictured.pictures[rendition]
    keys = [title.chunk_key(rendition, chunk) for chunk in some]
    facts = [ChunkFacts.model_validate_json(blobs.read(facts_blob(key))) for key in keys]
    deepest = max(fact.reorder for fact in facts)
    if deepest > MOST_REORDER:  # it would take another delay, and that is known only in the end
        raise ChunkMismatch(f"{picture.name} decodes {deepest} pictures before one that is shown earlier.")
    first, end = some[0].first, some[-1].end
    after = shown.times[end] if end < len(shown.times) else shown.times[-1] + shown.last_duration
    return GrowVideo(
        name=picture.name,
        width=picture.width,
        height=picture.height,
        rate=shown.rate,
        target=shown.target,
        sha256=[fact.sha256 for fact in facts],
        request=SegmentRequest(
            folder="",
            form=form,
            number=number,
            video=VideoTrack(
                chunks=[str(blobs.path(chunk_blob(key))) for key in keys],
                time_base=shown.time_base,
                times=shown.times[first:end],
                last_duration=after - shown.times[end - 1],
                reorder=deepest,
            ),
            starts=[frame - first for frame in own[:-1]],
            end=own[-1] - first,
            delay=shown.delay,
        ),
    )


def _sound(key: str, blobs: Blobs) -> tuple[Path | None, bool]:
    """Where the sound is, and whether that is all of it. Of several encodes any will do: they write the same bytes."""
    blobs.bring([f"sounds/{key}"])
    whole = blobs.path(f"sounds/{key}")
    drafts = blobs.path(growing_sound(key)).parent.glob(f".*-{key}.mp4")
    longest = max(drafts, key=lambda draft: draft.stat().st_size, default=None)
    # In this order: a draft that was not there any more when it was looked for is the whole sound now.
    return (whole, True) if whole.is_file() else (longest, False)


def _silent(title: Title, blobs: Blobs) -> bool:
    return any(_sound(key, blobs)[0] is None for key in title.sound_keys)


@functools.lru_cache(maxsize=4)
def _layout(blobs: Blobs, title_key: str) -> Layout:
    """The layout of a plan, worked out once: it names every frame."""
    title = load_title(blobs, title_key)
    return layout(title, heard=title.sound)
