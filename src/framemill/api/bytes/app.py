"""The application of bytes, mounted at `/files`."""

from collections.abc import Sequence

from fastapi import FastAPI, Request, Response
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

from framemill.api import errors
from framemill.api.auth import Keys
from framemill.api.bytes import files, puts, tus
from framemill.api.door import Door, opened_for_bytes
from framemill.api.doors import DOORS
from framemill.api.parts import ApiParts
from framemill.api.routing import include
from framemill.api.wire import Wire
from framemill.services.limits import FailedLogins

_ANY_NUMBER = 1 << 62

_TOLD = (
    *("ETag", "Last-Modified", "Content-Range", "Accept-Ranges", "Content-Disposition", "Repr-Digest"),
    *("Location", "Upload-Offset", "Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Expires"),
    *("Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm"),
    *("Retry-After", "X-Request-Id"),
)
"""Headers that a page of another origin may read."""
_METHODS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS")
_PREFLIGHT_SECONDS = 24 * 3600


def create_bytes_app(parts: ApiParts, doors: Sequence[Door] = DOORS) -> FastAPI:
    """Uploads and downloads over these parts; it starts nothing and reads no environment."""
    app = FastAPI(title="Framemill: bytes", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.parts = parts
    app.state.guesses = FailedLogins()
    app.state.keys = Keys(parts.admin_key, parts.database, parts.seals)
    errors.install(app)

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody is there to read it

    include(app, files.routes, puts.routes, tus.routes)
    for door in doors:
        if door.bytes:
            app.mount(door.mount, opened_for_bytes(door, app.state))
    # Whoever has a link may use it from any page: it carries its own permission, and no cookies count here.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=_METHODS,
        allow_headers=["*"],
        expose_headers=_TOLD,
        max_age=_PREFLIGHT_SECONDS,
    )
    app.add_middleware(Wire, tells_id=parts.tells_request_id, body_bytes=_ANY_NUMBER)
    return app
