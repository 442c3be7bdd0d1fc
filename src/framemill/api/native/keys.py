"""Routes of keys."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from framemill.api.asked import ApiUrl, Parts
from framemill.api.auth import Keys as Known
from framemill.api.auth import TheCaller, needs
from framemill.api.documented import MISSING, documented
from framemill.api.idempotency import TheIds
from framemill.api.native import account_mapping as mapping
from framemill.api.native import account_schemas as schemas
from framemill.services.keys import Keys

routes = APIRouter(prefix="/keys", tags=["accounts"], dependencies=[Depends(needs("keys"))])

Limit = Annotated[int, Query(ge=1, le=100)]
IdCursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]
Whose = Annotated[str | None, Query(alias="account", max_length=200, description="Of that account; an admin may ask.")]


async def _keys(parts: Parts, caller: TheCaller) -> Keys:
    return Keys(parts.database, caller)


TheKeys = Annotated[Keys, Depends(_keys)]


def forget_known(request: Request) -> None:
    """What this replica remembers of keys and users may be otherwise from now on."""
    known: Known = request.app.state.keys
    known.forget()


@routes.post("", status_code=201, summary="Make a key", responses={**MISSING, **documented("wrong_use")})
async def create(asked: schemas.NewKey, keys: TheKeys, ids: TheIds, api: ApiUrl, response: Response) -> schemas.MadeKey:
    """The answer holds the key itself, and nothing else ever does. It can do no more than whoever makes it."""
    made, secret = await asyncio.to_thread(
        keys.create,
        asked.name,
        account=asked.account,
        scopes=asked.scopes,
        days=asked.expires_in_days,
        key_id=ids(),
    )
    response.headers["Location"] = f"{api}/keys/{made.id}"
    return mapping.made_key(made, secret)


@routes.get("", summary="List keys, newest first")
async def listed(keys: TheKeys, account: Whose = None, limit: Limit = 50, cursor: IdCursor = None) -> schemas.Keys:
    """Those that were revoked or have expired, too."""
    found, more = await asyncio.to_thread(keys.listed, limit, cursor, account)
    return schemas.Keys(data=tuple(mapping.key(one) for one in found), next_cursor=more)


@routes.get("/{key_id}", summary="Show a key", responses=MISSING)
async def show(key_id: str, keys: TheKeys) -> schemas.Key:
    """Without what it opens with, which nobody knows."""
    return mapping.key(await asyncio.to_thread(keys.shown, key_id))


@routes.delete("/{key_id}", status_code=204, summary="Revoke a key", responses=MISSING)
async def revoke(key_id: str, keys: TheKeys, request: Request) -> None:
    """It opens nothing any more: here at once, at the farm's other replicas within five seconds."""
    await asyncio.to_thread(keys.revoke, key_id)
    forget_known(request)
