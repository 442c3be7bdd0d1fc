"""Who asks, and the routes by which people come in: they register, log in, stay so, and change their password.

A token is the session of one of the farm's users; a key of the farm's opens the door as well.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.datastructures import FormData

from framemill.api.asked import Parts
from framemill.api.auth import Keys, Known, TheCaller, caller_of, given_key
from framemill.api.openencoder.asked import TheUsers, Words
from framemill.api.openencoder.refused import Refused, Unknown, coded
from framemill.api.openencoder.tokens import NOT_VALID, PURPOSE, Token, session_of, written
from framemill.api.openencoder.users import first_admin
from framemill.api.parts import ApiParts
from framemill.api.urls import client_address
from framemill.errors import Conflict, Forbidden, KeyRefused, TooMany, WrongUse
from framemill.services.keys import is_whole
from framemill.services.newcomers import Newcomers
from framemill.services.passwords import LONGEST
from framemill.services.sessions import Sessions
from framemill.services.users import Users
from framemill.storage.http import is_loopback

SHORTEST = 3
"""Letters of a password: the original asks for one, and its document shows three. Whoever guesses has to wait."""

_USER = "user:"
_FORWARDED = frozenset({"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"})
"""Beside all that begins with `x-forwarded-`, headers that no client of this machine's own has a reason to send."""

routes = APIRouter()


async def knows(request: Request) -> Known:
    """Whose token the request carries, or whose key. Raises `KeyRefused`."""
    text = _given(request)
    if not text:
        raise Unknown("cookie token is empty")
    if text.count(".") != 2:  # noqa: PLR2004 - as in every JSON web token, and in no key
        return await _known_by_key(request, text)
    session_id = session_of(_key(request), text, datetime.now(UTC))
    caller, account = await asyncio.to_thread(_keys(request).sessions.caller_in, session_id)
    return Known(caller, account.quotas)


class NewUser(Words):
    """Who registers."""

    username: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=1, max_length=LONGEST)


class Login(Words):
    """Who logs in."""

    username: str = Field(default="", max_length=320)
    password: str = Field(default="", max_length=LONGEST)


class NewPassword(Words):
    """Who chooses another password."""

    username: str = Field(default="", max_length=320)
    current_password: str = Field(default="", max_length=LONGEST)
    new_password: str = Field(default="", max_length=LONGEST)
    verify_password: str | None = None


class Myself(Words):
    """What somebody changes of themselves; what is empty stays."""

    username: str = Field(default="", max_length=200)
    current_password: str = Field(default="", max_length=LONGEST)
    new_password: str | None = Field(default=None, max_length=LONGEST)
    verify_password: str | None = None


@routes.post("/register")
async def register(asked: NewUser, parts: Parts, request: Request) -> dict[str, str]:
    """As a guest. An admin's page of users makes them so, too."""
    if not (_may_register(parts, request) or await _is_admin(request)):
        told = "Registration is closed here: ask an admin, or have FRAMEMILL_REGISTRATION=open set."
        raise Refused(403, {"message": told, "error": told})
    newcomers = Newcomers(parts.database, failed=_keys(request).sessions.failed)
    place = client_address(request, parts.trusted_proxies)
    try:
        made = await asyncio.to_thread(newcomers.registered, asked.username, asked.password, SHORTEST, place)
    except TooMany:
        raise
    except WrongUse as error:
        raise Refused(400, {"message": "error creating user", "error": error.message}) from None
    return {"user": made.name, "message": "User registered"}


@routes.post("/login")
async def login(parts: Parts, request: Request) -> dict[str, Any]:
    """With a name and a password, as JSON or as a form."""
    asked = await _login_of(request)
    if not asked.username or not asked.password:
        raise Unknown("missing Username or Password")
    sessions, place = _keys(request).sessions, client_address(request, parts.trusted_proxies)
    try:
        opened = await asyncio.to_thread(sessions.opened, asked.username, asked.password, place)
    except KeyRefused:
        if await asyncio.to_thread(_newcomers(parts).is_first, asked.username, asked.password):
            raise Unknown("require password reset") from None
        raise Unknown("incorrect Username or Password") from None
    return await _told(request, parts, opened.session.id)


@routes.get("/refresh-token")
async def refresh(parts: Parts, request: Request, caller: TheCaller) -> dict[str, Any]:
    """A fresh token for one that is still good, as long as its session lasts."""
    if not caller.actor.startswith(_USER):
        raise Unknown("A key lasts until it is revoked: there is nothing to refresh.")
    return await _told(request, parts, session_of(_key(request), _given(request), datetime.now(UTC)))


@routes.post("/update-password")
async def update_password(asked: NewPassword, parts: Parts, request: Request) -> dict[str, str]:
    """Whoever knows the current one chooses another; the first admin chooses the first of their own."""
    if not (asked.username and asked.current_password and asked.new_password):
        raise coded(400, "validation error. please provide username, current password and new password")
    _refuse_unlike(asked.new_password, asked.verify_password)
    place = client_address(request, parts.trusted_proxies)
    try:
        await asyncio.to_thread(_choose, _keys(request).sessions, parts, asked, place)
    except KeyRefused:
        raise Unknown("unauthorized") from None
    _keys(request).forget()
    return {"user": asked.username, "message": "user updated"}


@routes.get("/me")
async def me(users: TheUsers, caller: TheCaller) -> dict[str, Any]:
    """Who asks; a key is nobody, and may do what its scopes say."""
    if not caller.actor.startswith(_USER):
        role = "admin" if caller.admin else "operator" if "jobs:write" in caller.scopes else "guest"
        return {"status": 200, "username": caller.actor, "role": role}
    found = await asyncio.to_thread(users.shown, caller.actor.removeprefix(_USER))
    return {"status": 200, "username": found.name, "role": found.role}


@routes.put("/me")
async def change_me(
    asked: Myself, users: TheUsers, caller: TheCaller, parts: Parts, request: Request
) -> dict[str, str]:
    """One's name, one's password, or both; the current password is needed."""
    if not caller.actor.startswith(_USER):
        raise Forbidden("A key has no name and no password.")
    _refuse_unlike(asked.new_password or "", asked.verify_password if asked.new_password else None)
    user_id = caller.actor.removeprefix(_USER)
    before = await asyncio.to_thread(users.shown, user_id)
    await asyncio.to_thread(first_admin, parts.database)  # who is, stays so under another name
    name = asked.username if asked.username not in {"", before.name} else None
    password = asked.new_password or None
    try:
        await asyncio.to_thread(
            users.changed_by_themselves,
            user_id,
            asked.current_password,
            password=password,
            name=name,
            shortest=SHORTEST,
            place=client_address(request, parts.trusted_proxies),
        )
    except Forbidden:
        raise Unknown("unauthorized") from None
    except Conflict as error:
        raise coded(400, error.message) from None
    _keys(request).forget()
    return {"user": before.name, "message": "user updated"}


def _given(request: Request) -> str:
    """What the request carries, where clients put it, and keys are put."""
    return given_key(request) or request.query_params.get("token") or request.cookies.get("jwt") or ""


async def _known_by_key(request: Request, text: str) -> Known:
    try:
        return await _keys(request).known(text)
    except KeyRefused:
        if is_whole(text):
            raise
        # Nobody's key, then, but what a page sends that has lost its token: `null`, `undefined`.
        raise Unknown(NOT_VALID) from None


def _choose(sessions: Sessions, parts: ApiParts, asked: NewPassword, place: str) -> None:
    newcomers = _newcomers(parts)
    try:
        # This counts wrong ones, and makes whoever guesses wait.
        opened = sessions.opened(asked.username, asked.current_password, place)
    except KeyRefused:
        if not newcomers.is_first(asked.username, asked.current_password):
            raise
        newcomers.claimed(asked.current_password, asked.new_password, SHORTEST)
        first_admin(parts.database)
        return
    users, user_id = Users(parts.database, opened.caller), opened.caller.actor.removeprefix(_USER)
    users.changed_by_themselves(user_id, asked.current_password, password=asked.new_password, shortest=SHORTEST)


async def _login_of(request: Request) -> Login:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        form: FormData = await request.form()
        said: Any = {name: value for name, value in form.items() if isinstance(value, str)}
    else:
        said = await request.body() or b"{}"
    try:
        return Login.model_validate_json(said) if isinstance(said, bytes) else Login.model_validate(said)
    except ValueError:
        raise Unknown("missing Username or Password") from None


async def _told(request: Request, parts: ApiParts, session_id: str) -> dict[str, Any]:
    token = await asyncio.to_thread(_token, _keys(request).sessions, parts, session_id, _key(request))
    return {"code": 200, "token": token.text, "expire": token.expires_at.isoformat().replace("+00:00", "Z")}


def _token(sessions: Sessions, parts: ApiParts, session_id: str, key: bytes) -> Token:
    caller, _ = sessions.caller_in(session_id)
    user = Users(parts.database, caller).shown(caller.actor.removeprefix(_USER))
    return written(key, user, session_id, datetime.now(UTC))


def _refuse_unlike(chosen: str, again: str | None) -> None:
    if again not in {None, "", chosen}:
        raise coded(400, "validation error. the new password and its repetition are different")


def _may_register(parts: ApiParts, request: Request) -> bool:
    """Whether whoever asks may make themselves a user. On this machine is who asked for it by its own name, from no
    page of somebody else's, and through no proxy that says so. A proxy of this machine that says nothing, and names
    the farm as it reaches it, cannot be told from its own people: the farm has to be told of it."""
    if parts.registration != "here":
        return parts.registration == "open"
    headers = request.headers
    here = is_loopback(f"//{headers.get('host', '')}") and is_loopback(headers.get("origin", "//localhost"))
    return here and not any(name in _FORWARDED or name.startswith("x-forwarded-") for name in headers)


async def _is_admin(request: Request) -> bool:
    """Whether an admin asks; a token that is none is nobody's."""
    try:
        return (await caller_of(request)).admin
    except (KeyRefused, Forbidden):
        return False


def _newcomers(parts: ApiParts) -> Newcomers:
    return Newcomers(parts.database, parts.first_password)


def _keys(request: Request) -> Keys:
    keys: Keys = request.app.state.keys
    return keys


def _key(request: Request) -> bytes:
    return _keys(request).seals.key(PURPOSE)
