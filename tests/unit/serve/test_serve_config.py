"""`deploy/serve.yaml`: what `serve deploy` is given, and that it finds the applications there."""

import importlib
import warnings
from pathlib import Path

import yaml

from framemill.dashboard.links import MOUNT as PAGES
from framemill.services.links import MOUNT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Serve's own, of what it imports
    from ray.serve import Application
    from ray.serve.schema import ServeDeploySchema

CONFIG = Path(__file__).parents[3] / "deploy" / "serve.yaml"


def test_serve_takes_the_file_and_finds_the_applications() -> None:
    config = ServeDeploySchema.model_validate(yaml.safe_load(CONFIG.read_text()))

    assert {one.name: one.route_prefix for one in config.applications} == {
        **{"api": "/", "bytes": MOUNT, "dashboard": PAGES},
    }
    for one in config.applications:
        module, _, name = one.import_path.partition(":")
        assert isinstance(getattr(importlib.import_module(module), name), Application)
