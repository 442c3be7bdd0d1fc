"""What online-convert's clients ask about their account, without a farm (check 22 of its contract)."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from doors.conftest import AskedDoor
from doors.onlineconvert import Client
from front_door import FrontDoor

from framemill.api.onlineconvert.accounting import days_of
from framemill.errors import WrongUse
from framemill.jobs.accounts import Quotas
from framemill.services.accounts import Accounts
from framemill.services.callers import ADMIN
from framemill.services.keys import Keys
from framemill.services.ledger import Ledger
from framemill.store.accounts import ensure_account
from framemill.store.usage import add_used


@pytest.fixture
def client(door: AskedDoor) -> Client:
    return Client(door)


def use(door: FrontDoor, account: str, day: str, **amounts: int) -> None:
    with door.database.writing() as conn:
        ensure_account(conn, account, datetime.now(UTC))
        add_used(conn, account, day, amounts)


def stats(client: Client, path: str) -> list[dict[str, Any]]:
    answer = client.ask("GET", f"/stats/{path}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def test_22_what_was_used_is_told_by_day_and_whichever_key_has_used_it(client: Client) -> None:
    use(client.door, "default", "2026-06-01", jobs_submitted=2, jobs_completed=1, outputs=3, credits=3000)
    use(client.door, "default", "2026-06-30", jobs_submitted=1, jobs_failed=1, output_milliseconds=1500)
    use(client.door, "default", "2026-07-01", jobs_submitted=7)
    use(client.door, "another", "2026-06-30", jobs_submitted=100)
    each = stats(client, "month/2026-06/single")
    assert [(one["date"], one["jobs"], one["credits"]) for one in each] == [("2026-06-01", 2, 3), ("2026-06-30", 1, 0)]
    assert [one["conversions"] for one in each] == [3, 0]
    assert each[1]["seconds"] == 1.5
    assert stats(client, "month/2026-06/all") == each
    assert sum(one["jobs"] for one in stats(client, "year/2026/all")) == 10
    assert stats(client, "day/2026-06-30/single")[0]["failed"] == 1
    assert stats(client, "year/2024/single") == []
    assert stats(client, "year/2024/all") == []


@pytest.mark.parametrize(
    "path",
    [
        *("month/june/single", "month/2026-13/single", "day/2026-06/single", "day/2026-02-30/all", "year/26/all"),
        *("week/2026-06/all", "month/2026-06/some", "month/2026-06-01/all", "month/2026-6/all", "year/0000/all"),
    ],
)
def test_22_what_is_no_date_is_refused(client: Client, path: str) -> None:
    answer = client.ask("GET", f"/stats/{path}")
    assert (answer.status_code, set(answer.json())) == (400, {"message", "code", "errors"})


def test_a_span_is_from_its_first_day_to_its_last() -> None:
    assert days_of("day", "2026-06-30") == (date(2026, 6, 30), date(2026, 6, 30))
    assert days_of("month", "2028-02") == (date(2028, 2, 1), date(2028, 2, 29))
    assert days_of("year", "2026") == (date(2026, 1, 1), date(2026, 12, 31))
    with pytest.raises(WrongUse):
        days_of("year", "2026-01")


def test_22_a_contract_is_what_the_account_may(client: Client) -> None:
    (plain,) = client.ask("GET", "/contracts").json()
    assert (plain["status"], plain["credits"], plain["limits"]) == ("active", None, {})
    account = Accounts(client.door.database, ADMIN).create("small", quotas=Quotas(active_jobs=2))
    Ledger(client.door.database, ADMIN).deposited(account.id, 5500)
    _, key = Keys(client.door.database, ADMIN).create("a key", account=account.id)
    (told,) = Client(client.door, key).ask("GET", "/contracts").json()
    assert (told["name"], told["credits"], told["limits"]) == ("small", 5.5, {"active_jobs": 2})


@pytest.mark.parametrize("path", ["/contracts", "/stats/month/2026-06/all"])
def test_22_they_take_the_accounts_key_and_no_jobs_token(client: Client, path: str) -> None:
    job = client.made(process=False)
    assert client.ask("GET", path).status_code == 200
    for headers in ({}, {"X-Oc-Token": job["token"]}, {"X-Oc-Api-Key": "wrong"}):
        assert client.door.ask("GET", f"/v2{path}", key=None, headers=headers).status_code == 401
