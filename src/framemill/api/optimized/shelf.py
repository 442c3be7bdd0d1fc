"""The films that a user wants to take along: taken in, begun when there is room on a device's shelf, given up."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from framemill.api.optimized.note import Note, note_of
from framemill.api.optimized.options import Options
from framemill.api.optimized.standing import GONE, expiry_of, full, is_over
from framemill.api.optimized.tokens import mark_of, shown_as
from framemill.errors import Conflict, NotFound, TooMany, WrongUse
from framemill.jobs.model import Limits, could_be_id
from framemill.jobs.settings import RunSettings
from framemill.jobs.states import ENDED_JOB, JobState
from framemill.sealing import Seals
from framemill.services.inputs import InputRequest
from framemill.services.jobs import Jobs, Shown
from framemill.services.parts import OutputRequest
from framemill.services.submission import JobChanges, JobRequest
from framemill.storage.access import ACCESS, HttpAccess
from framemill.store.database import Database
from framemill.store.doors import replace_inputs
from framemill.store.jobs import load_bare_job, load_job
from framemill.store.outputs import keep_until

WHOLE = 0.98
"""Of the length that it should have, a film has at least that much; else it was cut off on its way."""
MOST_UNDER_WAY = 300
"""Films of a user that are made or wait: each of them is looked at whenever a device asks how they stand."""
MOST_TOLD_BYTES = 64 << 20
"""Of all that a user has posted along with their films: each poll reads it, and tells it again."""
FETCHED = timedelta(hours=1)
"""So long after something of it was fetched a film stays, whatever is set."""
_AHEAD = timedelta(minutes=15)
"""So much further its end is put, that it is not written at every request."""
_LATER_SECONDS = 60.0
_MOST = 1000
"""Films of a user that are looked at, of those under way and of those that have ended."""
_MOST_TRIES = 10
_UNDER_WAY = frozenset(JobState) - ENDED_JOB - {JobState.CANCELLING}


class Shelf:
    """What a user may ask of theirs. Each call blocks. Nobody else's is found."""

    def __init__(self, database: Database, jobs: Jobs, seals: Seals, options: Options) -> None:
        self._database = database
        self._jobs = jobs
        self._seals = seals
        self._options = options

    def taken(self, note: Note, name: str, settings: dict[str, Any], run: RunSettings) -> str:
        """A further film, as an output of that name; its id. It begins at once where there is room, else later.

        Raises `TooMany` where they have too many already, and `WrongUse` for what the farm cannot make.
        """
        _refuse_one_more(self.films(), note)
        limits = Limits(
            max_kept_seconds=self._options.kept_seconds,
            min_input_seconds=None if note.seconds is None else WHOLE * note.seconds,
        )
        request = JobRequest(
            inputs=(),
            outputs=(OutputRequest(name=name, settings=settings),),
            run=run,
            start="held",
            fairness_key=note.device,
            limits=limits,
            door_data=note.data,
        )
        job_id = self._jobs.submit(request).id
        self.begun(self.films())
        return job_id

    def begun(self, films: Sequence[Shown]) -> None:
        """Of these, which are all of theirs, begin what waits for room on its device's shelf, oldest first, as far as
        there is any.

        Whoever does this at the same time begins the same ones, and one of them is told that it has begun.
        """
        devices = [note_of(one.job).device for one in films]
        kept = Counter(device for one, device in zip(films, devices, strict=True) if _takes_room(one))
        most = self._options.max_cached_per_user
        for one, device in zip(films, devices, strict=True):
            if one.job.state is JobState.HELD and not (most and kept[device] >= most):
                kept[device] += 1
                self._begin(one)

    def films(self) -> list[Shown]:
        """All of theirs, oldest first; what was there long enough goes, and so does what they have given up."""
        now = datetime.now(UTC)
        left: dict[str, Shown] = {}
        for states in (_UNDER_WAY, ENDED_JOB):  # however many have ended, none that waits is passed over
            for one in self._jobs.listed(states, limit=_MOST).jobs:
                left[one.job.id] = one
        for one in [*left.values()]:
            if one.job.state in GONE or is_over(one, self._options.kept_seconds, now):
                self._forget(one.job.id)
                del left[one.job.id]
        return [left[job_id] for job_id in sorted(left)]

    def film(self, job_id: str) -> Shown:
        """One of them. Raises `NotFound`."""
        shown = self._jobs.shown(job_id)
        if shown.job.state in GONE or is_over(shown, self._options.kept_seconds, datetime.now(UTC)):
            raise NotFound(f"There is no job {job_id!r}.")
        return shown

    def full(self, films: Iterable[Shown]) -> frozenset[str]:
        """Of these, which are all of theirs or all of a device, the devices whose shelf is full."""
        return full(films, self._options.max_cached_per_user)

    def has_room(self, shown: Shown) -> bool:
        """Whether that one waits for its turn, and not for its client to fetch another one."""
        return shown.job.state is JobState.HELD and note_of(shown.job).device not in self.full(self.films())

    def renewed(self, films: Sequence[Shown], device: str, token: str) -> list[Shown]:
        """These, of which what waits for that device is fetched by this token from now on: who has logged out, and in
        anew, has ended the one that it came with."""
        mark = mark_of(token, self._seals)
        return [self._renewed(one, token, mark) if _waits(one, device, mark) else one for one in films]

    def fetched(self, shown: Shown) -> datetime | None:
        """Something of it is being fetched, so it stays for a while; until when."""
        until, now = expiry_of(shown), datetime.now(UTC)
        if until is None or until - now >= FETCHED:
            return until
        until = now + FETCHED + _AHEAD
        with self._database.writing() as conn:
            keep_until(conn, shown.outputs[0].id, until, at_least=True)  # it may have been left meanwhile
        return until

    def noted(self, seen: Iterable[Shown], device: str) -> None:
        """Whoever asks for that device's was told that these are under way."""
        for one in seen:
            note = note_of(one.job)
            changed = note.model_copy(update={"seen": (*note.seen, device)})
            with contextlib.suppress(NotFound, Conflict):
                self._jobs.edited(one.job.id, JobChanges(door_data=changed.data))

    def dropped(self, job_id: str) -> bool:
        """Its client has it, or wants it no more. False where there is none such, or not any more."""
        for _ in range(_MOST_TRIES):
            try:
                shown = self.film(job_id)
            except NotFound:
                return False
            try:
                self._drop(shown)
            except Conflict:  # it has moved on meanwhile
                continue
            self.begun(self.films())
            return True
        raise Conflict(f"Job {job_id} changes all the time; try again.")

    def emptied(self) -> None:
        """All of theirs that are done go."""
        done = [one for one in self.films() if one.job.state is JobState.COMPLETED]
        for one in done:
            self._forget(one.job.id)
        self.begun(self.films())

    def _renewed(self, shown: Shown, token: str, mark: str) -> Shown:
        job_id, changed = shown.job.id, {"sealed_token": self._seals.seal(token), "token_mark": mark}

        def changes(now: Shown) -> JobChanges:
            return JobChanges(door_data=note_of(now.job).model_copy(update=changed).data)

        try:
            job = self._jobs.edited_by(job_id, {"door_data"}, changes)
        except (Conflict, NotFound):
            return shown
        opens = {"sealed_access": self._seals.seal(ACCESS.dump_json(_access(token)).decode())}
        with self._database.writing() as conn:
            found = load_job(conn, job_id)
            if found is not None and found[0].state is JobState.QUEUED:
                kept = [one.model_copy(update=opens) if one.sealed_access else one for one in found[1]]
                replace_inputs(conn, job_id, kept)
        return replace(shown, job=job)

    def _begin(self, shown: Shown) -> None:
        note = note_of(shown.job)
        try:
            access = _access(self._seals.opened(note.sealed_token))
            uri = self._seals.opened(note.sealed_uri)
            source = InputRequest(uri=uri, credentials=access, read_once=note.read_once, size=note.size)
            self._jobs.started_with(shown.job.id, [source])
        except (Conflict, NotFound):  # somebody else has begun it, or given it up
            return
        except WrongUse as error:  # the farm's secret has changed, or its settings: nothing can come of it
            with contextlib.suppress(Conflict, NotFound):
                self._jobs.started_with(shown.job.id, [InputRequest(uri=note.url, unusable=error.message)])

    def _drop(self, shown: Shown) -> None:
        job_id, state = shown.job.id, shown.job.state
        if state not in ENDED_JOB:
            if self._jobs.cancelled(job_id).state in ENDED_JOB:
                self._forget(job_id)
        elif state is JobState.COMPLETED and not self._options.remove_file_after_right_download:
            note = note_of(shown.job)
            if not note.left:
                self._jobs.edited(job_id, JobChanges(door_data=note.model_copy(update={"left": True}).data))
                until = datetime.now(UTC) + timedelta(seconds=self._options.left_seconds)
                with self._database.writing() as conn:
                    keep_until(conn, shown.outputs[0].id, until)
        else:
            self._forget(job_id)

    def _forget(self, job_id: str) -> None:
        with contextlib.suppress(NotFound):
            self._jobs.removed(job_id)


def is_anothers(database: Database, account: str, job_id: str) -> bool:
    """Whether there is such a job, of another account."""
    if not could_be_id(job_id):
        return False
    with database.reading() as conn:
        found = load_bare_job(conn, job_id)
    return found is not None and found.account != account


def _refuse_one_more(films: Sequence[Shown], note: Note) -> None:
    under_way = sum(one.job.state not in ENDED_JOB for one in films)
    if under_way >= MOST_UNDER_WAY:
        raise TooMany(f"You have {under_way} films that are not done yet: wait for one, or cancel it.", _LATER_SECONDS)
    if sum(len(note_of(one.job).sealed_item) for one in films) + len(note.sealed_item) > MOST_TOLD_BYTES:
        raise TooMany(
            f"What was posted along with your films has more than {MOST_TOLD_BYTES >> 20} MiB: fetch some of them, "
            "or cancel them.",
            _LATER_SECONDS,
        )


def _access(token: str) -> HttpAccess:
    return HttpAccess(headers=shown_as(token), alone=True)


def _waits(shown: Shown, device: str, mark: str) -> bool:
    """Whether it waits for that device, by another token than that one."""
    note = note_of(shown.job)
    return shown.job.state in {JobState.HELD, JobState.QUEUED} and note.device == device and note.token_mark != mark


def _takes_room(shown: Shown) -> bool:
    if shown.job.state is JobState.COMPLETED:
        return not note_of(shown.job).left
    return shown.job.state not in {JobState.HELD, JobState.FAILED}
