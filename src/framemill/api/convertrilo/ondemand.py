"""Routes of encodes on demand: one request from a URL to a result."""

import asyncio
import contextlib
import math
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends, Request

from framemill.api.asked import Parts, TheWriter
from framemill.api.convertrilo import ondemand_words as words
from framemill.api.convertrilo import ordering
from framemill.api.convertrilo.answers import require_gpu
from framemill.api.convertrilo.asked import MOUNT, Base, TheJobs, TheOrders
from framemill.api.convertrilo.mapping import STATUSES, note_of, pct
from framemill.api.convertrilo.ondemand_mapping import download_url, status_of
from framemill.api.convertrilo.orders import Orders
from framemill.api.convertrilo.prices import neu
from framemill.api.convertrilo.refused import Refused
from framemill.api.convertrilo.scopes import needs
from framemill.api.convertrilo.waiting import probed
from framemill.api.door import door_url
from framemill.api.progress import highest
from framemill.errors import BalanceTooLow, Conflict
from framemill.jobs.model import Job
from framemill.jobs.states import JobState
from framemill.secrets import mask_url
from framemill.services.costing import Cost
from framemill.services.jobs import Shown
from framemill.services.submission import JobChanges

PROBE_SECONDS = 10.0
"""How long who asks is kept waiting for what it costs, where that matters."""

routes = APIRouter(prefix="/ondemand")


@routes.post("/encode", dependencies=[Depends(needs("jobs:create"))])
async def encode(
    asked: words.EncodeAsked, orders: TheOrders, writer: TheWriter, parts: Parts, request: Request
) -> dict[str, Any]:
    """The source is fetched by the job, so whatever is wrong with it fails the job."""
    words.refuse_dropbox(asked.output_dropbox)
    await require_gpu(asked.encode, parts)
    asker = ordering.Asker(orders.caller.account, orders.named, orders.prices)
    made = await orders.jobs.joined(writer, ordering.job_for(asked, asker))
    cost = await _cost(orders, made)
    job = await asyncio.to_thread(begun, orders, made, None if cost is None else cost.amount)
    note = note_of(job)
    return {
        "jobId": job.id,
        "status": STATUSES[job.state],
        "statusUrl": f"{door_url(request, MOUNT)}/ondemand/status/{job.id}",
        "externalId": note.external_id,
        "metadata": note.metadata,
        **({} if cost is None else {"estimatedDuration": math.ceil(cost.seconds)}),
        "pricing": ordering.pricing(asked.encode, orders.prices, asked.priority, note.reserved),
        "webhook": None if asked.webhook is None else mask_url(asked.webhook),
    }


@routes.get("/status/{job_id}", dependencies=[Depends(needs("jobs:read"))])
async def status(job_id: str, jobs: TheJobs, parts: Parts, base: Base) -> dict[str, Any]:
    """How far it is; of a success that stays here, the link to it."""
    shown = await asyncio.to_thread(jobs.shown, job_id)
    now = datetime.now(UTC)
    return status_of(shown, int(highest(shown.job, pct(shown))), download_url(shown, parts.seals, base, now), now)


@routes.delete("/{job_id}", dependencies=[Depends(needs("jobs:cancel"))])
async def cancel(job_id: str, orders: TheOrders) -> dict[str, Any]:
    """What was set aside for it is free again; harmless where it has ended."""
    _, released = await asyncio.to_thread(orders.cancelled, job_id)
    return {"ok": True, "released": neu(released)}


def begun(orders: Orders, made: Shown, amount: int | None = None) -> Job:
    """Set aside what it costs (none: what was guessed) and start it; one that has begun or ended stays as it is.

    Raises `BalanceTooLow`.
    """
    job = orders.jobs.shown(made.job.id).job  # its source may have failed meanwhile
    note = note_of(job)
    if job.state is not JobState.HELD:
        return job
    wanted = note.reserved if amount is None else amount
    try:
        orders.ledger.held(job.account, job.id, wanted)
    except BalanceTooLow:
        with contextlib.suppress(Conflict):  # nothing comes of it, so nobody is to see it
            orders.jobs.cancelled(job.id)
            orders.jobs.removed(job.id)
        raise
    except Conflict:  # it has just ended
        return orders.jobs.shown(job.id).job
    if wanted != note.reserved:
        noted = note.model_copy(update={"reserved": wanted}).data
        orders.jobs.edited(job.id, JobChanges(door_data=noted))
    with contextlib.suppress(Conflict):  # its source could not be read
        return orders.jobs.started(job.id)
    return orders.jobs.shown(job.id).job


async def _cost(orders: Orders, made: Shown) -> Cost | None:
    """What it will cost, of an account that is counted, where its source is read soon; none: nobody knows yet."""
    account = await asyncio.to_thread(orders.ledger.account, made.job.account)
    if account.balance is None or made.job.state is not JobState.HELD:
        return None
    with contextlib.suppress(Refused):
        return (await probed(orders, made.job.id, PROBE_SECONDS))[1]
    return None
