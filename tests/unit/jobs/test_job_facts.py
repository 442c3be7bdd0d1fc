"""What a probe's facts say, and what they do not."""

from typing import Any

import pytest

from framemill.jobs.facts import seconds_of


@pytest.mark.parametrize(
    ("facts", "seconds"),
    [
        ({"format": {"duration": "60.040000"}}, 60.04),
        ({"format": {"duration": "N/A"}}, None),
        ({"format": {"duration": "nan"}}, None),
        ({"format": {"duration": "inf"}}, None),
        ({"format": {"duration": None}}, None),
        ({"format": {}}, None),
        ({"format": None}, None),
        ({}, None),
        (None, None),
    ],
)
def test_how_long_a_source_is(facts: dict[str, Any] | None, seconds: float | None) -> None:
    assert seconds_of(facts) == seconds
