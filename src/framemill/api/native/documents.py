"""What the API tells of itself: an index, the OpenAPI document, and a page that shows it without the internet."""

import functools
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse

from framemill import __version__
from framemill.api.asked import ApiUrl
from framemill.api.document import describe
from framemill.api.native import probe_schemas as told
from framemill.errors import NotFound

routes = APIRouter(prefix="/v1", tags=["health"])

_ASSETS = Path(__file__).parents[1] / "assets"
_FILES = {
    **{name: _ASSETS / name for name in ("docs.js", "docs.css")},
    **{name: _ASSETS / "swagger-ui" / name for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")},
}
_HEADERS = {
    # Swagger UI writes styles into its elements, and its icons are data.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@routes.get("", summary="Where what is")
async def index(api: ApiUrl) -> told.Index:
    """Takes no key."""
    return told.Index(
        name="Framemill",
        version=__version__,
        openapi_url=f"{api}/openapi.json",
        docs_url=f"{api}/docs",
        jobs_url=f"{api}/jobs",
        presets_url=f"{api}/presets",
        stats_url=f"{api}/stats",
    )


@routes.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request, api: ApiUrl) -> JSONResponse:
    """The document, with the server that the client has asked."""
    return JSONResponse({**_described(request.app), "servers": [{"url": api.removesuffix("/v1")}]})


@routes.get("/docs", include_in_schema=False)
async def docs() -> HTMLResponse:
    """The page; what it loads comes from here."""
    return HTMLResponse(_page(), headers=_HEADERS)


@routes.get("/docs/", include_in_schema=False)
async def docs_folder(api: ApiUrl) -> RedirectResponse:
    """The page's addresses are relative to the one without the slash."""
    return RedirectResponse(f"{api}/docs", 308)


@routes.get("/docs/{name}", include_in_schema=False)
async def asset(name: str) -> FileResponse:
    """One of the page's own files."""
    if name not in _FILES:
        raise NotFound(f"The page has no file {name!r}.")
    return FileResponse(_FILES[name], headers={**_HEADERS, "Cache-Control": "public, max-age=86400"})


@functools.cache
def _page() -> str:
    return (_ASSETS / "docs.html").read_text("utf-8")


@functools.lru_cache(maxsize=4)
def _described(app: FastAPI) -> dict[str, Any]:
    return describe(app)
