"""Jobs and their parts: what is written is read, and the second writer is stale."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from framemill.errors import StaleWrite
from framemill.jobs.lifecycle import amend, handle
from framemill.jobs.model import Callback, Delivery, Input, Job, Limits, Output, Target, Waiting, Warned
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import OutputSettings, Rung, RunSettings
from framemill.jobs.states import Delivered, DeliveryState, Failed, InputState, JobState, RetryAsked
from framemill.jobs.usage import Usage
from framemill.store import schema
from framemill.store.database import Database
from framemill.store.deliveries import load_deliveries, save_deliveries
from framemill.store.epochs import take_epoch
from framemill.store.events import events_of
from framemill.store.jobs import (
    add_job,
    add_usage,
    charge_output,
    count_download,
    load_job,
    save_input,
    save_job,
    save_output,
)
from framemill.store.listing import JobFilter, find_jobs, nth_page

MakeJob = Callable[..., Job]


def full_job(now: datetime) -> Job:
    """A job with no field at its default."""
    return Job(
        account="a",
        door="native",
        priority=-2,
        deadline=now + timedelta(hours=1),
        start="held",
        run=RunSettings(chunk_seconds=2.5, index="decode"),
        limits=Limits(max_process_seconds=60, max_spend=2000, max_inputs=3, max_input_bytes=1 << 40, max_downloads=2),
        callbacks=(Callback(url="https://x.example/cb", on="change", retry_seconds=(1, 2), refusal_is_final=True),),
        metadata={"k": [1, {"ü": None}]},
        fairness_key="phone",
        on_input_error="keep",
        on_output_error="keep",
        attempt=2,
        state=JobState.FAILED,
        reason=Reason.DISK_FULL,
        message="No room.",
        waiting=Waiting(code="no_slot", sentence="All slots are taken."),
        warnings=(Warned(about="input", about_id="i", reason=Reason.SOURCE_MISSING),),
        refuted=1,
        version=7,
        created_at=now,
        entered_at=now + timedelta(microseconds=1),
        started_at=now,
        ended_at=now,
        spent=1500,
        report={"frames": 48},
        timings={"queued": 0.25},
    )


def test_what_is_written_is_read(database: Database, now: datetime) -> None:
    job = full_job(now)
    its_input = Input(
        job_id=job.id,
        uri="https://***@x.example/in.mp4",
        sealed_uri="sealed",
        filename="in.mp4",
        read_once=True,
        state=InputState.READY,
        blob="blobs/in",
        size=5 << 32,
        sha256="0" * 64,
        content_type="video/mp4",
        fingerprint="f",
        facts={"format": {"duration": "1.0"}},
        index_key="blobs/index",
        zero=Fraction(-1001, 30000),
        reason=Reason.SOURCE_UNREACHABLE,
        message="Later it was there.",
        metadata={"id": 1},
    )
    output = Output(
        job_id=job.id,
        position=1,
        input_ids=(its_input.id,),
        name="hls",
        preset="hls",
        settings=OutputSettings(container="package", ladder=(Rung(height=720, crf=23),)),
        targets=(
            Target(uri="s3://bucket/key", sealed_uri="sealed", credentials="mine", if_exists="rename", number=2),
            Target(uri="gs://bucket/key", sealed_access="sealed", acl="private"),
        ),
        stays=True,
        trusted=True,
        expires_at=now,
        download_limit=3,
        download_count=1,
        charged=1500,
        password_hashes=("$scrypt$1",),
        withdrawn_at=now,
        reason=Reason.SPEND_CAP_REACHED,
        message="Too dear.",
        metadata={"n": 1.5},
    )
    second = Output(job_id=job.id, position=0, name="first.mp4")
    delivery = Delivery(
        job_id=job.id,
        attempt=2,
        output_id=output.id,
        path="720p/0001.m4s",
        uri="s3://bucket/key/720p/0001.m4s",
        state=DeliveryState.FAILED,
        size=9,
        sha256="1" * 64,
        md5="2" * 32,
        content_type="video/mp4",
        reason=Reason.TARGET_REFUSED,
        message="403",
    )
    with database.writing() as conn:
        add_job(conn, job, [its_input], [output, second])
        save_deliveries(conn, [delivery])
    with database.reading() as conn:
        assert load_job(conn, job.id) == (job, [its_input], [second, output])
        assert load_deliveries(conn, job.id) == [delivery]
        assert load_job(conn, "nobody") is None


def test_a_newer_writer_does_not_break_an_older_reader(database: Database, stored: Job) -> None:
    with database.writing() as conn:
        conn.execute(text("ALTER TABLE jobs ADD COLUMN mood TEXT DEFAULT 'fine'"))
        conn.execute(update(schema.jobs).values(run={"chunks": 4, "new": True}, limits={"max_moons": 2}))
        row = conn.execute(text("SELECT * FROM jobs")).mappings().one()
        assert row["mood"] == "fine"
        job, _, _ = load_job(conn, stored.id) or (None, None, None)
    assert job == stored.model_copy(update={"run": RunSettings(chunks=4)})


def test_a_bent_value_is_not_written(database: Database, stored: Job, now: datetime) -> None:
    bent = stored.model_copy(update={"state": "dreaming", "version": 2})
    with pytest.raises(ValidationError), database.writing() as conn:
        save_job(conn, bent, 1, "dreaming", {}, now=now)


def test_a_change_and_its_event_are_written_together(database: Database, stored: Job, now: datetime) -> None:
    changed = amend(stored, priority=5)
    with database.writing() as conn:
        event = save_job(conn, changed, stored.version, "edited", {"by": "a"}, now=now)
    with database.reading() as conn:
        assert (load_job(conn, stored.id) or [None])[0] == changed
        assert events_of(conn, stored.id)[1:] == [event]
        assert [one.kind for one in events_of(conn, stored.id)] == ["created", "edited"]


def test_the_second_writer_is_stale(database: Database, stored: Job, now: datetime) -> None:
    with database.writing() as conn:
        save_job(conn, amend(stored, priority=5), stored.version, "edited", {}, now=now)
    with pytest.raises(StaleWrite, match="read it again"), database.writing() as conn:
        save_job(conn, amend(stored, priority=6), stored.version, "edited", {}, now=now)
    with database.reading() as conn:
        assert (load_job(conn, stored.id) or [stored])[0].priority == 5
        assert len(events_of(conn, stored.id)) == 2


def test_a_write_without_a_new_version_is_stale(database: Database, stored: Job, now: datetime) -> None:
    with pytest.raises(StaleWrite), database.writing() as conn:
        save_job(conn, stored, stored.version, "edited", {}, now=now)


def test_a_coordinator_of_an_older_epoch_saves_no_job(database: Database, stored: Job, now: datetime) -> None:
    with database.writing() as conn:
        mine, theirs = take_epoch(conn), take_epoch(conn)
        with pytest.raises(StaleWrite):
            save_job(conn, amend(stored, priority=5), 1, "edited", {}, now=now, epoch=mine)
        save_job(conn, amend(stored, priority=6), 1, "edited", {}, now=now, epoch=theirs)


def test_jobs_are_listed_newest_first_by_owner_state_and_page(database: Database, make_job: MakeJob) -> None:
    made = [make_job(account="ab"[n % 2], start=["auto", "held"][n // 3 % 2]) for n in range(6)]
    with database.writing() as conn:
        for job in made:
            add_job(conn, job, [], [])

    def listed(before: str | None = None, limit: int = 100, **wanted: Any) -> list[int]:
        with database.reading() as conn:
            return [made.index(job) for job in find_jobs(conn, JobFilter(**wanted), before, limit).jobs]

    assert listed() == [5, 4, 3, 2, 1, 0]
    assert listed(account="a") == [4, 2, 0]
    assert listed(states=[JobState.HELD]) == [5, 4, 3]
    assert listed(states=[]) == []
    assert listed(account="b", states=[JobState.HELD, JobState.QUEUED], limit=2) == [5, 3]
    assert listed(before=made[3].id, limit=2) == [2, 1]


def test_pages_of_jobs_are_found_by_their_number(database: Database, make_job: MakeJob) -> None:
    made = [make_job(account="ab"[n % 2], start=["auto", "held"][n // 3 % 2], door="xy"[n % 3 == 0]) for n in range(6)]
    with database.writing() as conn:
        for job in made:
            add_job(conn, job, [], [])

    def page(number: int, size: int = 2, **wanted: Any) -> tuple[list[int], int]:
        with database.reading() as conn:
            found, count = nth_page(conn, JobFilter(**wanted), size, number)
            return [made.index(job) for job in found], count

    assert [page(number) for number in (1, 2, 3, 4)] == [([5, 4], 6), ([3, 2], 6), ([1, 0], 6), ([], 6)]
    assert page(1, account="a") == ([4, 2], 3)
    assert page(2, account="a") == ([0], 3)
    assert page(1, states=[JobState.HELD]) == ([5, 4], 3)
    assert page(1, states=[]) == ([], 0)
    assert page(1, door="y") == ([3, 0], 2)
    with pytest.raises(ValueError, match="metadata"):
        page(1, metadata={"a": "b"})


def test_what_was_used_is_counted_beside_other_changes(database: Database, stored: Job, now: datetime) -> None:
    """Whoever changes a job has read it a while ago, and chunks end all the time."""
    used = Usage(seconds=2.0, cpu_seconds=1.0, peak_bytes=7)
    with database.writing() as conn:
        epoch = take_epoch(conn)
        add_usage(conn, "j", "encode", used, epoch)
        add_usage(conn, "j", "encode", used, epoch)
        save_job(conn, amend(stored, priority=5), stored.version, "edited", {}, now=now)
        add_usage(conn, "j", "join", used, epoch)
        job, _, _ = load_job(conn, "j") or (stored, [], [])
        assert job.usage == {"encode": used + used, "join": used}
        assert job.priority == 5
        with pytest.raises(StaleWrite):
            add_usage(conn, "j", "encode", used, epoch - 1)
        ended, _ = handle(job, Failed(Reason.INTERNAL), now)
        save_job(conn, ended, job.version, "failed", {}, now=now)
        again, _ = handle(ended, RetryAsked(), now)
        save_job(conn, again, ended.version, "queued", {}, now=now)
        assert (load_job(conn, "j") or [stored])[0] == again
        assert again.usage == {}


def charged(conn: Connection) -> tuple[int, list[int | None]]:
    job, _, its_outputs = load_job(conn, "j") or (None, [], [])
    assert job is not None
    return job.spent, [output.charged for output in its_outputs]


def test_outputs_are_charged_once_and_up_to_the_cap(database: Database, stored: Job) -> None:
    with database.writing() as conn:
        epoch = take_epoch(conn)
        assert charge_output(conn, "j", "o1", 700, 1000, epoch)
        assert charge_output(conn, "j", "o1", 700, 1000, epoch)
        assert charged(conn) == (700, [700, None])
        assert not charge_output(conn, "j", "o2", 301, 1000, epoch)
        assert charged(conn) == (700, [700, None])
        assert charge_output(conn, "j", "o2", 300, 1000, epoch)
        assert charged(conn) == (1000, [700, 300])
        assert charge_output(conn, "j", "o1", 10**9, 0, epoch)
        assert charged(conn) == (1000, [700, 300])


def test_without_a_cap_everything_is_charged(database: Database, stored: Job) -> None:
    with database.writing() as conn:
        epoch = take_epoch(conn)
        assert charge_output(conn, "j", "o1", 10**12, None, epoch)
        assert charge_output(conn, "j", "o2", 0, None, epoch)
        assert charged(conn) == (10**12, [10**12, 0])


def test_a_change_that_knows_nothing_of_the_charge_is_stale(database: Database, stored: Job, now: datetime) -> None:
    """It would write what was spent before."""
    with database.writing() as conn:
        charge_output(conn, "j", "o1", 5, None, take_epoch(conn))
        with pytest.raises(StaleWrite):
            save_job(conn, amend(stored, priority=5), stored.version, "edited", {}, now=now)
        save_output(conn, Output(id="o1", job_id="j", name="renamed.mp4"))
        assert charged(conn) == (5, [5, None])


def test_a_coordinator_of_an_older_epoch_charges_nothing(database: Database, stored: Job) -> None:
    with database.writing() as conn:
        with pytest.raises(StaleWrite):
            charge_output(conn, "j", "o1", 5, None, take_epoch(conn) - 1)
        assert charged(conn) == (0, [None, None])


def test_a_new_attempt_is_charged_anew(database: Database, stored: Job, now: datetime) -> None:
    with database.writing() as conn:
        epoch = take_epoch(conn)
        charge_output(conn, "j", "o1", 5, None, epoch)
        job, _, _ = load_job(conn, "j") or (stored, [], [])
        ended, _ = handle(job, Failed(Reason.INTERNAL), now)
        save_job(conn, ended, job.version, "failed", {}, now=now)
        assert charged(conn) == (0, [None, None])  # what brings nothing costs nothing
        again, _ = handle(ended, RetryAsked(), now)
        save_job(conn, again, ended.version, "queued", {}, now=now)
        assert charged(conn) == (0, [None, None])
        assert charge_output(conn, "j", "o1", 5, 5, epoch)
        assert charged(conn) == (5, [5, None])


def test_two_outputs_do_not_spend_the_same_credit(empty: Database, database: Database, stored: Job) -> None:
    """In order of completion: whoever is first takes what is left."""
    with database.writing() as conn:
        epoch = take_epoch(conn)
    took: dict[str, bool] = {}
    ready = threading.Barrier(2)

    def charge(output_id: str) -> None:
        mine = Database(empty.url)
        ready.wait(10)
        with mine.writing() as conn:
            took[output_id] = charge_output(conn, "j", output_id, 600, 1000, epoch)
        mine.close()

    threads = [threading.Thread(target=charge, args=(output_id,)) for output_id in ("o1", "o2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(took.values()) == [False, True]
    with database.reading() as conn:
        assert charged(conn) == (600, [600 if took["o1"] else None, 600 if took["o2"] else None])


def test_parts_are_changed_and_added(database: Database, stored: Job) -> None:
    with database.writing() as conn:
        save_input(conn, Input(id="i", job_id="j", uri="file:///in.mp4", state=InputState.READY, position=1))
        save_input(conn, Input(id="i2", job_id="j", uri="file:///other.mp4"))
        save_output(conn, Output(id="o1", job_id="j", name="renamed.mp4"))
    with database.reading() as conn:
        _, its_inputs, its_outputs = load_job(conn, "j") or (None, [], [])
    assert [(one.id, one.state) for one in its_inputs] == [("i2", InputState.WAITING), ("i", InputState.READY)]
    assert [one.name for one in its_outputs] == ["renamed.mp4", "b.mp4"]


def test_downloads_are_counted_up_to_the_limit(database: Database, stored: Job) -> None:
    limited = Output(id="o1", job_id="j", name="a.mp4", download_limit=2)
    with database.writing() as conn:
        save_output(conn, limited)
        assert [count_download(conn, "o1") for _ in range(3)] == [True, True, False]
        save_output(conn, limited)
        assert not count_download(conn, "o1")
        assert count_download(conn, "o2")
        assert not count_download(conn, "nobody")


def test_a_part_belongs_to_a_job(database: Database) -> None:
    with pytest.raises(IntegrityError), database.writing() as conn:
        save_input(conn, Input(job_id="nobody", uri="file:///in.mp4"))


def test_a_deleted_job_takes_its_parts_along(database: Database, stored: Job) -> None:
    with database.writing() as conn:
        conn.execute(schema.jobs.delete())
        for table in (schema.inputs, schema.outputs, schema.events, schema.outbox):
            assert conn.execute(select(func.count()).select_from(table)).scalar() == 0


def test_their_id_is_ours_only_once(database: Database) -> None:
    row = {"door": "openencoder", "kind": "job", "their_id": "1", "our_id": "j"}
    with pytest.raises(IntegrityError), database.writing() as conn:
        conn.execute(insert(schema.foreign_ids), [row, row | {"our_id": "k"}])


# What a job's end does to its outputs


def test_a_job_that_is_done_limits_how_long_and_how_often_its_outputs_are_fetched(
    database: Database, make_job: MakeJob, now: datetime
) -> None:
    limits = Limits(max_kept_seconds=60, max_downloads=3)
    outputs = [Output(id="o1", job_id="j", name="a.mp4"), Output(id="o2", job_id="j", name="b.mp4", download_limit=1)]
    for name, state in (("j", JobState.DELIVERING), ("k", JobState.ENCODING)):
        job = make_job(id=name, state=state, limits=limits)
        mine = [one.model_copy(update={"job_id": name, "id": f"{name}{one.id}"}) for one in outputs]
        with database.writing() as conn:
            add_job(conn, job, [], mine)
        ended, _ = handle(job, Delivered() if name == "j" else Failed(Reason.INTERNAL, "why"), now)
        with database.writing() as conn:
            save_job(conn, ended, job.version, ended.state.value, {}, now=now)
    with database.reading() as conn:
        done, failed = load_job(conn, "j"), load_job(conn, "k")
    assert done is not None
    assert failed is not None
    assert [(one.expires_at, one.download_limit) for one in done[2]] == [
        (now + timedelta(seconds=60), 3),
        (now + timedelta(seconds=60), 1),
    ]
    assert [(one.expires_at, one.download_limit) for one in failed[2]] == [(None, None), (None, 1)]


def test_what_is_made_again_is_kept_as_long_again_and_the_old_no_longer_until_then(
    database: Database, make_job: MakeJob, now: datetime
) -> None:
    job = make_job(id="j", state=JobState.DELIVERING, limits=Limits(max_kept_seconds=60))
    with database.writing() as conn:
        add_job(conn, job, [], [Output(id="o", job_id="j", name="a.mp4")])
    kept: list[datetime | None] = []
    later = now + timedelta(days=1)
    for at, state, event in (
        (now, JobState.DELIVERING, Delivered()),
        (later, JobState.COMPLETED, RetryAsked()),
        (later, JobState.DELIVERING, Delivered()),
    ):
        moved, _ = handle(job.model_copy(update={"state": state}), event, at)
        with database.writing() as conn:
            save_job(conn, moved, job.version, moved.state.value, {}, now=at)
            found = load_job(conn, "j")
        assert found is not None
        kept.append(found[2][0].expires_at)
        job = moved
    assert kept == [now + timedelta(seconds=60)] * 2 + [later + timedelta(seconds=60)]
