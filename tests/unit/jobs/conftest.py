"""A job to move, and a clock that is a value."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from framemill.jobs.model import Job

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    """When the job is made."""
    return NOON


@pytest.fixture
def make_job() -> Callable[..., Job]:
    """A job with everything at its default, but for what is named."""

    def make(**fields: Any) -> Job:
        return Job(**{"id": "j", "account": "a", "door": "cli", "created_at": NOON, **fields})

    return make
