"""What an account's quotas say to a wish: yes, or why not. Pure: whoever asks has counted."""

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from framemill.errors import Forbidden, QuotaExceeded, TooLarge, TooMany
from framemill.jobs.accounts import Quotas
from framemill.jobs.model import Limits

_SOON_SECONDS = 30.0
"""When to ask again where only the end of something else makes room."""


class JobsSoFar(NamedTuple):
    """What an account has submitted already."""

    today: int = 0
    unfinished: int = 0


class UploadsSoFar(NamedTuple):
    """What an account has uploaded already."""

    under_way: int = 0
    stored_bytes: int = 0
    today_bytes: int = 0


class MaterialSoFar(NamedTuple):
    """How much an account has had encoded, keeps, and has shown."""

    month_seconds: float = 0.0
    """Of sources encoded this month, or being encoded."""
    kept_seconds: float = 0.0
    """Of sources whose outputs are kept."""
    month_views: int = 0


def allow_material(quotas: Quotas, so_far: MaterialSoFar, seconds: float | None = None) -> None:
    """Raise `QuotaExceeded` where the account may not have a source of that length encoded.

    `seconds`: none where nobody knows yet; then some of each quota has to be left.
    """
    for least, used, word in (
        (quotas.encode_minutes_per_month, so_far.month_seconds, "have {} minutes encoded a month (UTC), and has had"),
        (quotas.kept_minutes, so_far.kept_seconds, "keep {} minutes here, and keeps"),
    ):
        if least is not None and _is_over(used, seconds, least * 60):
            more = "" if seconds is None else f"; this source has {seconds / 60:.3g}"
            raise QuotaExceeded(f"The account may {word.format(f'{least:g}')} {used / 60:.3g}{more}.")
    if quotas.views_per_month is not None and so_far.month_views >= quotas.views_per_month:
        raise QuotaExceeded(
            f"The account's videos were played {so_far.month_views} times this month (UTC), and may be"
            f" {quotas.views_per_month} times: nothing more is encoded for it."
        )


def limits_material(quotas: Quotas) -> bool:
    """Whether they say anything about that, so that somebody has to count."""
    return (quotas.encode_minutes_per_month, quotas.kept_minutes, quotas.views_per_month) != (None, None, None)


def _is_over(used: float, more: float | None, most: float) -> bool:
    return used >= most if more is None else used + more > most


def allow_job(quotas: Quotas, so_far: JobsSoFar, *, priority: int, outputs: int, now: datetime) -> None:
    """Raise `TooMany` or `Forbidden` where the account may not submit that job."""
    allow_priority(quotas, priority)
    if quotas.max_outputs is not None and outputs > quotas.max_outputs:
        raise Forbidden(f"A job of this account may have {quotas.max_outputs} outputs, not {outputs}.")
    if quotas.jobs_per_day is not None and so_far.today >= quotas.jobs_per_day:
        raise TooMany(
            f"The account has submitted the {quotas.jobs_per_day} jobs that it may submit a day (UTC).",
            seconds_to_midnight(now),
        )
    if quotas.queued_jobs is not None and so_far.unfinished >= quotas.queued_jobs:
        raise TooMany(
            f"The account has {so_far.unfinished} jobs that have not ended, and may have {quotas.queued_jobs}: "
            "wait for one, or cancel it.",
            _SOON_SECONDS,
        )


def allow_priority(quotas: Quotas, priority: int) -> None:
    """Raise `Forbidden` where the account's jobs may not go that far ahead."""
    if quotas.max_priority is not None and priority > quotas.max_priority:
        raise Forbidden(f"The account's jobs may have priority {quotas.max_priority} at most, not {priority}.")


def allow_upload(quotas: Quotas, so_far: UploadsSoFar, size: int | None, now: datetime) -> None:
    """Raise `TooLarge`, `TooMany` or `Forbidden` where the account may not upload that.

    `size`: bytes, as far as they are known; ask again for what has arrived where they are not.
    """
    known = size or 0
    if quotas.upload_bytes is not None and known > quotas.upload_bytes:
        raise TooLarge(f"An upload of this account may have {quotas.upload_bytes} bytes, not {known}.")
    if quotas.concurrent_uploads is not None and so_far.under_way >= quotas.concurrent_uploads:
        raise TooMany(
            f"The account has {so_far.under_way} uploads under way, and may have {quotas.concurrent_uploads}: "
            "wait for one, or give it up.",
            _SOON_SECONDS,
        )
    per_day = quotas.upload_bytes_per_day
    if per_day is not None and so_far.today_bytes + known > per_day:
        raise TooMany(f"The account may upload {per_day} bytes a day (UTC).", seconds_to_midnight(now))
    if quotas.stored_bytes is not None and so_far.stored_bytes + known > quotas.stored_bytes:
        raise Forbidden(
            f"The account may keep {quotas.stored_bytes} bytes here, and has {so_far.stored_bytes}: "
            "remove an upload first."
        )


def tightened(limits: Limits, quotas: Quotas) -> Limits:
    """A job's limits within its account's: they tighten those, and never widen them."""
    return limits.model_copy(
        update={
            "max_process_seconds": _least(limits.max_process_seconds, quotas.max_process_seconds),
            "max_input_bytes": _least(limits.max_input_bytes, quotas.max_input_bytes),
            "max_input_seconds": _least(limits.max_input_seconds, quotas.max_input_seconds),
        }
    )


def too_large(limits: Limits, size: int, seconds: float | None) -> str | None:
    """Why a source is over a job's limits; none: it is not. `size`: bytes; `seconds`: none where nobody knows."""
    if limits.max_input_bytes is not None and size > limits.max_input_bytes:
        return f"The source has {size} bytes, and may have {limits.max_input_bytes}."
    if limits.max_input_seconds is not None and seconds is not None and seconds > limits.max_input_seconds:
        return f"The source lasts {seconds:g} s, and may last {limits.max_input_seconds:g} s."
    return None


def too_short(limits: Limits, seconds: float | None) -> str | None:
    """Why a source is not whole; none: it is, as far as anybody knows."""
    least = limits.min_input_seconds
    if least is None or seconds is None or seconds >= least:
        return None
    return f"The source lasts {seconds:g} s, and {least:g} s at least were expected: it was cut off on its way."


def day_of(now: datetime) -> str:
    """The day in UTC, as `2026-11-21`."""
    return now.astimezone(UTC).date().isoformat()


def first_of_month(now: datetime) -> date:
    """The first day of this month in UTC."""
    return now.astimezone(UTC).date().replace(day=1)


def seconds_to_midnight(now: datetime) -> float:
    """How long this day lasts in UTC."""
    here = now.astimezone(UTC)
    return (datetime.combine(here.date() + timedelta(days=1), time(), UTC) - here).total_seconds()


def _least(one: float | None, other: float | None) -> float | None:
    return min((each for each in (one, other) if each is not None), default=None)
