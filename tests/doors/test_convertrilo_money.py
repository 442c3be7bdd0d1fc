"""What Convertrilo's door sets aside of a balance, where a job ends or money goes in the middle of a request."""

from collections.abc import Sequence
from typing import Any

import pytest
from doors.conftest import AskedDoor
from doors.convertrilo_jobs import BASE, SRC, account, balance, refused, told, wanted, was_read
from front_door import FakeFarm, FrontDoor

from framemill.errors import BalanceTooLow, Conflict
from framemill.jobs.reasons import Reason
from framemill.jobs.states import Failed, JobState
from framemill.services.callers import ADMIN
from framemill.services.ledger import Ledger
from framemill.store.database import Database
from framemill.store.jobs import load_job


class FailingFarm(FakeFarm):
    """Finds that there is no source, as soon as it hears of a job."""

    def __init__(self, door: FrontDoor) -> None:
        super().__init__()
        self._door = door

    def nudged(self, job_ids: Sequence[str]) -> None:
        for job_id in job_ids:
            with self._door.database.reading() as conn:
                found = load_job(conn, job_id)
            if found is not None and found[0].state is JobState.HELD:
                self._door.moved(job_id, Failed(Reason.SOURCE_MISSING, "There is no such film."))


@pytest.mark.parametrize(
    ("path", "body"),
    [("jobs", wanted(sourceUrl=SRC, confirm=True)), ("ondemand/encode", {"sourceUrl": SRC, "resolution": "480p"})],
)
@pytest.mark.parametrize("credits", [None, 10_000])
def test_nothing_stays_set_aside_for_a_job_that_fails_at_once(
    path: str, body: dict[str, Any], credits: int | None, database: Database
) -> None:
    door = AskedDoor(database, FailingFarm)
    key = account(door, credits)
    made = told(door.post(f"{BASE}/{path}", body, key=key))
    assert made["status"] == "failed"
    assert balance(door, key=key)["reserved"] == 0


def test_nothing_is_set_aside_for_a_job_whose_end_is_past(door: AskedDoor) -> None:
    key = account(door, credits=10_000)
    ids = [told(door.post(f"{BASE}/jobs", wanted(sourceUrl=SRC), key=key))["jobId"] for _ in range(2)]
    with door.database.reading() as conn:
        found = load_job(conn, ids[0])
    assert found is not None
    mine, ledger = found[0].account, Ledger(door.database, ADMIN)
    told(door.post(f"{BASE}/jobs/{ids[0]}/cancel", key=key))
    with pytest.raises(Conflict):
        ledger.held(mine, ids[0], 100)
    assert balance(door, key=key)["reserved"] == 0
    ledger.all_held(mine, dict.fromkeys(ids, 100))
    assert balance(door, key=key)["reserved"] == 0.1


def test_of_several_all_is_set_aside_or_nothing(door: AskedDoor) -> None:
    key = account(door, credits=1000)
    ids = [told(door.post(f"{BASE}/jobs", wanted(sourceUrl=SRC), key=key))["jobId"] for _ in range(2)]
    with door.database.reading() as conn:
        found = load_job(conn, ids[0])
    assert found is not None
    with pytest.raises(BalanceTooLow):
        Ledger(door.database, ADMIN).all_held(found[0].account, dict.fromkeys(ids, 600))
    assert balance(door, key=key)["reserved"] == 0


def test_an_approval_that_cannot_be_paid_changes_nothing(door: AskedDoor) -> None:
    key = account(door, credits=100)
    job_id = told(door.post(f"{BASE}/jobs", wanted(sourceUrl=SRC), key=key))["jobId"]
    was_read(door, job_id)
    here = f"{BASE}/jobs/{job_id}"
    assert told(door.post(f"{here}/approve-unified", key=key))["estimate"]["totalNeu"] == 0.05
    dearer = {"codec": "av1", "container": "webm"}
    for answer in (
        door.post(f"{here}/approve-unified", dearer, key=key),
        door.post(f"{here}/approve-unified", {**dearer, "resolution": "2160p"}, key=key),
    ):
        assert refused(answer, 402) == "insufficient_tokens"
        assert balance(door, key=key)["reserved"] == 0.05
        with door.database.reading() as conn:
            found = load_job(conn, job_id)
        assert found is not None
        settings = found[2][0].settings
        assert (settings.video_codec, settings.container, settings.size) == ("h264", "mp4", "480p")
    assert told(door.post(f"{here}/confirm", key=key))["reserved"] == 0.05
    assert balance(door, key=key)["reserved"] == 0.05


def test_what_was_released_by_hand_is_set_aside_again_before_a_job_begins(door: AskedDoor) -> None:
    key = account(door, credits=1000)
    job_id = told(door.post(f"{BASE}/jobs", wanted(sourceUrl=SRC, fps=60, resolution="2160p"), key=key))["jobId"]
    was_read(door, job_id)
    told(door.post(f"{BASE}/jobs/{job_id}/approve-unified", key=key))
    before = balance(door, key=key)["reserved"]
    assert before > 0
    told(door.post(f"{BASE}/tokens/release", {"jobId": job_id, "amount": 1}, key=key))
    assert balance(door, key=key)["reserved"] == 0
    told(door.post(f"{BASE}/jobs/{job_id}/confirm", key=key))
    assert balance(door, key=key)["reserved"] == before
