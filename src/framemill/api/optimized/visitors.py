"""Who asks: users of the media server, as it says itself by the token that they show."""

import asyncio
import hashlib
import hmac
import logging
import re
import time
from http import HTTPStatus
from typing import Any

import httpx
from fastapi import Request

from framemill.api.auth import Known
from framemill.api.optimized.asked import NAME, options_in
from framemill.api.optimized.note import note_of
from framemill.api.optimized.tokens import shown_as, token_of
from framemill.api.parts import ApiParts
from framemill.errors import FarmError, Forbidden, KeyRefused
from framemill.jobs.model import could_be_id
from framemill.secrets import mask_url
from framemill.services.accounts import ensure_account
from framemill.services.callers import Caller
from framemill.store.database import Database
from framemill.store.jobs import load_bare_job

KNOWN_SECONDS = 30.0
"""How long a replica takes a token as it was: so long after it was revoked it may still open that replica's door."""
REFUSED_SECONDS = 5.0
"""How long a replica goes on refusing a token that was none, and does not ask the server each time."""
_MOST_KNOWN = 10_000
_SECONDS = 5.0
_USER_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_AWAY = "Jellyfin does not answer: try again in a moment."
"""Where it is, strangers are not told: that is an address of the operator's own network, with whatever opens it."""

_MOVED = (
    "Jellyfin sends the farm elsewhere: whoever runs the farm puts Jellyfin's base path (/jellyfin), or its new "
    "address, into doors.optimized.jellyfin_url."
)

log = logging.getLogger(__name__)


class Away(FarmError):
    """The media server does not say whose token that is: it neither takes it nor refuses it."""


class Visitors:
    """Tokens that were good a moment ago, and whose they are; and those that were not."""

    def __init__(self, known_seconds: float = KNOWN_SECONDS, refused_seconds: float = REFUSED_SECONDS) -> None:
        self._known_seconds = known_seconds
        self._refused_seconds = refused_seconds
        self._known: dict[bytes, tuple[float, Known]] = {}
        self._refused: dict[bytes, tuple[float, str]] = {}

    async def known(self, token: str, url: str, database: Database) -> Known:
        """Whose token it is; their account is made when they come for the first time.

        Raises `KeyRefused`, `Forbidden` (their account is suspended), and `Away` where the server does not answer.
        """
        name, now = hashlib.sha256(f"{url} {token}".encode()).digest(), time.monotonic()
        until, found = self._known.get(name, (0.0, None))
        if found is None or until < now:
            self._known.pop(name, None)
            found = await _introduced(f"{NAME}:{await self._user(name, token, url)}", database)
            self._known[name] = (now + self._known_seconds, found)
            _shortened(self._known)
        return found

    async def _user(self, name: bytes, token: str, url: str) -> str:
        until, why = self._refused.get(name, (0.0, ""))
        if time.monotonic() < until:
            raise KeyRefused(why)
        try:
            return await _user_of(token, url)
        except KeyRefused as error:
            self._refused[name] = (time.monotonic() + self._refused_seconds, error.message)
            _shortened(self._refused)
            raise


def _shortened(remembered: dict[bytes, Any]) -> None:
    while len(remembered) > _MOST_KNOWN:  # the oldest
        del remembered[next(iter(remembered))]


async def visitor(request: Request) -> Known:
    """Who asks at this door. Raises as `Visitors.known`."""
    parts: ApiParts = request.app.state.parts
    url = options_in(parts).jellyfin_url
    token = token_of(request.headers)
    if not token:
        raise KeyRefused("Unauthorized: send the access token of a Jellyfin user as Authorization.")
    if url is None:
        raise KeyRefused("Unauthorized: this farm knows no Jellyfin; its operator sets doors.optimized.jellyfin_url.")
    visitors: Visitors | None = getattr(request.app.state, _STATE, None)
    if visitors is None:
        visitors = Visitors()
        setattr(request.app.state, _STATE, visitors)
    return await visitors.known(token, url, parts.database)


async def holder(request: Request) -> Known:
    """The same of whoever fetches a film: while the server is away, whoever shows the token that the film came with is
    its user. Raises as `visitor`."""
    try:
        return await visitor(request)
    except Away:
        parts: ApiParts = request.app.state.parts
        job_id, token = request.path_params["job_id"], token_of(request.headers)
        account = await asyncio.to_thread(_owner, parts, job_id, token)
        if account is None:
            raise
        return await _introduced(account, parts.database)


def _owner(parts: ApiParts, job_id: str, token: str) -> str | None:
    """Whose that film is, where it came with that token."""
    with parts.database.reading() as conn:
        job = load_bare_job(conn, job_id) if could_be_id(job_id) else None
    if job is None or job.door != NAME:
        return None
    try:
        known = parts.seals.opened(note_of(job).sealed_token)
    except KeyRefused:
        return None
    return job.account if hmac.compare_digest(known.encode(), token.encode()) else None


_STATE = f"{NAME}_visitors"


async def _user_of(token: str, url: str) -> str:
    """The id of the user whose token it is, as the server says."""
    try:
        async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as client:
            answer = await client.get(f"{url}/Users/Me", headers=shown_as(token))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _away(url, type(error).__name__) from None
    if answer.is_redirect:
        log.warning("%s: %s answers %d. %s", NAME, mask_url(url), answer.status_code, _MOVED)
        raise Away(_MOVED)
    if answer.is_server_error:
        raise _away(url, str(answer.status_code))
    told = _json(answer) if answer.status_code == HTTPStatus.OK else {}
    user = told.get("Id") if isinstance(told, dict) else None
    if not isinstance(user, str) or not _USER_ID.fullmatch(user):
        raise KeyRefused("Authentication failed: Jellyfin does not take this token. Log in there anew.")
    return user.replace("-", "").lower()


def _away(url: str, why: str) -> Away:
    log.warning("Jellyfin does not answer at %s (%s)", mask_url(url), why)
    return Away(_AWAY)


async def _introduced(account_id: str, database: Database) -> Known:
    account = await asyncio.to_thread(ensure_account, database, account_id)
    if account.state == "suspended":
        raise Forbidden("The account is suspended: ask whoever runs the farm.")
    scopes = frozenset({"jobs:read", "jobs:write"})
    return Known(Caller(account=account.id, scopes=scopes, actor=f"user:{account.id}"), account.quotas)  # type: ignore[arg-type]


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return {}
