"""The routers about who may ask."""

from fastapi import APIRouter

from framemill.api.native import accounts, audit, keys, ledger, sessions, usage, users

ROUTERS: tuple[APIRouter, ...] = (
    *(keys.routes, accounts.routes, ledger.routes, users.routes, sessions.routes, usage.routes, audit.routes),
)
