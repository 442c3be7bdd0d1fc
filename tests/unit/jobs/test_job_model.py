"""The values: their defaults, their ids, and that they stay pure."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from framemill.jobs.model import LONGEST_KEPT_SECONDS, ChunkRow, Job, Limits, new_id

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)


def test_ids_sort_by_the_time_they_were_made() -> None:
    ids = [new_id() for _ in range(100)]
    assert ids == sorted(set(ids))
    assert all(len(one) == 36 and one[14] == "7" for one in ids)


def test_times_are_kept_in_utc() -> None:
    job = Job(account="a", door="cli", created_at=NOON.astimezone(timezone(timedelta(hours=2))))
    assert (job.created_at.isoformat(), job.entered_at) == ("2030-05-17T12:00:00+00:00", NOON)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        Job(account="a", door="cli", created_at=NOON.replace(tzinfo=None))


def test_a_chunk_holds_frames() -> None:
    with pytest.raises(ValidationError, match="at least one frame"):
        ChunkRow(job_id="j", output_id="o", number=0, key="k", first_frame=5, end_frame=5)


@pytest.mark.parametrize("seconds", [0, LONGEST_KEPT_SECONDS + 1, 1e12, float("inf"), float("nan")])
def test_how_long_outputs_are_kept_ends_while_there_are_calendars(seconds: float) -> None:
    """What cannot be added to a date would fail the transaction that ends the job, again and again."""
    assert (datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=LONGEST_KEPT_SECONDS)).year == 2130
    with pytest.raises(ValidationError, match="max_kept_seconds"):
        Limits(max_kept_seconds=seconds)


def test_jobs_import_nothing_heavy() -> None:
    heavy = "{'sqlalchemy', 'ray', 'av'} & {name.split('.')[0] for name in sys.modules}"
    script = f"import sys, framemill.jobs.lifecycle; print({heavy})"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
