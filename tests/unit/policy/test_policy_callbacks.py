"""Who hears of what, when a message is tried again, and what ends it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from framemill.jobs.model import Callback, CallbackPolicy, Event, Job
from framemill.jobs.reasons import Reason
from framemill.jobs.states import JobState
from framemill.jobs.telling import Webhook
from framemill.policy.callbacks import (
    ENDS,
    KINDS,
    Answer,
    Verdict,
    after,
    as_of,
    callback_hears,
    time_limit,
    unknown_kinds,
    verdict,
    webhook_hears,
)

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
NATIVE = CallbackPolicy()
ONLINE_CONVERT = CallbackPolicy(
    timeout_seconds=10, first_timeout_seconds=3, retry_seconds=(5.0,) * 10, refusal_is_final=True
)


def event(kind: str, **data: Any) -> Event:
    return Event(seq=1, job_id="j", at=NOON, kind=kind, data=data)


def webhook(**fields: Any) -> Webhook:
    return Webhook(**{"account": "a", "url": "", "sealed_secret": "", "kinds": ENDS, "created_at": NOON, **fields})


def judged(policy: CallbackPolicy, status: int | None, tries: int = 1, **more: Any) -> Verdict:
    return verdict(policy, Answer(status, more.pop("wished", None)), tries, **{"now": NOON, "chance": 0.0, **more})


def in_seconds(seconds: float) -> Verdict:
    return Verdict("waiting", NOON + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("policy", "status", "tries", "expected"),
    [
        (NATIVE, 200, 1, Verdict("delivered")),
        (NATIVE, 204, 4, Verdict("delivered")),
        (NATIVE, 500, 1, in_seconds(60)),
        (NATIVE, 404, 2, in_seconds(300)),
        (NATIVE, None, 3, in_seconds(1800)),
        (NATIVE, 500, 4, Verdict("failed")),
        (NATIVE, 301, 1, in_seconds(60)),
        (NATIVE, 410, 1, Verdict("failed", gone=True)),
        (ONLINE_CONVERT, 404, 1, Verdict("failed")),
        (ONLINE_CONVERT, 500, 10, in_seconds(5)),
        (ONLINE_CONVERT, 500, 11, Verdict("failed")),
        (CallbackPolicy(retry_seconds=()), 500, 1, Verdict("failed")),
        (CallbackPolicy(retry_seconds=(1e9,)), 500, 1, in_seconds(86_400)),
    ],
)
def test_an_answer_decides_what_becomes_of_a_message(
    policy: CallbackPolicy, status: int | None, tries: int, expected: Verdict
) -> None:
    assert judged(policy, status, tries) == expected


def test_pauses_are_spread_and_a_receiver_may_wish_for_longer_ones() -> None:
    assert judged(NATIVE, 500, chance=0.5) == in_seconds(66)
    assert judged(NATIVE, 503, wished=90) == in_seconds(90)
    assert judged(NATIVE, 503, wished=1) == in_seconds(60)
    assert judged(NATIVE, 503, wished=1e9) == in_seconds(86_400)
    assert judged(NATIVE, 500, once=True) == Verdict("failed")


def test_the_first_try_may_have_less_time() -> None:
    assert (time_limit(ONLINE_CONVERT, 0), time_limit(ONLINE_CONVERT, 1), time_limit(NATIVE, 0)) == (3, 10, 10)


def test_a_callback_hears_of_the_end_or_of_every_state() -> None:
    at_end, at_change = Callback(url="https://x.example"), Callback(url="https://x.example", on="change")
    heard = [kind for kind in (*JobState, "created", "edited", "warned") if callback_hears(at_end, event(kind))]
    assert heard == ["completed", "failed", "cancelled"]
    assert all(callback_hears(at_change, event(kind)) for kind in ("created", "prepared"))
    assert not callback_hears(at_end, event("prepared"))
    assert all(callback_hears(at_change, event(state)) for state in JobState)
    assert not any(callback_hears(at_change, event(kind)) for kind in ("edited", "warned", "playable"))


def test_a_webhook_hears_what_it_wants_until_it_is_disabled() -> None:
    assert [kind for kind in KINDS if webhook_hears(webhook(), kind, "native")] == list(ENDS)
    assert all(webhook_hears(webhook(kinds=("*",)), kind, "native") for kind in KINDS)
    assert not webhook_hears(webhook(kinds=("*",), disabled_at=NOON), "job.completed", "native")
    assert unknown_kinds(["job.failed", "*", "job.done"]) == ["job.done"]


def test_a_webhook_of_a_door_hears_of_its_jobs_alone_and_a_native_one_of_all() -> None:
    doors = ("native", "one", "other")
    assert [door for door in doors if webhook_hears(webhook(), "job.completed", door)] == [*doors]
    assert [door for door in doors if webhook_hears(webhook(door="one"), "job.completed", door)] == ["one"]


def test_success_forgives_and_failures_add_up() -> None:
    once = after(webhook(), Verdict("waiting"), NOON)
    assert (once.failures, once.failing_since) == (1, NOON)
    twice = after(once, Verdict("failed"), NOON + timedelta(hours=1))
    assert (twice.failures, twice.failing_since, twice.disabled_at) == (2, NOON, None)
    assert after(twice, Verdict("delivered"), NOON) == webhook(id=twice.id)


@pytest.mark.parametrize(
    ("failures", "hours", "disabled"), [(9, 48, True), (8, 48, False), (9, 23, False), (200, 24, True)]
)
def test_a_webhook_is_disabled_by_many_failures_over_long(failures: int, hours: float, disabled: bool) -> None:
    policy = CallbackPolicy(disable_after=10, disable_span_seconds=24 * 3600)
    now = NOON + timedelta(hours=hours)
    found = after(webhook(policy=policy, failures=failures, failing_since=NOON), Verdict("failed"), now)
    assert (found.disabled_at, found.reason) == ((now, "failing") if disabled else (None, None))


def test_one_that_is_gone_is_disabled_at_once() -> None:
    found = after(webhook(), Verdict("failed", gone=True), NOON)
    assert (found.disabled_at, found.reason) == (NOON, "gone")


def test_the_job_is_told_as_it_was() -> None:
    job = Job(
        id="j",
        account="a",
        door="native",
        created_at=NOON,
        state=JobState.FAILED,
        reason=Reason.FFMPEG_FAILED,
        message="It broke.",
        ended_at=NOON,
        attempt=2,
    )
    then = as_of(job, event("encoding", attempt=1))
    assert (then.state, then.attempt, then.ended_at, then.reason, then.message) == ("encoding", 1, None, None, None)
    assert as_of(job, event("created", state="held", attempt=1)).state == "held"
    assert as_of(job, event("failed", attempt=2)) == job
    assert as_of(job, event("warned", message="m")) == job
    first = as_of(job, event("failed", attempt=1))
    assert (first.attempt, first.ended_at, first.state) == (1, NOON, "failed")
