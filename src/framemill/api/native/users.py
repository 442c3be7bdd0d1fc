"""Routes of users: an admin's, but that everybody may look at themselves and change their password."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from framemill.api.asked import ApiUrl, Parts
from framemill.api.auth import Keys, TheCaller, admins_only
from framemill.api.documented import CONFLICT, MISSING
from framemill.api.idempotency import TheIds
from framemill.api.native import account_mapping as mapping
from framemill.api.native import account_schemas as schemas
from framemill.api.native.keys import IdCursor, Limit, forget_known
from framemill.services.users import Users

routes = APIRouter(prefix="/users", tags=["accounts"])

ADMINS = Depends(admins_only)
CHANGED = {**MISSING, **CONFLICT}


async def _users(parts: Parts, caller: TheCaller, request: Request) -> Users:
    keys: Keys = request.app.state.keys
    return Users(parts.database, caller, failed=keys.sessions.failed)


TheUsers = Annotated[Users, Depends(_users)]


@routes.post("", status_code=201, summary="Make a user", responses=CHANGED, dependencies=[ADMINS])
async def create(asked: schemas.NewUser, users: TheUsers, ids: TheIds, api: ApiUrl, response: Response) -> schemas.User:
    """An admin may."""
    made = await asyncio.to_thread(
        users.create,
        asked.name,
        password=asked.password,
        email=asked.email,
        role=asked.role,
        account=asked.account,
        metadata=asked.metadata,
        user_id=ids(),
    )
    response.headers["Location"] = f"{api}/users/{made.id}"
    return mapping.user(made)


@routes.get("", summary="List users, newest first", dependencies=[ADMINS])
async def listed(users: TheUsers, limit: Limit = 50, cursor: IdCursor = None) -> schemas.Users:
    """An admin may."""
    found, more = await asyncio.to_thread(users.listed, limit, cursor)
    return schemas.Users(data=tuple(mapping.user(one) for one in found), next_cursor=more)


@routes.get("/{user_id}", summary="Show a user", responses=MISSING)
async def show(user_id: str, users: TheUsers) -> schemas.User:
    """An admin may, and the user."""
    return mapping.user(await asyncio.to_thread(users.shown, user_id))


@routes.patch("/{user_id}", summary="Change a user", responses=CHANGED)
async def edit(user_id: str, asked: schemas.ChangedUser, users: TheUsers, request: Request) -> schemas.User:
    """An admin may. Another password, or `disabled`, ends the user's sessions."""
    changes = {name: getattr(asked, name) for name in asked.model_fields_set}
    kept = {name: value for name, value in changes.items() if value is not None or name == "email"}
    changed = await asyncio.to_thread(users.changed, user_id, **kept)
    forget_known(request)
    return mapping.user(changed)


@routes.post("/{user_id}/password", summary="Change one's own password", responses=MISSING)
async def change_password(
    user_id: str, asked: schemas.ChangedPassword, users: TheUsers, request: Request
) -> schemas.User:
    """Ends every session that began before: log in again."""
    changed = await asyncio.to_thread(users.changed_by_themselves, user_id, asked.current, password=asked.new)
    forget_known(request)
    return mapping.user(changed)


@routes.delete("/{user_id}", status_code=204, summary="Remove a user", responses=MISSING)
async def remove(user_id: str, users: TheUsers, request: Request) -> None:
    """An admin may. What the user made stays their account's."""
    await asyncio.to_thread(users.removed, user_id)
    forget_known(request)
