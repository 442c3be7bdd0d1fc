"""What the routes of jobs are handed beside the jobs: the presets, and the settings."""

from typing import Annotated

from fastapi import Depends

from framemill.api.asked import Parts
from framemill.api.auth import TheCaller
from framemill.api.idempotency import TheIds
from framemill.api.openencoder.asked import TheJobs, TheSettings
from framemill.api.openencoder.orders import Orders
from framemill.api.openencoder.shelf import Shelf


async def _shelf(parts: Parts, caller: TheCaller, ids: TheIds) -> Shelf:
    return Shelf(parts.database, parts.seals, caller, ids)


TheShelf = Annotated[Shelf, Depends(_shelf)]


async def _orders(jobs: TheJobs, shelf: TheShelf, settings: TheSettings, caller: TheCaller) -> Orders:
    return Orders(jobs, shelf, settings, caller.account)


TheOrders = Annotated[Orders, Depends(_orders)]
