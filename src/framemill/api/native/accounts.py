"""Routes of accounts: an admin's, but that everybody may look at their own."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from framemill.api.asked import ApiUrl, Parts
from framemill.api.auth import TheCaller, admins_only, needs
from framemill.api.documented import CONFLICT, MISSING
from framemill.api.idempotency import TheIds
from framemill.api.native import account_mapping as mapping
from framemill.api.native import account_schemas as schemas
from framemill.api.native.keys import IdCursor, Limit, forget_known
from framemill.services.accounts import Accounts

routes = APIRouter(prefix="/accounts", tags=["accounts"], dependencies=[Depends(needs("usage"))])

ADMINS = Depends(admins_only)
CHANGED = {**MISSING, **CONFLICT}


async def _accounts(parts: Parts, caller: TheCaller) -> Accounts:
    return Accounts(parts.database, caller)


TheAccounts = Annotated[Accounts, Depends(_accounts)]


@routes.post("", status_code=201, summary="Make an account", responses=CONFLICT, dependencies=[ADMINS])
async def create(
    asked: schemas.NewAccount, accounts: TheAccounts, ids: TheIds, api: ApiUrl, response: Response
) -> schemas.Account:
    """An admin may; keys for it are made by `POST /v1/keys` with `account`."""
    made = await asyncio.to_thread(
        accounts.create,
        asked.name,
        account_id=asked.id,
        quotas=asked.quotas,
        balance=asked.balance,
        metadata=asked.metadata,
        made_id=ids(),
    )
    response.headers["Location"] = f"{api}/accounts/{made.id}"
    return mapping.account(made)


@routes.get("", summary="List accounts")
async def listed(accounts: TheAccounts, limit: Limit = 50, cursor: IdCursor = None) -> schemas.Accounts:
    """An admin sees all, anybody else their own."""
    found, more = await asyncio.to_thread(accounts.listed, limit, cursor)
    return schemas.Accounts(data=tuple(mapping.account(one) for one in found), next_cursor=more)


@routes.get("/{account_id}", summary="Show an account", responses=MISSING)
async def show(account_id: str, accounts: TheAccounts) -> schemas.Account:
    """With its quotas and its balance."""
    return mapping.account(await asyncio.to_thread(accounts.shown, account_id))


@routes.patch("/{account_id}", summary="Change an account", responses=CHANGED)
async def edit(
    account_id: str, asked: schemas.ChangedAccount, accounts: TheAccounts, request: Request
) -> schemas.Account:
    """An admin may: rename, suspend, set quotas. It holds here at once, at other replicas within five seconds."""
    changes = {name: getattr(asked, name) for name in asked.model_fields_set if getattr(asked, name) is not None}
    if asked.quotas is not None:
        changes["quotas"] = asked.quotas.model_dump(exclude_unset=True)
    changed = await asyncio.to_thread(accounts.changed, account_id, **changes)
    forget_known(request)
    return mapping.account(changed)


@routes.delete("/{account_id}", status_code=204, summary="Remove an account", responses=CHANGED)
async def remove(account_id: str, accounts: TheAccounts, request: Request) -> None:
    """An admin may. With it go its keys, users, money and ended jobs; 409 while a job of it has not ended."""
    await asyncio.to_thread(accounts.removed, account_id)
    forget_known(request)
