"""The API as a Ray Serve application: stateless replicas, each with its own door to the store."""

from fastapi import FastAPI
from ray import serve

from framemill.api.app import create_app
from framemill.api.parts import ApiParts
from framemill.config import load_settings
from framemill.farm.actors import log_as
from framemill.farm.place import HEAD_RESOURCE
from framemill.sealing import Seals
from framemill.serve.facts import CoordinatorFacts
from framemill.serve.farmfile import make_secret
from framemill.serve.place import place_of
from framemill.store.database import Database

REPLICAS = 2
"""One may die while the other answers."""


def build_app() -> FastAPI:
    """The application of one replica, from the settings of its environment."""
    settings = load_settings()
    log_as(place_of(settings), "api")
    facts = CoordinatorFacts()
    key, secret = settings.admin_key, settings.secret_key
    return create_app(
        ApiParts(
            database=Database(settings.database_url),
            nudge=facts.nudge,
            admin_key=key.get_secret_value() if key is not None else make_secret(settings.folder.admin_key),
            seals=Seals(secret.get_secret_value() if secret is not None else make_secret(settings.folder.secret_key)),
            farm=facts,
            public_url=settings.public_url,
            tells_request_id=False,  # Serve does
        )
    )


@serve.deployment(
    name="api",
    num_replicas=REPLICAS,
    max_ongoing_requests=1000,
    # With SQLite every process that writes stands on the head.
    ray_actor_options={"num_cpus": 0, "resources": {HEAD_RESOURCE: 0.001}},
    health_check_period_s=2,
    health_check_timeout_s=5,
    graceful_shutdown_timeout_s=2,
)
@serve.ingress(build_app)
class Api:
    """A replica."""
