"""Plans as blobs: written once by whoever plans, read by every worker and the stitcher."""

import asyncio
import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

from framemill.errors import SourceError, SourceUnreadable
from framemill.farm.fetching import fetched
from framemill.farm.laying import laid_over
from framemill.farm.orders import ChunkPlace, ExtraOrder, Planned, PlanOrder
from framemill.jobs.usage import Usage
from framemill.media import ffmpeg
from framemill.media.cutting import plan_cut
from framemill.media.index import FrameIndex
from framemill.media.joining import Part, plan_join
from framemill.media.laid import Laid
from framemill.media.process import metered
from framemill.media.source import Source, index_source, read_source, with_sounds
from framemill.media.title import Title, plan_title
from framemill.media.tracks import asked_ranks
from framemill.media.whole import WHOLE_KINDS
from framemill.storage.blobs import Blobs
from framemill.storage.keyring import Keyring, Way


@dataclass(frozen=True, slots=True)
class Ingested:
    """A source that was read: where what was found is kept, and what reading took."""

    key: str
    source: Source
    usage: Usage


async def ingest(path: str, name: str, blobs: Blobs, sha256: str = "") -> Ingested:
    """Read a local source, which its owner calls `name`, and keep what was found; `sha256` where that is known."""
    with metered() as meter:
        await asyncio.to_thread(blobs.share, Path(path))
        source = await read_source(path, name, sha256)
        # The name is in it, so that each message names the right one; and the place: what two jobs have fetched from
        # one address lies here twice, and goes when its own job is over.
        told = hashlib.sha256(f"{name}\0{source.path}".encode()).hexdigest()[:16]
        key = f"sources/{source.sha256}-{told}.json"
        await asyncio.to_thread(blobs.write, key, source.model_dump_json().encode())
        return Ingested(key, source, meter.usage)


async def plan(
    order: PlanOrder,
    blobs: Blobs,
    keyring: Keyring = Keyring(),  # noqa: B008 (frozen)
) -> Planned:
    """Index the source and plan the output. `keyring`: opens what is to be laid over it."""
    if order.joined:
        return await _joined(order, blobs, keyring)
    source = Source.model_validate_json(blobs.read(order.source_key))
    wanted = order.settings.shows_pictures
    with metered() as meter:
        source = await with_sounds(source, asked_ranks(source, order.settings))
        index = await index_source(source, decode=order.decode, linear=order.linear) if wanted else None
        laid = await _laid_over(source, index, order, blobs, keyring)
        plan_it = plan_cut if order.settings.cuts else plan_title
        title = plan_it(source, index, order.settings, order.run, await ffmpeg.build_id(), laid=laid)
        await asyncio.to_thread(blobs.write, order.title_key, title.to_json())
        return Planned(chunks=tuple(places_of(title)), warning=_warning(title), usage=meter.usage)


async def _laid_over(
    source: Source, index: FrameIndex | None, order: PlanOrder, blobs: Blobs, keyring: Keyring
) -> Laid:
    """What is laid over the frames, in files beside the plan."""

    async def bring(uri: str, folder: Path) -> str:
        way = Way(uri=uri, account=order.account, trusted=order.trusted)
        return (await fetched(way, keyring, folder)).path

    stem = blobs.path(order.title_key.removesuffix(".json"))
    stem.parent.mkdir(parents=True, exist_ok=True)
    laid = await laid_over(source, index, order.settings, stem, bring)
    files = [one.path for one in (*laid.stamps, laid.lines) if one is not None]
    await asyncio.to_thread(blobs.share, *map(Path, files))
    return laid


async def _joined(order: PlanOrder, blobs: Blobs, keyring: Keyring) -> Planned:
    left_out: list[str] = []
    with metered() as meter:
        parts: list[Part] = []
        for joined in order.joined:
            source = Source.model_validate_json(blobs.read(joined.source_key))
            try:
                index = None
                if order.settings.encodes_video:
                    index = await index_source(source, decode=order.decode, linear=order.linear)
                parts.append(Part(source, index, joined.start, joined.end))
            except SourceError as error:
                if not order.keep:
                    raise
                left_out.append(error.message)
        if not parts:
            raise SourceUnreadable(left_out[0])
        build = await ffmpeg.build_id()
        first = next((part for part in parts if part.index is not None), parts[0])
        laid = await _laid_over(first.source, first.index, order, blobs, keyring)
        title, others = plan_join(parts, order.settings, order.run, build, keep=order.keep, laid=laid)
        await asyncio.to_thread(blobs.write, order.title_key, title.to_json())
    warnings = [f"An input is left out: {said}" for said in (*left_out, *others)]
    warnings += [warning for part in title.parts if (warning := _warning(part))]
    texts = ", ".join(part.source.name for part in title.parts if part.texts)
    warnings += [f"The text tracks of {texts} are left out: those of several inputs are not joined."] if texts else []
    return Planned(chunks=tuple(places_of(title)), warning=" ".join(warnings), usage=meter.usage)


def _warning(title: Title) -> str:
    """What the owner should know of the source, or of what cannot be kept of it."""
    told = title.film.pictures[0].look.warnings if title.film is not None else ()
    return " ".join(part for part in (_damage(title), *told) if part)


def _damage(title: Title) -> str:
    damage = title.film.index.damage if title.film is not None else None
    if damage is not None and damage.harms:
        return f"{title.source.name} is damaged: {damage}."
    if damage is not None and damage.leading:
        return f"{title.source.name} begins before its first keyframe: {damage.leading} pictures there are left out."
    return ""


def load_title(blobs: Blobs, key: str) -> Title:
    """The plan under that key; the last few stay in memory. For those who need the same few again and again."""
    return _load(blobs, key)


def read_title(blobs: Blobs, key: str) -> Title:
    """The plan under that key. It names every frame, so of hundreds of jobs none may be kept."""
    return Title.model_validate_json(blobs.read(key))


_load = functools.lru_cache(maxsize=8)(read_title)


def places_of(title: Title) -> list[ChunkPlace]:
    """Every chunk of a plan, of all renditions; none of an output that one process writes."""
    if title.film is None or title.settings.kind in WHOLE_KINDS:
        return []
    return [
        ChunkPlace(
            rendition=rendition,
            number=chunk.number,
            group=group.number,
            key=title.chunk_key(rendition, chunk),
            first=chunk.first,
            end=chunk.end,
        )
        for rendition in range(len(title.film.pictures))
        for group in title.film.plan.groups
        for chunk in title.film.plan.group_chunks(group)
    ]


def extras_of(title: Title, title_key: str) -> list[ExtraOrder]:
    """What is encoded whole beside that plan's pictures: sound and texts; or all, when packets are copied."""
    if title.settings.video_codec == "copy":
        return [ExtraOrder(title_key=title_key, kind="remux", key=f"remuxes/{title.remux_key}")]
    if title.settings.kind in WHOLE_KINDS:
        return [ExtraOrder(title_key=title_key, kind="whole", key=f"wholes/{title.whole_key}")]
    if title.apart:
        return [
            extra.model_copy(update={"part": number})
            for number, part in enumerate(title.parts)
            for extra in extras_of(part, title_key)
        ]
    found = []
    for place, key in enumerate(title.sound_keys):
        found.append(ExtraOrder(title_key=title_key, kind="sound", rank=place, key=f"sounds/{key}"))
    for rank, _ in title.texts:
        found.append(ExtraOrder(title_key=title_key, kind="text", rank=rank, key=f"texts/{title.text_key(rank)}"))
    return found
