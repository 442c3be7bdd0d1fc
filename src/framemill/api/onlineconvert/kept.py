"""What the door keeps of what was asked: with a job in `Job.door_data`, with an input in its metadata. Pure.

What opens a client's store, and passwords, are kept sealed; in clear they are only in values that are in use.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, ValidationError

from framemill.jobs.model import Input, Job, Output, new_id
from framemill.jobs.settings import Value
from framemill.sealing import Seals

SECRET_OPTIONS = frozenset({"download_password"})
"""Options of a conversion that nobody is shown."""


class OutputTarget(Value):
    """Where a conversion's result shall be put."""

    type: str
    parameters: Mapping[str, Any] = {}
    credentials: Mapping[str, Any] = Field(default={}, repr=False)


class Conversion(Value):
    """What shall be made of the inputs."""

    id: str = Field(default_factory=new_id)
    target: str
    category: str
    options: Mapping[str, Any] = Field(default={}, repr=False)
    base: str | None = None
    """Name of the farm's own preset below its options."""
    metadata: Mapping[str, Any] = {}
    output_target: tuple[OutputTarget, ...] = ()
    sealed: str | None = None
    """What is secret of it, where that was taken out."""

    def kept(self, seals: Seals) -> "Conversion":
        """As it is kept: with nothing in it that is secret."""
        hidden = {
            "options": {name: value for name, value in self.options.items() if name in SECRET_OPTIONS},
            "credentials": [one.credentials for one in self.output_target],
        }
        if not hidden["options"] and not any(hidden["credentials"]):
            return self
        return self.model_copy(update={**self._plain(), "sealed": seals.seal(json.dumps(hidden))})

    def opened(self, seals: Seals) -> "Conversion":
        """As it was asked for. Raises `KeyRefused` where the farm's secret has changed."""
        if self.sealed is None:
            return self
        hidden = json.loads(seals.opened(self.sealed))
        targets = zip(self.output_target, hidden["credentials"], strict=True)
        with_credentials = tuple(one.model_copy(update={"credentials": said}) for one, said in targets)
        options = {**self.options, **hidden["options"]}
        return self.model_copy(update={"options": options, "output_target": with_credentials, "sealed": None})

    def _plain(self) -> dict[str, Any]:
        return {
            "options": {name: value for name, value in self.options.items() if name not in SECRET_OPTIONS},
            "output_target": tuple(one.model_copy(update={"credentials": {}}) for one in self.output_target),
        }


class Note(Value):
    """What is kept with a job."""

    process: bool = True
    """Whether it shall begin as soon as nothing is missing."""
    conversions: tuple[Conversion, ...] = ()
    """As they are kept."""
    callback: str = ""
    """As it may be shown."""
    notify_status: bool = False
    server: str = ""
    """Where its client sends and fetches bytes."""
    sealed_passwords: str | None = None
    """What opens its outputs beside what their conversions say."""

    @property
    def data(self) -> dict[str, Any]:
        """As the job keeps it."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def passwords(self, seals: Seals) -> tuple[str, ...]:
        """Those. Raises `KeyRefused` as `Conversion.opened` does."""
        return () if self.sealed_passwords is None else tuple(json.loads(seals.opened(self.sealed_passwords)))

    def with_passwords(self, passwords: Sequence[str], seals: Seals) -> "Note":
        """The same with these and no others."""
        sealed = seals.seal(json.dumps(list(passwords))) if passwords else None
        return self.model_copy(update={"sealed_passwords": sealed})

    def conversion(self, conversion_id: str) -> Conversion | None:
        """The one with that id."""
        return next((one for one in self.conversions if one.id == conversion_id), None)


def note_of(job: Job) -> Note:
    """What is kept with a job of the door's."""
    return Note.model_validate(job.door_data, extra="ignore")


class Sent(Value):
    """What is kept with an input, in its metadata."""

    type: str = "remote"
    source: str = ""
    """As it may be shown."""
    checksum: str = ""
    """MD5 of its bytes, where these came here first."""
    size: int = 0
    """Of its bytes, likewise: it is told before anybody has looked into them."""
    engine: str = "auto"
    options: Mapping[str, Any] = {}
    parameters: Mapping[str, Any] = {}
    metadata: Mapping[str, Any] = {}
    """Its client's own words."""

    @property
    def data(self) -> dict[str, Any]:
        """As the input keeps it."""
        return self.model_dump(mode="json")


def sent_as(source: Input) -> Sent:
    """How an input came. Its metadata are its owner's to write, by the farm's own API: what is no such note tells
    nothing."""
    try:
        return Sent.model_validate(source.metadata, extra="ignore")
    except ValidationError:
        return Sent()


def marked(conversion: Conversion) -> Mapping[str, Any]:
    """What an output's metadata say of the conversion that it is made by."""
    return {"conversion": conversion.id}


def passwords_in(said: str) -> tuple[str, ...]:
    """The passwords in an option, where commas stand between them."""
    return tuple(dict.fromkeys(word for part in said.split(",") if (word := part.strip())))


def conversion_of(output: Output) -> str:
    """The id of the conversion that an output is made by."""
    return str(output.metadata.get("conversion", ""))
