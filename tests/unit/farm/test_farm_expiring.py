"""What becomes of uploads that nobody finishes or uses, and of what their writers leave lying about."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from framemill.farm.collecting import DRAFT_SECONDS, Collected
from framemill.farm.expiring import REMEMBERED, with_uploads
from framemill.jobs.model import Input, Job
from framemill.jobs.states import JobState
from framemill.jobs.uploads import Part, Upload, UploadState, uri_of
from framemill.storage.local import LocalBlobs
from framemill.store import uploads as upload_rows
from framemill.store.database import Database
from framemill.store.jobs import add_job

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
NOTHING = Collected(files=0, bytes=0, kept_files=0, kept_bytes=0)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'farm.db'}")
    made.create()
    yield made
    made.close()


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


def made(database: Database, blobs: LocalBlobs, state: UploadState = UploadState.COMPLETED, days: float = -1) -> Upload:
    upload = Upload(
        account="a",
        door="native",
        filename="f",
        state=state,
        created_at=NOON,
        expires_at=NOON + timedelta(days=days),
    )
    folder = blobs.path(f"uploads/{upload.id}")
    if state in {UploadState.OPEN, UploadState.COMPLETED}:
        folder.mkdir(parents=True)
        (folder / "body-1").write_bytes(b"12345")
        upload = upload.model_copy(update={"blob": str(folder / "body-1")})
    with database.writing() as conn:
        upload_rows.add_upload(conn, upload)
    return upload


def state(database: Database, upload: Upload) -> UploadState | None:
    with database.reading() as conn:
        found = upload_rows.load_upload(conn, upload.id)
    return None if found is None else found.state


def use(database: Database, upload: Upload, job_state: JobState) -> None:
    job = Job(account="a", door="native", state=job_state, created_at=NOON)
    source = Input(job_id=job.id, uri=uri_of(upload.id), upload_id=upload.id)
    with database.writing() as conn:
        add_job(conn, job, [source], [])


@pytest.mark.parametrize("was", [UploadState.OPEN, UploadState.COMPLETED])
def test_what_nobody_finished_or_used_goes_in_its_time(database: Database, blobs: LocalBlobs, was: UploadState) -> None:
    old, young = made(database, blobs, was), made(database, blobs, was, days=1)

    tried = with_uploads(NOTHING, database, blobs, NOON, dry_run=True)
    assert (tried.files, tried.bytes, state(database, old)) == (1, 5, was)
    gone = with_uploads(NOTHING, database, blobs, NOON)

    assert (gone.files, gone.bytes) == (1, 5)
    assert state(database, old) is UploadState.EXPIRED
    assert not blobs.path(f"uploads/{old.id}").exists()
    assert state(database, young) is was
    assert blobs.path(f"uploads/{young.id}/body-1").exists()
    assert with_uploads(NOTHING, database, blobs, NOON).files == 0


@pytest.mark.parametrize("job_state", [JobState.QUEUED, JobState.COMPLETED, JobState.FAILED])
def test_what_a_job_may_need_again_stays(database: Database, blobs: LocalBlobs, job_state: JobState) -> None:
    used = made(database, blobs)
    use(database, used, job_state)

    assert with_uploads(NOTHING, database, blobs, NOON).files == 0
    assert state(database, used) is UploadState.COMPLETED


def test_what_has_ended_is_forgotten_after_a_while(database: Database, blobs: LocalBlobs) -> None:
    upload = made(database, blobs)
    with_uploads(NOTHING, database, blobs, NOON)
    with_uploads(NOTHING, database, blobs, NOON + REMEMBERED - timedelta(seconds=1))
    assert state(database, upload) is UploadState.EXPIRED

    with_uploads(NOTHING, database, blobs, NOON + REMEMBERED + timedelta(seconds=1))

    assert state(database, upload) is None


def test_files_that_no_row_names_go_when_they_are_old(database: Database, blobs: LocalBlobs) -> None:
    upload = made(database, blobs, UploadState.OPEN, days=7)
    folder = blobs.path(f"uploads/{upload.id}")
    part = Part(upload_id=upload.id, number=2, size=1, etag="e" * 64, received_at=NOON)
    with database.writing() as conn:
        upload_rows.put_part(conn, part, NOON + timedelta(days=7))
    stray = blobs.path("uploads/nobody/body-1")
    stray.parent.mkdir()
    names = ("body-2", "tus", f"part-00002-{'e' * 64}", "part-00002-other", "draft-3")
    for path in (*(folder / name for name in names), stray):
        path.write_bytes(b"1")
        old = NOON.timestamp() - (DRAFT_SECONDS + 1 if path.name != "draft-3" else 1)
        os.utime(path, (old, old))

    gone = with_uploads(NOTHING, database, blobs, NOON)

    assert gone.files == 3
    assert sorted(path.name for path in folder.iterdir()) == ["body-1", "draft-3", f"part-00002-{'e' * 64}", "tus"]
    assert not stray.exists()
