"""Videos and their playbacks."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from framemill.jobs.model import Job
from framemill.jobs.states import JobState
from framemill.jobs.uploads import Upload, UploadState
from framemill.jobs.videos import Playback, Video
from framemill.store import videos as rows
from framemill.store.database import Database
from framemill.store.jobs import add_job, load_job
from framemill.store.uploads import add_upload, load_upload
from framemill.store.videos import VideoFilter

MakeJob = Callable[..., Job]


def digits(number: int) -> str:
    return f"{number:020x}"


@pytest.fixture
def add(database: Database, make_job: MakeJob, now: datetime) -> Callable[..., Video]:
    def add(number: int, *, job: dict[str, Any] | None = None, **fields: Any) -> Video:
        its_job = make_job(id=f"j{number}", **(job or {}))
        usual = {"account": "a", "door": "d", "origin": "url", "title": "t", "created_at": now, "updated_at": now}
        video = Video(**{**usual, "id": digits(number), "job_id": its_job.id, **fields})
        with database.writing() as conn:
            add_job(conn, its_job, [], [])
            rows.add_video(conn, video)
        return video

    return add


def found(database: Database, **wanted: Any) -> list[int]:
    with database.reading() as conn:
        return [int(one.id, 16) for one in rows.find_videos(conn, VideoFilter(**wanted))]


def test_a_video_is_read_as_it_was_written(database: Database, add: Callable[..., Video], now: datetime) -> None:
    video = add(1, upload_id="u", description="d", passthrough="p", tags=("x", "y"), creator="c", policy="signed")
    playback = Playback(id=digits(7), video_id=video.id, policy="signed", created_at=now)
    with database.writing() as conn:
        rows.add_playback(conn, playback)
    with database.reading() as conn:
        assert rows.load_video(conn, video.id) == video
        assert rows.video_of_upload(conn, "u") == video
        assert rows.video_of_job(conn, "j1") == video
        assert rows.load_playback(conn, playback.id) == (playback, video)
        assert dict(rows.playbacks_of(conn, [video.id])) == {video.id: [playback]}
        assert rows.load_video(conn, digits(2)) is None
        assert rows.load_playback(conn, digits(2)) is None


def test_of_an_upload_there_is_one_video(add: Callable[..., Video]) -> None:
    add(1, upload_id="u")
    with pytest.raises(IntegrityError):
        add(2, upload_id="u")


def test_videos_of_one_moment_are_walked_without_repeats(
    database: Database, add: Callable[..., Video], now: datetime
) -> None:
    for number in range(7):
        add(number, created_at=now + timedelta(microseconds=number // 3))
    walked: list[int] = []
    after: tuple[datetime, str] | None = None
    with database.reading() as conn:
        while page := rows.find_videos(conn, VideoFilter(account="a"), after, 2):
            walked += [int(one.id, 16) for one in page]
            after = page[-1].created_at, page[-1].id
    assert walked == [6, 5, 4, 3, 2, 1, 0]


def test_words_are_found_in_whatever_letters(database: Database, add: Callable[..., Video]) -> None:
    add(1, title="Ein MÜLLER und 100% Mühle")
    add(2, description="a_b", tags=("Straße",))
    assert found(database, words=("müller",)) == [1]
    assert found(database, words=("mühle", "EIN")) == [1]
    assert found(database, words=("100%",)) == [1]
    assert found(database, words=("STRASSE",)) == [2]
    assert found(database, words=("a_b",)) == [2]
    assert found(database, words=("%",)) == [1]
    assert found(database, words=("axb",)) == []


def test_videos_are_sifted_by_what_their_jobs_do(database: Database, add: Callable[..., Video]) -> None:
    add(1, job={"state": JobState.QUEUED})
    add(2, job={"state": JobState.QUEUED, "attempt": 2})
    add(3, job={"state": JobState.COMPLETED}, account="b")
    assert found(database, states={JobState.QUEUED}, first_attempt=True) == [1]
    assert found(database, states={JobState.QUEUED}, first_attempt=False) == [2]
    assert found(database, states={JobState.COMPLETED}) == [3]
    assert found(database, account="a") == [2, 1]
    assert found(database, door="e") == []


def test_what_is_counted_is_not_overwritten(database: Database, add: Callable[..., Video], now: datetime) -> None:
    video = add(1)
    with database.writing() as conn:
        rows.count_views(conn, video.id, 2)
        rows.note_progress(conn, video.id, 1, 40)
        rows.note_progress(conn, video.id, 1, 30)
        rows.save_video(conn, video.model_copy(update={"title": "other"}))
        after = rows.load_video(conn, video.id)
        assert after is not None
        assert (after.title, after.view_count, after.progress) == ("other", 2, 40)
        rows.note_progress(conn, video.id, 2, 3)
        rows.note_progress(conn, video.id, 1, 99)
        after = rows.load_video(conn, video.id)
        assert after is not None
        assert (after.progress_attempt, after.progress) == (2, 3)
    assert found(database, words=("other",)) == [1]


def test_withdrawn_videos_are_found_by_nobody_and_go_when_their_work_is_over(
    database: Database, add: Callable[..., Video], now: datetime
) -> None:
    gone = {"withdrawn_at": now}
    done = add(1, job={"state": JobState.CANCELLED}, upload_id="u1", **gone)
    busy = add(2, job={"state": JobState.CANCELLING}, upload_id="u2", **gone)
    kept = add(3, job={"state": JobState.COMPLETED}, upload_id="u3")
    later = now + timedelta(days=7)
    with database.writing() as conn:
        for number in (1, 2, 3):
            add_upload(conn, Upload(id=f"u{number}", account="a", door="d", filename="f", created_at=now,
                                    state=UploadState.COMPLETED, expires_at=later))  # fmt: skip
        assert rows.load_video(conn, done.id) is None
        assert rows.video_of_upload(conn, "u1") == done
        assert rows.drop_withdrawn(conn, now, before=now) == 0
        assert rows.drop_withdrawn(conn, now, before=now + timedelta(seconds=1)) == 1
        assert rows.video_of_upload(conn, "u1") is None
        assert load_job(conn, "j1") is None
        assert [getattr(load_upload(conn, f"u{number}"), "expires_at", None) for number in (1, 2, 3)] == [
            now,
            later,
            later,
        ]
        assert rows.video_of_upload(conn, "u2") == busy
        assert rows.load_video(conn, kept.id) == kept
