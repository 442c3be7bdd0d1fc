"""Routers in an application, once worked out for every application of the process."""

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

_INCLUDED: dict[tuple[int, str], tuple[APIRouter, list[BaseRoute]]] = {}
"""By the identity of a router, which is kept here so that no other one gets it, and the prefix."""


def include(app: FastAPI, *routers: APIRouter, prefix: str = "") -> None:
    """As `include_router` does it, but that the next application finds worked out what its routes take.

    FastAPI works that out at the first request, route by route, and keeps it with what `include_router` has made:
    some seconds for all of them, of which one process with many applications (as tests are) would have each pay.
    """
    for router in routers:
        app.router.routes.extend(_included(router, prefix))


def _included(router: APIRouter, prefix: str) -> list[BaseRoute]:
    found = _INCLUDED.get((id(router), prefix))
    if found is None:
        whole = APIRouter()
        whole.include_router(router, prefix=prefix)
        found = _INCLUDED.setdefault((id(router), prefix), (router, whole.routes))
    return found[1]
