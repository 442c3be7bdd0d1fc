"""A job's time is counted whatever the clock is set to."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from framemill.farm.elapsed import Moment, note_begun, seconds_between, seconds_since, this_moment
from framemill.storage.local import LocalBlobs

HERE = Moment(boot="here", seconds=100.0)


@pytest.mark.parametrize(
    ("begun", "now", "by_clock", "taken"),
    [
        (HERE, Moment(boot="here", seconds=130.0), 3630.0, 30.0),  # the clock was set an hour ahead
        (HERE, Moment(boot="here", seconds=130.0), -3570.0, 30.0),  # and back
        (HERE, Moment(boot="again", seconds=130.0), 500.0, 500.0),
        (None, HERE, 7.0, 7.0),
        (HERE, None, 7.0, 7.0),
        (None, None, -3600.0, 0.0),
    ],
)
def test_the_kernels_clock_counts_where_it_can(
    begun: Moment | None, now: Moment | None, by_clock: float, taken: float
) -> None:
    assert seconds_between(begun, now, by_clock) == taken


def test_a_later_coordinator_knows_when_an_attempt_began(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert seconds_since(blobs, "job", 1, an_hour_ago) == pytest.approx(3600, abs=60)
    if this_moment() is None:
        pytest.skip("this kernel has no such clock")
    note_begun(blobs, "job", 1)
    assert 0 <= seconds_since(blobs, "job", 1, an_hour_ago) < 60
    assert seconds_since(blobs, "job", 2, an_hour_ago) > 3000
    (noted,) = (tmp_path / "results").iterdir()
    noted.write_text("{")
    assert seconds_since(blobs, "job", 1, an_hour_ago) > 3000
