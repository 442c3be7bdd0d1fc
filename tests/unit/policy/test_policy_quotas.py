"""What quotas say to a job and to an upload."""

from datetime import UTC, datetime

import pytest

from framemill.errors import Forbidden, QuotaExceeded, TooLarge, TooMany
from framemill.jobs.accounts import Quotas
from framemill.jobs.model import Limits
from framemill.policy.quotas import (
    JobsSoFar,
    MaterialSoFar,
    UploadsSoFar,
    allow_job,
    allow_material,
    allow_priority,
    allow_upload,
    day_of,
    first_of_month,
    limits_material,
    seconds_to_midnight,
    tightened,
    too_large,
    too_short,
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


@pytest.mark.parametrize(
    ("quotas", "so_far"),
    [
        (Quotas(encode_minutes_per_month=1), MaterialSoFar(month_seconds=50)),
        (Quotas(kept_minutes=1), MaterialSoFar(kept_seconds=50)),
    ],
)
def test_material_may_fill_a_quota_and_not_exceed_it(quotas: Quotas, so_far: MaterialSoFar) -> None:
    assert limits_material(quotas)
    allow_material(quotas, so_far)
    allow_material(quotas, so_far, 10)
    with pytest.raises(QuotaExceeded):
        allow_material(quotas, so_far, 10.1)
    full = MaterialSoFar(60, 60)
    allow_material(quotas, full, 0)
    with pytest.raises(QuotaExceeded):  # nobody knows how long it is; but not how little is left
        allow_material(quotas, full)


def test_views_are_a_quota_of_what_comes_next() -> None:
    allow_material(Quotas(views_per_month=5), MaterialSoFar(month_views=4))
    with pytest.raises(QuotaExceeded, match="5 times this month"):
        allow_material(Quotas(views_per_month=5), MaterialSoFar(month_views=5))
    assert not limits_material(Quotas(stored_bytes=1))


def test_a_month_begins_with_its_first_day_in_utc() -> None:
    assert first_of_month(EVENING).isoformat() == "2030-05-01"


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


@pytest.mark.parametrize(
    ("least", "seconds", "says"),
    [(None, 1.0, None), (5.9, 5.9, None), (5.9, None, None), (5.9, 3.0, "lasts 3 s, and 5.9 s at least")],
)
def test_a_source_that_lasts_less_than_it_should_was_cut_off(
    least: float | None, seconds: float | None, says: str | None
) -> None:
    told = too_short(Limits(min_input_seconds=least), seconds)
    assert told is None if says is None else says in str(told)
