"""Routes of API keys: for people who have logged in, not for the keys themselves."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from framemill.api.asked import Parts
from framemill.api.auth import Keys as Known
from framemill.api.auth import TheCaller
from framemill.api.convertrilo.encodes import Words
from framemill.api.convertrilo.mapping import moment
from framemill.api.convertrilo.scopes import Scope, allowed, meant_by, native_of
from framemill.api.idempotency import TheIds
from framemill.errors import KeyRefused
from framemill.jobs.accounts import Key
from framemill.services.callers import Caller
from framemill.services.keys import Keys

_PAGE = 100


async def _logged_in(request: Request, caller: TheCaller) -> Caller:
    if not request.headers.get("authorization", "").lower().startswith("bearer "):
        raise KeyRefused("API keys are managed with a bearer token: log in, and send `Authorization: Bearer …`.")
    caller.need("keys")
    return caller


Person = Annotated[Caller, Depends(_logged_in)]
routes = APIRouter(prefix="/api-keys")


class NewKey(Words):
    """A key to be made."""

    name: str = Field(min_length=1, max_length=200)
    scopes: list[Scope] | None = Field(default=None, min_length=1)
    """None: all that whoever makes it may do."""
    expires_in_days: int | None = Field(default=None, ge=1, le=365)


@routes.get("")
async def listed(parts: Parts, caller: Person) -> dict[str, Any]:
    """Those that still open something, newest first."""
    found = await asyncio.to_thread(_usable, Keys(parts.database, caller), caller.account, datetime.now(UTC))
    return {"keys": [_told(one) for one in found]}


@routes.post("")
async def create(asked: NewKey, parts: Parts, caller: Person, ids: TheIds) -> dict[str, Any]:
    """The answer holds the key itself, and nothing else ever does."""
    scopes = asked.scopes or list(allowed(caller))
    made, secret = await asyncio.to_thread(
        Keys(parts.database, caller).create,
        asked.name,
        scopes=native_of(scopes),
        narrowed=scopes,
        days=asked.expires_in_days,
        key_id=ids(),
    )
    return {**_told(made), "key": secret}


@routes.delete("/{key_id}", status_code=204)
async def revoke(key_id: str, parts: Parts, caller: Person, request: Request) -> None:
    """The key opens nothing any more: here at once, at other replicas within five seconds."""
    await asyncio.to_thread(Keys(parts.database, caller).revoke, key_id)
    known: Known = request.app.state.keys
    known.forget()


def _usable(keys: Keys, account: str, now: datetime) -> list[Key]:
    found, cursor = keys.listed(_PAGE, None, account)
    every = [*found]
    while cursor is not None:
        found, cursor = keys.listed(_PAGE, cursor, account)
        every += found
    return [one for one in every if one.revoked_at is None and (one.expires_at is None or one.expires_at > now)]


def _told(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.hint,
        "scopes": list(meant_by(key.scopes, key.narrowed)),
        "expiresAt": moment(key.expires_at),
        "createdAt": moment(key.created_at),
    }
