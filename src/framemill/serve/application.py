"""The API as a Ray Serve application: stateless replicas, each with its own door to the store."""

from fastapi import FastAPI
from ray import serve
from ray.serve._private.constants import RAY_SERVE_ENABLE_HA_PROXY, RAY_SERVE_HAPROXY_STATS_PORT

from framemill.api.app import create_app
from framemill.api.parts import ApiParts
from framemill.config import Settings, load_settings
from framemill.farm.actors import log_as
from framemill.farm.place import HEAD_RESOURCE
from framemill.serve.facts import CoordinatorFacts
from framemill.serve.fronting import not_fronted
from framemill.serve.place import file_place, place_of
from framemill.serve.secrets import admin_key_of, seals_of
from framemill.storage.http import is_loopback
from framemill.store.database import Database

REPLICAS = 2
"""One may die while the other answers."""


def build_app() -> FastAPI:
    """The application of one replica, from the settings of its environment."""
    settings = load_settings()
    log_as(place_of(settings), "api")
    return create_app(parts_of(settings))


def parts_of(settings: Settings) -> ApiParts:
    """What an application of the farm stands on."""
    facts = CoordinatorFacts()
    return ApiParts(
        database=Database(settings.database_url),
        nudge=facts.nudge,
        admin_key=admin_key_of(settings),
        seals=seals_of(settings),
        farm=facts,
        files=file_place(settings, "haproxy" if RAY_SERVE_ENABLE_HA_PROXY else "python"),
        public_url=settings.public_url,
        # Serve's HAProxy stands before the replicas and does not tell who has asked it: headers can be believed
        # only where nobody but this machine's own proxy reaches it.
        trusted_proxies=settings.trusted_proxies if is_loopback(f"//{settings.host}") else (),
        allowed_networks=settings.allowed_networks,
        metrics_open=settings.metrics_open,
        counts_folder=settings.folder.counts,
        tells_request_id=False,  # Serve does
        not_fronted=(lambda: not_fronted(RAY_SERVE_HAPROXY_STATS_PORT)) if RAY_SERVE_ENABLE_HA_PROXY else lambda: "",
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


app = Api.bind()  # type: ignore[attr-defined]
"""For `serve run` and `serve deploy`; `deploy/serve.yaml` says what they take."""
