"""Unit tests decide and compare: none of them may start a Ray."""

from collections.abc import Iterator
from typing import NoReturn

import pytest
import ray


@pytest.fixture(autouse=True, scope="module")
def _no_ray() -> Iterator[None]:
    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        pytest.fail("a unit test called ray.init; mark it `farm` and move it out of tests/unit")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray, "init", refuse)
        yield
