"""The routes, but for the file itself."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, Query, Request

from framemill.api.asked import PATIENCE_SECONDS, Parts
from framemill.api.auth import TheCaller, needs
from framemill.api.optimized.asked import TheShelf, options_in
from framemill.api.optimized.echo import item_of, sealed_item
from framemill.api.optimized.items import film_of
from framemill.api.optimized.making import about_bytes, extension_of, settings_of, wants_original
from framemill.api.optimized.note import Note, note_of
from framemill.api.optimized.schemas import Asked
from framemill.api.optimized.shelf import Shelf, is_anothers
from framemill.api.optimized.standing import figures, percent, status_of, told
from framemill.api.optimized.tidying import tidied_soon
from framemill.api.optimized.tokens import mark_of, token_of
from framemill.api.optimized.upstream import can_be_had
from framemill.api.optimized.wishes import wish_of
from framemill.api.parts import ApiParts
from framemill.api.progress import highest
from framemill.errors import Conflict, FarmError, NotFound
from framemill.jobs.settings import RunSettings
from framemill.secrets import mask_url
from framemill.services.jobs import Shown

routes = APIRouter()
reads, writes = Depends(needs("jobs:read")), Depends(needs("jobs:write"))

Device = Annotated[str | None, Query(alias="deviceId", max_length=256)]


@routes.post("/optimize-version", status_code=201, dependencies=[writes])
async def optimize(asked: Asked, request: Request, parts: Parts, shelf: TheShelf) -> dict[str, str]:
    """A film is wanted; nothing of it is looked at but whether its original can be had."""
    options, token = options_in(parts), token_of(request.headers)
    server = options.jellyfin_url or ""
    wish = wish_of(asked.url)
    film = film_of(asked.item, wish)
    kept = await asyncio.to_thread(sealed_item, asked.item, parts.seals)
    original = wants_original(wish, film, options.mode)
    if original and options.mode == "auto":
        original = await can_be_had(wish.original_at(server), token)
    extension = extension_of(asked.extension)
    settings = settings_of(wish, film, extension, original=original)
    uri = wish.original_at(server) if original else wish.at(server)
    # It makes what it sends on demand, and begins anew for whoever looks twice.
    read_once = not (original or wish.is_original or wish.is_playlist)
    note = Note(
        device=asked.device_id or "",
        item_id=asked.item_id,
        sealed_item=kept,
        url=mask_url(wish.at(server), {token}),
        sealed_uri=parts.seals.seal(uri),
        sealed_token=parts.seals.seal(token),
        token_mark=mark_of(token, parts.seals),
        read_once=read_once,
        size=about_bytes(wish, film) if read_once else None,
        seconds=film.seconds,
        copies=settings["video_codec"] == "copy",
    )
    name = f"{wish.item_id}.{extension}"
    # What is damaged on its own disk is what there is of it; what comes so from its encoder was cut off.
    run = RunSettings(on_damage="keep" if original or wish.is_original else "refuse")
    return {"id": await asyncio.to_thread(shelf.taken, note, name, settings, run)}


@routes.get("/job-status/{job_id}", dependencies=[reads])
async def status(job_id: str, parts: Parts, shelf: TheShelf) -> dict[str, Any]:
    """How one stands."""
    shown = await asyncio.to_thread(shelf.film, job_id)
    live = await _live(parts, [shown])
    item = await asyncio.to_thread(item_of, note_of(shown.job), parts.seals)
    room = await asyncio.to_thread(shelf.has_room, shown)
    return told(shown, item, _done(shown, live), datetime.now(UTC), room=room)


@routes.get("/all-jobs", dependencies=[reads])
async def all_jobs(request: Request, parts: Parts, shelf: TheShelf, device: Device = None) -> list[dict[str, Any]]:
    """How all of the caller's stand, or all of a device. What is done is told to be under way once before."""
    films = await asyncio.to_thread(_looked_at, shelf, device, token_of(request.headers))
    items = await asyncio.to_thread(lambda: [item_of(note_of(one.job), parts.seals) for one in films])
    live, now, asker = await _live(parts, films), datetime.now(UTC), device or ""
    unseen = [one for one in films if asker not in note_of(one.job).seen]
    first = {one.job.id for one in unseen if status_of(one) == "completed"}
    shown = [one for one in unseen if one.job.id in first or status_of(one) == "optimizing"]
    if shown:
        await asyncio.to_thread(shelf.noted, shown, asker)
    full = shelf.full(films)
    return [
        told(one, item, _done(one, live), now, first=one.job.id in first, room=note_of(one.job).device not in full)
        for one, item in zip(films, items, strict=True)
    ]


@routes.post("/start-job/{job_id}", status_code=201, dependencies=[writes])
async def start(job_id: str, parts: Parts, shelf: TheShelf) -> dict[str, str]:
    """What is queued begins by itself as soon as it may, and once: there is nothing to hurry."""
    shown = await asyncio.to_thread(shelf.film, job_id)
    room = await asyncio.to_thread(shelf.has_room, shown)
    if status_of(shown, room=room) != "queued":
        raise Conflict("Job not found or already started")
    parts.nudge([job_id])
    return {"message": "Job started successfully"}


@routes.delete("/cancel-job/{job_id}", dependencies=[writes])
async def cancel(
    job_id: str, parts: Parts, caller: TheCaller, shelf: TheShelf, later: BackgroundTasks
) -> dict[str, str]:
    """Given up, or fetched; harmless for what is not there, since the app asks so after every end."""
    if not await asyncio.to_thread(shelf.dropped, job_id):
        if await asyncio.to_thread(is_anothers, parts.database, caller.account, job_id):
            raise NotFound(f"There is no job {job_id!r}.")
        return {"message": "Job not found or already completed"}
    later.add_task(tidied_soon, parts, job_id)
    return {"message": "Job cancelled successfully"}


@routes.get("/statistics", dependencies=[reads])
async def statistics(shelf: TheShelf) -> dict[str, Any]:
    """Of all that the caller has here."""
    return figures(await asyncio.to_thread(shelf.films))


@routes.delete("/delete-cache", dependencies=[writes])
async def delete_cache(parts: Parts, shelf: TheShelf, later: BackgroundTasks) -> dict[str, str]:
    """The caller's own films that are done go; nobody else's, and nothing that is under way."""
    await asyncio.to_thread(shelf.emptied)
    later.add_task(tidied_soon, parts)
    return {"message": "Cache deleted successfully"}


def _looked_at(shelf: Shelf, device: str | None, token: str) -> list[Shown]:
    """The caller's, or a device's without what its client has left; what may begin by now has begun."""
    films = shelf.films()
    if device:
        films = shelf.renewed(films, device, token)
    shelf.begun(films)
    if device is None:
        return films
    return [one for one in films if note_of(one.job).device == device and status_of(one) != "ready-for-removal"]


def _done(shown: Shown, live: Mapping[str, Mapping[str, Any]]) -> float:
    """Per cent; of what is under way never less than before, also where the farm does not answer."""
    done = percent(shown, live.get(shown.job.id, {}))
    return highest(shown.job, done) if status_of(shown) == "optimizing" else done


async def _live(parts: ApiParts, films: Sequence[Shown]) -> Mapping[str, Mapping[str, Any]]:
    """What the farm says of those that are worked on; nothing where it does not answer soon."""
    working = [one.job.id for one in films if status_of(one) == "optimizing"]
    if not working:
        return {}
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await parts.farm.progress_of(working)
    except (FarmError, TimeoutError):
        return {}
