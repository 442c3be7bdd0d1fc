"""What may still be done with outputs of a job that has ended, and edits that follow from how a job stands."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from framemill.errors import Conflict, NotFound, WrongUse
from framemill.jobs.model import Output
from framemill.jobs.states import InputState, JobState
from framemill.services.callers import Caller
from framemill.services.inputs import InputRequest
from framemill.services.jobs import Jobs, Shown
from framemill.services.outcomes import Outcomes
from framemill.services.parts import OutputRequest
from framemill.services.passwords import fits
from framemill.services.submission import JobChanges, JobRequest
from framemill.store.database import Database
from framemill.store.jobs import save_input

NOON = datetime(2030, 5, 17, 12, tzinfo=UTC)
FILM = InputRequest(uri="https://films.example/in.mov")


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return jobs_of(database, "a")


def jobs_of(database: Database, account: str) -> Jobs:
    return Jobs(database, lambda _: None, caller=Caller(account=account), clock=lambda: NOON)


def ended(jobs: Jobs, **wanted: Any) -> Output:
    """The output of a job that has ended."""
    job = jobs.submit(JobRequest(inputs=(FILM,), outputs=(OutputRequest(**wanted),), start="held"))
    jobs.cancelled(job.id)
    (output,) = jobs.shown(job.id).outputs
    return output


def test_an_output_is_called_otherwise_and_keeps_what_it_is(database: Database, jobs: Jobs) -> None:
    output, outcomes = ended(jobs, settings={"container": "webm"}), Outcomes(database, jobs)
    outcomes.changed(output.job_id, output.id, stem="b.c")
    (found,) = jobs.shown(output.job_id).outputs
    assert found == output.model_copy(update={"name": "b.c.webm"})
    for wrong in ("", ".", "..", "a/b", "x" * 252):
        with pytest.raises(WrongUse):
            outcomes.changed(output.job_id, output.id, stem=wrong)
    folder = ended(jobs, settings={"container": "package"})
    assert outcomes.changed(folder.job_id, folder.id, stem="b.c").name == "b.c"
    for wrong in ("", ".", ".."):
        with pytest.raises(WrongUse):
            outcomes.changed(folder.job_id, folder.id, stem=wrong)


def test_an_output_gets_other_passwords(database: Database, jobs: Jobs) -> None:
    output, outcomes = ended(jobs), Outcomes(database, jobs)
    (lock,) = outcomes.changed(output.job_id, output.id, passwords=["sesame"]).password_hashes
    assert fits("sesame", lock)
    assert outcomes.changed(output.job_id, output.id, stem="b").password_hashes == (lock,)
    assert outcomes.changed(output.job_id, output.id, passwords=[]).password_hashes == ()


def test_an_output_is_taken_away_once(database: Database, jobs: Jobs) -> None:
    output, times = ended(jobs), iter([NOON, datetime(2031, 1, 1, tzinfo=UTC)])
    outcomes = Outcomes(database, jobs, clock=lambda: next(times))
    assert [outcomes.withdrawn(output.job_id, output.id).withdrawn_at for _ in range(2)] == [NOON] * 2


def test_only_its_owner_may_and_only_after_the_end(database: Database, jobs: Jobs) -> None:
    output = ended(jobs)
    with pytest.raises(NotFound):
        Outcomes(database, jobs_of(database, "b")).withdrawn(output.job_id, output.id)
    with pytest.raises(NotFound):
        Outcomes(database, jobs).withdrawn(output.job_id, "x")
    held = jobs.submit(JobRequest(inputs=(FILM,), outputs=(OutputRequest(),)))
    (under_way,) = jobs.shown(held.id).outputs
    with pytest.raises(Conflict):
        Outcomes(database, jobs).changed(held.id, under_way.id, stem="b")


def test_edits_that_follow_from_how_a_job_stands_lose_none_of_each_other(database: Database, jobs: Jobs) -> None:
    job = jobs.submit(JobRequest(inputs=(), outputs=(), start="held"))

    def one_more(shown: Shown) -> JobChanges:
        inputs = [InputRequest(id=one.id, uri=one.uri) for one in shown.inputs]
        return JobChanges(inputs=(*inputs, FILM), door_data={"count": shown.job.door_data.get("count", 0) + 1})

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: jobs.edited_by(job.id, {"inputs", "door_data"}, one_more), range(5)))
    shown = jobs.shown(job.id)
    assert shown.job.door_data == {"count": 5}
    assert len({one.id for one in shown.inputs}) == 5
    jobs.cancelled(job.id)
    with pytest.raises(Conflict):
        jobs.edited_by(job.id, {"inputs", "door_data"}, one_more)


def test_a_held_job_begins_with_the_edit_that_it_waited_for_or_is_not_edited(database: Database, jobs: Jobs) -> None:
    def with_film(_: Shown) -> JobChanges:
        return JobChanges(inputs=(FILM,))

    def with_output(_: Shown) -> JobChanges:
        return JobChanges(outputs=(OutputRequest(),))

    def is_fed(shown: Shown) -> bool:
        return bool(shown.inputs)

    job = jobs.submit(JobRequest(inputs=(), outputs=(), start="held"))
    with pytest.raises(Conflict):
        jobs.edited_by(job.id, {"inputs"}, with_film, is_fed)
    assert jobs.shown(job.id).inputs == []
    assert jobs.edited_by(job.id, {"outputs"}, with_output, is_fed).state is JobState.HELD
    assert jobs.edited_by(job.id, {"inputs"}, with_film, is_fed).state is JobState.QUEUED
    assert [event.kind for event in jobs.events(job.id)] == ["created", "edited", "edited", "queued"]
    assert len(jobs.shown(job.id).inputs) == 1


def test_what_is_found_of_an_input_while_its_job_is_edited_stays(database: Database, jobs: Jobs) -> None:
    job = jobs.submit(JobRequest(inputs=(FILM,), outputs=(), start="held"))

    def one_more(shown: Shown) -> JobChanges:
        (source,) = shown.inputs
        with database.writing() as conn:
            save_input(conn, source.model_copy(update={"state": InputState.READY, "index_key": "k", "size": 5}))
        return JobChanges(inputs=(FILM, InputRequest(id=source.id, uri=source.uri, filename="a.mov")))

    jobs.edited_by(job.id, {"inputs"}, one_more)
    fresh, found = jobs.shown(job.id).inputs
    assert (found.state, found.index_key, found.size) == (InputState.READY, "k", 5)
    assert (found.position, found.filename) == (1, "a.mov")
    assert fresh.state is InputState.WAITING
