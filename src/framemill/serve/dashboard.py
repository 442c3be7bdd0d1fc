"""The dashboard as a Ray Serve application: one replica, since the pages that are open live in its process."""

from fastapi import FastAPI
from ray import serve

from framemill.config import load_settings
from framemill.dashboard.app import create_dashboard
from framemill.dashboard.parts import DashboardParts
from framemill.farm.actors import log_as
from framemill.farm.place import HEAD_RESOURCE
from framemill.serve.facts import CoordinatorFacts
from framemill.serve.farmfile import admin_key_of
from framemill.serve.place import file_place, place_of
from framemill.serve.prefixed import Prefixed, believed_proxies
from framemill.serve.secrets import seals_of
from framemill.services.sessions import Sessions
from framemill.services.visitors import Visitors
from framemill.store.database import Database


def build_dashboard() -> FastAPI:
    """The dashboard, from the settings of its environment."""
    settings = load_settings()
    log_as(place_of(settings), "dashboard")
    database, facts, seals = Database(settings.database_url), CoordinatorFacts(), seals_of(settings)
    app = create_dashboard(
        DashboardParts(
            database=database,
            nudge=facts.nudge,
            farm=facts,
            visitors=Visitors(Sessions(database, seals), admin_key_of(settings)),
            seals=seals,
            files=file_place(settings),
            logs=settings.folder.logs,
        )
    )
    app.add_middleware(Prefixed, trusted=believed_proxies(settings), public_url=settings.public_url)
    return app


@serve.deployment(
    name="dashboard",
    num_replicas=1,
    max_ongoing_requests=1000,
    ray_actor_options={"num_cpus": 0, "resources": {HEAD_RESOURCE: 0.001}},
    health_check_period_s=2,
    health_check_timeout_s=5,
    graceful_shutdown_timeout_s=2,
)
@serve.ingress(build_dashboard)
class Dashboard:
    """The replica."""


app = Dashboard.bind()  # type: ignore[attr-defined]
"""For `serve deploy`; `deploy/serve.yaml` says what it takes."""
