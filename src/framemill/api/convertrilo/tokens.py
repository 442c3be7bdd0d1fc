"""Routes of an account's NEU."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends

from framemill.api.auth import TheCaller
from framemill.api.convertrilo.asked import TheLedger, ThePrices
from framemill.api.convertrilo.prices import Prices, neu
from framemill.api.convertrilo.schemas import TokenAmount
from framemill.api.convertrilo.scopes import needs
from framemill.errors import BalanceTooLow
from framemill.jobs.accounts import Account
from framemill.jobs.metering import CREDIT
from framemill.services.ledger import Ledger

READS, WRITES = Depends(needs("tokens:read")), Depends(needs("tokens:write"))
routes = APIRouter(prefix="/tokens")


@routes.get("/balance", dependencies=[READS])
async def balance(caller: TheCaller, ledger: TheLedger, prices: ThePrices) -> dict[str, Any]:
    """What there is, and what of it is set aside."""
    return await asyncio.to_thread(_balance, ledger, caller.account, prices)


@routes.post("/reserve", dependencies=[WRITES])
async def reserve(asked: TokenAmount, caller: TheCaller, ledger: TheLedger, prices: ThePrices) -> dict[str, Any]:
    """Set aside; `ok` is false where there is not so much."""
    return await _changed(asked, ledger, caller.account, prices, ledger.reserved)


@routes.post("/release", dependencies=[WRITES])
async def release(asked: TokenAmount, caller: TheCaller, ledger: TheLedger, prices: ThePrices) -> dict[str, Any]:
    """Set aside no longer; harmless where nothing is."""
    return await _changed(asked, ledger, caller.account, prices, ledger.released)


@routes.post("/deduct", dependencies=[WRITES])
async def deduct(asked: TokenAmount, caller: TheCaller, ledger: TheLedger, prices: ThePrices) -> dict[str, Any]:
    """Take, first of what is set aside for that job; `ok` is false where there is not so much."""
    return await _changed(asked, ledger, caller.account, prices, ledger.deducted)


async def _changed(
    asked: TokenAmount, ledger: Ledger, account: str, prices: Prices, change: Callable[[str, str, int], Account]
) -> dict[str, Any]:
    def changed() -> dict[str, Any]:
        told: dict[str, Any] = {"ok": True, "jobId": asked.job_id, "amount": asked.amount}
        try:
            change(account, asked.job_id.lower(), asked.amount * CREDIT)
        except BalanceTooLow as error:
            told |= {"ok": False, "code": "insufficient_tokens", "message": error.message}
            told |= {"required": asked.amount}
        return {**told, **_balance(ledger, account, prices)}

    return await asyncio.to_thread(changed)


def _balance(ledger: Ledger, account: str, prices: Prices) -> dict[str, Any]:
    found, reserved = ledger.account(account), ledger.reserved_in_all(account)
    available = prices.allowance - neu(reserved) if found.available is None else neu(found.available)
    return {"available": available, "reserved": neu(reserved), "trialGrantRemaining": 0, "trialExpiresAt": None}
