"""What the door tells of itself without a key: its conversions, its statuses, its schema."""

from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.openapi.utils import get_openapi

from framemill import __version__
from framemill.api.door import door_url
from framemill.api.onlineconvert import catalogue
from framemill.api.onlineconvert.answers import listed
from framemill.api.onlineconvert.names import MOUNT

routes = APIRouter()
_FARTHEST = 1_000_000
_Word = Annotated[str | None, Query(max_length=100)]


@routes.get("/conversions")
async def conversions(
    category: _Word = None, target: _Word = None, page: Annotated[int, Query(ge=1, le=_FARTHEST)] = 1
) -> Response:
    """What files may be converted into, 50 at a time; behind the last page is nothing."""
    found, count = catalogue.page(category or None, target or None, page)
    return listed(found, count=count)


@routes.get("/schema")
async def schema(request: Request) -> dict[str, Any]:
    """The OpenAPI document of this door."""
    return {**_described(request.app), "servers": [{"url": door_url(request, MOUNT)}]}


@routes.get("/openapi.json")
async def openapi(request: Request) -> dict[str, Any]:
    """The same."""
    return await schema(request)


@lru_cache(maxsize=4)
def _described(app: FastAPI) -> dict[str, Any]:
    return get_openapi(
        title=app.title,
        version=__version__,
        description="Framemill, a self-hosted farm, in the words of this API.",
        terms_of_service="https://www.apache.org/licenses/LICENSE-2.0",
        contact={"name": "Whoever runs this farm", "email": "operator@localhost"},
        routes=app.routes,
    )
