"""What quotas say to a job and to an upload."""

from datetime import UTC, datetime

import pytest

from framemill.errors import Forbidden, TooLarge, TooMany
from framemill.jobs.accounts import Quotas
from framemill.jobs.model import Limits
from framemill.policy.quotas import (
    JobsSoFar,
    UploadsSoFar,
    allow_job,
    allow_priority,
    allow_upload,
    day_of,
    seconds_to_midnight,
    tightened,
    too_large,
)

EVENING = datetime(2030, 5, 17, 23, 0, tzinfo=UTC)
MUCH = 10**15


def test_without_quotas_everything_is_allowed() -> None:
    allow_job(Quotas(), JobsSoFar(MUCH, MUCH), priority=MUCH, outputs=MUCH, now=EVENING)
    allow_upload(Quotas(), UploadsSoFar(MUCH, MUCH, MUCH), MUCH, EVENING)
    assert tightened(Limits(max_input_bytes=3), Quotas()) == Limits(max_input_bytes=3)


@pytest.mark.parametrize(
    ("quotas", "kind"),
    [
        (Quotas(jobs_per_day=5), TooMany),
        (Quotas(queued_jobs=3), TooMany),
        (Quotas(max_priority=1), Forbidden),
        (Quotas(max_outputs=3), Forbidden),
    ],
)
def test_each_quota_of_jobs_is_reached_and_not_exceeded(quotas: Quotas, kind: type[Exception]) -> None:
    allow_job(quotas, JobsSoFar(4, 2), priority=1, outputs=3, now=EVENING)
    with pytest.raises(kind):
        allow_job(quotas, JobsSoFar(5, 3), priority=2, outputs=4, now=EVENING)


@pytest.mark.parametrize(
    ("quotas", "kind"),
    [
        (Quotas(upload_bytes=10), TooLarge),
        (Quotas(concurrent_uploads=2), TooMany),
        (Quotas(upload_bytes_per_day=110), TooMany),
        (Quotas(stored_bytes=1010), Forbidden),
    ],
)
def test_each_quota_of_uploads_is_reached_and_not_exceeded(quotas: Quotas, kind: type[Exception]) -> None:
    allow_upload(quotas, UploadsSoFar(1, 1000, 100), 10, EVENING)
    with pytest.raises(kind):
        allow_upload(quotas, UploadsSoFar(2, 1000, 100), 11, EVENING)


def test_a_quota_of_a_day_says_when_the_next_begins() -> None:
    with pytest.raises(TooMany) as refused:
        allow_job(Quotas(jobs_per_day=0), JobsSoFar(), priority=0, outputs=1, now=EVENING)
    assert refused.value.retry_seconds == seconds_to_midnight(EVENING) == 3600
    assert day_of(datetime.fromisoformat("2030-05-18T01:30:00+02:00")) == "2030-05-17"


def test_an_account_tightens_what_its_jobs_may_use() -> None:
    quotas = Quotas(max_input_bytes=10, max_input_seconds=60, max_process_seconds=100)
    assert tightened(Limits(max_input_bytes=20, max_process_seconds=50, max_spend=7), quotas) == Limits(
        max_input_bytes=10, max_input_seconds=60, max_process_seconds=50, max_spend=7
    )
    allow_priority(Quotas(max_priority=-5), -5)
    with pytest.raises(Forbidden):
        allow_priority(Quotas(max_priority=-5), -4)


def test_a_source_within_and_over_its_limits() -> None:
    limits = Limits(max_input_bytes=10, max_input_seconds=60)
    assert too_large(limits, 10, 60) is None
    assert too_large(limits, 10, None) is None
    assert "11 bytes" in (too_large(limits, 11, 1) or "")
    assert "60.5 s" in (too_large(limits, 1, 60.5) or "")
    assert too_large(Limits(), MUCH, 1e9) is None
