"""What clients send to `/jobs`."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from framemill.api.onlineconvert.descriptors import PASSWORDS
from framemill.api.onlineconvert.kept import passwords_in
from framemill.api.strict import storable
from framemill.jobs.model import MOST_BYTES, MOST_COUNTED


def _named(said: Any) -> Any:
    """What has names: PHP writes it as a list where there are none."""
    return {} if said is None or said == [] else said


def _several(said: Any) -> Any:
    """What there may be several of: one may come alone."""
    if said is None:
        return []
    return [said] if isinstance(said, dict) else said


Named = Annotated[dict[str, Any], BeforeValidator(_named)]


class Words(BaseModel):
    """Base of what is read from clients: lenient about fields that it does not know."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _can_be_stored(cls, said: Any) -> Any:
        return storable(said)


class NewTarget(Words):
    """Where a conversion's result shall be put."""

    type: str = Field(min_length=1, max_length=40)
    parameters: Named = {}
    credentials: Named = Field(default={}, repr=False)


class NewConversion(Words):
    """What shall be made of the inputs."""

    target: str = Field(min_length=1, max_length=100)
    category: str | None = Field(default=None, max_length=100)
    options: Named = Field(default={}, repr=False)
    metadata: Named = {}
    output_target: Annotated[list[NewTarget], BeforeValidator(_several)] = Field(default=[], max_length=20)


class ChangedConversion(Words):
    """What is to be changed of a conversion."""

    options: Named = Field(default={}, repr=False)
    metadata: Named = {}


Kind = Literal["remote", "upload", "base64", "input_id", "output", "cloud", "gdrive_picker"]


class NewInput(Words):
    """A source."""

    type: Kind
    source: str
    engine: str | None = Field(default=None, max_length=40)
    options: Named = {}
    filename: str | None = Field(default=None, max_length=255)
    content_type: str | None = Field(default=None, max_length=255)
    credentials: Named = Field(default={}, repr=False)
    parameters: Named = {}
    metadata: Named = {}


class ChangedInput(Words):
    """What is to be changed of an input."""

    credentials: Named = Field(default={}, repr=False)
    parameters: Named = {}


class MovedInput(Words):
    """Where an input shall stand."""

    id: str
    options: Named = {}


class JobLimits(Words):
    """Of the job as a whole."""

    max_credit: float | None = Field(default=None, ge=0, le=10**9)
    max_inputs: int | None = Field(default=None, ge=1, le=MOST_COUNTED)
    max_process_time: float | None = Field(default=None, gt=0)
    """Seconds."""
    max_process_times: float | None = Field(default=None, gt=0)
    """Another word for the same, which its documents have, too."""


class InputLimits(Words):
    """Of each input."""

    max_file_size: int | None = Field(default=None, ge=1, le=MOST_BYTES)
    """Bytes."""


class OutputLimits(Words):
    """Of each output."""

    max_downloads: int | None = Field(default=None, ge=1, le=MOST_COUNTED)


class Limits(Words):
    """What a job may use at most."""

    job: Annotated[JobLimits, BeforeValidator(_named)] = JobLimits()
    input: Annotated[InputLimits, BeforeValidator(_named)] = InputLimits()
    output: Annotated[OutputLimits, BeforeValidator(_named)] = OutputLimits()


def _passwords(said: list[str] | None) -> list[str] | None:
    if said is None:
        return None
    if any(re.fullmatch(PASSWORDS, one) is None for one in said):
        raise ValueError(f"a password fits {PASSWORDS}")
    return [one for one in dict.fromkeys(said) if one]


Passwords = Annotated[
    list[str] | None,
    BeforeValidator(lambda said: [said] if isinstance(said, str) else said),
    AfterValidator(_passwords),
]
"""Each is one, whatever commas it holds; none that is anything: there is to be none."""

PasswordOption = Annotated[
    Passwords, BeforeValidator(lambda said: list(passwords_in(said)) if isinstance(said, str) else said)
]
"""The same; a text may be several, with commas between them."""


class Terms(Words):
    """What holds for a job as a whole, where it was said."""

    process: bool = True
    fail_on_input_error: bool = True
    fail_on_conversion_error: bool = True
    callback: str | None = Field(default=None, max_length=2048)
    notify_status: bool = False
    download_passwords: Passwords = Field(default=None, repr=False)
    """All of them; none: it was not said."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_not_said(cls, said: Any) -> Any:
        """Clients that know all fields of a job send null for those that they say nothing about."""
        if not isinstance(said, dict):
            return said
        return {name: value for name, value in said.items() if value is not None or name not in _SWITCHES}


_SWITCHES = frozenset({"process", "notify_status", "fail_on_input_error", "fail_on_conversion_error"})


MOST_CONVERSIONS = 100
"""Of one job."""


class NewJob(Terms):
    """A job."""

    conversion: Annotated[list[NewConversion], BeforeValidator(_several)] = Field(
        default=[], max_length=MOST_CONVERSIONS
    )
    input: Annotated[list[NewInput], BeforeValidator(_several)] = Field(default=[], max_length=100)
    limits: Annotated[Limits, BeforeValidator(_named)] = Limits()


class ChangedOutput(Words):
    """What is to be changed of an output."""

    id: str | None = None
    filename: str | None = Field(default=None, min_length=1, max_length=200)
    """Without its extension."""
    download_password: PasswordOption = Field(default=None, repr=False)
