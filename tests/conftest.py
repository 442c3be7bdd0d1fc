"""What every test shares."""

import gc

import pytest
from hypothesis import HealthCheck, settings

# Framemill has to come before Ray: it switches off Ray's `uv run` hook, which Ray reads when it is imported.
import framemill  # noqa: F401

# Times are noisy: no example fails for being slow, as the first one is that imports something.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# What is imported stays to the end. Looking through it for garbage, time and again, took a sixth of the tests' time.
gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Look for garbage from now on, and only among what the tests make."""
    gc.freeze()
    gc.enable()
