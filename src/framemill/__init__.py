"""Framemill: a self-hosted video transcoding farm.

Ray reads `RAY_ENABLE_UV_RUN_RUNTIME_ENV` when it is imported. Left on, a driver under `uv run` zips its whole
working directory into the cluster and starts every worker in a fresh environment; so it is off before anybody can
import Ray.
"""

import os

os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")

__version__ = "0.1.0"
