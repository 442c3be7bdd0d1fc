"""The application: parts in, ASGI out."""

from collections.abc import Sequence

from fastapi import FastAPI

from framemill import __version__
from framemill.api import errors
from framemill.api.auth import Keys
from framemill.api.counting import Counting, HttpCounts
from framemill.api.door import Door, mounts_of, opened, refuse_unfit_settings, refuse_unfit_tariffs
from framemill.api.doors import DOORS
from framemill.api.idempotency import Idempotency
from framemill.api.native import documents, health, metrics, telling
from framemill.api.native.routes import ROUTERS
from framemill.api.parts import ApiParts, FarmFacts
from framemill.api.routing import include
from framemill.api.urls import Paths
from framemill.api.wire import Wire
from framemill.services.feed import Feed
from framemill.services.idempotency import Once
from framemill.store.writer import Writer

__all__ = ["ApiParts", "FarmFacts", "create_app"]


def create_app(parts: ApiParts, doors: Sequence[Door] = DOORS) -> FastAPI:
    """The API over these parts, and the other doors; it starts nothing and reads no environment."""
    refuse_unfit_tariffs(parts.tariffs, doors)
    refuse_unfit_settings(parts.doors, doors)
    app = FastAPI(title="Framemill", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.parts = parts
    app.state.writer = writer = Writer(parts.database)
    app.state.keys = Keys(parts.admin_key, parts.database, parts.seals)
    app.state.counts = HttpCounts(parts.counts_folder)
    app.state.feed = Feed(parts.database, telling.body, parts.farm.progress_of)
    errors.install(app)
    include(app, health.routes, metrics.routes, documents.routes)
    include(app, *ROUTERS, prefix="/v1")
    once = Once(parts.database, parts.seals, writer)
    for door in doors:
        app.mount(door.mount, opened(door, app.state, once))
    app.add_middleware(Idempotency, once=once)
    app.add_middleware(
        Paths,
        public_url=parts.public_url,
        hosts=mounts_of(parts.hosts, doors),
        mounts=tuple(door.mount for door in doors),
        trusted=parts.trusted_proxies,
    )
    app.add_middleware(Counting, counts=app.state.counts)
    app.add_middleware(Wire, tells_id=parts.tells_request_id)
    return app
