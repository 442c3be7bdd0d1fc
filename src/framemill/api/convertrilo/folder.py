"""The route that makes a job of every film in a folder."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Depends

from framemill.api.asked import Parts, TheWriter
from framemill.api.convertrilo import ondemand_words as words
from framemill.api.convertrilo import ordering
from framemill.api.convertrilo.answers import require_gpu
from framemill.api.convertrilo.asked import TheOrders
from framemill.api.convertrilo.mapping import note_of
from framemill.api.convertrilo.orders import Orders
from framemill.api.convertrilo.refused import Refused
from framemill.api.convertrilo.scopes import needs
from framemill.errors import BalanceTooLow, Conflict, SourceMissing, SourceRefused
from framemill.jobs.states import JobState
from framemill.services import folders
from framemill.services.callers import Caller
from framemill.services.desk import Desk
from framemill.services.folders import File, FolderRequest
from framemill.services.jobs import Shown

routes = APIRouter(prefix="/ondemand/ingest")


@routes.post("/folder", dependencies=[Depends(needs("jobs:create"))])
async def ingest(asked: words.FolderAsked, orders: TheOrders, writer: TheWriter, parts: Parts) -> dict[str, Any]:
    """All of them, or none. What is in the folder is asked now."""
    words.refuse_dropbox(asked.output_dropbox, asked.source_dropbox)
    await require_gpu(asked.encode, parts)
    asker = ordering.Asker(orders.caller.account, orders.named, orders.prices)
    folder = ordering.folder_for(asked, asker)
    films = await asyncio.to_thread(_films, asked, folder, orders.caller, parts.desk_of(orders.caller))
    wanted = ordering.jobs_for(asked, folder.credentials, films, asker)
    made = await orders.jobs.joined_all(writer, wanted, alike=True, parts=[film.path for film in films])
    await asyncio.to_thread(_begun, orders, made)
    told = [
        {"jobId": one.job.id, "externalId": note_of(one.job).external_id, "fileName": film.path}
        for one, film in zip(made, films, strict=True)
    ]
    return {"message": f"{len(told)} {'file' if len(told) == 1 else 'files'} queued", "jobs": told}


def _begun(orders: Orders, made: Sequence[Shown]) -> None:
    """Start all of them, or none. Raises `BalanceTooLow`."""
    amounts = {one.job.id: note_of(one.job).reserved for one in made if one.job.state is JobState.HELD}
    try:
        orders.ledger.all_held(orders.caller.account, amounts)
    except BalanceTooLow:
        for one in made:
            with contextlib.suppress(Conflict):
                orders.jobs.cancelled(one.job.id)
                orders.jobs.removed(one.job.id)
        wanted, left = sum(amounts.values()), orders.ledger.account(orders.caller.account).available or 0
        told = f"The folder costs about {wanted / 1000:g} credits, and the account has {left / 1000:g} left."
        raise BalanceTooLow(told, wanted, left) from None
    for job_id in amounts:
        with contextlib.suppress(Conflict):  # its source could not be read, or an earlier try has started it
            orders.jobs.started(job_id)


def _films(asked: words.FolderAsked, folder: FolderRequest, caller: Caller, desk: Desk) -> list[File]:
    """Raises `Refused`, and what else `listed` raises."""
    try:
        found = ordering.films_of(asked, folders.listed(folder, caller, desk).files)
    except SourceMissing as error:
        raise Refused(404, "no_video_files_found", error.message) from None
    except SourceRefused as error:
        if asked.source_google_drive is None:
            raise
        raise Refused(401, "google_drive_not_connected", error.message) from None
    if not found:
        raise Refused(404, "no_video_files_found", "There are no video files there.")
    return found
