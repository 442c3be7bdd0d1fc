"""Routes of users, for admins. They know them by numbers; 1 is the first admin."""

import asyncio
import contextlib
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request

from framemill.api.asked import Parts
from framemill.api.auth import Keys, admins_only
from framemill.api.openencoder.asked import NAME, TheUserNumbers, TheUsers, Words
from framemill.api.openencoder.paging import PerPage, WhichPage, number_of
from framemill.api.openencoder.refused import stated
from framemill.errors import NotFound
from framemill.jobs.accounts import User
from framemill.services.callers import ADMIN
from framemill.services.numbers import Numbers
from framemill.services.users import Users
from framemill.store.database import Database

routes = APIRouter(prefix="/users", dependencies=[Depends(admins_only)])

_FIRST_NUMBER = 1


class ChangedUser(Words):
    """What becomes of a user."""

    active: bool
    role: Literal["admin", "operator", "guest", ""] = ""
    """Empty: as it is."""


@routes.get("")
async def listed(
    users: TheUsers, numbers: TheUserNumbers, parts: Parts, page: WhichPage, count: PerPage
) -> dict[str, Any]:
    """By their numbers, the greatest first."""
    first = await asyncio.to_thread(first_admin, parts.database)
    found, total = await asyncio.to_thread(_page, users, numbers, first, page, count)
    return {"code": 200, "users": found, "count": total}


@routes.put("/{user_id}")
async def edit(
    user_id: str, asked: ChangedUser, users: TheUsers, numbers: TheUserNumbers, *, parts: Parts, request: Request
) -> dict[str, Any]:
    """Their role, and whether they may log in: what is changed holds at once. The first admin stays as they are."""
    first = await asyncio.to_thread(first_admin, parts.database)
    changed = await asyncio.to_thread(_changed, users, numbers, first, number_of(user_id), asked)
    keys: Keys = request.app.state.keys
    keys.forget()
    return changed


def first_admin(database: Database) -> User | None:
    """Whose number is 1: who has the first admin's name when somebody first looks, and whatever they are called from
    then on. None: there is no such admin."""
    users, numbers = Users(database, ADMIN), Numbers(database, door=NAME, kind="first admin")
    with contextlib.suppress(NotFound):
        kept = users.shown(numbers.id_of(_FIRST_NUMBER))
        if kept.role == "admin":
            return kept
    try:
        named = users.first()
    except NotFound:
        return None
    numbers.of(named.id)
    return named


def _changed(users: Users, numbers: Numbers, first: User | None, number: int, asked: ChangedUser) -> dict[str, Any]:
    role = {"role": asked.role} if asked.role else {}
    try:
        user_id = numbers.id_of(number) if first is None or number != _FIRST_NUMBER else first.id
        if first is not None and user_id == first.id:  # who may have had another number before
            return _told(first, _FIRST_NUMBER)
        return _told(users.changed(user_id, disabled=not asked.active, **role), number)
    except NotFound:
        raise stated(404, "User does not exist") from None


def _page(
    users: Users, numbers: Numbers, first: User | None, page: int, count: int
) -> tuple[list[dict[str, Any]], int]:
    first_id = None if first is None else first.id
    found, total = users.paged((page - 1) * count, count, last=first_id)
    others = [user.id for user in found if user.id != first_id]
    known = numbers.known(others)
    if len(known) < len(others):
        # All get theirs, oldest first, so that numbers are in the order of pages.
        known = numbers.of_all(users.ids(but=first_id))
    told = [_told(user, _FIRST_NUMBER if user.id == first_id else known[user.id]) for user in found]
    return sorted(told, key=lambda one: one["id"], reverse=True), total


def _told(user: User, number: int) -> dict[str, Any]:
    return {"id": number, "username": user.name, "role": user.role, "active": user.disabled_at is None}
