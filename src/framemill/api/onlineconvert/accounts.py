"""Routes of an account: what it may, and what it has used."""

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

from fastapi import APIRouter, Depends

from framemill.api.asked import Parts
from framemill.api.auth import TheCaller, needs
from framemill.api.onlineconvert import accounting
from framemill.services.accounts import Accounts
from framemill.services.usage import used

routes = APIRouter()


@routes.get("/contracts", dependencies=[Depends(needs("jobs:read"))])
async def contracts(parts: Parts, caller: TheCaller) -> list[dict[str, Any]]:
    """What the caller's account may: one contract, with what is left on it."""
    account = await asyncio.to_thread(Accounts(parts.database, caller).shown, caller.account)
    return [accounting.contract(account)]


@routes.get("/stats/{span}/{date}/{whose}", dependencies=[Depends(needs("usage"))])
async def stats(
    span: Literal["day", "month", "year"], date: str, whose: Literal["single", "all"], parts: Parts, caller: TheCaller
) -> list[Mapping[str, Any]]:
    """What was used then, day by day; by one key or by all of the account, which is the same: accounts are counted."""
    first, last = accounting.days_of(span, date)
    found = await asyncio.to_thread(used, parts.database, caller, first, last, caller.account)
    return accounting.stats(found)
