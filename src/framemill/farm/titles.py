"""Plans as blobs: written once by whoever plans, read by every worker and the stitcher."""

import functools
import hashlib
from dataclasses import dataclass

from framemill.farm.orders import ChunkPlace, ExtraOrder, Planned, PlanOrder
from framemill.jobs.usage import Usage
from framemill.media import ffmpeg
from framemill.media.process import metered
from framemill.media.source import Source, index_source, read_source
from framemill.media.title import Title, plan_title
from framemill.storage.local import LocalBlobs


@dataclass(frozen=True, slots=True)
class Ingested:
    """A source that was read: where what was found is kept, and what reading took."""

    key: str
    source: Source
    usage: Usage


async def ingest(path: str, name: str, blobs: LocalBlobs, sha256: str = "") -> Ingested:
    """Read a local source, which its owner calls `name`, and keep what was found; `sha256` where that is known."""
    with metered() as meter:
        source = await read_source(path, name, sha256)
        # The name is in it: one file under two names is two entries, and each message names the right one.
        key = f"sources/{source.sha256}-{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"
        blobs.write(key, source.model_dump_json().encode())
        return Ingested(key, source, meter.usage)


async def plan(order: PlanOrder, blobs: LocalBlobs) -> Planned:
    """Index the source and plan the output."""
    source = Source.model_validate_json(blobs.read(order.source_key))
    wanted = order.settings.encodes_video
    with metered() as meter:
        index = await index_source(source, decode=order.decode, linear=order.linear) if wanted else None
        title = plan_title(source, index, order.settings, order.run, await ffmpeg.build_id())
        blobs.write(order.title_key, title.model_dump_json().encode())
        return Planned(chunks=tuple(places_of(title)), warning=_warning(title), usage=meter.usage)


def _warning(title: Title) -> str:
    damage = title.film.index.damage if title.film is not None else None
    if damage is not None and damage.harms:
        return f"{title.source.name} is damaged: {damage}."
    if damage is not None and damage.leading:
        return f"{title.source.name} begins before its first keyframe: {damage.leading} pictures there are left out."
    return ""


def load_title(blobs: LocalBlobs, key: str) -> Title:
    """The plan under that key; the last few stay in memory. For those who need the same few again and again."""
    return _load(blobs, key)


def read_title(blobs: LocalBlobs, key: str) -> Title:
    """The plan under that key. It names every frame, so of hundreds of jobs none may be kept."""
    return Title.model_validate_json(blobs.read(key))


_load = functools.lru_cache(maxsize=8)(read_title)


def places_of(title: Title) -> list[ChunkPlace]:
    """Every chunk of a plan, of all renditions."""
    if title.film is None:
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
    found = []
    if title.sound:
        found.append(ExtraOrder(title_key=title_key, kind="sound", key=f"sounds/{title.sound_key}"))
    for rank, _ in title.texts:
        found.append(ExtraOrder(title_key=title_key, kind="text", rank=rank, key=f"texts/{title.text_key(rank)}"))
    return found
