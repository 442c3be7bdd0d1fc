"""Jobs of several inputs on their way: each output is made of those it names, and what failed is left out."""

from typing import Any

import pytest
from fake_farm import Farm

from framemill.farm.orders import IngestOrder, JoinedSource, Order, PlanOrder, Result, SourceRead
from framemill.jobs.model import Input
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import OutputSettings
from framemill.jobs.states import ChunkState, InputState, JobState
from framemill.store.jobs import save_input

A, B = "source /a.mp4", "source /b.mp4"
SOUND = OutputSettings(subtitles="none")


def orders(farm: Farm) -> list[PlanOrder]:
    return farm.hands.of(PlanOrder)


def clip(farm: Farm, number: int, **changes: Any) -> None:
    source: Input = farm.inputs_of()[number]
    with farm.database.writing() as conn:
        save_input(conn, source.model_copy(update=changes))


def test_an_output_of_several_inputs_joins_them(farm: Farm) -> None:
    farm.submit(inputs=["/a.mp4", "/b.mp4"], settings=SOUND)

    job = farm.run()

    assert (job.state, job.message) == (JobState.COMPLETED, None)
    (order,) = orders(farm)
    assert order.joined == (JoinedSource(source_key=A), JoinedSource(source_key=B))
    assert farm.states == {ChunkState.COMMITTED: 8}
    assert farm.target.read_bytes() == b"".join(b"[%d,%d)" % (n, n + 10) for n in range(0, 80, 10))
    assert job.report is not None
    assert [part["first_frame"] for part in job.report["plan"]["parts"]] == [0, 40]
    assert [source["uri"] for source in job.report["inputs"]] == ["/a.mp4", "/b.mp4"]


def test_each_output_is_made_of_the_inputs_that_it_names(farm: Farm) -> None:
    farm.submit(inputs=["/a.mp4", "/b.mp4"], outputs=2, settings=SOUND, made_of=[[1], [1, 0]])

    assert farm.run().state is JobState.COMPLETED

    found = {order.title_key[-6]: order for order in orders(farm)}
    assert (found["0"].source_key, found["0"].joined) == (B, ())
    assert [one.source_key for one in found["1"].joined] == [B, A]


def test_a_part_of_an_input_is_planned(farm: Farm) -> None:
    farm.submit(inputs=["/a.mp4", "/b.mp4"], outputs=2, settings=SOUND, made_of=[[0], [0, 1]])
    clip(farm, 0, start=0.4, end=1.2)

    assert farm.run().state is JobState.COMPLETED

    alone, both = sorted(orders(farm), key=lambda order: len(order.joined))
    assert (alone.settings.start, alone.settings.end) == (0.4, 1.2)
    assert both.settings.start is None
    assert both.joined == (JoinedSource(source_key=A, start=0.4, end=1.2), JoinedSource(source_key=B))


def test_an_input_that_failed_is_left_out_of_the_join(farm: Farm) -> None:
    uris = ["/a.mp4", "/bad.mp4", "/b.mp4"]
    farm.submit(input_state=InputState.WAITING, inputs=uris, settings=SOUND, on_input_error="keep")

    async def answer(order: Order) -> Result | None:
        if isinstance(order, IngestOrder) and "bad" in order.uri:
            return SourceRead(reason=Reason.SOURCE_ENCRYPTED, message="It takes a key.")
        return None

    farm.hands.answer = answer
    job = farm.run()

    assert (job.state, job.message) == (JobState.COMPLETED, None)
    assert [warned.message for warned in job.warnings] == ["/bad.mp4 is left out: It takes a key."]
    (order,) = orders(farm)
    assert (len(order.joined), order.keep) == (2, True)


@pytest.mark.parametrize("on_output_error", ["fail", "keep"])
def test_an_output_none_of_whose_inputs_could_be_had_fails_alone(farm: Farm, on_output_error: str) -> None:
    farm.submit(
        input_state=InputState.WAITING,
        inputs=["/a.mp4", "/bad.mp4"],
        outputs=2,
        made_of=[[0], [1]],
        settings=SOUND,
        on_input_error="keep",
        on_output_error=on_output_error,
    )

    async def answer(order: Order) -> Result | None:
        if isinstance(order, IngestOrder) and "bad" in order.uri:
            return SourceRead(reason=Reason.SOURCE_MISSING, message="There is no such file.")
        return None

    farm.hands.answer = answer
    job = farm.run()

    assert job.state is JobState.COMPLETED
    assert [warned.reason for warned in job.warnings] == [Reason.SOURCE_MISSING, Reason.SOURCE_MISSING]
    assert job.warnings[1].about_id == "j-o1"
