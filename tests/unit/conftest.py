"""Unit tests decide and compare: none of them may start a Ray."""

from typing import NoReturn

import pytest
import ray


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        pytest.fail("a unit test called ray.init; mark it `farm` and move it out of tests/unit")

    monkeypatch.setattr(ray, "init", refuse)
