"""What accounts may and have used, in this door's words. Pure."""

import re
from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from framemill.api.onlineconvert.limits import credits_told
from framemill.errors import WrongUse
from framemill.jobs.accounts import Account
from framemill.services.fields import about
from framemill.services.usage import Day

Span: TypeAlias = Literal["day", "month", "year"]

_FORMS: Mapping[Span, tuple[str, str]] = MappingProxyType(
    {
        "day": (r"(\d{4})-(\d{2})-(\d{2})", "2026-06-30"),
        "month": (r"(\d{4})-(\d{2})", "2026-06"),
        "year": (r"(\d{4})", "2026"),
    }
)


def days_of(span: Span, said: str) -> tuple[date, date]:
    """The first and the last day that are meant. Raises `WrongUse` about `date`."""
    form, example = _FORMS[span]
    match = re.fullmatch(form, said, re.ASCII)
    try:
        if match is None:
            raise ValueError
        year, month, day = [*map(int, match.groups()), *(0, 0)][:3]
        first = date(year, month or 1, day or 1)
    except ValueError:
        with about("date"):
            raise WrongUse(f"{said[:40]!r} is no {span}: write {example}.") from None
    last_month = month or 12
    return first, date(year, last_month, day or monthrange(year, last_month)[1])


def stats(found: Sequence[Day]) -> list[Mapping[str, Any]]:
    """What was used, on each day that anything was."""
    return [{"date": one.day, **_used(one.used)} for one in found]


def contract(account: Account) -> dict[str, Any]:
    """What an account may."""
    quotas = {name: value for name, value in account.quotas.model_dump(mode="json").items() if value is not None}
    left = account.available
    return {
        "id": account.id,
        "name": account.name or account.id,
        "status": account.state,
        "credits": None if left is None else credits_told(left),
        "limits": quotas,
    }


def _used(amounts: Mapping[str, int]) -> dict[str, Any]:
    return {
        "jobs": amounts.get("jobs_submitted", 0),
        "completed": amounts.get("jobs_completed", 0),
        "failed": amounts.get("jobs_failed", 0),
        "canceled": amounts.get("jobs_cancelled", 0),
        "conversions": amounts.get("outputs", 0),
        "seconds": amounts.get("output_milliseconds", 0) / 1000,
        "output_size": amounts.get("output_bytes", 0),
        "upload_size": amounts.get("uploaded_bytes", 0),
        "credits": credits_told(amounts.get("credits", 0)),
    }
