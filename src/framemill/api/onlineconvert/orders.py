"""Jobs as this door's clients put them together, step by step: each step is one edit of a held job, with the outputs
that follow from its conversions and inputs."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from framemill.api.onlineconvert import schemas
from framemill.api.onlineconvert.kept import SECRET_OPTIONS, Conversion, Note, conversion_of, note_of, sent_as
from framemill.api.onlineconvert.limits import limits_of
from framemill.api.onlineconvert.making import callbacks_of, conversion_asked, keep_of, outputs_for, passwords_of
from framemill.api.onlineconvert.presets import Presets
from framemill.api.onlineconvert.schemas import MOST_CONVERSIONS
from framemill.api.onlineconvert.signing import Signing
from framemill.api.onlineconvert.stores import At, input_of
from framemill.errors import Conflict, NotFound, WrongUse
from framemill.jobs.metering import Tariff
from framemill.jobs.model import Input, Job, Limits
from framemill.jobs.states import JobState
from framemill.sealing import Seals
from framemill.secrets import mask_url
from framemill.services.callbacks import CallbackRequest
from framemill.services.fields import about
from framemill.services.inputs import InputRequest, input_changed, require_room
from framemill.services.jobs import Jobs, Shown
from framemill.services.outcomes import Outcomes
from framemill.services.parts import outputs_of, the_part
from framemill.services.passwords import MOST_LOCKS
from framemill.services.paths import open_outputs, refuse_closed
from framemill.services.submission import JobChanges, JobRequest


def is_complete(shown: Shown) -> bool:
    """Whether a held job shall begin, and nothing is missing for that."""
    note = note_of(shown.job)
    return note.process and bool(note.conversions) and bool(shown.inputs)


@dataclass(frozen=True, slots=True)
class Orders:
    """What may be asked of jobs. Each call blocks.

    Raises `NotFound` for what is not there, `Conflict` for what a job does not allow any more, `WrongUse` and its kinds
    for what cannot be.
    """

    jobs: Jobs
    seals: Seals
    outcomes: Outcomes
    at: At
    presets: Presets
    signing: Signing
    tariff: Tariff
    """What a new job is charged by."""

    def wanted(self, asked: schemas.NewJob, server: str) -> JobRequest:
        """A new job, which begins at once where nothing is missing; `server`: where its bytes are sent to."""
        conversions = self._conversions(asked.conversion)
        limits = limits_of(asked.limits)
        require_room(len(asked.input), limits)
        inputs = tuple(self._inputs(asked.input, limits))
        if not inputs:
            self._try(conversions, asked.download_passwords or ())
        note = Note(
            process=asked.process,
            conversions=tuple(one.kept(self.seals) for one in conversions),
            callback=mask_url(asked.callback or ""),
            notify_status=asked.notify_status,
            server=server,
        ).with_passwords(asked.download_passwords or (), self.seals)
        return JobRequest(
            inputs=inputs,
            outputs=outputs_for(conversions, inputs, passwords=asked.download_passwords or ()),
            start="auto" if asked.process and conversions and inputs else "held",
            limits=limits,
            tariff=self.tariff,
            callbacks=self._told(asked.callback or "", asked.notify_status),
            on_input_error=keep_of(asked.fail_on_input_error),
            on_output_error=keep_of(asked.fail_on_conversion_error),
            door_data=note.data,
        )

    def changed(self, job_id: str, asked: schemas.Terms) -> Shown:
        """A job with other terms; it begins where that is one of them. One that has begun takes what it has already."""
        shown = self.jobs.shown(job_id)
        if shown.job.state in {JobState.CANCELLING, JobState.CANCELLED}:
            raise Conflict(f"Job {job_id} was canceled: nothing of it can be changed.")
        if shown.job.state is not JobState.HELD:
            self._refuse_changes(shown, asked)
            return shown if asked.download_passwords is None else self._locked(shown, asked.download_passwords)

        def change(now: Shown) -> JobChanges:
            note = note_of(now.job)
            named = _named(asked, note)
            told = {name: getattr(asked, name) for name in named & {"process", "notify_status"}}
            if "callback" in named:
                told["callback"] = mask_url(asked.callback or "")
            changes: dict[str, Any] = {}
            if named & {"callback", "notify_status"}:
                notifies = told.get("notify_status", note.notify_status)
                said = (asked.callback or "") if "callback" in named else None
                changes["callbacks"] = self._callbacks(now.job, said, notifies)
            if "fail_on_input_error" in named:
                changes["on_input_error"] = keep_of(asked.fail_on_input_error)
            if "fail_on_conversion_error" in named:
                changes["on_output_error"] = keep_of(asked.fail_on_conversion_error)
            note = note.model_copy(update=told)
            if asked.download_passwords is not None:
                note = note.with_passwords(asked.download_passwords, self.seals)
                changes["outputs"] = self._outputs(note, _as_they_are(now), now)
            return JobChanges(**changes, door_data=note.data)

        touched = _TOUCHED if asked.download_passwords is None else _TOUCHED | {"outputs"}
        try:
            self.jobs.edited_by(job_id, touched, change, is_complete)
        except Conflict:
            if self.jobs.shown(job_id).job.state is JobState.HELD:
                raise
            return self.changed(job_id, asked)  # it has begun meanwhile
        return self.jobs.shown(job_id)

    def _locked(self, shown: Shown, passwords: Sequence[str]) -> Shown:
        """With these passwords to what it has made."""
        note = note_of(shown.job).with_passwords(passwords, self.seals)
        for output in shown.outputs:
            kept = note.conversion(conversion_of(output))
            own = () if kept is None else passwords_of(kept.opened(self.seals), passwords)
            self.outcomes.changed(shown.job.id, output.id, passwords=own)
        self.jobs.edited(shown.job.id, JobChanges(door_data=note.data))
        return self.jobs.shown(shown.job.id)

    def canceled(self, job_id: str) -> None:
        """It ends, wherever it stands. Raises `Conflict` where it has ended, or was canceled before."""
        if self.jobs.shown(job_id).job.state is JobState.CANCELLING:
            raise Conflict(f"Job {job_id} was canceled before.")
        self.jobs.cancelled(job_id)

    def conversions_added(self, job_id: str, asked: Sequence[schemas.NewConversion]) -> tuple[Shown, list[str]]:
        """Further conversions of a held job; it begins where nothing else was missing. Their ids."""
        made = self._conversions(asked)

        def change(note: Note) -> list[Conversion]:
            return [*self._opened(note), *made]

        return self._with_conversions(job_id, change), [one.id for one in made]

    def conversion_changed(self, job_id: str, conversion_id: str, asked: schemas.ChangedConversion) -> Shown:
        """A conversion of a held job with other options, or other metadata."""

        def change(note: Note) -> list[Conversion]:
            return [self._changed(one, asked) if one.id == conversion_id else one for one in self._opened(note)]

        self._require_conversion(job_id, conversion_id)
        return self._with_conversions(job_id, change)

    def conversion_removed(self, job_id: str, conversion_id: str) -> None:
        """A held job without that conversion."""

        def change(note: Note) -> list[Conversion]:
            return [one for one in self._opened(note) if one.id != conversion_id]

        self._require_conversion(job_id, conversion_id)
        self._with_conversions(job_id, change)

    def inputs_added(self, job_id: str, asked: Sequence[schemas.NewInput]) -> tuple[Shown, list[str]]:
        """Further inputs of a held job; it begins where nothing else was missing. Their ids."""
        shown = self.jobs.shown(job_id)
        self._require_held(shown)
        require_room(len(shown.inputs) + len(asked), shown.job.limits)
        return self.sources_added(job_id, list(self._inputs(asked, shown.job.limits)))

    def sources_added(self, job_id: str, requests: Sequence[InputRequest]) -> tuple[Shown, list[str]]:
        """The same of inputs in our words; an upload that is an input of the job already is not added again."""
        before: set[str] = set()

        def change(now: Shown) -> JobChanges:
            before.clear()
            before.update(one.id for one in now.inputs)
            there = {one.upload_id for one in now.inputs} - {None}
            inputs = (*_as_they_are(now), *(one for one in requests if one.upload_id not in there))
            return JobChanges(inputs=inputs, outputs=self._outputs(note_of(now.job), inputs, now))

        self.jobs.edited_by(job_id, {"inputs", "outputs"}, change, is_complete)
        shown = self.jobs.shown(job_id)
        fresh = [one.id for one in shown.inputs if one.id not in before]
        return shown, fresh[: len(requests)]

    def inputs_moved(self, job_id: str, moved: Sequence[schemas.MovedInput]) -> Shown:
        """The inputs of a held job in the order of their `options.position`, with the options that were said."""
        said = {one.id: one.options for one in moved}
        for number, one in enumerate(moved):
            if one.options.get("position") is not None and _position(one.options) is None:
                with about(f"{number}.options.position"):
                    raise WrongUse("position: it takes a number, from 0.")

        def change(now: Shown) -> JobChanges:
            for input_id in said:
                the_part(now.inputs, input_id, "input")
            inputs = _placed(
                [
                    one.model_copy(update={"metadata": {**one.metadata, "options": _options(one, said)}})
                    for one in _as_they_are(now)
                ]
            )
            return JobChanges(inputs=tuple(inputs), outputs=self._outputs(note_of(now.job), inputs, now))

        self.jobs.edited_by(job_id, {"inputs", "outputs"}, change)
        return self.jobs.shown(job_id)

    def input_changed(self, job_id: str, input_id: str, asked: schemas.ChangedInput) -> Shown:
        """An input of a held job with other parameters. Raises `WrongUse` where these would be another place in cloud
        storage: what was fetched from there is of the input as it is."""
        found = the_part(self.jobs.shown(job_id).inputs, input_id, "input")
        sent = sent_as(found)
        kept = sent.model_copy(update={"parameters": {**sent.parameters, **asked.parameters}})
        elsewhere = "parameters" if kept.parameters != sent.parameters else "credentials" if asked.credentials else ""
        if elsewhere and sent.type in _IN_CLOUDS:
            with about(elsewhere):
                raise WrongUse("An input in cloud storage stays where it is: DELETE it, and POST the other one.")
        self.jobs.input_set(job_id, InputRequest(id=input_id, metadata=kept.data))
        return self.jobs.shown(job_id)

    def input_removed(self, job_id: str, input_id: str) -> None:
        """A held job without that input."""

        def change(now: Shown) -> JobChanges:
            the_part(now.inputs, input_id, "input")
            inputs = tuple(one for one in _as_they_are(now) if one.id != input_id)
            return JobChanges(inputs=inputs, outputs=self._outputs(note_of(now.job), inputs, now))

        self.jobs.edited_by(job_id, {"inputs", "outputs"}, change)

    def _with_conversions(self, job_id: str, change: Callable[[Note], list[Conversion]]) -> Shown:
        def changes(now: Shown) -> JobChanges:
            conversions = change(note_of(now.job))
            if len(conversions) > MOST_CONVERSIONS:
                raise WrongUse(f"A job takes up to {MOST_CONVERSIONS} conversions, not {len(conversions)}.")
            kept = tuple(one.kept(self.seals) for one in conversions)
            note = note_of(now.job).model_copy(update={"conversions": kept})
            return JobChanges(outputs=self._outputs(note, _as_they_are(now), now), door_data=note.data)

        self.jobs.edited_by(job_id, {"outputs", "door_data"}, changes, is_complete)
        return self.jobs.shown(job_id)

    def _outputs(self, note: Note, inputs: Sequence[InputRequest], now: Shown) -> Any:
        if not inputs:
            self._try(self._opened(note), note.passwords(self.seals))
        return outputs_for(self._opened(note), inputs, now.outputs, note.passwords(self.seals))

    def _try(self, conversions: Sequence[Conversion], passwords: Sequence[str]) -> None:
        """Raise `WrongUse` for conversions that no input could be made into: while there are none, nothing else says
        so, and later each input would be refused."""
        desk, caller = self.at.desk, self.at.caller
        stand_in = Input(job_id="", uri="https://films.invalid/film.mp4")
        wanted = outputs_for(conversions, [InputRequest(id=stand_in.id, uri=stand_in.uri)], passwords=passwords)
        # To hash passwords takes its time, and tells nothing here but that there are not too many.
        plain = [
            one if len(one.passwords or ()) > MOST_LOCKS else one.model_copy(update={"passwords": ()}) for one in wanted
        ]
        opened = open_outputs(plain, caller, desk)
        refuse_closed(outputs_of("", opened, [stand_in], account=caller.account, desk=desk), caller, desk)

    def _opened(self, note: Note) -> list[Conversion]:
        return [one.opened(self.seals) for one in note.conversions]

    def _conversions(self, asked: Sequence[schemas.NewConversion]) -> list[Conversion]:
        made = []
        for number, one in enumerate(asked):
            with about(f"conversion.{number}"):
                with about("options"):
                    options, base = self.presets.resolved(one.options)
                made.append(conversion_asked(one, options, base))
        return made

    def _inputs(self, asked: Sequence[schemas.NewInput], limits: Limits) -> Iterator[InputRequest]:
        for number, one in enumerate(asked):
            with about(f"input.{number}"):
                made = input_of(one, self.at, limits)
            yield made

    def _changed(self, found: Conversion, asked: schemas.ChangedConversion) -> Conversion:
        changes: dict[str, Any] = {}
        if "metadata" in asked.model_fields_set:
            changes["metadata"] = asked.metadata
        if "options" in asked.model_fields_set:
            with about("options"):
                options, base = self.presets.resolved(asked.options)
            secret = {name: said for name, said in found.options.items() if name in SECRET_OPTIONS}
            options = {**secret, **options}  # nobody is shown them, so nobody can say them again
            again = schemas.NewConversion(target=found.target, category=found.category)
            checked = conversion_asked(again, options, base)
            changes |= {"options": checked.options, "base": checked.base}
        return found.model_copy(update=changes)

    def _callbacks(self, job: Job, said: str | None, notifies: bool) -> tuple[CallbackRequest, ...]:
        if said is not None:
            return self._told(said, notifies)
        urls = [one.url if one.sealed_url is None else self.seals.opened(one.sealed_url) for one in job.callbacks]
        return self._told(urls[0] if urls else "", notifies)

    def _told(self, url: str, notifies: bool) -> tuple[CallbackRequest, ...]:
        secret = self.signing.secret() if url else None
        return callbacks_of(url, notifies, None if secret is None else self.seals.seal(secret))

    @staticmethod
    def _refuse_changes(shown: Shown, asked: schemas.Terms) -> None:
        """Raise `Conflict` where a job that has begun would have to be another one."""
        note, job = note_of(shown.job), shown.job
        stands: dict[str, Any] = {
            "process": True,
            "fail_on_input_error": job.on_input_error == "fail",
            "fail_on_conversion_error": job.on_output_error == "fail",
            "callback": note.callback,
            "notify_status": note.notify_status,
        }
        named = _named(asked, note) - ({"download_passwords"} if job.state is JobState.COMPLETED else set())
        other = sorted(name for name in named if _as_shown(name, getattr(asked, name)) != stands.get(name))
        if other:
            raise Conflict(f"Job {job.id} has begun: {', '.join(other)} can only be changed before that.")

    @staticmethod
    def _require_held(shown: Shown) -> None:
        if shown.job.state is not JobState.HELD:
            raise Conflict(f"Job {shown.job.id} has begun: it takes nothing more.")

    def _require_conversion(self, job_id: str, conversion_id: str) -> None:
        shown = self.jobs.shown(job_id)
        conversion_of_job(shown, conversion_id)
        self._require_held(shown)


_IN_CLOUDS = frozenset({"cloud", "gdrive_picker"})
_TOUCHED = frozenset({"door_data", "callbacks", "on_input_error", "on_output_error"})


def _named(asked: schemas.Terms, note: Note) -> set[str]:
    """What was said. Some clients send a job back as it was told: a callback that they saw masked is none of theirs."""
    return asked.model_fields_set - ({"callback"} if (asked.callback or "") == note.callback else set())


def _as_shown(name: str, said: Any) -> Any:
    """A term as a job keeps it."""
    return mask_url(said or "") if name == "callback" else said


def conversion_of_job(shown: Shown, conversion_id: str) -> Conversion:
    """A conversion of a job. Raises `NotFound`."""
    found = note_of(shown.job).conversion(conversion_id)
    if found is None:
        raise NotFound(f"The job has no conversion {conversion_id!r}.")
    return found


def _as_they_are(shown: Shown) -> tuple[InputRequest, ...]:
    return tuple(input_changed(one, InputRequest(id=one.id)) for one in shown.inputs)


def _options(one: InputRequest, said: Any) -> dict[str, Any]:
    kept = dict(one.metadata.get("options") or {})
    return {**kept, **said.get(one.id, {})}


def _placed(inputs: Sequence[InputRequest]) -> list[InputRequest]:
    """Each where it wants to stand, from 0; those that do not say stay in their order around these."""
    wanted = [(_position(one.metadata["options"]), one) for one in inputs]
    placed = [one for position, one in wanted if position is None]
    at = -1
    for position, one in sorted((each for each in wanted if each[0] is not None), key=itemgetter(0)):
        at = max(at + 1, min(int(position or 0), len(placed)))
        placed.insert(at, one)
    return placed


def _position(options: Mapping[str, Any]) -> float | None:
    """Where an input wants to stand; none: it does not say, or nothing that can be understood."""
    try:
        said = float(options.get("position"))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return said if math.isfinite(said) else None
