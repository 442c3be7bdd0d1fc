"""What any front door may ask about jobs: what is written, who is told, and what is refused."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from framemill.errors import (
    Conflict,
    FramemillError,
    InvalidSetting,
    NotFound,
    OverLimit,
    PathRefused,
    SourceMissing,
    UnknownPreset,
    UnknownSetting,
    WrongUse,
)
from framemill.jobs import lifecycle
from framemill.jobs.model import Callback, ChunkRow, Delivery, Input, Job, Limits, Output, Target, Waiting
from framemill.jobs.presets import PRESETS
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.jobs.states import (
    CancelAsked,
    DeliveryState,
    Failed,
    InputState,
    JobEvent,
    JobState,
    Started,
)
from framemill.sealing import Seals
from framemill.services.callbacks import CallbackRequest
from framemill.services.callers import Caller
from framemill.services.desk import Desk
from framemill.services.farm import pause, standing
from framemill.services.inputs import InputRequest
from framemill.services.jobs import Jobs
from framemill.services.parts import OutputRequest
from framemill.services.submission import JobChanges, JobRequest
from framemill.storage.roots import Roots
from framemill.store.chunks import replace_chunks
from framemill.store.database import Database
from framemill.store.deliveries import load_deliveries, save_deliveries
from framemill.store.epochs import take_epoch
from framemill.store.farm import set_condition
from framemill.store.jobs import add_job, load_job, note_waiting, save_input, save_job, save_output
from framemill.store.listing import JobFilter
from framemill.store.outputs import published_files

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
URL = "https://example.org/films/in.mov"


class Nudged:
    """Takes nudges, and keeps them."""

    def __init__(self) -> None:
        self.heard: list[list[str]] = []

    def __call__(self, job_ids: Sequence[str]) -> None:
        self.heard.append(list(job_ids))


@pytest.fixture
def nudged() -> Nudged:
    return Nudged()


@pytest.fixture
def jobs(database: Database, nudged: Nudged) -> Jobs:
    return Jobs(database, nudged, clock=lambda: NOON)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mov"
    path.write_bytes(b"film")
    return path


def asked(uri: str = URL, *outputs: OutputRequest, **more: Any) -> JobRequest:
    return JobRequest(inputs=(InputRequest(uri=uri),), outputs=outputs or (OutputRequest(),), **more)


def moved(database: Database, job_id: str, *events: JobEvent) -> Job:
    """What a coordinator would write."""
    with database.writing() as conn:
        found = load_job(conn, job_id)
        assert found is not None
        job = found[0]
        for event in events:
            after, _ = lifecycle.handle(job, event, NOON)
            save_job(conn, after, job.version, after.state, {}, now=NOON)
            job = after
    return job


def stored(database: Database, job_id: str) -> tuple[Job, list[Input], list[Output]]:
    with database.reading() as conn:
        found = load_job(conn, job_id)
    assert found is not None
    return found


# Submitting


def test_a_job_is_written_with_its_parts_and_the_coordinator_nudged(
    jobs: Jobs, database: Database, nudged: Nudged
) -> None:
    limits, callbacks = Limits(max_spend=5), (CallbackRequest(url="https://x.example/"),)
    request = asked(
        URL,
        OutputRequest(target="/out/a.mp4", preset="h265", settings={"crf": 20}, metadata={"n": 1}),
        OutputRequest(target="/out/hls"),
        **{"priority": 3, "deadline": NOON, "metadata": {"k": [1]}, "fairness_key": "phone"},
        **{"limits": limits, "callbacks": callbacks, "run": RunSettings(chunks=2), "on_output_error": "keep"},
    )

    job = jobs.submit(request)

    found, (source,), (film, package) = stored(database, job.id)
    assert found == job
    assert (job.state, job.account, job.door, job.created_at) == (JobState.QUEUED, "default", "native", NOON)
    assert (job.priority, job.deadline, job.metadata, job.fairness_key) == (3, NOON, {"k": [1]}, "phone")
    assert (job.limits, job.callbacks, job.run, job.on_output_error) == (
        limits,
        (Callback(url="https://x.example/"),),
        RunSettings(chunks=2),
        "keep",
    )
    assert (source.uri, source.state, source.blob) == (URL, InputState.WAITING, None)
    assert (film.name, film.preset, film.targets, film.metadata) == (
        "a.mp4",
        "h265",
        (Target(uri="/out/a.mp4"),),
        {"n": 1},
    )
    assert film.settings == OutputSettings(video_codec="h265", crf=20)
    assert (package.name, package.preset, package.targets[0].uri, package.position) == ("hls", "hls", "/out/hls", 1)
    assert package.settings == PRESETS["hls"].output
    assert nudged.heard == [[job.id]]
    assert [event.kind for event in jobs.events(job.id)] == ["created"]


def test_a_local_source_may_be_a_path_or_a_file_url(jobs: Jobs, database: Database, film: Path) -> None:
    for uri in (str(film), film.as_uri(), f"file://localhost{film}"):
        _, (source,), _ = stored(database, jobs.submit(asked(uri)).id)
        assert source.uri == str(film)


def test_the_scheme_of_a_url_may_be_written_large(jobs: Jobs, database: Database) -> None:
    _, (source,), _ = stored(database, jobs.submit(asked("HTTPS://example.org/A.mov")).id)
    assert source.uri == "https://example.org/A.mov"


@pytest.mark.parametrize(
    ("output", "made_as"),
    [
        (OutputRequest(), ("in.mp4", "h264", "mp4")),
        (OutputRequest(preset="vp9"), ("in.webm", "vp9", "webm")),
        (OutputRequest(preset="hls"), ("in", "hls", "package")),
        (OutputRequest(settings={"container": "mkv"}), ("in.mkv", "h264", "mkv")),
        (OutputRequest(settings={"container": "package"}), ("in", "hls", "package")),
        (OutputRequest(name="x.mov"), ("x.mov", "h264", "mov")),
        (OutputRequest(name="x"), ("x", "hls", "package")),
        (OutputRequest(target="/out/y.mkv"), ("y.mkv", "h264", "mkv")),
        (OutputRequest(target="file:///out/y%20z.mkv"), ("y z.mkv", "h264", "mkv")),
        (OutputRequest(target="/out/season.1/"), ("season.1", "hls", "package")),
        (OutputRequest(target="/out/y.mkv", name="z.mkv"), ("z.mkv", "h264", "mkv")),
    ],
)
def test_an_output_is_completed_with_what_is_usual(
    output: OutputRequest, made_as: tuple[str, str, str], jobs: Jobs, database: Database
) -> None:
    _, _, (made,) = stored(database, jobs.submit(asked(URL, output)).id)
    assert (made.name, made.preset, made.settings.container) == made_as


REFUSED: list[tuple[JobRequest, type[FramemillError], str, str]] = [
    (asked("/nowhere/in.mov"), SourceMissing, "inputs.0.uri", "There is no file /nowhere/in.mov"),
    (asked("in.mov"), WrongUse, "inputs.0.uri", "write it from the root"),
    (asked("gopher://example.org/in.mov"), WrongUse, "inputs.0.uri", "nor a URI that the farm knows (file://, http://"),
    (asked("file://elsewhere/in.mov"), WrongUse, "inputs.0.uri", "names no file of the farm's machine"),
    (asked("s3://bucket/in/"), WrongUse, "inputs.0.uri", "is a folder: name a file in it"),
    (asked("s3://bucket"), WrongUse, "inputs.0.uri", "is a folder: name a file in it"),
    (asked("http:///in.mov"), WrongUse, "inputs.0.uri", "names no host"),
    (asked("http://x:99999/in.mov"), WrongUse, "inputs.0.uri", "is no URI"),
    (asked("http://[x/in.mov"), WrongUse, "inputs.0.uri", "is no URI"),
    (JobRequest(inputs=(), outputs=(OutputRequest(),)), WrongUse, "inputs", "one of the inputs at the least"),
    (
        JobRequest(inputs=(InputRequest(uri=URL),) * 101, outputs=(OutputRequest(),)),
        WrongUse,
        "inputs",
        "takes up to 100 inputs, not 101",
    ),
    (JobRequest(inputs=(InputRequest(uri=URL),), outputs=()), WrongUse, "outputs", "one of the outputs at the least"),
    (asked(URL, *[OutputRequest()] * 101), WrongUse, "outputs", "1 to 100 outputs, not 101"),
    (
        JobRequest(inputs=(InputRequest(uri=URL, id="i"),), outputs=(OutputRequest(),)),
        WrongUse,
        "inputs.0.id",
        "no part i",
    ),
    (asked(URL, OutputRequest(id="o")), WrongUse, "outputs.0.id", "no part o"),
    (asked(URL, OutputRequest(preset="h266")), UnknownPreset, "outputs.0.preset", "there is"),
    (
        asked(URL, OutputRequest(settings={"cfr": 3})),
        UnknownSetting,
        "outputs.0.settings.cfr",
        "mean crf or crop?",
    ),
    (asked(URL, OutputRequest(settings={"crf": -3})), InvalidSetting, "outputs.0.settings.crf", "Setting crf"),
    (asked(URL, OutputRequest(settings={"crf": {}})), InvalidSetting, "outputs.0.settings.crf", "Setting crf"),
    (asked(URL, OutputRequest(settings={"qp": 1, "crf": 1})), InvalidSetting, "outputs.0.settings", "exclude"),
    (asked(URL, OutputRequest(settings={"chunks": 2})), InvalidSetting, "outputs.0.settings", "put it into `run`"),
    (
        asked(URL, OutputRequest(settings={"container": "rm"})),
        InvalidSetting,
        "outputs.0.settings.container",
        "not 'rm'",
    ),
    (
        asked(URL, OutputRequest(target="/x.mp4", settings={"container": "mkv"})),
        InvalidSetting,
        "outputs.0.settings",
        "/x.mp4 says mp4",
    ),
    (asked(URL, OutputRequest(), OutputRequest(target="x.mp4")), WrongUse, "outputs.1.target", "from the root"),
    (asked(URL, OutputRequest(target="/x.rm")), WrongUse, "outputs.0.target", ".mp4, .mov, .mkv, .webm"),
    (asked(URL, OutputRequest(target="https://x.example/a.mp4")), WrongUse, "outputs.0.target", "take no outputs"),
    (asked(URL, OutputRequest(name="a/../b.mp4")), WrongUse, "outputs.0.name", "no slash"),
    (asked(URL, OutputRequest(name="..")), WrongUse, "outputs.0.name", "is no name"),
    (asked(URL, OutputRequest(name="ü" * 130)), WrongUse, "outputs.0.name", "255 bytes"),
    (asked(URL, OutputRequest(name="a.rm")), WrongUse, "outputs.0.name", "a file ends in"),
    (asked(URL, OutputRequest(name="a.mkv", target="/x.mp4")), WrongUse, "outputs.0.name", "not of the same kind"),
    (
        asked(URL, OutputRequest(target="/x.mp4"), OutputRequest(target="/y/../x.mp4")),
        WrongUse,
        "outputs.1.target",
        "/x.mp4 is the target of two outputs",
    ),
    (asked(URL, OutputRequest(preset="h264", name="a.webm")), WrongUse, "outputs.0.settings", "does not hold h264"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[2]}: {case[3]}")
def test_what_cannot_be_is_refused_with_the_field_and_nothing_is_written(
    case: tuple[JobRequest, type[FramemillError], str, str], jobs: Jobs, nudged: Nudged
) -> None:
    wrong, kind, param, message = case
    with pytest.raises(kind) as refused:
        jobs.submit(wrong)
    assert type(refused.value) is kind
    assert refused.value.param == param
    assert message in refused.value.message
    assert list(jobs.listed().jobs) == []
    assert nudged.heard == []


def test_the_source_is_no_target(jobs: Jobs, film: Path) -> None:
    with pytest.raises(WrongUse, match="would be overwritten") as refused:
        jobs.submit(asked(str(film), OutputRequest(target=str(film))))
    assert refused.value.param == "outputs.0.target"


# Reading


def test_jobs_are_listed_page_by_page_newest_first(jobs: Jobs, database: Database) -> None:
    made = [jobs.submit(asked(metadata={"n": n})).id for n in range(5)]
    moved(database, made[1], Started())

    first = jobs.listed(limit=2)
    second = jobs.listed(limit=2, cursor=first.next_cursor)
    last = jobs.listed(limit=2, cursor=second.next_cursor)

    listed = [shown.job.id for page in (first, second, last) for shown in page.jobs]
    assert listed == made[::-1]
    assert last.next_cursor is None
    assert [shown.job.id for shown in jobs.listed({JobState.INGESTING}).jobs] == [made[1]]
    assert jobs.listed(limit=5).next_cursor is None
    assert [source.uri for source in first.jobs[0].inputs] == [URL]
    assert [output.name for output in first.jobs[0].outputs] == ["in.mp4"]


def test_a_job_is_found_by_the_beginning_of_its_id(jobs: Jobs, database: Database) -> None:
    ids = ["019aaaaa-0000-7000-8000-000000000001", "019aaaaa-0000-7000-8000-000000000002", "019b" + "0" * 32]
    with database.writing() as conn:
        for job_id in ids:
            add_job(conn, Job(id=job_id, account="a", door="native", created_at=NOON), [], [])

    assert [shown.job.id for shown in jobs.found(JobFilter(id_prefix="019aaaaa", oldest_first=True)).jobs] == ids[:2]
    assert [shown.job.id for shown in jobs.found(JobFilter(id_prefix=ids[1], oldest_first=True)).jobs] == [ids[1]]
    assert [shown.job.id for shown in jobs.found(JobFilter(id_prefix="019", oldest_first=True)).jobs] == ids
    assert [shown.job.id for shown in jobs.found(JobFilter(id_prefix="019", oldest_first=True), limit=1).jobs] == ids[
        :1
    ]
    assert list(jobs.found(JobFilter(id_prefix="01a", oldest_first=True)).jobs) == []


def test_a_job_is_shown_with_its_frames_and_the_files_of_its_last_attempt(jobs: Jobs, database: Database) -> None:
    job = jobs.submit(asked())
    (output,) = jobs.shown(job.id).outputs
    job = moved(database, job.id, Failed(Reason.DISK_FULL))
    jobs.retried(job.id)
    rows = [
        ChunkRow(
            job_id=job.id,
            attempt=attempt,
            output_id=output.id,
            number=number,
            key=f"k{number}",
            first_frame=number * 10,
            end_frame=number * 10 + 10,
            frames_done=10 - number * attempt,
        )
        for attempt in (1, 2)
        for number in range(2)
    ]
    files = [
        Delivery(id=f"d{attempt}", job_id=job.id, attempt=attempt, output_id=output.id, path="in.mp4", uri="/in.mp4")
        for attempt in (1, 2)
    ]
    with database.writing() as conn:
        replace_chunks(conn, job.id, 1, rows[:2])
        replace_chunks(conn, job.id, 2, rows[2:])
        save_deliveries(conn, files)

    shown = jobs.shown(job.id)

    assert (shown.frames, shown.frames_planned) == (18, 20)
    assert list(shown.deliveries) == files[1:]
    assert (jobs.listed().jobs[0].frames, jobs.listed().jobs[0].frames_planned) == (18, 20)


def test_an_account_sees_its_own_jobs_alone(database: Database, nudged: Nudged, jobs: Jobs) -> None:
    theirs = Jobs(database, nudged, caller=Caller(account="them"))
    job_id = jobs.submit(asked()).id
    their_id = theirs.submit(asked()).id

    assert [shown.job.id for shown in theirs.listed().jobs] == [their_id]
    assert [shown.job.id for shown in theirs.found(JobFilter(id_prefix="0", oldest_first=True)).jobs] == [their_id]
    assert [shown.job.id for shown in jobs.listed().jobs] == [their_id, job_id]
    for ask in (
        theirs.shown,
        theirs.cancelled,
        theirs.retried,
        theirs.started,
        theirs.removed,
        theirs.events,
        theirs.why,
    ):
        with pytest.raises(NotFound):
            ask(job_id)
    with pytest.raises(NotFound):
        theirs.edited(job_id, JobChanges(priority=1))


@pytest.mark.parametrize("job_id", ["x", "", "\0", "019aaaaa-0000-7000-8000-000000000001", "ü", "x" * 10_000])
def test_a_job_that_is_not_there_is_not_found(jobs: Jobs, job_id: str) -> None:
    with pytest.raises(NotFound, match="There is no job"):
        jobs.shown(job_id)


# Moving


def test_a_held_job_waits_for_its_start(jobs: Jobs, nudged: Nudged) -> None:
    job = jobs.submit(asked(start="held"))
    assert job.state is JobState.HELD

    assert jobs.started(job.id).state is JobState.QUEUED

    assert nudged.heard == [[job.id], [job.id]]
    assert [event.kind for event in jobs.events(job.id)] == ["created", "queued"]
    assert [event.kind for event in jobs.events(job.id, after=jobs.events(job.id)[0].seq)] == ["queued"]


def test_a_held_job_gets_its_inputs_when_it_is_started_and_not_before(
    jobs: Jobs, database: Database, nudged: Nudged
) -> None:
    request = JobRequest(inputs=(), outputs=(OutputRequest(name="a.mp4"),), start="held")
    job_id = jobs.submit(request).id
    started = jobs.started_with(job_id, [InputRequest(uri=URL, read_once=True, size=4711)])
    job, (source,), (output,) = stored(database, job_id)

    assert (started.state, job.state, job.version) == (JobState.QUEUED, JobState.QUEUED, 2)
    assert (source.uri, source.read_once, source.size, output.input_ids) == (URL, True, 4711, ())
    assert nudged.heard[-1] == [job_id]
    with pytest.raises(Conflict, match="cannot be started with others"):
        jobs.started_with(job_id, [InputRequest(uri=URL)])
    other = jobs.submit(asked(start="held")).id
    with pytest.raises(Conflict, match="has inputs"):
        jobs.started_with(other, [InputRequest(uri=URL)])


def test_what_a_held_job_is_started_with_is_held_to_all_that_its_inputs_are(
    database: Database, nudged: Nudged, film: Path, tmp_path: Path
) -> None:
    """As when they are named at once: its own limits, no source is overwritten, and only open paths are read."""
    (inside := tmp_path / "open").mkdir()
    (inside / "a.mov").write_bytes(b"film")
    desk = Desk(Seals("a farm's secret"), roots=Roots((inside,)))
    local = Jobs(database, nudged, clock=lambda: NOON)
    mine = Jobs(database, nudged, clock=lambda: NOON, caller=Caller(account="default"), desk=desk)
    held: dict[str, Any] = {"inputs": (), "start": "held"}
    few = mine.submit(JobRequest(outputs=(OutputRequest(),), limits=Limits(max_inputs=1), **held)).id
    with pytest.raises(OverLimit):
        mine.started_with(few, [InputRequest(uri=URL)] * 2)
    over = mine.submit(JobRequest(outputs=(OutputRequest(target=f"{inside}/a.mov"),), **held)).id
    with pytest.raises(WrongUse, match="overwritten"):
        mine.started_with(over, [InputRequest(uri=f"{inside}/a.mov")])
    closed = local.submitted(asked(str(film))).inputs[0]
    with pytest.raises(PathRefused):
        mine.started_with(few, [InputRequest(like=closed.id)])
    assert mine.started_with(few, [InputRequest(uri=f"{inside}/a.mov")]).state is JobState.QUEUED


def test_a_job_that_nobody_works_on_is_cancelled_at_once(jobs: Jobs) -> None:
    job = jobs.cancelled(jobs.submit(asked()).id)
    assert (job.state, job.reason, job.ended_at) == (JobState.CANCELLED, Reason.CANCELLED_BY_CLIENT, NOON)


def test_a_job_that_is_worked_on_is_cancelling_however_often_it_is_asked(
    jobs: Jobs, database: Database, nudged: Nudged
) -> None:
    job_id = jobs.submit(asked()).id
    moved(database, job_id, Started())

    assert jobs.cancelled(job_id).state is JobState.CANCELLING
    version = jobs.shown(job_id).job.version
    assert jobs.cancelled(job_id).state is JobState.CANCELLING

    assert jobs.shown(job_id).job.version == version
    assert nudged.heard == [[job_id]] * 3


def test_a_retry_is_a_new_attempt_and_forgives_what_failed(jobs: Jobs, database: Database) -> None:
    job_id = jobs.submit(asked()).id
    job = moved(database, job_id, Started(), Failed(Reason.SOURCE_UNREACHABLE, "It is silent."))
    (source,), (output,) = jobs.shown(job_id).inputs, jobs.shown(job_id).outputs
    why: dict[str, Any] = {"reason": Reason.SOURCE_UNREACHABLE, "message": "It is silent."}
    with database.writing() as conn:
        save_input(conn, source.model_copy(update={"state": InputState.FAILED, **why}))
        save_output(conn, output.model_copy(update=why))

    again = jobs.retried(job_id)

    assert (again.state, again.attempt, again.reason, again.id) == (JobState.QUEUED, job.attempt + 1, None, job_id)
    (source,), (output,) = jobs.shown(job_id).inputs, jobs.shown(job_id).outputs
    assert (source.state, source.reason, source.message) == (InputState.WAITING, None, None)
    assert (output.reason, output.message) == (None, None)


def test_a_retry_makes_again_what_was_withdrawn_and_brings_nothing_back(jobs: Jobs, database: Database) -> None:
    """Whoever has it made once more, and pays for it, wants it; what lay here before stays withdrawn."""
    job_id = jobs.submit(asked(URL, OutputRequest(name="a.mp4"), OutputRequest(name="b.mp4"))).id
    moved(database, job_id, CancelAsked())
    gone, kept = jobs.shown(job_id).outputs
    files = [
        Delivery(job_id=job_id, output_id=one.id, path=one.name, uri=uri, target=target, state=DeliveryState.COMPLETED)
        for one in (gone, kept)
        for target, uri in ((None, ""), (0, "s3://films/a.mp4"))
    ]
    with database.writing() as conn:
        save_deliveries(conn, files)
        save_output(conn, gone.model_copy(update={"withdrawn_at": NOON}))

    jobs.retried(job_id)

    assert [one.withdrawn_at for one in jobs.shown(job_id).outputs] == [None, None]
    with database.reading() as conn:
        assert [published_files(conn, one.id) for one in (gone, kept)] == [[], [files[2]]]
        assert {row.id for row in load_deliveries(conn, job_id)} == {one.id for one in files[1:]}


def test_a_retry_keeps_what_was_fetched(jobs: Jobs, database: Database) -> None:
    job_id = jobs.submit(asked()).id
    moved(database, job_id, CancelAsked())
    ready = jobs.shown(job_id).inputs[0].model_copy(update={"state": InputState.READY, "blob": "b"})
    with database.writing() as conn:
        save_input(conn, ready)

    jobs.retried(job_id)

    assert list(jobs.shown(job_id).inputs) == [ready]


def test_what_a_state_has_no_edge_for_is_a_conflict_in_words(jobs: Jobs, database: Database, nudged: Nudged) -> None:
    queued = jobs.submit(asked()).id
    ended = jobs.submit(asked()).id
    moved(database, ended, CancelAsked())
    nudges = len(nudged.heard)

    for ask, job_id, words in (
        (jobs.started, queued, "is queued: only a job that is held is started"),
        (jobs.retried, queued, "is queued: only a job that has ended is tried again; cancel it first"),
        (jobs.removed, queued, "is queued: only a job that has ended is removed; cancel it first"),
        (jobs.started, ended, "is cancelled: only a job that is held is started"),
        (jobs.cancelled, ended, "is cancelled: there is nothing left to cancel"),
    ):
        with pytest.raises(Conflict) as refused:
            ask(job_id)
        assert refused.value.message == f"Job {job_id} {words}."

    assert len(nudged.heard) == nudges


def test_a_job_that_has_ended_is_removed_with_all_its_rows(jobs: Jobs, database: Database, nudged: Nudged) -> None:
    job_id = jobs.submit(asked()).id
    moved(database, job_id, CancelAsked())

    jobs.removed(job_id)

    with pytest.raises(NotFound):
        jobs.shown(job_id)
    with database.reading() as conn:
        for table in ("jobs", "inputs", "outputs", "events", "outbox"):
            assert conn.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 0  # noqa: S608
    assert nudged.heard[-1] == [job_id]


class Racing(Jobs):
    """Somebody else changes the job between our reading and our writing, so many times."""

    def __init__(self, database: Database, nudged: Nudged, times: int) -> None:
        super().__init__(database, nudged, clock=lambda: NOON)
        self._store = database
        self.times = times

    def _loaded(self, conn: Any, job_id: str) -> Any:
        found = super()._loaded(conn, job_id)
        if self.times:
            self.times -= 1
            job = found[0]
            stale = job.model_copy(update={"version": job.version - 1})
            return stale, *found[1:]
        return found


def test_a_stale_decision_is_made_again(database: Database, nudged: Nudged, jobs: Jobs) -> None:
    job_id = jobs.submit(asked(start="held")).id
    jobs.edited(job_id, JobChanges(priority=1))

    assert Racing(database, nudged, times=3).edited(job_id, JobChanges(priority=2)).priority == 2
    assert Racing(database, nudged, times=3).started(job_id).state is JobState.QUEUED
    assert Racing(database, nudged, times=3).cancelled(job_id).state is JobState.CANCELLED
    Racing(database, nudged, times=3).removed(job_id)
    assert list(jobs.listed().jobs) == []


def test_a_job_that_changes_all_the_time_is_a_conflict_in_the_end(
    database: Database, nudged: Nudged, jobs: Jobs
) -> None:
    job_id = jobs.submit(asked()).id
    jobs.edited(job_id, JobChanges(priority=1))
    with pytest.raises(Conflict, match="changes all the time"):
        Racing(database, nudged, times=10**6).cancelled(job_id)


# Editing


def test_a_held_job_is_edited(jobs: Jobs, database: Database, film: Path) -> None:
    job = jobs.submit(asked(URL, OutputRequest(), OutputRequest(name="b.mkv"), start="held", priority=1))
    before = jobs.shown(job.id)
    fetched = before.inputs[0].model_copy(update={"state": InputState.READY, "blob": "b"})
    with database.writing() as conn:
        save_input(conn, fetched)

    changed = jobs.edited(
        job.id,
        JobChanges(
            inputs=(InputRequest(id=fetched.id, uri=URL, metadata={"n": 1}),),
            outputs=(OutputRequest(id=before.outputs[1].id, preset="h265", name="c.mp4"), OutputRequest(preset="hls")),
            run=RunSettings(chunks=4),
            callbacks=(CallbackRequest(url="https://x.example"),),
        ),
    )

    after = jobs.shown(job.id)
    assert after.job == changed
    assert (changed.run, changed.priority, changed.version) == (RunSettings(chunks=4), 1, job.version + 1)
    assert [callback.url for callback in changed.callbacks] == ["https://x.example"]
    assert list(after.inputs) == [fetched.model_copy(update={"metadata": {"n": 1}})]
    assert [(output.name, output.position) for output in after.outputs] == [("c.mp4", 0), ("in", 1)]
    assert after.outputs[0].id == before.outputs[1].id
    assert after.outputs[0].settings.video_codec == "h265"
    told = jobs.events(job.id)[-1]
    assert (told.kind, told.data["changed"]) == ("edited", ["callbacks", "inputs", "outputs", "run"])


def test_another_source_under_the_same_id_is_fetched_anew(jobs: Jobs, database: Database, film: Path) -> None:
    job_id = jobs.submit(asked(start="held")).id
    (source,) = jobs.shown(job_id).inputs
    with database.writing() as conn:
        save_input(conn, source.model_copy(update={"state": InputState.READY, "blob": "b"}))

    jobs.edited(job_id, JobChanges(inputs=(InputRequest(id=source.id, uri=str(film)),)))

    (found,) = jobs.shown(job_id).inputs
    assert (found.uri, found.state, found.blob) == (str(film), InputState.WAITING, None)
    assert found.id != source.id


def test_an_input_is_known_by_its_masked_address_too(database: Database) -> None:
    jobs = Jobs(database, lambda _: None, desk=Desk(Seals("a farm's secret")))
    uri = "https://user:secret@example.org/in.mov"
    job_id = jobs.submit(asked(uri, start="held")).id
    (source,) = jobs.shown(job_id).inputs

    for known in ("https://***@example.org/in.mov", uri):
        jobs.edited(job_id, JobChanges(inputs=(InputRequest(id=source.id, uri=known),)))
        assert list(jobs.shown(job_id).inputs) == [source]


def test_a_wrong_edit_changes_nothing(jobs: Jobs, film: Path) -> None:
    job_id = jobs.submit(asked(URL, OutputRequest(target=str(film)), start="held")).id
    before = jobs.shown(job_id)

    for changes, param in (
        (JobChanges(priority=9, outputs=(OutputRequest(preset="h266"),)), "outputs.0.preset"),
        (JobChanges(inputs=(InputRequest(uri="/nowhere"),)), "inputs.0.uri"),
        (JobChanges(inputs=(InputRequest(uri=str(film)),)), "inputs.0.uri"),  # it is the target
    ):
        with pytest.raises(FramemillError) as refused:
            jobs.edited(job_id, changes)
        assert refused.value.param == param

    assert jobs.shown(job_id) == before


def test_later_only_priority_deadline_and_metadata_are_edited(jobs: Jobs) -> None:
    job_id = jobs.submit(asked(priority=1, deadline=NOON)).id

    changed = jobs.edited(job_id, JobChanges(priority=7, deadline=None, metadata={"k": 1}))

    assert (changed.priority, changed.deadline, changed.metadata) == (7, None, {"k": 1})
    with pytest.raises(Conflict, match=r"is queued: outputs, run can only be changed while it is held"):
        jobs.edited(job_id, JobChanges(priority=8, run=RunSettings(chunks=1), outputs=(OutputRequest(),)))
    assert jobs.shown(job_id).job == changed


# The farm, and why


def test_the_farm_is_paused_and_goes_on(database: Database, nudged: Nudged, jobs: Jobs) -> None:
    jobs.submit(asked())
    jobs.submit(asked(start="held"))
    ended = jobs.submit(asked()).id
    moved(database, ended, CancelAsked())

    pause(database, nudged, paused=True)

    assert standing(database, NOON).paused is True
    assert standing(database, NOON).jobs == {"queued": 1, "held": 1}
    pause(database, nudged, paused=False)
    assert standing(database, NOON).paused is False
    assert nudged.heard[-2:] == [[], []]


def test_why_tells_what_holds_a_job_up_and_the_next_thing_to_do(jobs: Jobs, database: Database, nudged: Nudged) -> None:
    held = jobs.submit(asked(start="held")).id
    queued = jobs.submit(asked()).id
    failed = jobs.submit(asked()).id
    moved(database, failed, Started(), Failed(Reason.DISK_FULL, "No room."))

    found = jobs.why(held).waiting
    assert found is not None
    assert (found.code, found.sentence) == ("held", "It is held until its owner starts it (0 of 1 input here).")
    assert f"framemill jobs start {held}" in jobs.why(held).next
    assert jobs.why(queued).waiting is None
    away = jobs.why(queued, "The coordinator is silent.").waiting
    assert away is not None
    assert (away.code, away.sentence) == ("farm_away", "Nobody works on it: The coordinator is silent.")
    assert "framemill up" in jobs.why(queued, "It is silent.").next
    why = jobs.why(failed)
    assert why.waiting is None
    assert f"framemill jobs retry {failed}" in why.next
    assert (why.facts["reason"], why.facts["message"]) == ("disk_full", "No room.")


def said(database: Database, **condition: Any) -> None:
    """What a coordinator says of the farm."""
    with database.writing() as conn:
        set_condition(conn, condition, take_epoch(conn))


def test_a_job_that_waits_to_begin_tells_what_for(jobs: Jobs, database: Database, nudged: Nudged) -> None:
    queued = jobs.submit(asked()).id

    def code() -> str | None:
        waiting = jobs.shown(queued).waiting
        assert jobs.listed().jobs[0].waiting == waiting
        assert jobs.why(queued).waiting == waiting
        return None if waiting is None else waiting.code

    assert code() is None
    said(database, trouble="disk", trouble_since=NOON.isoformat(), free_bytes=1 << 29, min_free_bytes=1 << 30)
    assert code() == "disk"
    farm = standing(database, NOON).waiting
    assert farm is not None
    assert farm.sentence == "The disk has 0.50 GiB free; the farm goes on at 1.25 GiB."
    said(database, trouble=None, workers=0)
    assert code() == "no_worker"
    said(database, workers=1, active_jobs=2, most_active_jobs=2)
    assert code() == "farm_limit"
    moved(database, jobs.submit(asked()).id, Started())
    said(database, workers=1, active_jobs=1, jobs_per_account=1)
    limited = jobs.shown(queued).waiting
    assert limited is not None
    assert limited.sentence == "1 job of this account is worked on, and its limit is 1."
    said(database, workers=1)
    pause(database, nudged, paused=True)
    paused = jobs.shown(queued).waiting
    assert paused is not None
    assert (paused.code, paused.sentence) == ("paused", "The farm was paused by its operator.")
    assert "framemill resume" in jobs.why(queued).next
    assert jobs.why(queued).facts["farm"] == {"paused": True, "workers": 1}
    said(database, trouble="paused", trouble_since=(NOON - timedelta(seconds=90)).isoformat())
    told = jobs.shown(queued).waiting
    assert told is not None
    assert told.sentence == "The farm was paused by its operator 90 s ago."
    pause(database, nudged, paused=False)
    assert code() is None
    assert standing(database, NOON).waiting is None


def test_of_a_job_that_is_worked_on_the_coordinators_word_is_told(
    jobs: Jobs, database: Database, nudged: Nudged
) -> None:
    job_id = jobs.submit(asked()).id
    moved(database, job_id, Started())
    pause(database, nudged, paused=True)
    assert jobs.shown(job_id).waiting is None
    assert jobs.why(job_id).next == "Nothing: it is being worked on."
    with database.writing() as conn:
        note_waiting(conn, job_id, Waiting(code="no_slot", sentence="All are busy."), take_epoch(conn))
    waiting = jobs.shown(job_id).waiting
    assert waiting is not None
    assert waiting.code == "no_slot"
