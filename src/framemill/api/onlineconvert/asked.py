"""Who asks, by a key or by the token of a job, and what this door's routes are handed."""

import asyncio
import re
from typing import Annotated

from fastapi import Depends, Request

from framemill.api.asked import Parts
from framemill.api.auth import Keys, Known, TheCaller, given_key, known_by_key
from framemill.api.idempotency import TheIds
from framemill.api.onlineconvert.names import NAME
from framemill.api.onlineconvert.orders import Orders
from framemill.api.onlineconvert.presets import KIND, Presets
from framemill.api.onlineconvert.prices import tariff_here
from framemill.api.onlineconvert.signing import TheSigning
from framemill.api.onlineconvert.stores import at_of
from framemill.api.onlineconvert.tokens import job_of
from framemill.api.parts import ApiParts
from framemill.api.urls import route_path
from framemill.errors import Forbidden, KeyRefused
from framemill.services.callers import Caller, Scope
from framemill.services.jobs import Jobs
from framemill.services.keepsakes import Keepsakes
from framemill.services.outcomes import Outcomes
from framemill.store.accounts import load_account
from framemill.store.jobs import load_bare_job

KEY_HEADERS = ("x-api2convert-api-key", "x-oc-api-key")
TOKEN_HEADERS = ("x-api2convert-token", "x-oc-token")

_OF_JOB = re.compile(r"/(?:jobs|upload-file|download-file)/([^/]+)(?:/.*)?")
"""Paths of one job. Others are closed to tokens, but for the list of jobs."""
_BEARER = "job:"
"""How the actor is called who has come by a job's token."""


async def known(request: Request) -> Known:
    """Who asks. Raises `KeyRefused`, and `Forbidden` where their account is suspended."""
    key, token = _header(request, KEY_HEADERS), _header(request, TOKEN_HEADERS)
    if key:
        keys: Keys = request.app.state.keys
        try:
            return await keys.known(key)
        except KeyRefused as error:
            raise KeyRefused("Invalid api key") from error
    if token:
        return await _by_token(request, token)
    if not given_key(request):
        raise KeyRefused("Invalid api key: send one as X-Api2convert-Api-Key, or as X-Oc-Api-Key.")
    return await known_by_key(request)


async def _by_token(request: Request, token: str) -> Known:
    parts: ApiParts = request.app.state.parts
    job_id = job_of(parts.seals, token)
    path = route_path(request.scope)
    found = _OF_JOB.fullmatch(path)
    lists = request.method in {"GET", "HEAD"} and path.rstrip("/") == "/jobs"
    if found is None and not lists:
        raise KeyRefused("Invalid api key: a job's token opens that job alone, and this takes your key.")
    if found is not None and found[1].lower() != job_id:
        raise KeyRefused("Invalid token: it is another job's.")
    return await asyncio.to_thread(_bearer, parts, job_id)


def _bearer(parts: ApiParts, job_id: str) -> Known:
    with parts.database.reading() as conn:
        job = load_bare_job(conn, job_id)
        account = None if job is None else load_account(conn, job.account)
    if job is None or job.door != NAME:
        raise KeyRefused("Invalid token: its job is there no more.")
    if account is not None and account.state == "suspended":
        raise Forbidden("The account is suspended: ask whoever runs the farm.")
    caller = Caller(account=job.account, scopes=_SCOPES, actor=f"{_BEARER}{job_id}")
    return Known(caller) if account is None else Known(caller, account.quotas)


_SCOPES: frozenset[Scope] = frozenset({"jobs:read", "jobs:write", "uploads"})
"""What a job's token is good for, on that job."""


def only_job(caller: Caller) -> str | None:
    """The one job that they may see; none: all of their account."""
    return caller.actor.removeprefix(_BEARER) if caller.actor.startswith(_BEARER) else None


def _header(request: Request, names: tuple[str, ...]) -> str:
    return next((said for name in names if (said := request.headers.get(name, "").strip())), "")


async def _jobs(parts: Parts, caller: TheCaller, ids: TheIds) -> Jobs:
    return Jobs(parts.database, parts.nudge, caller=caller, door=NAME, ids=ids, desk=parts.desk_of(caller))


TheJobs = Annotated[Jobs, Depends(_jobs)]


async def _orders(parts: Parts, caller: TheCaller, jobs: TheJobs, signing: TheSigning) -> Orders:
    one_job = only_job(caller) is not None
    return Orders(
        jobs=jobs,
        outcomes=Outcomes(parts.database, jobs),
        seals=parts.seals,
        at=at_of(parts, caller, jobs, one_job=one_job),
        presets=Presets(
            None if one_job else Keepsakes(parts.database, parts.seals, caller=caller, door=NAME, kind=KIND)
        ),
        signing=signing,
        tariff=tariff_here(parts),
    )


TheOrders = Annotated[Orders, Depends(_orders)]
