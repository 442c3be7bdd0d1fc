"""What the door's routes are handed: the jobs that came through it, the prices, who asks."""

from typing import Annotated

from fastapi import Depends, Request

from framemill.api.asked import Parts
from framemill.api.auth import TheCaller
from framemill.api.convertrilo.orders import Orders
from framemill.api.convertrilo.prices import Prices, prices_of
from framemill.api.idempotency import TheIds
from framemill.api.parts import ApiParts
from framemill.api.urls import base_url
from framemill.services.jobs import Jobs
from framemill.services.ledger import Ledger
from framemill.services.uploads import Uploads

NAME = "convertrilo"
MOUNT = f"/{NAME}"
"""Where its clients look for it."""
"""Of this door."""


async def _jobs(parts: Parts, caller: TheCaller, ids: TheIds) -> Jobs:
    return Jobs(parts.database, parts.nudge, caller=caller, door=NAME, ids=ids, desk=parts.desk_of(caller))


TheJobs = Annotated[Jobs, Depends(_jobs)]


def prices_in(parts: ApiParts) -> Prices:
    """The operator's table. Raises `InvalidSetting`."""
    return prices_of(parts.tariffs.get(NAME, {}))


async def _prices(parts: Parts) -> Prices:
    return prices_in(parts)


ThePrices = Annotated[Prices, Depends(_prices)]


async def _uploads(parts: Parts, caller: TheCaller, ids: TheIds) -> Uploads:
    return Uploads(parts.database, parts.files, caller=caller, door=NAME, ids=ids, nudge=parts.nudge)


TheUploads = Annotated[Uploads, Depends(_uploads)]


async def _ledger(parts: Parts, caller: TheCaller) -> Ledger:
    return Ledger(parts.database, caller)


TheLedger = Annotated[Ledger, Depends(_ledger)]


async def _orders(  # noqa: PLR0917 - FastAPI passes them by name
    parts: Parts, caller: TheCaller, jobs: TheJobs, uploads: TheUploads, ledger: TheLedger, prices: ThePrices
) -> Orders:
    return Orders(jobs=jobs, uploads=uploads, ledger=ledger, caller=caller, prices=prices, named=parts.credentials)


TheOrders = Annotated[Orders, Depends(_orders)]


async def _base(request: Request, parts: Parts) -> str:
    return base_url(request, parts)


Base = Annotated[str, Depends(_base)]
"""`https://host`, as the client has asked for it: what links to files begin with."""
