"""Jobs of several inputs: which of them an output is made of, and what cannot be made of several."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from framemill.errors import Conflict, InvalidSetting, WrongUse
from framemill.jobs.model import Input, Output
from framemill.services.inputs import InputRequest
from framemill.services.jobs import Jobs
from framemill.services.parts import OutputRequest
from framemill.services.submission import JobChanges, JobRequest
from framemill.store.database import Database
from framemill.store.jobs import load_job

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
URLS = [f"https://example.org/{name}.mov" for name in "abc"]


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database, lambda _: None, clock=lambda: NOON)


def asked(*outputs: OutputRequest, **more: Any) -> JobRequest:
    inputs = tuple(InputRequest(uri=url) for url in URLS)
    return JobRequest(**{"inputs": inputs, "outputs": outputs or (OutputRequest(),), **more})


def parts(database: Database, job_id: str) -> tuple[list[Input], list[Output]]:
    with database.reading() as conn:
        found = load_job(conn, job_id)
    assert found is not None
    return found[1], found[2]


def test_an_output_is_made_of_all_inputs_or_of_those_it_names(jobs: Jobs, database: Database) -> None:
    wanted = (OutputRequest(), OutputRequest(inputs=(1,)), OutputRequest(inputs=(2, 0)))

    job = jobs.submit(asked(*wanted))

    inputs, outputs = parts(database, job.id)
    ids = [source.id for source in inputs]
    assert [source.uri for source in inputs] == URLS
    assert [output.input_ids for output in outputs] == [(), (ids[1],), (ids[2], ids[0])]
    assert [output.name for output in outputs] == ["a.mp4", "b.mp4", "c.mp4"]


def test_a_part_of_an_input_is_kept(jobs: Jobs, database: Database) -> None:
    clip = InputRequest.model_validate({"uri": URLS[0], "start": "0:01.5", "end": 4})

    job = jobs.submit(asked(inputs=(clip, InputRequest(uri=URLS[1]))))

    (first, second), _ = parts(database, job.id)
    assert (first.start, first.end, second.start, second.end) == (1.5, 4, None, None)


def test_a_held_job_gets_its_inputs_one_by_one_and_names_them_by_id(jobs: Jobs, database: Database) -> None:
    job = jobs.submit(JobRequest(inputs=(), outputs=(), start="held"))
    ids = [jobs.input_set(job.id, InputRequest(uri=url)) for url in URLS]
    output_id = jobs.output_set(job.id, OutputRequest(inputs=(ids[2], ids[1])))
    jobs.output_set(job.id, OutputRequest(id=output_id, settings={"crf": 30}))
    jobs.input_set(job.id, InputRequest(id=ids[1], start=2))
    kept = [InputRequest(id=one, uri=url) for one, url in zip(ids, URLS, strict=True)]
    jobs.edited(job.id, JobChanges(inputs=tuple(reversed(kept))))

    inputs, (output,) = parts(database, job.id)

    assert [source.id for source in inputs] == ids[::-1]
    assert output.input_ids == (ids[2], ids[1])
    assert output.settings.crf == 30


def test_a_job_whose_output_has_lost_its_inputs_is_not_started(jobs: Jobs) -> None:
    job = jobs.submit(asked(OutputRequest(inputs=(1,)), start="held"))
    lost = jobs.shown(job.id).inputs[1]

    jobs.part_removed(job.id, "inputs", lost.id)

    with pytest.raises(Conflict, match="inputs that the job does not have any more"):
        jobs.started(job.id)


def test_what_cannot_be_joined_is_not_started(jobs: Jobs) -> None:
    one = (InputRequest(uri=URLS[0]),)
    job = jobs.submit(asked(OutputRequest(settings={"video_codec": "copy"}), inputs=one, start="held"))

    jobs.input_set(job.id, InputRequest(uri=URLS[1]))

    with pytest.raises(Conflict, match="cannot be joined"):
        jobs.started(job.id)


@pytest.mark.parametrize(
    ("request_", "kind", "param", "told"),
    [
        (asked(OutputRequest(inputs=(3,))), WrongUse, "outputs.0.inputs", "Of the 3 inputs 3 is named"),
        (asked(OutputRequest(inputs=("x",))), WrongUse, "outputs.0.inputs", "Of the 3 inputs 'x' is named"),
        (asked(OutputRequest(inputs=())), WrongUse, "outputs.0.inputs", "none is named"),
        (asked(OutputRequest(inputs=(1, 1))), WrongUse, "outputs.0.inputs", "named twice"),
        (asked(OutputRequest(settings={"video_codec": "copy"})), InvalidSetting, "outputs.0.settings", "copied"),
        (asked(OutputRequest(settings={"start": 2})), InvalidSetting, "outputs.0.settings", "start and end of each"),
        (asked(OutputRequest(name="a.jpg")), InvalidSetting, "outputs.0.settings", "made of one input"),
        (
            asked(inputs=(InputRequest(uri=URLS[0], start=3, end=3),)),
            WrongUse,
            "inputs.0.end",
            "would end before it begins",
        ),
        (
            asked(OutputRequest(settings={"duration": 3}), inputs=(InputRequest(uri=URLS[0], end=3),)),
            InvalidSetting,
            "outputs.0.settings",
            "exclude each other",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_the_field(
    jobs: Jobs, request_: JobRequest, kind: type[WrongUse], param: str, told: str
) -> None:
    with pytest.raises(kind, match=told) as refused:
        jobs.submit(request_)

    assert refused.value.param == param


def test_no_input_is_overwritten(jobs: Jobs, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    inputs = (InputRequest(uri=URLS[0]), InputRequest(uri=str(film)))

    with pytest.raises(WrongUse, match="overwritten"):
        jobs.submit(asked(OutputRequest(target=str(film), inputs=(0,)), inputs=inputs))
