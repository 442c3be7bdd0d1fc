"""What accounts used, day by day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from framemill.errors import NotFound, WrongUse
from framemill.services.callers import Caller
from framemill.store.database import Database
from framemill.store.usage import used_between

MOST_DAYS = 400


@dataclass(frozen=True, slots=True)
class Day:
    """What an account used on a day, UTC."""

    account: str
    day: str
    used: Mapping[str, int]
    """`jobs_submitted`, `jobs_completed`, `jobs_failed`, `jobs_cancelled`, `outputs`, `output_milliseconds`,
    `output_bytes`, `source_milliseconds` (of jobs that completed), `views`, `uploaded_bytes`, `cpu_milliseconds`,
    `credits` (thousandths)."""


def used(database: Database, caller: Caller, first: date, last: date, account: str | None = None) -> list[Day]:
    """What was used on those days, both included, by day and account; an admin sees all accounts, or one.

    Raises `NotFound` for another's account, and `WrongUse` for days that are too many or the wrong way round.
    """
    if caller.sees is not None and account not in {None, caller.sees}:
        raise NotFound(f"There is no account {account!r}.")
    if not timedelta(0) <= last - first < timedelta(days=MOST_DAYS):
        raise WrongUse(f"From {first} to {last}: up to {MOST_DAYS} days are told at once, the first one first.")
    with database.reading() as conn:
        found = used_between(conn, account if caller.sees is None else caller.sees, first, last)
    days: dict[tuple[str, str], dict[str, int]] = {}
    for one in found:
        days.setdefault((one.day, one.account), {})[one.kind] = one.amount
    return [Day(account, day, amounts) for (day, account), amounts in days.items()]
