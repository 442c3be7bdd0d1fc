"""Videos and their playbacks; one that was withdrawn is found by nobody but who clears away behind it."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, and_, delete, insert, or_, select, update

from framemill.errors import StaleWrite
from framemill.jobs.model import Job
from framemill.jobs.states import ENDED_JOB, JobState
from framemill.jobs.videos import Playback, Video, words_of
from framemill.store.exchange_tables import uploads
from framemill.store.rows import from_row, to_row
from framemill.store.schema import jobs
from framemill.store.video_tables import playbacks, videos


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFilter:
    """Which videos are meant; all that is said has to hold."""

    account: str | None = None
    """None: of all accounts."""
    door: str | None = None
    states: Collection[JobState] | None = None
    """Of their jobs."""
    first_attempt: bool | None = None
    """Whether their jobs are at the first attempt; none: at any."""
    words: Sequence[str] = ()
    """Each of these is in title, description or a tag, in whatever letters."""


def add_video(conn: Connection, video: Video, its_playbacks: Sequence[Playback] = ()) -> None:
    """Write a new video with its playbacks; its job is there already."""
    conn.execute(insert(videos).values(_row(video)))
    for one in its_playbacks:
        add_playback(conn, one)


def load_video(conn: Connection, video_id: str) -> Video | None:
    """The video of that id, where there is one that was not withdrawn."""
    return _one(conn, _LIVE.where(videos.c.id == video_id))


def video_of_job(conn: Connection, job_id: str, *, withdrawn: bool = False) -> Video | None:
    """The video that this job makes, where it makes one that was not withdrawn; or `withdrawn`, too."""
    return _one(conn, (select(videos) if withdrawn else _LIVE).where(videos.c.job_id == job_id))


def video_of_upload(conn: Connection, upload_id: str) -> Video | None:
    """The video whose original that upload is, where there is one."""
    return _one(conn, select(videos).where(videos.c.upload_id == upload_id))


def save_video(conn: Connection, video: Video) -> None:
    """Write a video's words and times; what is counted of it stays. Raises `StaleWrite` where it is gone."""
    counted = {"view_count", "progress", "progress_attempt"}
    row = {name: value for name, value in _row(video).items() if name not in counted}
    if conn.execute(update(videos).where(videos.c.id == video.id).values(row)).rowcount != 1:
        raise StaleWrite(f"Video {video.id} is gone: read it again.")


def find_videos(
    conn: Connection, wanted: VideoFilter, after: tuple[datetime, str] | None = None, limit: int = 25
) -> list[Video]:
    """Videos, newest first; behind the one of that `created_at` and id."""
    page = _LIVE.order_by(videos.c.created_at.desc(), videos.c.id.desc()).limit(limit)
    if wanted.account is not None:
        page = page.where(videos.c.account == wanted.account)
    if wanted.door is not None:
        page = page.where(videos.c.door == wanted.door)
    if wanted.states is not None or wanted.first_attempt is not None:
        page = page.join(jobs, jobs.c.id == videos.c.job_id)
    if wanted.states is not None:
        page = page.where(jobs.c.state.in_(sorted(wanted.states)))
    if wanted.first_attempt is not None:
        page = page.where(jobs.c.attempt == 1 if wanted.first_attempt else jobs.c.attempt > 1)
    for word in wanted.words:
        page = page.where(videos.c.words.contains(word.casefold(), autoescape=True))
    if after is not None:
        at, video_id = after
        behind = and_(videos.c.created_at == at, videos.c.id < video_id)
        page = page.where(or_(videos.c.created_at < at, behind))
    return [from_row(Video, row) for row in conn.execute(page).mappings()]


def note_progress(conn: Connection, video_id: str, attempt: int, percent: int) -> None:
    """So far was told of that attempt; less than before, or of an earlier attempt, changes nothing."""
    behind = or_(
        videos.c.progress_attempt < attempt,
        and_(videos.c.progress_attempt == attempt, videos.c.progress < percent),
    )
    told = {"progress": percent, "progress_attempt": attempt}
    conn.execute(update(videos).where(videos.c.id == video_id, behind).values(told))


def count_views(conn: Connection, video_id: str, views: int = 1) -> None:
    """So many more have begun to watch it."""
    conn.execute(update(videos).where(videos.c.id == video_id).values(view_count=videos.c.view_count + views))


def jobs_of(conn: Connection, job_ids: Sequence[str]) -> list[Job]:
    """Those jobs, without their parts, in any order."""
    return [from_row(Job, row) for row in conn.execute(select(jobs).where(jobs.c.id.in_(job_ids))).mappings()]


def drop_withdrawn(conn: Connection, now: datetime, before: datetime, limit: int = 500) -> int:
    """Forget videos that were withdrawn before then and on which nobody works any more, with their jobs; how many.

    Their uploads have had their time: whoever throws away what is over finds them, and the files of the jobs.
    """
    query = select(videos.c.job_id, videos.c.upload_id).join(jobs, jobs.c.id == videos.c.job_id)
    over = query.where(videos.c.withdrawn_at < before, jobs.c.state.in_(sorted(ENDED_JOB)))
    gone = conn.execute(over.order_by(videos.c.withdrawn_at).limit(limit)).all()
    if gone:
        theirs = [upload_id for _, upload_id in gone if upload_id is not None]
        conn.execute(delete(jobs).where(jobs.c.id.in_([job_id for job_id, _ in gone])))
        conn.execute(update(uploads).where(uploads.c.id.in_(theirs)).values(expires_at=now))
    return len(gone)


# Playbacks


def add_playback(conn: Connection, playback: Playback) -> None:
    """Write a new playback."""
    conn.execute(insert(playbacks).values(to_row(playback, playbacks)))


def load_playback(conn: Connection, playback_id: str) -> tuple[Playback, Video] | None:
    """The playback of that id, and the video it plays, where that was not withdrawn."""
    row = conn.execute(select(playbacks).where(playbacks.c.id == playback_id)).mappings().first()
    if row is None:
        return None
    video = load_video(conn, row["video_id"])
    return None if video is None else (from_row(Playback, row), video)


def remove_playback(conn: Connection, playback_id: str) -> bool:
    """Forget a playback; False where there is none of that id."""
    return conn.execute(delete(playbacks).where(playbacks.c.id == playback_id)).rowcount == 1


def playbacks_of(conn: Connection, video_ids: Sequence[str]) -> Mapping[str, list[Playback]]:
    """The playbacks of those videos, by video, oldest first."""
    query = select(playbacks).where(playbacks.c.video_id.in_(video_ids))
    found: dict[str, list[Playback]] = defaultdict(list)
    for row in conn.execute(query.order_by(playbacks.c.created_at, playbacks.c.id)).mappings():
        found[row["video_id"]].append(from_row(Playback, row))
    return found


_LIVE = select(videos).where(videos.c.withdrawn_at.is_(None))


def _one(conn: Connection, query: Select[tuple[object, ...]]) -> Video | None:
    row = conn.execute(query).mappings().first()
    return None if row is None else from_row(Video, row)


def _row(video: Video) -> dict[str, object]:
    return {**to_row(video, videos), "words": words_of(video.title, video.description, video.tags)}
