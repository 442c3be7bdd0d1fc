"""Sources that are another input's, that cannot be, or are too many; and what outputs open with."""

from datetime import UTC, datetime
from typing import Any

import pytest

from framemill.config import Network
from framemill.errors import KeyRefused, NotFound, OverLimit, WrongUse
from framemill.jobs.model import Limits
from framemill.jobs.reasons import Reason
from framemill.jobs.states import InputState
from framemill.sealing import Seals
from framemill.services.callers import Caller
from framemill.services.desk import Desk
from framemill.services.inputs import InputRequest
from framemill.services.jobs import Jobs
from framemill.services.links import lasting_of, lasting_token
from framemill.services.parts import OutputRequest
from framemill.services.passwords import LONGEST, MOST_LOCKS, fits, locks_of
from framemill.services.submission import JobChanges, JobRequest
from framemill.storage.access import S3Access
from framemill.storage.address import address_of
from framemill.storage.keyring import way_to
from framemill.storage.roots import Roots
from framemill.store.database import Database

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
SEALS = Seals("a farm's secret")
ACCESS = S3Access(access_key_id="an id", secret_access_key="hunter2")  # noqa: S106
NETWORKS: tuple[Network, ...] = ()


def jobs_of(database: Database, account: str = "a", **fields: Any) -> Jobs:
    caller = Caller(account=account)
    desk = Desk(SEALS, NETWORKS)
    return Jobs(database, lambda _: None, **{"caller": caller, "desk": desk, "clock": lambda: NOON, **fields})


def asked(*inputs: InputRequest, **more: Any) -> JobRequest:
    return JobRequest(inputs=inputs, outputs=(OutputRequest(),), start="held", **more)


STORED = InputRequest(uri="s3://films/in.mov", credentials=ACCESS, filename="in.mov")


def test_an_input_can_be_like_one_of_another_job(database: Database) -> None:
    jobs = jobs_of(database)
    first = jobs.submitted(asked(STORED)).inputs[0]
    second = jobs.submitted(asked(InputRequest(like=first.id))).inputs[0]
    assert (second.uri, second.filename, second.id == first.id) == ("s3://films/in.mov", "in.mov", False)
    assert Desk(SEALS).keyring.access(way_to(second, "a")) == ACCESS
    job = jobs.submit(asked())
    third = jobs.input_set(job.id, InputRequest(like=second.id, filename="again.mov"))
    (found,) = jobs.shown(job.id).inputs
    assert (found.id, found.uri, found.filename) == (third, "s3://films/in.mov", "again.mov")
    jobs.edited(job.id, JobChanges(inputs=(InputRequest(like=first.id), InputRequest(like=first.id))))
    assert [one.uri for one in jobs.shown(job.id).inputs] == ["s3://films/in.mov"] * 2


@pytest.mark.parametrize("whose", [{"account": "b"}, {"door": "another"}])
def test_it_is_not_found_by_others(database: Database, whose: dict[str, Any]) -> None:
    first = jobs_of(database).submitted(asked(STORED)).inputs[0]
    with pytest.raises(NotFound) as raised:
        jobs_of(database, **whose).submitted(asked(STORED, InputRequest(like=first.id)))
    assert raised.value.param == "inputs.1.like"


def test_what_a_door_knows_to_be_unusable_is_kept_and_has_failed(database: Database) -> None:
    jobs = jobs_of(database, desk=Desk(SEALS, roots=Roots()))
    job = jobs.submitted(asked(InputRequest(uri="a cloud", unusable="No such cloud.")))
    (found,) = job.inputs
    assert (found.state, found.reason, found.message) == (InputState.FAILED, Reason.SOURCE_REFUSED, "No such cloud.")
    jobs.input_set(job.job.id, InputRequest(uri="https://example.org/film.mov"))
    assert [one.state for one in jobs.shown(job.job.id).inputs] == [InputState.FAILED, InputState.WAITING]


def test_what_is_unusable_leads_nowhere_and_no_retry_makes_it_better(database: Database) -> None:
    """Nobody has looked whether it lies in a folder that is open to clients."""
    jobs = jobs_of(database, desk=Desk(SEALS, roots=Roots()))
    closed = InputRequest(uri="/data/other/film.mp4", unusable="No such cloud.")
    shown = jobs.submitted(asked(closed))
    (found,), job_id = shown.inputs, shown.job.id
    assert (found.uri, shown.outputs[0].name) == ("unusable:data/other/film.mp4", "film.mp4")
    with pytest.raises(WrongUse):
        address_of(found.uri)

    jobs.cancelled(job_id)
    jobs.retried(job_id)
    (again,) = jobs.shown(job_id).inputs
    assert again == found

    with pytest.raises(WrongUse):
        jobs.submitted(asked(InputRequest(uri=found.uri)))
    alike = jobs.submitted(asked(InputRequest(like=found.id), closed.model_copy(update={"uri": "//[x"})))
    assert [one.state for one in alike.inputs] == [InputState.FAILED] * 2
    assert (alike.inputs[0].uri, alike.inputs[0].message) == (found.uri, "No such cloud.")
    edited = jobs.edited(
        alike.job.id, JobChanges(inputs=tuple(InputRequest(id=one.id, uri=one.uri) for one in alike.inputs))
    )
    assert [one.id for one in jobs.shown(edited.id).inputs] == [one.id for one in alike.inputs]


def test_a_job_has_no_more_inputs_than_it_says(database: Database) -> None:
    jobs, limits = jobs_of(database), Limits(max_inputs=1)
    film = InputRequest(uri="https://example.org/film.mov")
    with pytest.raises(OverLimit) as raised:
        jobs.submit(asked(film, film, limits=limits))
    assert raised.value.param == "inputs"
    job = jobs.submit(asked(film, limits=limits))
    with pytest.raises(OverLimit):
        jobs.input_set(job.id, film)
    with pytest.raises(OverLimit):
        jobs.edited(job.id, JobChanges(inputs=(film, film)))
    jobs.edited(job.id, JobChanges(inputs=(film, film), limits=Limits(max_inputs=2)))


def test_an_output_opens_with_any_of_its_passwords(database: Database) -> None:
    jobs = jobs_of(database)
    wanted = OutputRequest(passwords=("x", "sesame"))
    shown = jobs.submitted(JobRequest(inputs=(STORED,), outputs=(wanted,), start="held"))
    (output,) = shown.outputs
    assert "sesame" not in repr(wanted) + repr(output)
    assert [[fits(word, one) for one in output.password_hashes] for word in ("x", "sesame", "y")] == [
        [True, False],
        [False, True],
        [False, False],
    ]
    jobs.output_set(shown.job.id, OutputRequest(id=output.id, name="other.mp4"))
    assert jobs.shown(shown.job.id).outputs[0].password_hashes == output.password_hashes
    jobs.output_set(shown.job.id, OutputRequest(id=output.id, passwords=()))
    assert jobs.shown(shown.job.id).outputs[0].password_hashes == ()


def test_passwords_have_a_length_and_are_not_too_many() -> None:
    for wrong in (("",), ("x" * (LONGEST + 1),), tuple("abcdefghijk")):
        with pytest.raises(WrongUse):
            locks_of(wrong)
    assert len(tuple("abcdefghijk")) == MOST_LOCKS + 1


def test_a_lasting_link_is_the_same_and_is_no_others() -> None:
    token = lasting_token(SEALS, "an-id")
    assert token == lasting_token(SEALS, "an-id")
    assert lasting_of(SEALS, token) == "an-id"
    for wrong in ("an-id", "an-id.", f"another-id.{token.partition('.')[2]}", lasting_token(Seals("other"), "an-id")):
        with pytest.raises(KeyRefused):
            lasting_of(SEALS, wrong)
