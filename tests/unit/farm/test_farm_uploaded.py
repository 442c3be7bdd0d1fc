"""Jobs whose source is an upload: they wait for it, read it where it lies, and say so where it never comes."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fake_farm import Farm
from mortal import play

from framemill.farm.orders import IngestOrder, Order, Result
from framemill.jobs.model import Input, Job
from framemill.jobs.reasons import Reason
from framemill.jobs.states import CancelAsked, InputState, JobState
from framemill.jobs.uploads import Upload, UploadState, uri_of
from framemill.store import doors
from framemill.store import uploads as upload_rows

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)


def submitted(farm: Farm, **fields: Any) -> Upload:
    """A job that has an upload for a source; the upload."""
    upload = Upload(account="a", door="native", filename="in.mov", created_at=NOON)
    with farm.database.writing() as conn:
        upload_rows.add_upload(conn, upload)
    farm.submit(inputs=(uri_of(upload.id),), input_state=InputState.WAITING, **fields)
    (source,) = farm.inputs_of()
    farm.replace_input(source.model_copy(update={"upload_id": upload.id, "filename": upload.filename}))
    return upload


def completed(farm: Farm, upload: Upload) -> Path:
    """All of it has come; where it lies."""
    path = farm.blobs.path(f"uploads/{upload.id}/body-1")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"film")
    changed(farm, upload, state=UploadState.COMPLETED, blob=str(path), size=4, sha256="a" * 64)
    return path


def changed(farm: Farm, upload: Upload, **changes: Any) -> None:
    with farm.database.writing() as conn:
        upload_rows.save_upload(conn, upload.model_copy(update=changes))


def test_it_is_read_where_it_lies_and_hashed_no_second_time(farm: Farm) -> None:
    upload = submitted(farm)
    path = completed(farm, upload)

    assert farm.run().state is JobState.COMPLETED

    (order,) = farm.hands.of(IngestOrder)
    assert (order.uri, order.name, order.sha256) == (str(path), "in.mov", "a" * 64)
    assert path.exists()


def test_the_job_waits_until_it_is_there(farm: Farm) -> None:
    upload = submitted(farm)

    async def scene() -> tuple[Job, Job]:
        async with farm.running() as coordinator:
            await asyncio.sleep(30)
            waits = farm.job
            completed(farm, upload)
            return waits, await coordinator.jobs.ended("j")

    waits, done = play(scene())

    assert waits.waiting is not None
    assert (waits.state, waits.waiting.code) == (JobState.INGESTING, "source_waiting")
    assert "in.mov" in waits.waiting.sentence
    assert (done.state, done.waiting) == (JobState.COMPLETED, None)


def test_who_waits_can_be_cancelled(farm: Farm) -> None:
    submitted(farm)

    async def scene() -> Job:
        async with farm.running() as coordinator:
            await asyncio.sleep(10)
            farm.wish(CancelAsked())
            job: Job = await coordinator.jobs.ended("j")
            return job

    assert play(scene()).state is JobState.CANCELLED


@pytest.mark.parametrize("state", [UploadState.ABORTED, UploadState.EXPIRED])
def test_what_will_never_come_fails_the_job(farm: Farm, state: UploadState) -> None:
    upload = submitted(farm)
    changed(farm, upload, state=state, message="Its owner gave it up.")

    job = farm.run()

    assert (job.state, job.reason) == (JobState.FAILED, Reason.SOURCE_MISSING)
    assert "Its owner gave it up. Upload it again" in (job.message or "")


def test_bytes_that_were_taken_away_fail_the_job(farm: Farm) -> None:
    completed(farm, submitted(farm)).unlink()

    assert farm.run().reason is Reason.SOURCE_MISSING


def test_who_waits_goes_on_as_soon_as_it_is_told(farm: Farm) -> None:
    """A look now and again is for news that were lost: with hundreds of jobs that wait it may be seldom."""
    upload = submitted(farm)

    async def scene() -> float:
        async with farm.running() as coordinator:
            await asyncio.sleep(31)  # it has just looked
            completed(farm, upload)
            began = asyncio.get_running_loop().time()
            await coordinator.jobs.wake(["j"])
            await coordinator.jobs.ended("j")
            return asyncio.get_running_loop().time() - began

    assert play(scene()) < 20


def test_an_upload_that_its_owner_has_removed_is_waited_for_no_longer(farm: Farm) -> None:
    submitted(farm)
    (source,) = farm.inputs_of()

    async def scene() -> Job:
        async with farm.running() as coordinator:
            await asyncio.sleep(31)
            with farm.database.writing() as conn:
                other = Input(job_id="j", uri="/other.mp4", trusted=True)
                doors.replace_inputs(conn, "j", [other])
            await coordinator.jobs.wake(["j"])
            job: Job = await coordinator.jobs.ended("j")
            return job

    done = play(scene())

    assert (done.state, done.waiting) == (JobState.COMPLETED, None)
    assert [order.uri for order in farm.hands.of(IngestOrder)] == ["/other.mp4"]
    assert source.id not in {one.id for one in farm.inputs_of()}


def test_what_its_owner_says_of_an_input_while_it_comes_stays_said(farm: Farm) -> None:
    upload = submitted(farm)
    said = {"position": 3, "start": 1.0, "end": 2.0, "metadata": {"a": 1}, "filename": "mine.mov"}

    async def scene() -> None:
        async with farm.running() as coordinator:
            await asyncio.sleep(31)
            path = completed(farm, upload)

            async def edited_meanwhile(order: Order) -> Result | None:
                if isinstance(order, IngestOrder):
                    farm.replace_input(farm.inputs_of()[0].model_copy(update=said))
                return None

            farm.hands.answer = edited_meanwhile
            await coordinator.jobs.wake(["j"])
            await coordinator.jobs.ended("j")
            assert path.exists()

    play(scene())

    (found,) = farm.inputs_of()
    assert {name: getattr(found, name) for name in said} == said
    assert (found.state, found.upload_id) == (InputState.READY, upload.id)
