"""Who asks: what a key, or the token of a session, that a request carries makes of it."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, NamedTuple, TypeAlias

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from framemill.errors import KeyRefused, TooMany
from framemill.jobs.accounts import Quotas
from framemill.sealing import Seals
from framemill.services.callers import ADMIN, Caller, Scope
from framemill.services.keys import opened_by
from framemill.services.limits import RateLimits
from framemill.services.proof import HEADER, is_proved
from framemill.services.sessions import Sessions
from framemill.store.database import Database

KNOWN_SECONDS = 5.0
"""How long a replica takes a key as it was: so long after it was revoked, or its account suspended, it may still open
that replica's door."""
_MOST_KNOWN = 10_000

_BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="A key, or the token of a session, as `Authorization: Bearer …`.",
)
_HEADER = APIKeyHeader(
    name="X-API-Key", auto_error=False, scheme_name="key", description="The same, as `X-API-Key: …`."
)


class Known(NamedTuple):
    """Somebody who has shown who they are, and what their account allows."""

    caller: Caller
    quotas: Quotas = Quotas()


Knows: TypeAlias = Callable[[Request], Awaitable[Known]]
"""Finds out who asks, by what the request carries. Raises `KeyRefused`."""

KNOWS = "knows"
"""In a request's state: the `Knows` of a door that has credentials of its own."""


class Keys:
    """What the farm takes: its admin's key, keys of accounts, tokens of sessions."""

    def __init__(
        self, admin_key: str, database: Database, seals: Seals, *, known_seconds: float = KNOWN_SECONDS
    ) -> None:
        if not admin_key:
            raise ValueError("an empty admin key would let everybody in")
        self._admin = admin_key.encode()
        self._database = database
        self.seals = seals
        self.sessions = Sessions(database, seals)
        self.limits = RateLimits()
        self._known_seconds = known_seconds
        self._known: dict[bytes, tuple[float, Known]] = {}

    async def caller(self, key: str) -> Caller:
        """Whose key it is. Raises `KeyRefused`, and `Forbidden` where its account is suspended."""
        return (await self.known(key)).caller

    async def known(self, key: str) -> Known:
        """The same, with what the account allows. How long it takes does not tell how much of a key is right."""
        if hmac.compare_digest(key.encode(), self._admin):
            return Known(ADMIN)
        name, now = hashlib.sha256(key.encode()).digest(), time.monotonic()
        until, found = self._known.get(name, (0.0, None))
        if found is None or until < now:
            self._known.pop(name, None)
            found = await asyncio.to_thread(self._asked, key)
            self._known[name] = (now + self._known_seconds, found)
            while len(self._known) > _MOST_KNOWN:  # the oldest
                del self._known[next(iter(self._known))]
        return found

    def forget(self) -> None:
        """Ask the store anew for every key: something of keys, users or accounts was changed here."""
        self._known.clear()

    def _asked(self, key: str) -> Known:
        if key.count(".") == 2:  # noqa: PLR2004 - as in every JSON web token, and in no key
            caller, account = self.sessions.caller_of(key)
            return Known(caller, account.quotas)
        found, account = opened_by(self._database, key, datetime.now(UTC))
        scopes, narrowed = frozenset(found.scopes), found.narrowed
        caller = Caller(
            account=account.id,
            scopes=scopes,  # type: ignore[arg-type]
            narrowed=None if narrowed is None else frozenset(narrowed),
            actor=f"key:{found.id}",
        )
        return Known(caller, account.quotas)


async def caller_of(request: Request) -> Caller:
    """Who asks, found out once a request, and counted against their limits. Raises `KeyRefused` and `TooMany`."""
    state = request.scope.setdefault("state", {})
    known: Caller | None = state.get("caller")
    if known is not None:
        return known
    knows: Knows = state.get(KNOWS, known_by_key)
    found = await knows(request)
    keys: Keys = request.app.state.keys
    allowance, within = keys.limits.count(found.caller, found.quotas)
    if allowance is not None:
        state["headers"] = [(name.lower().encode(), value.encode()) for name, value in allowance.headers.items()]
    if not within and allowance is not None:
        raise TooMany(f"More than {allowance.limit} requests a minute.", allowance.reset_seconds)
    here = is_proved(keys.seals, request.headers.get(HEADER))
    caller = replace(found.caller, request_id=state.get("request_id"), here=here)
    state["caller"] = caller
    return caller


async def known_by_key(request: Request) -> Known:
    """Whose key the request carries. Raises as `Keys.caller` does."""
    key = given_key(request)
    if not key:
        raise KeyRefused("A key is needed: send `Authorization: Bearer KEY` or `X-API-Key: KEY`.")
    keys: Keys = request.app.state.keys
    return await keys.known(key)


def given_key(request: Request) -> str | None:
    """What the request carries: the Bearer's before `X-API-Key`."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" and bearer.strip() else request.headers.get("x-api-key")


async def require_key(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    header: Annotated[str | None, Security(_HEADER)],
) -> Caller:
    """Who asks. Raises as `caller_of` does."""
    return await caller_of(request)


TheCaller = Annotated[Caller, Depends(require_key)]


def needs(scope: Scope) -> Callable[[Caller], Awaitable[None]]:
    """A dependency that lets callers with that scope pass, and refuses others with `Forbidden`."""

    async def check(caller: TheCaller) -> None:
        caller.need(scope)

    return check


async def admins_only(caller: TheCaller) -> None:
    """A dependency that lets admins pass alone."""
    caller.need_admin()
