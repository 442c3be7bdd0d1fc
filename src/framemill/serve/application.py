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
from framemill.serve.farmfile import admin_key_of, admin_password_of
from framemill.serve.fronting import not_fronted
from framemill.serve.newcomers import registration
from framemill.serve.place import file_place, place_of
from framemill.serve.prefixed import believed_proxies
from framemill.serve.secrets import seals_of
from framemill.storage.credentials import named_credentials
from framemill.storage.roots import Roots
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
        hosts=settings.hosts,
        trusted_proxies=believed_proxies(settings),
        allowed_networks=settings.allowed_networks,
        roots=Roots(settings.media_roots, closed=(settings.data_dir,)),
        credentials=named_credentials(settings.credentials),
        tariffs=settings.tariffs,
        doors=settings.doors,
        registration=registration(settings),
        first_password=admin_password_of(settings),
        metrics_open=settings.metrics_open,
        counts_folder=settings.folder.counts,
        tells_request_id=False,  # Serve does
        not_fronted=(lambda: not_fronted(RAY_SERVE_HAPROXY_STATS_PORT)) if RAY_SERVE_ENABLE_HA_PROXY else lambda: "",
    )


@serve.deployment(
    name="api",
    num_replicas=REPLICAS,
    max_ongoing_requests=1000,
    ray_actor_options={
        "num_cpus": 0,
        # With SQLite every process that writes stands on the head.
        "resources": {HEAD_RESOURCE: 0.001},
        # Serve's other way, a second thread, wakes it up and is woken up by it for each part of a request and of its
        # answer. Nothing here blocks the event loop.
        "runtime_env": {"env_vars": {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0"}},
    },
    health_check_period_s=2,
    health_check_timeout_s=5,
    graceful_shutdown_timeout_s=2,
)
@serve.ingress(build_app)
class Api:
    """A replica."""


app = Api.bind()  # type: ignore[attr-defined]
"""For `serve run` and `serve deploy`; `deploy/serve.yaml` says what they take."""
