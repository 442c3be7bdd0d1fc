"""Jobs that a door's clients know by numbers."""

import pytest

from framemill.errors import Conflict, NotFound, UnknownPreset
from framemill.jobs.model import new_id
from framemill.jobs.states import JobState
from framemill.services.callers import Caller
from framemill.services.idempotency import Ids
from framemill.services.numbered import NumberedJobs
from framemill.services.submission import JobChanges, JobRequest
from framemill.store.database import Database

NOTHING = JobRequest(inputs=(), outputs=())
WHY = UnknownPreset("There is no such preset, and token=hushhush is no secret for anybody.")


def jobs_of(database: Database, account: str = "default", seed: str | None = None) -> NumberedJobs:
    return NumberedJobs(database, lambda _: None, caller=Caller(account=account), door="d", ids=Ids(seed))


def test_what_cannot_be_done_is_a_job_that_has_failed(database: Database) -> None:
    found = jobs_of(database).refused(NOTHING, WHY)
    job = found.shown.job
    assert (found.number, job.state, job.reason) == (1, JobState.FAILED, "wrong_settings")
    assert job.ended_at is not None
    assert "no such preset" in (job.message or "")
    assert "hushhush" not in (job.message or "")
    kinds = [event.kind for event in jobs_of(database).events(job.id)]
    assert kinds == ["created", "failed"]


def test_one_wish_makes_one_such_job_however_often_it_is_tried(database: Database) -> None:
    """Whoever was killed before the answer was kept begins again with the same ids."""
    seed = new_id()
    first = jobs_of(database, seed=seed).refused(NOTHING, WHY)
    second = jobs_of(database, seed=seed).refused(NOTHING, WHY)
    assert first == second
    assert jobs_of(database).page(1, 10).total == 1


def test_it_fails_again_as_a_new_attempt(database: Database) -> None:
    jobs = jobs_of(database)
    job = jobs.refused(NOTHING, WHY).shown.job
    again = jobs.refused_again(job.id, UnknownPreset("Still none."))
    assert (again.state, again.attempt, again.message) == (JobState.FAILED, 2, "Still none.")
    assert jobs.tally() == {("failed", True): 1}


def test_only_what_has_ended_is_done_again(database: Database) -> None:
    jobs = jobs_of(database)
    held = jobs.made(NOTHING.model_copy(update={"start": "held"})).shown.job
    with pytest.raises(Conflict, match="has ended"):
        jobs.again(held.id, JobChanges())
    with pytest.raises(Conflict, match="has ended"):
        jobs.refused_again(held.id, WHY)


def test_a_number_opens_nothing_of_somebody_elses(database: Database) -> None:
    jobs_of(database).refused(NOTHING, WHY)
    assert jobs_of(database).numbered(1).number == 1
    for stranger in (jobs_of(database, "b"), NumberedJobs(database, lambda _: None, caller=Caller(), door="e")):
        with pytest.raises(NotFound):
            stranger.numbered(1)
    assert jobs_of(database, "b").page(1, 10) == (0, [])
