"""Uploads as accounts see them, and as jobs use them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from framemill.errors import Conflict, NotFound, WrongUse
from framemill.jobs.uploads import UploadState
from framemill.services.callers import Caller
from framemill.services.fileplace import FilePlace
from framemill.services.inputs import InputRequest
from framemill.services.jobs import Jobs
from framemill.services.parts import OutputRequest
from framemill.services.submission import JobChanges, JobRequest
from framemill.services.uploads import NewUpload, Uploads
from framemill.storage.local import LocalBlobs
from framemill.storage.receiving import Bounds, Draft, Received
from framemill.store.database import Database

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
MINE, THEIRS = Caller(account="mine"), Caller(account="theirs")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'farm.db'}")
    made.create()
    yield made
    made.close()


@pytest.fixture
def place(tmp_path: Path) -> FilePlace:
    return FilePlace(blobs=LocalBlobs(tmp_path / "blobs"), work=tmp_path / "work")


@pytest.fixture
def uploads(database: Database, place: FilePlace) -> Uploads:
    return Uploads(database, place, caller=MINE, clock=lambda: NOON)


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database, lambda _: None, caller=MINE, clock=lambda: NOON)


def sent(uploads: Uploads, upload_id: str, body: bytes = b"film") -> Received:
    draft = Draft(uploads.draft(upload_id), Bounds())
    draft.write([body])
    return draft.finished()


def request(upload_id: str, *, start: str = "auto") -> JobRequest:
    return JobRequest.model_validate(
        {
            "inputs": (InputRequest(upload_id=upload_id),),
            "outputs": (OutputRequest(),),
            "start": start,
        }
    )


def test_another_accounts_upload_is_not_there(database: Database, place: FilePlace, uploads: Uploads) -> None:
    upload = uploads.created(NewUpload(filename="a.mov"))
    others = Uploads(database, place, caller=THEIRS)

    for ask in (others.shown, others.aborted, others.completed):
        with pytest.raises(NotFound):
            ask(upload.id)
    assert others.listed() == ([], None)
    with pytest.raises(NotFound) as refused:
        Jobs(database, lambda _: None, caller=THEIRS).submit(request(upload.id))
    assert refused.value.param == "inputs.0.upload_id"


def test_a_job_may_name_an_upload_before_it_has_come(uploads: Uploads, jobs: Jobs) -> None:
    upload = uploads.created(NewUpload(filename="my film.mov"))

    made = jobs.submitted(request(upload.id))

    (source,) = made.inputs
    assert (source.upload_id, source.uri, source.filename) == (upload.id, f"upload:{upload.id}", "my film.mov")
    assert made.outputs[0].name == "my film.mp4"


def test_what_a_job_needs_is_not_given_up(uploads: Uploads, jobs: Jobs) -> None:
    upload = uploads.created(NewUpload(filename="a.mov"))
    uploads.taken(upload.id, sent(uploads, upload.id))
    job = jobs.submit(request(upload.id))

    with pytest.raises(Conflict, match="cancel the job"):
        uploads.aborted(upload.id)
    jobs.cancelled(job.id)

    assert uploads.aborted(upload.id).state is UploadState.ABORTED
    with pytest.raises(Conflict, match="upload it again"):
        jobs.submit(request(upload.id))


def test_a_held_jobs_source_may_become_an_upload(uploads: Uploads, jobs: Jobs) -> None:
    first, second = (uploads.created(NewUpload(filename=name)) for name in ("a.mov", "b.mov"))
    job = jobs.submitted(request(first.id, start="held"))
    source = job.inputs[0]

    jobs.edited(job.job.id, JobChanges(inputs=(InputRequest(id=source.id, upload_id=first.id),)))
    same = jobs.shown(job.job.id).inputs[0]
    jobs.edited(job.job.id, JobChanges(inputs=(InputRequest(upload_id=second.id),)))
    other = jobs.shown(job.job.id).inputs[0]

    assert (same.id, same.upload_id) == (source.id, first.id)
    assert (other.upload_id, other.filename) == (second.id, "b.mov")
    with pytest.raises(NotFound):
        jobs.edited(job.job.id, JobChanges(inputs=(InputRequest(upload_id="nothing"),)))


@pytest.mark.parametrize(("number", "whole"), [(2, b"oneTWO"), (3, b"onetwoTWO")])
def test_parts_that_come_while_they_are_put_together_are_noticed(
    uploads: Uploads, place: FilePlace, number: int, whole: bytes
) -> None:
    upload = uploads.created(NewUpload(filename="a.mov", multipart=True))
    uploads.part_taken(upload.id, 1, sent(uploads, upload.id, b"one"))
    uploads.part_taken(upload.id, 2, sent(uploads, upload.id, b"two"))

    class Late(Uploads):
        """Somebody sends a part again just then."""

        def draft(self, upload_id: str, kind: str = "body") -> Path:
            uploads.part_taken(upload.id, number, sent(uploads, upload.id, b"TWO"))
            return super().draft(upload_id, kind)

    late = Late(uploads._database, place, caller=MINE, clock=lambda: NOON)
    with pytest.raises(Conflict, match="again"):
        late.completed(upload.id)

    done = uploads.completed(upload.id)
    assert Path(done.blob or "").read_bytes() == whole
    assert [path.name for path in place.folder(upload.id).iterdir()] == [Path(done.blob or "").name]


def test_the_second_body_of_two_is_refused_and_removed(uploads: Uploads, place: FilePlace) -> None:
    upload = uploads.created(NewUpload(filename="a.mov"))
    first, second = sent(uploads, upload.id, b"one"), sent(uploads, upload.id, b"two")
    uploads.taken(upload.id, first)

    with pytest.raises(Conflict):
        uploads.taken(upload.id, second)

    assert [path.read_bytes() for path in place.folder(upload.id).iterdir()] == [b"one"]


def test_two_who_write_the_same_file_do_not_mix(tmp_path: Path) -> None:
    first = Draft(tmp_path / "tus", Bounds(), at=0)
    first.write([b"12"])

    with pytest.raises(Conflict):
        Draft(tmp_path / "tus", Bounds(), at=2)
    first.kept()
    with pytest.raises(Conflict, match="2 bytes have come"):
        Draft(tmp_path / "tus", Bounds(), at=0)

    assert (tmp_path / "tus").read_bytes() == b"12"


@pytest.mark.parametrize("number", [0, 10_001])
def test_parts_have_numbers(uploads: Uploads, number: int) -> None:
    upload = uploads.created(NewUpload(filename="a.mov", multipart=True))

    with pytest.raises(WrongUse):
        uploads.open_for_part(upload.id, number, None)
