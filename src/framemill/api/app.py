"""The application: parts in, ASGI out."""

from fastapi import FastAPI

from framemill import __version__
from framemill.api import errors
from framemill.api.auth import Keys
from framemill.api.native import farm, health, jobs
from framemill.api.parts import ApiParts, FarmFacts
from framemill.api.wire import Wire

__all__ = ["ApiParts", "FarmFacts", "create_app"]


def create_app(parts: ApiParts) -> FastAPI:
    """The API over these parts; it starts nothing and reads no environment."""
    app = FastAPI(title="Framemill", version=__version__, openapi_url="/v1/openapi.json", docs_url=None, redoc_url=None)
    app.state.parts = parts
    app.state.keys = Keys(parts.admin_key)
    errors.install(app)
    app.include_router(health.routes)
    app.include_router(jobs.routes, prefix="/v1")
    app.include_router(farm.routes, prefix="/v1")
    app.add_middleware(Wire, tells_id=parts.tells_request_id)
    return app
