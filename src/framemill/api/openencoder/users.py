"""Routes of users, for admins. They know them by numbers; 1 is the first admin."""

import asyncio
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request

from framemill.api.auth import Keys, admins_only
from framemill.api.openencoder.asked import TheUserNumbers, TheUsers, Words
from framemill.api.openencoder.paging import PerPage, WhichPage, number_of
from framemill.api.openencoder.refused import stated
from framemill.errors import NotFound
from framemill.jobs.accounts import User
from framemill.services.numbers import Numbers
from framemill.services.users import Users, is_first

routes = APIRouter(prefix="/users", dependencies=[Depends(admins_only)])

_FIRST_NUMBER = 1


class ChangedUser(Words):
    """What becomes of a user."""

    active: bool
    role: Literal["admin", "operator", "guest", ""] = ""
    """Empty: as it is."""


@routes.get("")
async def listed(users: TheUsers, numbers: TheUserNumbers, page: WhichPage, count: PerPage) -> dict[str, Any]:
    """By their numbers, the greatest first."""
    found, total = await asyncio.to_thread(_page, users, numbers, page, count)
    return {"code": 200, "users": found, "count": total}


@routes.put("/{user_id}")
async def edit(
    user_id: str, asked: ChangedUser, users: TheUsers, numbers: TheUserNumbers, request: Request
) -> dict[str, Any]:
    """Their role, and whether they may log in: what is changed holds at once. The first admin stays as they are."""
    changed = await asyncio.to_thread(_changed, users, numbers, number_of(user_id), asked)
    keys: Keys = request.app.state.keys
    keys.forget()
    return changed


def _changed(users: Users, numbers: Numbers, number: int, asked: ChangedUser) -> dict[str, Any]:
    try:
        found = _numbered(users, numbers, number)
    except NotFound:
        raise stated(404, "User does not exist") from None
    if is_first(found):
        return _told(found, number)
    role = {"role": asked.role} if asked.role else {}
    return _told(users.changed(found.id, disabled=not asked.active, **role), number)


def _numbered(users: Users, numbers: Numbers, number: int) -> User:
    return users.first() if number == _FIRST_NUMBER else users.shown(numbers.id_of(number))


def _page(users: Users, numbers: Numbers, page: int, count: int) -> tuple[list[dict[str, Any]], int]:
    found, total = users.paged((page - 1) * count, count)
    others = [user.id for user in found if not is_first(user)]
    known = numbers.known(others)
    if len(known) < len(others):
        # All get theirs, oldest first, so that numbers are in the order of pages.
        known = numbers.of_all(users.ids())
    told = [_told(user, _FIRST_NUMBER if is_first(user) else known[user.id]) for user in found]
    return sorted(told, key=lambda one: one["id"], reverse=True), total


def _told(user: User, number: int) -> dict[str, Any]:
    return {"id": number, "username": user.name, "role": user.role, "active": user.disabled_at is None}
