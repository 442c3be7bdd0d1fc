"""Uploads and downloads as a Ray Serve application of its own, at `/files` of the same port."""

from fastapi import FastAPI
from ray import serve
from ray.serve._private.constants import RAY_SERVE_ENABLE_HA_PROXY

from framemill.api.bytes.app import create_bytes_app
from framemill.config import load_settings
from framemill.farm.actors import log_as
from framemill.farm.place import HEAD_RESOURCE
from framemill.serve.application import parts_of
from framemill.serve.place import place_of
from framemill.serve.unhurried import Unhurried

REPLICAS = 2
"""One may die while the other answers; what it was sending or taking is gone on with by ranges and tus."""


def build_bytes_app() -> FastAPI:
    """The application of one replica, from the settings of its environment."""
    settings = load_settings()
    log_as(place_of(settings), "bytes")
    app = create_bytes_app(parts_of(settings))
    app.add_middleware(Unhurried, haproxy=RAY_SERVE_ENABLE_HA_PROXY)
    return app


@serve.deployment(
    name="bytes",
    num_replicas=REPLICAS,
    max_ongoing_requests=1000,
    ray_actor_options={
        "num_cpus": 0,
        "resources": {HEAD_RESOURCE: 0.001},
        # Serve's other way, a second thread, hands over what is sent through a queue without a limit, too. Nothing
        # here blocks the event loop.
        "runtime_env": {"env_vars": {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0"}},
    },
    health_check_period_s=2,
    health_check_timeout_s=10,
    graceful_shutdown_timeout_s=10,
)
@serve.ingress(build_bytes_app)
class Bytes:
    """A replica."""


app = Bytes.bind()  # type: ignore[attr-defined]
"""For `serve run` and `serve deploy`; `deploy/serve.yaml` says what they take."""
