"""Routes of sessions: logging in, staying so, logging out."""

import asyncio

from fastapi import APIRouter, Request

from framemill.api.asked import Parts
from framemill.api.auth import Keys, TheCaller, given_key
from framemill.api.documented import documented
from framemill.api.native import account_mapping as mapping
from framemill.api.native import account_schemas as schemas
from framemill.api.native.keys import forget_known
from framemill.api.urls import client_address

routes = APIRouter(prefix="/sessions", tags=["accounts"])

LOGIN = documented("key_refused", "forbidden", "too_many_requests", "store_unavailable")
REFRESH = documented("key_refused", "forbidden", "store_unavailable")  # a token cannot be guessed, so nobody counts


@routes.post("", status_code=201, summary="Log in", responses=LOGIN)
async def login(asked: schemas.Login, parts: Parts, request: Request) -> schemas.Session:
    """With a user's name or address, and password. After ten wrong ones a name has to wait."""
    place = client_address(request, parts.trusted_proxies)
    opened = await asyncio.to_thread(_keys(request).sessions.opened, asked.name, asked.password, place)
    return mapping.session(opened)


@routes.post("/refresh", summary="Stay logged in", responses=REFRESH)
async def refresh(asked: schemas.Refresh, request: Request) -> schemas.Session:
    """Another token of the same session, as long as that lasts."""
    return mapping.session(await asyncio.to_thread(_keys(request).sessions.refreshed, asked.refresh_token))


@routes.delete("/current", status_code=204, summary="Log out", responses=LOGIN)
async def logout(caller: TheCaller, request: Request) -> None:
    """The session's tokens open nothing any more: here at once, at other replicas within five seconds."""
    await asyncio.to_thread(_keys(request).sessions.ended, given_key(request) or "")
    forget_known(request)


def _keys(request: Request) -> Keys:
    keys: Keys = request.app.state.keys
    return keys
