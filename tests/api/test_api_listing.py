"""Finding jobs: every filter, both orders, page by page."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from framemill.jobs.model import Job
from framemill.jobs.states import JobState
from framemill.store import listing
from framemill.store.database import Database
from framemill.store.jobs import add_job
from framemill.store.listing import JobFilter, count_ended, find_jobs

Door = Any
NOON = datetime(2030, 5, 17, 12, tzinfo=UTC)


def at(minute: int) -> str:
    """An id of that minute, as a UUIDv7 has it."""
    milliseconds = int((NOON + timedelta(minutes=minute)).timestamp() * 1000)
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-{minute:012x}"


@pytest.fixture
def ids(database: Database) -> list[str]:
    """Twelve jobs, one a minute."""
    states = [JobState.QUEUED, JobState.COMPLETED, JobState.HELD]
    made = [
        Job(
            id=at(n),
            account="ab"[n % 2],
            door=["native", "optimized"][n % 4 == 3],
            state=states[n % 3],
            created_at=NOON + timedelta(minutes=n),
            metadata={"user": str(n % 5), "n": n, "good": n > 5},
        )
        for n in range(12)
    ]
    with database.writing() as conn:
        for job in made:
            add_job(conn, job, [], [])
    return [job.id for job in made]


def listed(front: Door, **params: Any) -> list[int]:
    """Numbers of the jobs on all pages."""
    numbers: list[int] = []
    for _ in range(50):
        page = front.get("/v1/jobs", params=params).json()
        numbers += [int(job["id"][-12:], 16) for job in page["data"]]
        if page["next_cursor"] is None:
            return numbers
        params["cursor"] = page["next_cursor"]
    raise AssertionError("the list has no end")


@pytest.mark.parametrize("limit", [1, 5, 100])
@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, range(11, -1, -1)),
        ({"order": "oldest"}, range(12)),
        ({"state": ["queued", "held"], "order": "oldest"}, [n for n in range(12) if n % 3 != 1]),
        ({"created_after": "2030-05-17T12:03:00Z"}, range(11, 3, -1)),
        ({"created_before": "2030-05-17T14:03:00+02:00", "order": "oldest"}, range(3)),
        ({"door": "optimized"}, [11, 7, 3]),
        ({"metadata": "user=2"}, [7, 2]),
        ({"metadata": ["user=2", "good=true"]}, [7]),
        ({"metadata": "n=4"}, [4]),
        ({"metadata": "nobody=2"}, []),
        ({"metadata": "user=2", "state": "completed"}, [7]),
        ({"id": at(3)[:13], "order": "oldest"}, [3]),
    ],
    ids=str,
)
def test_jobs_are_found(door: Door, ids: list[str], params: dict[str, Any], expected: Any, limit: int) -> None:
    assert listed(door, limit=limit, **params) == list(expected)


@pytest.mark.parametrize("oldest", [True, False])
def test_no_more_jobs_are_looked_at_than_is_said(
    database: Database, ids: list[str], oldest: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LOOKED_AT", 2)
    wanted = JobFilter(metadata={"user": "0"}, states=[JobState.QUEUED, JobState.COMPLETED], oldest_first=oldest)
    found, cursor, pages = [], None, 0
    with database.reading() as conn:
        while pages == 0 or cursor is not None:
            jobs, cursor = find_jobs(conn, wanted, cursor, 2)
            found += [int(job.id[-12:], 16) for job in jobs]
            pages += 1
    expected = [n for n in range(12) if n % 5 == 0 and n % 3 != 2]
    assert found == (expected if oldest else expected[::-1])
    assert pages > 2


def test_jobs_that_ended_lately_are_counted(database: Database, ids: list[str]) -> None:
    with database.reading() as conn:
        assert count_ended(conn, None, NOON + timedelta(minutes=4)) == {"completed": 3}
        assert count_ended(conn, "a", NOON - timedelta(minutes=1)) == {"completed": 2}


@pytest.mark.parametrize(
    "params",
    [
        {"created_after": "0.5"},
        {"created_after": "2030-05-17"},
        {"order": "best"},
        {"metadata": "user"},
        {"door": "A B"},
        {"metadata": [f"k{n}=1" for n in range(11)]},
    ],
)
def test_a_filter_that_cannot_be_is_refused(door: Door, params: dict[str, Any]) -> None:
    answer = door.get("/v1/jobs", params=params)
    (name,) = params
    assert (answer.status_code, answer.json()["error"]["param"].split(".")[0]) == (422, name)
