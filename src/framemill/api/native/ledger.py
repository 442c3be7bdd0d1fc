"""Routes of an account's money, in thousandths of a credit."""

import asyncio
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from framemill.api.asked import Parts
from framemill.api.auth import TheCaller, needs
from framemill.api.documented import MISSING
from framemill.api.native import account_mapping as mapping
from framemill.api.native import account_schemas as schemas
from framemill.api.native.keys import Limit
from framemill.services.ledger import Ledger

routes = APIRouter(prefix="/accounts/{account_id}", tags=["accounts"], dependencies=[Depends(needs("usage"))])

WRITES = Depends(needs("jobs:write"))
SeqCursor = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="`next_cursor` of the page before.")]


async def _ledger(parts: Parts, caller: TheCaller) -> Ledger:
    return Ledger(parts.database, caller)


TheLedger = Annotated[Ledger, Depends(_ledger)]


@routes.get("/ledger", summary="What was put on, taken off, reserved and released", responses=MISSING)
async def entries(account_id: str, ledger: TheLedger, limit: Limit = 50, cursor: SeqCursor = None) -> schemas.Entries:
    """Newest first. The sum of all amounts is the balance."""
    found, more = await asyncio.to_thread(ledger.entries, account_id, limit, cursor)
    return schemas.Entries(data=tuple(mapping.entry(one) for one in found), next_cursor=more)


@routes.post("/deposit", summary="Put credits on an account", responses=MISSING)
async def deposit(account_id: str, asked: schemas.Deposit, ledger: TheLedger) -> schemas.Account:
    """An admin may. From the first deposit on the account is counted, and pays for its jobs."""
    return mapping.account(await asyncio.to_thread(ledger.deposited, account_id, asked.amount, asked.note))


@routes.post("/withdraw", summary="Take credits off an account", responses=MISSING)
async def withdraw(account_id: str, asked: schemas.Deposit, ledger: TheLedger) -> schemas.Account:
    """An admin may, as far as they are there and not reserved."""
    return mapping.account(await asyncio.to_thread(ledger.withdrawn, account_id, asked.amount, asked.note))


@routes.post("/uncount", summary="Count an account no longer", responses=MISSING)
async def uncount(account_id: str, ledger: TheLedger) -> schemas.Account:
    """An admin may. What is left is gone; the account may do everything from then on."""
    return mapping.account(await asyncio.to_thread(ledger.uncounted, account_id))


@routes.post("/reserve", summary="Set credits aside", responses=MISSING, dependencies=[WRITES])
async def reserve(account_id: str, asked: schemas.Reservation, ledger: TheLedger) -> schemas.Account:
    """Beside what is set aside under the reference already; 403 where they are not there."""
    lasts = timedelta(seconds=asked.expires_in_seconds)
    return mapping.account(await asyncio.to_thread(ledger.reserved, account_id, asked.reference, asked.amount, lasts))


@routes.post("/release", summary="Set credits aside no longer", responses=MISSING, dependencies=[WRITES])
async def release(account_id: str, asked: schemas.Release, ledger: TheLedger) -> schemas.Account:
    """Harmless where none are."""
    return mapping.account(await asyncio.to_thread(ledger.released, account_id, asked.reference, asked.amount))


@routes.post("/deduct", summary="Take credits", responses=MISSING, dependencies=[WRITES])
async def deduct(account_id: str, asked: schemas.Deduction, ledger: TheLedger) -> schemas.Account:
    """First of what is set aside under the reference; 403 where they are not there."""
    taken = await asyncio.to_thread(ledger.deducted, account_id, asked.reference, asked.amount, asked.note)
    return mapping.account(taken)
