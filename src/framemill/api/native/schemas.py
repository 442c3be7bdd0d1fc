"""The words of `/v1`. Strict in what it takes, so that a slip of the pen is told; what it gives may grow.

Times are RFC 3339 in UTC. Numbers carry their unit in their name; money is in thousandths of a credit.
"""

import math
from datetime import datetime
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema

from framemill.api.strict import exactly, strictly
from framemill.jobs.model import Keep, Limits
from framemill.jobs.settings import RunSettings


class Asked(BaseModel):
    """Base of what a client sends. Nothing is read into it: no number is a truth, no text a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The usual one, and strict."""
        return cast(CoreSchema, strictly(handler(source)))


class Told(BaseModel):
    """Base of what a client reads; one that is older than the farm passes over what it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


def _storable(value: Any, depth: int = 0) -> Any:
    """Refuse what no database takes: NUL and half characters in texts, numbers that are none, and towers of lists."""
    if depth > _DEEPEST:
        raise ValueError(f"it is nested deeper than {_DEEPEST} levels")
    match value:
        case str() if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
            raise ValueError("a text holds a character that cannot be stored (NUL, or half a surrogate pair)")
        case float() if not math.isfinite(value):
            raise ValueError(f"{value} is no number")
        case dict():
            for name, part in value.items():
                _storable(name)
                _storable(part, depth + 1)
        case list() | tuple():
            for part in value:
                _storable(part, depth + 1)
        case BaseModel():
            _storable(value.model_dump(), depth)
    return value


_DEEPEST = 32
Text = Annotated[str, BeforeValidator(_storable)]
Free = Annotated[dict[str, Any], BeforeValidator(_storable)]
"""The client's own JSON."""
Run = Annotated[RunSettings, AfterValidator(_storable), exactly(RunSettings)]
Bounds = Annotated[Limits, AfterValidator(_storable), exactly(Limits)]
Priority = Annotated[int, Field(ge=-1_000_000, le=1_000_000)]


# What a client sends


class NewInput(Asked):
    """A source."""

    uri: Annotated[Text, Field(min_length=1, max_length=8192)] = ""
    """An absolute path on the farm's machine, a file: URL, or an http(s) URL."""
    upload_id: Annotated[Text, Field(min_length=1, max_length=36)] | None = None
    """Of an upload, instead of `uri`; the job waits until all of it is there."""
    filename: Annotated[Text, Field(max_length=255)] | None = None
    """What the source is called, where the URI does not tell."""
    read_once: bool = False
    """It can be read once only, in order: the other side makes it on demand."""
    metadata: Free = Field(default_factory=dict)

    @model_validator(mode="after")
    def _from_one_place(self) -> Self:
        if (not self.uri) is (self.upload_id is None):
            raise ValueError("a source is named by its uri or by its upload_id: give one of them")
        return self


class NewOutput(Asked):
    """A result."""

    target: Annotated[Text, Field(min_length=1, max_length=4096)] | None = None
    """An absolute path on the farm's machine: .mp4 .mov .mkv .webm, or a folder for a package; none: it stays there."""
    name: Annotated[Text, Field(max_length=255)] | None = None
    """What the output is called; none: after its target, else after the source."""
    preset: Annotated[Text, Field(max_length=200)] | None = None
    """Name of a preset; none: the usual one of the container."""
    settings: Free = Field(default_factory=dict)
    """Fields of the output settings, laid over the preset: `{"crf": 20}`."""
    metadata: Free = Field(default_factory=dict)


class NewCallback(Asked):
    """Whom to tell."""

    url: Annotated[Text, Field(pattern=r"^https?://", max_length=8192)]
    on: Literal["end", "change"] = "end"
    """`end`: once, when the job has ended; `change`: at every change of its state."""
    timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    retry_seconds: tuple[Annotated[float, Field(ge=0, le=86_400)], ...] = Field(default=(60, 300, 1800), max_length=20)
    """Pauses before the further tries."""
    refusal_is_final: bool = False
    """Whether an answer 4xx ends it."""
    secret: Annotated[Text, Field(max_length=200)] | None = None
    """`whsec_…`, what messages are signed with (Standard Webhooks); none: `GET /v1/webhooks/callback-secret`."""


class NewJob(Asked):
    """What is to be done. A job takes one input; one with `start: held` may get it, and its outputs, later."""

    inputs: tuple[NewInput, ...] = Field(default=(), max_length=1000)
    outputs: tuple[NewOutput, ...] = Field(default=(), max_length=1000)
    preset: Annotated[Text, Field(max_length=200)] | None = None
    """Short for one output of that preset which stays with the farm: `"preset": "hls"`; instead of `outputs`."""
    run: Run = RunSettings()
    priority: Priority = 0
    """Higher goes first."""
    deadline: AwareDatetime | None = None
    limits: Bounds = Limits()
    callbacks: tuple[NewCallback, ...] = Field(default=(), max_length=20)
    callback: NewCallback | None = None
    """Short for a list of one; instead of `callbacks`."""
    metadata: Free = Field(default_factory=dict)
    """Yours; given back as it came."""
    fairness_key: Annotated[Text, Field(max_length=200)] = ""
    """Jobs of one account take turns by this key: a device, a user, a batch."""
    start: Literal["auto", "held"] = "auto"
    """`held` waits for `POST …/start` and can be edited until then."""
    on_input_error: Keep = "fail"
    on_output_error: Keep = "fail"
    """`keep`: the job goes on without that output, and warns."""

    @model_validator(mode="after")
    def _said_once(self) -> Self:
        if self.preset is not None and self.outputs:
            raise ValueError("preset is short for one output: give either preset or outputs")
        if self.callback is not None and self.callbacks:
            raise ValueError("callback is short for one of the callbacks: give either callback or callbacks")
        return self


class NewJobs(Asked):
    """Several jobs at once."""

    jobs: tuple[NewJob, ...] = Field(min_length=1, max_length=100)


class ChangedInput(Asked):
    """What is to be changed of an input; what is left away stays. Another `uri`: another source."""

    uri: Annotated[Text, Field(min_length=1, max_length=8192)] = ""
    upload_id: Annotated[Text, Field(min_length=1, max_length=36)] | None = None
    filename: Annotated[Text, Field(max_length=255)] | None = None
    read_once: bool = False
    metadata: Free = Field(default_factory=dict)


class EditedInput(NewInput):
    """A source of a held job."""

    id: Annotated[Text, Field(max_length=36)] | None = None
    """Of an input that the job has: what was fetched stays. None: a new one."""


class EditedOutput(NewOutput):
    """A result of a held job."""

    id: Annotated[Text, Field(max_length=36)] | None = None
    """Of an output that the job has. None: a new one."""


class EditedJob(Asked):
    """What is to be changed; what is left away stays. Lists are replaced as a whole."""

    inputs: tuple[EditedInput, ...] = Field(default=(), max_length=1000)
    outputs: tuple[EditedOutput, ...] = Field(default=(), max_length=1000)
    run: Run = RunSettings()
    priority: Priority = 0
    deadline: AwareDatetime | None = None
    limits: Bounds = Limits()
    callbacks: tuple[NewCallback, ...] = Field(default=(), max_length=20)
    metadata: Free = Field(default_factory=dict)
    fairness_key: Annotated[Text, Field(max_length=200)] = ""
    on_input_error: Keep = "fail"
    on_output_error: Keep = "fail"


class CollectAsked(Asked):
    """What is to be thrown away."""

    dry_run: bool = False
    """Only tell what would be."""


class DrainAsked(Asked):
    """How long to wait."""

    seconds: float = Field(default=30.0, ge=0, le=3600)


# What a client reads


class Waiting(Told):
    """Why a job does not move."""

    code: str
    sentence: str


class Progress(Told):
    """How far a job is."""

    frames: int = 0
    """Encoded so far, over all renditions."""
    frames_planned: int = 0
    """To encode; 0: not known yet, or there are no pictures to encode."""
    share: float | None = None
    """Of the frames, 0 to 1; none: not known yet."""
    bytes_fetched: int | None = None
    """Of the source, while it is fetched."""
    bytes_planned: int | None = None
    frames_per_second: float | None = None
    """How quickly it moves, where that is told: in streams."""
    remaining_seconds: float | None = None
    """Until the last frame is encoded, as it looks now."""


class Warning(Told):
    """Something went wrong, and the job went on."""

    about: str
    about_id: str
    reason: str
    message: str


class Input(Told):
    """A source as it was found."""

    id: str
    uri: str
    """With every secret masked."""
    filename: str | None = None
    read_once: bool = False
    state: str
    reason: str | None = None
    message: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    content_type: str | None = None
    duration_seconds: float | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class ProbedInput(Input):
    """A source with all that is known of it."""

    facts: dict[str, Any] | None = None
    """The probe's facts, in the shape of ffprobe's JSON."""


class Output(Told):
    """A result that is asked for."""

    id: str
    name: str
    target: str | None = None
    """With every secret masked; none: it stays with the farm."""
    preset: str | None = None
    settings: dict[str, Any]
    reason: str | None = None
    """Why there is none, where the job went on without it."""
    message: str | None = None
    expires_at: datetime | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class File(Told):
    """A file of an output."""

    path: str
    """Its name, or its path in the package."""
    uri: str
    """Where it is put, with every secret masked."""
    state: str
    size_bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    content_type: str | None = None
    reason: str | None = None
    message: str | None = None


class FiledOutput(Output):
    """A result with its files."""

    files: tuple[File, ...] = ()


class Callback(Told):
    """Whom to tell."""

    url: str
    """With every secret masked."""
    on: str
    timeout_seconds: float
    retry_seconds: tuple[float, ...]
    refusal_is_final: bool


class Job(Told):
    """A job as it stands."""

    id: str
    state: str
    """held, queued, ingesting, planning, encoding, stitching, packaging, delivering, completed, failed, cancelling or
    cancelled."""
    waiting: Waiting | None = None
    """Why it does not move, where it does not."""
    progress: Progress = Progress()
    reason: str | None = None
    """Why it failed or was cancelled."""
    message: str | None = None
    warnings: tuple[Warning, ...] = ()
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    run: dict[str, Any] = Field(default_factory=dict)
    priority: int = 0
    deadline: datetime | None = None
    limits: dict[str, Any] = Field(default_factory=dict)
    callbacks: tuple[Callback, ...] = ()
    metadata: dict[str, Any] = Field(default_factory=dict)
    fairness_key: str = ""
    start: str = "auto"
    on_input_error: str = "fail"
    on_output_error: str = "fail"
    door: str
    """The API it came through."""
    attempt: int
    spent: int = 0
    """Thousandths of a credit that this attempt was charged."""
    timings_seconds: dict[str, float] = Field(default_factory=dict)
    """What this attempt spent in each state it has left."""
    created_at: datetime
    entered_at: datetime
    """Since when it is in its state."""
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.state in {"completed", "failed", "cancelled"}


class Jobs(Told):
    """A page of jobs, newest first."""

    data: tuple[Job, ...]
    next_cursor: str | None = None
    """For `cursor=`; none: there are no more."""


class JobsMade(Told):
    """The jobs that were made, in the order in which they were asked for."""

    data: tuple[Job, ...]


class Inputs(Told):
    """A job's inputs."""

    data: tuple[ProbedInput, ...]


class Outputs(Told):
    """A job's outputs."""

    data: tuple[FiledOutput, ...]


class Event(Told):
    """Something that happened to a job."""

    seq: int
    """Grows; for `after=`."""
    at: datetime
    kind: str
    """`created`, `edited`, `warned`, `playable` (the output `data.output_id` can be played as far as it is encoded), or
    the state that the job entered."""
    data: dict[str, Any] = Field(default_factory=dict)


class Events(Told):
    """What happened to a job, oldest first."""

    data: tuple[Event, ...]


class Happening(Event):
    """Something that happened to one of the account's jobs."""

    job_id: str


class Happenings(Told):
    """What happened to the account's jobs, oldest first."""

    data: tuple[Happening, ...]
    next_after: int | None = None
    """For `after=`: there may be more."""


class Why(Told):
    """Why a job does not move, and what to do about it."""

    job_id: str
    state: str
    waiting: Waiting | None = None
    """None: nothing holds it up."""
    next: str
    """The next thing to do, or to wait for."""
    facts: dict[str, Any] = Field(default_factory=dict)


class Farm(Told):
    """How the farm stands; beside these fields is what the coordinator tells, while it is alive."""

    model_config = ConfigDict(extra="allow")

    live: bool
    """Whether the coordinator answers."""
    message: str | None = None
    """Why it does not."""
    paused: bool
    """By its operator: what runs goes on, nothing more is started."""
    waiting: Waiting | None = None
    """Why no further job begins; none: the next one may."""
    jobs: dict[str, int] = Field(default_factory=dict)
    """How many jobs are in each state that is no end."""


class Error(Told):
    """What went wrong."""

    type: str
    code: str
    message: str
    param: str | None = None
    """The field that is meant: `outputs.0.settings.crf`."""
    request_id: str | None = None


class ErrorEnvelope(Told):
    """Every answer that is none of the others."""

    error: Error
