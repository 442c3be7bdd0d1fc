"""The application: parts in, ASGI out."""

from fastapi import FastAPI

from framemill import __version__
from framemill.api import errors
from framemill.api.auth import Keys
from framemill.api.counting import Counting, HttpCounts
from framemill.api.idempotency import Idempotency
from framemill.api.native import documents, health, metrics, telling
from framemill.api.native.routes import ROUTERS
from framemill.api.parts import ApiParts, FarmFacts
from framemill.api.urls import Paths
from framemill.api.wire import Wire
from framemill.services.feed import Feed
from framemill.services.idempotency import Once

__all__ = ["ApiParts", "FarmFacts", "create_app"]


def create_app(parts: ApiParts) -> FastAPI:
    """The API over these parts; it starts nothing and reads no environment."""
    app = FastAPI(title="Framemill", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.parts = parts
    app.state.keys = Keys(parts.admin_key, parts.database, parts.seals)
    app.state.counts = HttpCounts(parts.counts_folder)
    app.state.feed = Feed(parts.database, telling.body, parts.farm.progress_of)
    errors.install(app)
    app.include_router(health.routes)
    app.include_router(metrics.routes)
    app.include_router(documents.routes)
    for router in ROUTERS:
        app.include_router(router, prefix="/v1")
    app.add_middleware(Idempotency, once=Once(parts.database, parts.seals))
    app.add_middleware(Paths, public_url=parts.public_url)
    app.add_middleware(Counting, counts=app.state.counts)
    app.add_middleware(Wire, tells_id=parts.tells_request_id)
    return app
