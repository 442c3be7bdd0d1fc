"""Puts the farm's actors and its API on the head that stands, and ends: `python -m framemill.serve.deploy`.

Harmless when they are there already: a head that came back with its cluster's state has them.
"""

import contextlib

import ray
from ray import serve

from framemill.config import load_settings, ray_address
from framemill.farm.cluster import assemble
from framemill.farm.place import NAMESPACE
from framemill.serve.application import Api
from framemill.serve.bytes import Bytes
from framemill.serve.dashboard import Dashboard
from framemill.serve.place import make_folders, place_of
from framemill.serve.secrets import keyring_of
from framemill.serve.telling import courier_of
from framemill.services.links import MOUNT
from framemill.store.database import Database


def main() -> None:
    """Deploy what the settings of the environment say, at `RAY_ADDRESS`."""
    settings = load_settings()
    place = place_of(settings)
    with contextlib.closing(Database(place.database)) as database:
        database.create()
        make_folders(database, settings.folder)
    ray.init(ray_address(), namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
    assemble(place, detached=True, keyring=keyring_of, beside=courier_of)
    serve.start(proxy_location="HeadOnly", http_options={"host": settings.host, "port": settings.port})
    serve.run(Api.bind(), name="api", route_prefix="/")  # type: ignore[attr-defined]
    serve.run(Bytes.bind(), name="bytes", route_prefix=MOUNT)  # type: ignore[attr-defined]
    serve.run(Dashboard.bind(), name="dashboard", route_prefix="/dashboard")  # type: ignore[attr-defined]
    ray.shutdown()


if __name__ == "__main__":
    main()
