"""The words of `/v1`. Strict in what it takes, so that a slip of the pen is told; what it gives may grow.

Times are RFC 3339 in UTC. Numbers carry their unit in their name; money is in thousandths of a credit.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, model_validator

from framemill.api.native.access_schemas import Credentials, ShownCredentials
from framemill.api.native.words import Asked, Told
from framemill.api.strict import Free, Text, exactly, storable
from framemill.jobs.model import IfExists, Keep, Limits
from framemill.jobs.settings import RunSettings
from framemill.jobs.settings.times import Seconds

Run = Annotated[RunSettings, AfterValidator(storable), exactly(RunSettings)]
Bounds = Annotated[Limits, AfterValidator(storable), exactly(Limits)]
Priority = Annotated[int, Field(ge=-1_000_000, le=1_000_000)]


# What a client sends


class NewInput(Asked):
    """A source."""

    uri: Annotated[Text, Field(min_length=1, max_length=8192)] = ""
    """An absolute path on the farm's machine, or a URI: file, http(s), s3, gs, az, ftp(s), sftp, or gdrive://ID."""
    credentials: Credentials | None = None
    """What opens it: the name of credentials in the farm's settings, or these themselves; they are never told again."""
    upload_id: Annotated[Text, Field(min_length=1, max_length=36)] | None = None
    """Of an upload, instead of `uri`; the job waits until all of it is there."""
    filename: Annotated[Text, Field(max_length=255)] | None = None
    """What the source is called, where the URI does not tell."""
    start: Seconds | None = None
    """Seconds from its first picture, or `HH:MM:SS.mmm`: only from there on it is shown."""
    end: Seconds | None = None
    """And until there."""
    read_once: bool = False
    """It can be read once only, in order: the other side makes it on demand."""
    metadata: Free = Field(default_factory=dict)

    @model_validator(mode="after")
    def _from_one_place(self) -> Self:
        if (not self.uri) is (self.upload_id is None):
            raise ValueError("a source is named by its uri or by its upload_id: give one of them")
        if self.credentials is not None and self.upload_id is not None:
            raise ValueError("an upload takes no credentials: leave them away")
        return self


class NewTarget(Asked):
    """A place where an output is put."""

    uri: Annotated[Text, Field(min_length=1, max_length=8192)]
    """An absolute path on the farm's machine, or a URI: file, s3, gs, az, ftp(s), sftp, or gdrive://FOLDER/name. A file
    by its suffix (.mp4 .mov .mkv .webm…), else the folder of a package."""
    credentials: Credentials | None = None
    """What opens it: the name of credentials in the farm's settings, or these themselves; they are never told again."""
    if_exists: IfExists = "replace"
    """`fail`: the job fails, before anything is encoded, where there is something of that name; `rename`: it is called
    `film (2).mp4` then."""
    acl: Annotated[Text, Field(max_length=100)] | None = None
    """Of s3:// and gs://: canned access rights, such as `public-read`."""


class NewOutput(Asked):
    """A result."""

    inputs: Literal["all"] | Annotated[tuple[int | Text, ...], Field(min_length=1, max_length=100)] = "all"
    """Made of which inputs: places in the job's list of inputs, from 0, or their ids; joined in this order."""
    target: Annotated[Text, Field(min_length=1, max_length=8192)] | None = None
    """Short for one target of that `uri`."""
    targets: Annotated[tuple[NewTarget, ...], Field(max_length=20)] = ()
    """Where it is put; all of them say by their names what it is. None: it stays with the farm, to be downloaded."""
    keep: bool = False
    """Beside its targets it stays with the farm, too, to be downloaded."""
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
    """`end`: once, when the job has ended; `change`: at every change of its state, and when the inputs of a held one
    are here."""
    timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    retry_seconds: tuple[Annotated[float, Field(ge=0, le=86_400)], ...] = Field(default=(60, 300, 1800), max_length=20)
    """Pauses before the further tries."""
    refusal_is_final: bool = False
    """Whether an answer 4xx ends it."""
    secret: Annotated[Text, Field(max_length=200)] | None = None
    """`whsec_…`, what messages are signed with (Standard Webhooks); none: `GET /v1/webhooks/callback-secret`."""


class NewJob(Asked):
    """What is to be done. An output of several inputs joins them; a job with `start: held` may get its parts later."""

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
    credentials: Credentials | None = None
    """Of another `uri` in the same store the credentials stay; of one elsewhere they go."""
    upload_id: Annotated[Text, Field(min_length=1, max_length=36)] | None = None
    filename: Annotated[Text, Field(max_length=255)] | None = None
    start: Seconds | None = None
    end: Seconds | None = None
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
    """Of all that is encoded, 0 to 1, by what each part takes; none: not known yet."""
    bytes_fetched: int | None = None
    """Of the source, while it is fetched."""
    bytes_planned: int | None = None
    bytes_delivered: int | None = None
    """Of the outputs, over all their targets, while they are put there."""
    bytes_to_deliver: int | None = None
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
    credentials: str | ShownCredentials | None = None
    """Name of the credentials in the farm's settings that open it, or the kind of those that came with it."""
    filename: str | None = None
    start: float | None = None
    """Seconds from its first picture where it begins to be shown."""
    end: float | None = None
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


class Target(Told):
    """A place where an output is put."""

    uri: str
    """With every secret masked."""
    credentials: str | ShownCredentials | None = None
    """Name of the credentials in the farm's settings that open it, or the kind of those that came with it."""
    if_exists: str = "replace"
    acl: str | None = None
    state: str | None = None
    """waiting, uploading, completed or failed; none: the job has not come so far."""
    reason: str | None = None
    """Why it failed."""
    message: str | None = None


class Output(Told):
    """A result that is asked for."""

    id: str
    input_ids: tuple[str, ...] = ()
    """What it is made of, in order; empty: of all inputs."""
    name: str
    target: str | None = None
    """Its first target; none: it has none, and stays with the farm."""
    targets: tuple[Target, ...] = ()
    keep: bool = False
    """Beside its targets it stays with the farm, too."""
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
    """Where it is put; empty: it stays with the farm."""
    target: int | None = None
    """Place of its target among the output's; none: it stays with the farm."""
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
