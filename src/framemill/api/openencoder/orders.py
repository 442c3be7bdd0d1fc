"""What clients ask of jobs: each is a few calls of the farm's services, one after the other, and blocks."""

import contextlib
from dataclasses import dataclass
from typing import NamedTuple

from framemill.api.openencoder import places, slack
from framemill.api.openencoder.job_mapping import Note, note_of, status_of
from framemill.api.openencoder.kept_settings import KeptSettings
from framemill.api.openencoder.places import Stores, source_of, target_of
from framemill.api.openencoder.preset_data import Preset, settings_of
from framemill.api.openencoder.refused import stated
from framemill.api.openencoder.settings_words import stores_of
from framemill.api.openencoder.shelf import Shelf
from framemill.errors import Conflict, FramemillError, NotFound, SourceError, UnknownPreset, WrongUse
from framemill.jobs.model import Job
from framemill.jobs.states import ENDED_JOB, JobState
from framemill.services.callbacks import CallbackRequest
from framemill.services.inputs import InputRequest
from framemill.services.jobs import Shown
from framemill.services.numbered import Numbered, NumberedJobs
from framemill.services.parts import OutputRequest
from framemill.services.submission import JobChanges, JobRequest

NO_SUCH = "Job does not exist"
_UNFIT = (WrongUse, SourceError)
"""What a job is told to be at fault for, instead of whoever has asked for it."""


class Asked(NamedTuple):
    """A job as a client asks for it."""

    preset: str
    source: str
    dest: str


class _Plan(NamedTuple):
    """What a job is to be, by what presets and settings say now."""

    asked: Asked
    preset: Preset | None
    """None: there is none of that name."""
    stores: Stores
    told: tuple[CallbackRequest, ...]
    """Whom it tells of its end."""

    @property
    def note(self) -> Note:
        """What the door keeps of it."""
        return Note(
            preset=self.asked.preset,
            source=places.shown(self.asked.source),
            dest=places.shown(self.asked.dest),
            options=None if self.preset is None else self.preset.data,
            streaming=self.stores.streaming,
        )

    def output(self, before: Shown | None = None) -> OutputRequest:
        """Its result; `before`: the job as it was. Raises `WrongUse` for what cannot be."""
        if self.preset is None:
            raise UnknownPreset(
                f"There is no preset {self.asked.preset!r}: make it, or name one of those that there are."
            )
        settings = settings_of(self.preset.data, self.preset.output)
        target = target_of(self.asked.dest, self.preset.output, settings, self.stores)
        known = () if before is None else before.outputs
        return OutputRequest(
            id=next((one.id for one in known), None),
            targets=(target,),
            settings=settings.model_dump(),  # all of it: what it does not say is not to be another preset's
        )

    def input_again(self, shown: Shown) -> InputRequest:
        """The source of a job once more: what is sealed of its URL stays, and one in the store is looked for by the
        settings of now. Raises `WrongUse` likewise."""
        found = source_of(self.asked.source, self.stores)
        return found.model_copy(update={"id": next((known.id for known in shown.inputs), None)})


@dataclass(frozen=True, slots=True)
class Orders:
    """What whoever asks may have done."""

    jobs: NumberedJobs
    shelf: Shelf
    settings: KeptSettings
    account: str
    """Of whoever asks: whose the presets and the settings are."""

    def created(self, asked: Asked) -> Numbered:
        """Make a job. One that cannot be done is made, too, and has failed: that is where its client looks.

        Raises what says nothing of the job: quotas, money.
        """
        plan = self._plan(asked)
        door_data = plan.note.data
        inputs: tuple[InputRequest, ...] = ()
        try:
            inputs = (source_of(asked.source, plan.stores),)
            outputs = (plan.output(),)
            return self.jobs.made(JobRequest(inputs=inputs, outputs=outputs, callbacks=plan.told, door_data=door_data))
        except _UNFIT as why:
            return self._refused(JobRequest(inputs=inputs, outputs=(), callbacks=plan.told, door_data=door_data), why)

    def found(self, number: int) -> Numbered:
        """The job of that number. Raises `Refused` where there is none."""
        try:
            return self.jobs.numbered(number)
        except NotFound:
            raise stated(404, NO_SUCH) from None

    def cancelled(self, number: int) -> Numbered:
        """Cancel a job; harmless for one that has ended."""
        job = self.found(number).shown.job
        if job.state not in ENDED_JOB:
            with contextlib.suppress(Conflict):  # it has just ended
                self.jobs.cancelled(job.id)
        return self.found(number)

    def again(self, number: int) -> Job:
        """Have a job done once more, by its preset and the settings as they are now. Raises `Conflict` for one that
        has not ended."""
        shown = self.found(number).shown
        job, before = shown.job, note_of(shown.job)
        if job.state not in ENDED_JOB:
            raise Conflict(f"Job {number} has not ended yet: cancel it first.")
        if job.account != self.account:  # an admin asks: nobody's keys are used for somebody else
            if not shown.outputs:
                raise Conflict(f"Job {number} never began, and is another account's: only its owner can restart it.")
            return self.jobs.retried(job.id)
        plan = self._plan(Asked(before.preset, before.source, before.dest))
        try:
            changes = JobChanges(
                inputs=(plan.input_again(shown),),
                outputs=(plan.output(shown),),
                callbacks=plan.told,
                door_data=plan.note.data,
            )
            return self.jobs.again(job.id, changes)
        except _UNFIT as why:
            if self.jobs.shown(job.id).job.state not in ENDED_JOB:  # a twin was quicker
                raise
            return self.jobs.refused_again(job.id, why)

    def put(self, number: int, status: str) -> Numbered:
        """Ask for a status. Raises `WrongUse` for one that only the farm gives."""
        found = self.found(number)
        state = found.shown.job.state
        if status == status_of(found.shown.job):
            return found
        match status:
            case "cancelled":
                return self.cancelled(number)
            case "restarting" | "queued" if state in ENDED_JOB:
                self.again(number)
                return self.found(number)
            case _:
                raise WrongUse(
                    f"status: a job is cancelled or restarting by wish; {status[:40]!r} is what it gets to be."
                )

    def _plan(self, asked: Asked) -> _Plan:
        values = self.settings.values()
        url = values["SLACK_WEBHOOK"]
        return _Plan(asked, self.shelf.called(asked.preset), stores_of(values), (slack.callback(url),) if url else ())

    def _refused(self, request: JobRequest, why: FramemillError) -> Numbered:
        """With its source, where that can be named: who has the job done once more need not say it again."""
        try:
            return self.jobs.refused(request, why)
        except _UNFIT:
            return self.jobs.refused(request.model_copy(update={"inputs": (), "callbacks": ()}), why)


def stopping(job: Job) -> bool:
    """Whether it is cancelled, and somebody still works on it."""
    return job.state is JobState.CANCELLING
