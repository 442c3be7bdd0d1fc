"""Sources as they come in, and which doors' jobs are begun at once."""

from fake_farm import Farm
from mortal import play

from framemill.farm.orders import IngestOrder, Order, Result, SourceRead
from framemill.jobs.model import UNUSABLE, Limits
from framemill.jobs.reasons import Reason
from framemill.jobs.states import InputState, JobState, RetryAsked
from framemill.policy import admission


def test_a_source_that_was_cut_off_on_its_way_fails_its_job(farm: Farm) -> None:
    async def short(order: Order) -> Result | None:
        if isinstance(order, IngestOrder):
            return SourceRead(source_key="k", path="/in.mp4", size=7, facts={"format": {"duration": "3.0"}})
        return None

    farm.submit(input_state=InputState.WAITING, limits=Limits(min_input_seconds=5.9))
    farm.hands.answer = short
    job = farm.run()

    assert (job.state, job.reason) == (JobState.FAILED, Reason.SOURCE_DAMAGED)
    assert job.message == "The source lasts 3 s, and 5.9 s at least were expected: it was cut off on its way."


def test_a_worker_is_told_how_many_bytes_are_expected_and_whether_it_may_look_twice(farm: Farm) -> None:
    farm.submit(input_state=InputState.WAITING)
    farm.replace_input(farm.inputs_of()[0].model_copy(update={"size": 4711, "read_once": True}))
    farm.run()

    (order,) = (one for one in farm.hands.orders if isinstance(one, IngestOrder))
    assert (order.about_bytes, order.once) == (4711, "attempt-1")
    assert farm.inputs_of()[0].size == 7


def test_an_unusable_source_is_not_fetched_however_often_its_job_is_tried(farm: Farm) -> None:
    farm.submit(input_state=InputState.WAITING)
    failed = {"state": InputState.FAILED, "reason": Reason.SOURCE_REFUSED, "message": "No such cloud."}
    farm.replace_input(farm.inputs_of()[0].model_copy(update={"uri": f"{UNUSABLE}film.mp4", **failed}))
    farm.run()
    farm.wish(RetryAsked())
    job = farm.run()

    assert not farm.hands.of(IngestOrder)
    assert (job.attempt, job.state, job.reason) == (2, JobState.FAILED, Reason.SOURCE_REFUSED)
    assert job.message == "No such cloud."


def test_of_a_door_with_a_limit_one_job_is_worked_on_at_a_time(farm: Farm) -> None:
    farm.limits = admission.Limits(jobs_per_door={"d": 1})
    names = ["j", "k", "l"]
    for name in names:
        farm.submit(name, inputs=[f"/{name}"], targets=[str(farm.folder / f"{name}.mp4")], door="d", account=name)
    most = 0

    async def scene() -> None:
        nonlocal most
        async with farm.running() as coordinator:

            def all_done() -> bool:
                nonlocal most
                most = max(most, len(coordinator.jobs.driven))
                return all(farm.state_of(name) is JobState.COMPLETED for name in names)

            await coordinator.jobs.wake(names)
            await farm.until(all_done)

    play(scene())
    assert most == 1
