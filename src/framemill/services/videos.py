"""Videos: what a front door may ask about them. A video and the job that makes it are written, and end, together."""

import contextlib
import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pydantic import Field
from sqlalchemy import Connection

from framemill.errors import Conflict, NotFound, StaleWrite
from framemill.jobs import lifecycle
from framemill.jobs.model import Input, Job, Output
from framemill.jobs.settings import Value
from framemill.jobs.states import ACTIVE_JOB, CancelAsked, JobState
from framemill.jobs.videos import Origin, Playback, Policy, Video, short_id
from framemill.services import sources
from framemill.services.accounts import admit_job
from framemill.services.callers import Caller
from framemill.services.desk import Desk
from framemill.services.fileplace import FilePlace
from framemill.services.idempotency import Ids
from framemill.services.jobs import Jobs, Nudge, Shown, Submission
from framemill.services.submission import JobRequest, new_job
from framemill.services.uploads import Uploads
from framemill.store import doors
from framemill.store import jobs as job_rows
from framemill.store import videos as rows
from framemill.store.database import Database
from framemill.store.events import add_event
from framemill.store.videos import VideoFilter

WITHDRAWN = "withdrawn"
"""The event of a job whose video its owner had deleted."""

UPLOADED = "uploaded"
"""The event of a job whose video an upload became."""

_MOST_TRIES = 10


class NewVideo(Value):
    """A video as a client asks for it; what it is made of, its job says."""

    origin: Origin
    upload_id: str | None = None
    title: str | None = None
    """None: after its source."""
    description: str | None = None
    passthrough: str | None = None
    tags: tuple[str, ...] = ()
    creator: str | None = None
    policy: Policy = "public"


class VideoChanges(Value):
    """What is to be changed of a video; fields that are not set stay."""

    title: str = ""
    description: str | None = None
    passthrough: str | None = None
    tags: tuple[str, ...] = Field(default=())


@dataclass(frozen=True, slots=True)
class ShownVideo:
    """A video with what is known of it at one moment."""

    video: Video
    playbacks: Sequence[Playback]
    """Oldest first."""
    job: Job
    sources: Sequence[Input]
    outputs: Sequence[Output]
    frames: int = 0
    """Encoded and committed, over all renditions."""
    frames_planned: int = 0

    @property
    def source(self) -> Input | None:
        """The original."""
        return next(iter(self.sources), None)


class Videos:
    """The videos that a caller may see. Plain functions: an event loop calls them in threads.

    All raise `NotFound` for a video that is not there, was withdrawn, or is another account's or door's.
    """

    def __init__(
        self,
        database: Database,
        nudge: Nudge,
        *,
        caller: Caller,
        door: str,
        ids: Ids | None = None,
        desk: Desk | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._nudge = nudge
        self._caller = caller
        self._door = door
        self._ids = ids or Ids()
        self._desk = desk
        self._clock = clock

    def made(self, request: JobRequest, wanted: NewVideo) -> ShownVideo:
        """Write a video, its playback and the job that makes it, all in one transaction.

        Of an upload there is one video, whoever asks how often: the one that is there is told again. Raises as
        `submission.new_job` and `accounts.admit_job` do.
        """
        now = self._clock()
        if any(one.upload_id is not None for one in request.inputs):
            with self._database.reading() as conn:
                named = sources.named(conn, request.inputs, self._caller)
            request = request.model_copy(update={"inputs": named})
        fresh = new_job(
            request, caller=self._caller, door=self._door, now=now, job_id=self._ids(), desk=self._desk
        )  # fmt: skip
        with self._database.writing() as conn:
            shown = self._known(conn, wanted, fresh) or self._written(conn, wanted, fresh, now)
        self._nudge([shown.job.id])
        return shown

    def of_upload(self, upload_id: str) -> ShownVideo | None:
        """The video whose original that upload is; none: it has become none yet.

        Raises `NotFound` where it was withdrawn, too.
        """
        with self._database.reading() as conn:
            video = rows.video_of_upload(conn, upload_id)
            return None if video is None else self._shown(conn, self._mine(video, video.id))

    def shown(self, video_id: str) -> ShownVideo:
        """A video."""
        with self._database.reading() as conn:
            return self._shown(conn, self._loaded(conn, video_id))

    def listed(
        self, wanted: VideoFilter, limit: int = 25, after: tuple[datetime, str] | None = None
    ) -> tuple[list[ShownVideo], Video | None]:
        """Videos, newest first, and the last of the page where there are more; the filter's account and door are the
        caller's."""
        mine = replace(wanted, account=self._caller.sees, door=self._door)
        with self._database.reading() as conn:
            found = rows.find_videos(conn, mine, after, limit + 1)
            return shown_videos(conn, found[:limit]), found[limit - 1] if len(found) > limit else None

    def changed(self, video_id: str, changes: VideoChanges) -> ShownVideo:
        """Change what is set in `changes`."""
        said = {name: getattr(changes, name) for name in changes.model_fields_set}
        with self._database.writing() as conn:
            video = self._loaded(conn, video_id).model_copy(update={**said, "updated_at": self._clock()})
            rows.save_video(conn, video)
            return self._shown(conn, video)

    def again(self, video_id: str) -> ShownVideo:
        """Make it once more, under the same ids; what there is of it stays until the new one is verified.

        Raises `Conflict` while it is being made.
        """
        video = self.shown(video_id).video
        jobs = Jobs(self._database, self._nudge, caller=self._caller, door=self._door, clock=self._clock)
        jobs.retried(video.job_id)
        return self.shown(video_id)

    def removed(self, video_id: str) -> ShownVideo:
        """Withdraw it: from now on nobody finds it or plays it, and nobody works on it any more; as it was then.

        Its files go as soon as that is so: see `tidied`.
        """
        return self._raced(lambda conn: self._withdrawn(conn, video_id), video_id)

    def tidied(self, shown: ShownVideo, place: FilePlace) -> None:
        """Throw away the files of a video that was withdrawn, where nobody works on it any more.

        Else, and what is left, the farm does when it tidies up.
        """
        if shown.job.state in ACTIVE_JOB:
            return
        folder = place.work / shown.job.id
        shutil.rmtree(folder, ignore_errors=True)
        place.blobs.unshare(folder)
        if shown.video.upload_id is not None:
            with contextlib.suppress(NotFound, Conflict):  # gone, or another job's source as well
                Uploads(self._database, place, caller=self._caller, clock=self._clock).aborted(shown.video.upload_id)

    def progressed(self, shown: ShownVideo, percent: int) -> int:
        """The furthest that was ever told of this attempt, where that is further than `percent`."""
        video, attempt = shown.video, shown.job.attempt
        before = video.progress if video.progress_attempt == attempt else 0
        if percent > before:
            with self._database.writing() as conn:
                rows.note_progress(conn, video.id, attempt, percent)
        return max(percent, before)

    # Playbacks

    def playback_added(self, video_id: str, policy: Policy) -> Playback:
        """A further way to play it."""
        with self._database.writing() as conn:
            video = self._loaded(conn, video_id)
            made = _playback(video.id, policy, self._clock())
            rows.add_playback(conn, made)
            rows.save_video(conn, video.model_copy(update={"updated_at": made.created_at}))
        return made

    def playback_removed(self, video_id: str, playback_id: str) -> None:
        """Whoever has that id plays it no more. Raises `NotFound` where the video has no such playback."""
        with self._database.writing() as conn:
            video = self._loaded(conn, video_id)
            if playback_id not in {one.id for one in rows.playbacks_of(conn, [video.id])[video.id]}:
                raise NotFound(f"The video has no playback {playback_id!r}.")
            rows.remove_playback(conn, playback_id)
            rows.save_video(conn, video.model_copy(update={"updated_at": self._clock()}))

    # How

    def _known(self, conn: Connection, wanted: NewVideo, fresh: Submission) -> ShownVideo | None:
        """What was made of that upload, or by an earlier try of the same request."""
        video = None
        if wanted.upload_id is not None:
            video = rows.video_of_upload(conn, wanted.upload_id)
        if video is None and self._ids.again:
            video = rows.video_of_job(conn, fresh[0].id)
        return None if video is None else self._shown(conn, self._mine(video, video.id))

    def _written(self, conn: Connection, wanted: NewVideo, fresh: Submission, now: datetime) -> ShownVideo:
        job, inputs, outputs = fresh
        if wanted.upload_id is not None:  # its time may have been over since it was looked at
            sources.usable(conn, wanted.upload_id, self._caller)
        job = admit_job(conn, self._caller, job, outputs=len(outputs), estimate=None, now=now)
        job_rows.add_job(conn, job, inputs, outputs)
        video_id = short_id(job.id)
        video = Video(
            id=video_id,
            account=job.account,
            door=self._door,
            job_id=job.id,
            created_at=now,
            updated_at=now,
            **{**wanted.model_dump(), "title": wanted.title or video_id},
        )
        playback = _playback(video.id, wanted.policy, now)
        rows.add_video(conn, video, [playback])
        if video.upload_id is not None:
            add_event(conn, job.id, UPLOADED, {"state": job.state.value, "attempt": job.attempt}, now)
        return ShownVideo(video, [playback], job, inputs, outputs)

    def _withdrawn(self, conn: Connection, video_id: str) -> ShownVideo:
        video, now = self._loaded(conn, video_id), self._clock()
        shown = self._shown(conn, video)
        job = shown.job
        for output in shown.outputs:
            job_rows.save_output(conn, output.model_copy(update={"withdrawn_at": now}))
        rows.save_video(conn, video.model_copy(update={"withdrawn_at": now, "updated_at": now}))
        if job.state in ACTIVE_JOB and job.state is not JobState.CANCELLING:
            moved, instructions = lifecycle.handle(job, CancelAsked("Its video was deleted."), now)
            (notice,) = (each for each in instructions if isinstance(each, lifecycle.Notify))
            job_rows.save_job(conn, moved, job.version, notice.kind, notice.data, now=now)
            shown = replace(shown, job=moved)
        add_event(conn, job.id, WITHDRAWN, {"state": shown.job.state.value, "attempt": job.attempt}, now)
        return shown

    def _raced(self, change: Callable[[Connection], ShownVideo], video_id: str) -> ShownVideo:
        """The change, made again as long as somebody else was first."""
        for _ in range(_MOST_TRIES):
            try:
                with self._database.writing() as conn:
                    shown = change(conn)
            except StaleWrite:
                continue
            self._nudge([shown.job.id])
            return shown
        raise Conflict(f"The video {video_id} changes all the time; try again.")

    def _loaded(self, conn: Connection, video_id: str) -> Video:
        return self._mine(rows.load_video(conn, video_id), video_id)

    def _mine(self, video: Video | None, video_id: str) -> Video:
        if (
            video is None
            or video.withdrawn_at is not None
            or self._caller.sees not in {None, video.account}
            or video.door != self._door
        ):
            raise NotFound(f"There is no video {video_id!r}.")
        return video

    @staticmethod
    def _shown(conn: Connection, video: Video) -> ShownVideo:
        (shown,) = shown_videos(conn, [video])
        return shown


def shown_videos(conn: Connection, videos: Sequence[Video]) -> list[ShownVideo]:
    """Videos with what is known of them, whoever asks."""
    ids = [video.job_id for video in videos]
    jobs = {job.id: job for job in rows.jobs_of(conn, ids)}
    inputs, outputs = doors.inputs_of_jobs(conn, ids), doors.outputs_of_jobs(conn, ids)
    frames = doors.frames_of_jobs(conn, [job.id for job in jobs.values() if job.state in ACTIVE_JOB])
    playbacks = rows.playbacks_of(conn, [video.id for video in videos])
    return [
        ShownVideo(
            video,
            playbacks.get(video.id, ()),
            jobs[video.job_id],
            inputs.get(video.job_id, ()),
            outputs.get(video.job_id, ()),
            *frames.get(video.job_id, (0, 0)),
        )
        for video in videos
    ]


def video_of_shown(conn: Connection, shown: Shown) -> ShownVideo | None:
    """The video that a job makes, withdrawn or not, with the job as it is shown; none: it makes none."""
    video = rows.video_of_job(conn, shown.job.id, withdrawn=True)
    if video is None:
        return None
    playbacks = rows.playbacks_of(conn, [video.id]).get(video.id, ())
    return ShownVideo(video, playbacks, shown.job, shown.inputs, shown.outputs, shown.frames, shown.frames_planned)


def _playback(video_id: str, policy: Policy, now: datetime) -> Playback:
    """Nobody guesses its id: who knows it may play what is public."""
    return Playback(id=secrets.token_hex(10), video_id=video_id, policy=policy, created_at=now)
