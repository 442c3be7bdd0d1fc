"""What a job is made of: frozen values, as they are stored and as they travel. Nothing here reads a clock."""

from datetime import UTC
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

import uuid_utils
from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from framemill.jobs.metering import Tariff
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import OutputSettings, RunSettings, Value
from framemill.jobs.states import ChunkState, DeliveryState, InputState, JobState
from framemill.jobs.usage import Usage

Utc = Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]
"""A point in time; whatever zone it came in, it is kept in UTC."""

NATIVE = "native"
"""The farm's own API, among the doors."""

OWN_DOORS = frozenset({NATIVE, "dashboard", "cli"})
"""Those that are the farm's own, where all jobs of an account are seen."""

Keep = Literal["fail", "keep"]
"""What one bad part does to the job: `fail` it, or `keep` what is good and warn."""

KeepOutputs = Literal["fail", "keep", "extras"]
"""The same of outputs; `extras`: the first one has to be, and the job goes on without others."""

IfExists = Literal["replace", "fail", "rename"]
"""What is done where something of that name is there already; `rename`: `film (2).mp4`."""


UNUSABLE = "unusable:"
"""What an input's URI begins with where its door knew that there is nothing to fetch: it is no address, and leads
nowhere."""


def new_id() -> str:
    """A new id: a UUIDv7, so that ids sort by the time they were made."""
    return str(uuid_utils.uuid7())


def could_be_id(text: str) -> bool:
    """Whether it can be an id at all; the database is not asked for what cannot."""
    return len(text) <= _ID_LETTERS and text.isascii() and text.isprintable()


_ID_LETTERS = 36

LONGEST_KEPT_SECONDS = 100 * 365.25 * 86_400
"""A hundred years: what is to stay longer has no limit at all, and calendars end in the year 9999."""


MOST_COUNTED = 2**31 - 1
"""What a database's whole number holds: nothing is counted further."""
MOST_BYTES = 2**62
"""Of a file: no store holds so many, and the sum of two still is a number of 64 bits."""


def _up_to(most: int) -> AfterValidator:
    """A higher limit is never reached, so it means that one: also of jobs that were stored with it."""
    return AfterValidator(lambda said: None if said is None else min(said, most))


class Limits(Value):
    """What a job may use at most; it tightens the account's limits and never widens them."""

    max_process_seconds: float | None = Field(default=None, gt=0)
    """Seconds from the start of the work to its end."""
    max_spend: int | None = Field(default=None, ge=0)
    """Thousandths of a credit; reaching it is allowed, exceeding it is not."""
    max_inputs: Annotated[int | None, Field(ge=1), _up_to(MOST_COUNTED)] = None
    max_input_bytes: Annotated[int | None, Field(ge=1), _up_to(MOST_BYTES)] = None
    max_input_seconds: float | None = Field(default=None, gt=0)
    min_input_seconds: float | None = Field(default=None, gt=0)
    """What lasts less was cut off on its way, and is refused; none: nobody knows how long it is."""
    max_downloads: Annotated[int | None, Field(ge=1), _up_to(MOST_COUNTED)] = None
    """Downloads of each output that names no limit of its own."""
    max_kept_seconds: float | None = Field(default=None, gt=0, le=LONGEST_KEPT_SECONDS)
    """How long outputs stay here once the job is done; none: until they are deleted."""


class CallbackPolicy(Value):
    """How somebody is told, and how often it is tried."""

    scheme: str = NATIVE
    """How the message is written and signed: the name of a door's own scheme."""
    sealed_secret: str | None = None
    """The key it is signed with, sealed; none: the account's own, or none at all where the scheme says so."""
    trusted: bool = False
    """Whoever named the address is the farm's own user on its machine: private networks are open to them."""
    timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    first_timeout_seconds: float | None = Field(default=None, gt=0, le=120)
    """Of the first try, where that one has less."""
    retry_seconds: tuple[float, ...] = (60.0, 300.0, 1800.0)
    """Pauses before the further tries."""
    refusal_is_final: bool = False
    """Whether an answer 4xx ends it."""
    disable_after: int | None = Field(default=None, ge=1)
    """Tries that may fail one after the other before a webhook is disabled; none: any number."""
    disable_span_seconds: float = Field(default=0.0, ge=0)
    """And for so long they have failed at least."""
    trials_count: bool = False
    """What is sent to try a webhook is tried again, and counts where it fails, as everything else."""


class Callback(CallbackPolicy):
    """Whom a job tells."""

    url: str
    """With every secret masked, where it holds any."""
    sealed_url: str | None = None
    """The same with its secrets, sealed."""
    on: Literal["end", "change"] = "end"
    """`end`: once, when the job has ended; `change`: at every change of its state, and when the inputs of a held one
    are here."""


class Waiting(Value):
    """Why a job does not move."""

    code: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    sentence: str


class Warned(Value):
    """Something went wrong and the job went on (`keep`)."""

    about: Literal["job", "input", "output"]
    about_id: str
    reason: Reason
    message: str = ""


class Job(Value):
    """What is asked for and how far it is; `lifecycle.handle` moves it, `lifecycle.amend` changes the rest."""

    id: str = Field(default_factory=new_id)
    account: str
    door: str
    """The API it came through."""
    priority: int = 0
    """Higher goes first."""
    deadline: Utc | None = None
    start: Literal["auto", "held"] = "auto"
    """`held` waits for its owner's start and can be edited until then."""
    run: RunSettings = RunSettings()
    limits: Limits = Limits()
    callbacks: tuple[Callback, ...] = ()
    metadata: dict[str, Any] = Field(default_factory=dict)
    """The client's own words, given back as they came."""
    door_data: dict[str, Any] = Field(default_factory=dict)
    """What its door keeps of what was asked, in that door's words; nobody else reads it."""
    tariff: Tariff | None = None
    """What its outputs cost; none: the usual."""
    fairness_key: str = ""
    """Jobs of one account take turns by this key: a device, a user, a batch."""
    on_input_error: Keep = "fail"
    on_output_error: KeepOutputs = "fail"

    attempt: int = Field(default=1, ge=1)
    state: JobState = Field(
        default_factory=lambda data: JobState.HELD if data.get("start") == "held" else JobState.QUEUED
    )
    reason: Reason | None = None
    message: str | None = None
    """A sentence for the client beside the reason."""
    waiting: Waiting | None = None
    warnings: tuple[Warned, ...] = ()
    refuted: int = Field(default=0, ge=0)
    """How often a plan of this attempt was refuted; each time the next one is made with more care."""
    version: int = Field(default=1, ge=1)
    """Grows with every change; a write that expects another one is stale."""
    created_at: Utc
    entered_at: Utc = Field(default_factory=lambda data: data["created_at"])
    """Since when the job is in its state."""
    started_at: Utc | None = None
    """When this attempt was admitted."""
    ended_at: Utc | None = None
    spent: int = Field(default=0, ge=0)
    """What this attempt was charged, in thousandths of a credit."""
    report: dict[str, Any] | None = None
    """What was proved about the outputs that are published; an attempt that fails leaves the last one's."""
    timings: dict[str, float] = Field(default_factory=dict)
    """Seconds that this attempt spent in each state it has left."""
    usage: dict[str, Usage] = Field(default_factory=dict)
    """What this attempt's processes used, by stage: read, plan, encode, sound, join…"""


class Input(Value):
    """A source of a job, as named by the client and as found."""

    id: str = Field(default_factory=new_id)
    job_id: str
    position: int = Field(default=0, ge=0)
    uri: str
    """Where it comes from, with every secret masked."""
    sealed_uri: str | None = None
    """The same with its secrets, sealed; none: the URI has none."""
    credentials: str | None = None
    """Name of the credentials in the farm's settings that open it."""
    sealed_access: str | None = None
    """What opens it (`storage.access`), where the client gave that with the job; sealed."""
    trusted: bool = False
    """Whoever named it is the farm's own user on its machine: private networks are open to them."""
    upload_id: str | None = None
    """Of the upload that it is; none: it comes from elsewhere."""
    filename: str | None = None
    start: float | None = Field(default=None, ge=0)
    """Seconds from its first picture where it begins to be shown; none: there."""
    end: float | None = Field(default=None, gt=0)
    """Where it ends to be shown; none: with its last picture."""
    read_once: bool = False
    """One reader, once, in order: the other side makes it on demand."""
    state: InputState = InputState.WAITING
    blob: str | None = None
    """Where its bytes are, once they are here."""
    size: int | None = Field(default=None, ge=0)
    """Bytes."""
    sha256: str | None = None
    content_type: str | None = None
    fingerprint: str | None = None
    """Hash of what is in it, from the pass that reads its packets."""
    facts: dict[str, Any] | None = None
    """The probe's facts, in the shape of ffprobe's JSON."""
    index_key: str | None = None
    """Where the blob of its index is."""
    zero: Fraction | None = None
    """Seconds: the start of its earliest selected stream, which becomes time zero."""
    reason: Reason | None = None
    message: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)

    @property
    def unusable(self) -> bool:
        """There is nothing to fetch, and never will be: it has failed, however often its job is tried again."""
        return self.uri.startswith(UNUSABLE)


class Target(Value):
    """A place where an output shall be put: a file, or the folder of a package."""

    uri: str
    """With every secret masked."""
    sealed_uri: str | None = None
    """The same with its secrets, sealed; none: the URI has none."""
    credentials: str | None = None
    """Name of the credentials in the farm's settings that open it."""
    sealed_access: str | None = None
    """What opens it (`storage.access`), where the client gave that with the job; sealed."""
    if_exists: IfExists = "replace"
    acl: str | None = None
    """A canned one, as the store names it; none: the bucket's usual one."""
    number: int | None = Field(default=None, ge=1)
    """Of `rename`: which of its names was free in this attempt, 2 for `film (2).mp4`; none: nobody has looked yet."""


class Output(Value):
    """A result that is asked for: a file or a package. Its status follows from the job, its reason, its deliveries."""

    id: str = Field(default_factory=new_id)
    job_id: str
    position: int = Field(default=0, ge=0)
    input_ids: tuple[str, ...] = ()
    """What it is made of, in order; empty: of all inputs of the job."""
    name: str
    """File name, or the folder's name of a package."""
    preset: str | None = None
    settings: OutputSettings = OutputSettings()
    targets: tuple[Target, ...] = ()
    """Where it shall be put; none: it stays here and is downloaded."""
    stays: bool = Field(default_factory=lambda data: not data.get("targets"))
    """It stays here, to be downloaded; beside its targets, where it has any."""
    trusted: bool = False
    """Whoever named its targets, and what is laid over it, is the farm's own user on its machine."""
    expires_at: Utc | None = None
    download_limit: int | None = Field(default=None, ge=1)
    download_count: int = Field(default=0, ge=0)
    charged: int | None = Field(default=None, ge=0)
    """What this attempt was charged for it, in thousandths of a credit; none: it was not charged yet."""
    password_hashes: tuple[str, ...] = ()
    """Any of these opens it; empty: open to who has the link."""
    withdrawn_at: Utc | None = None
    """When its owner had it deleted."""
    reason: Reason | None = None
    """Why there is none, where the job went on without it."""
    message: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class Failure(Value):
    """A failure of a chunk, as one machine saw it; equal digests are the same failure."""

    machine: str
    reason: Reason
    digest: str
    """Hash of what was said, without what differs from run to run."""
    at: Utc


class ChunkRow(Value):
    """A chunk as it stands in the store: what it is, who has it, what came out."""

    job_id: str
    attempt: int = Field(default=1, ge=1)
    output_id: str
    rendition: int = Field(default=0, ge=0)
    """Rung of the ladder, best first."""
    number: int = Field(ge=0)
    """Rank in its rendition."""
    group_number: int = Field(default=0, ge=0)
    """Chunks of one group are decoded once and leased together."""
    key: str
    """Content hash: source, index, settings, frames, build and architecture."""
    first_frame: int = Field(ge=0)
    end_frame: int
    """Half open: the first frame that is no longer in it."""
    state: ChunkState = ChunkState.WAITING
    lease_token: str | None = None
    """Fencing token; who does not hold it changes nothing."""
    epoch: int | None = None
    """Epoch of the coordinator that gave the lease."""
    worker: str | None = None
    leased_at: Utc | None = None
    tries: int = Field(default=0, ge=0)
    """Leases that ended without a result."""
    failures: tuple[Failure, ...] = ()
    """How the chunk failed so far, oldest first; a lease that was lost with its worker is none."""
    frames_done: int = Field(default=0, ge=0)
    blob: str | None = None
    size: int | None = Field(default=None, ge=0)
    """Bytes."""
    sha256: str | None = None
    seconds: float | None = None
    """Wall time of the encode."""
    cpu_seconds: float | None = None
    committed_at: Utc | None = None
    reason: Reason | None = None
    message: str | None = None
    """Why it is quarantined, with a command that shows it."""

    @model_validator(mode="after")
    def _holds_frames(self) -> Self:
        if self.end_frame <= self.first_frame:
            raise ValueError(f"a chunk holds at least one frame, not {self.first_frame} to {self.end_frame}")
        return self


class Delivery(Value):
    """One file of an output on its way to where the client wants it."""

    id: str = Field(default_factory=new_id)
    job_id: str
    attempt: int = Field(default=1, ge=1)
    output_id: str
    target: int | None = Field(default=None, ge=0)
    """Place of its target among the output's; none: it stays here."""
    path: str
    """Name inside the output: the file's own, or its path in the package."""
    uri: str
    """Where this file goes, without user and password; empty: it stays here."""
    state: DeliveryState = DeliveryState.WAITING
    size: int | None = Field(default=None, ge=0)
    """Bytes."""
    sha256: str | None = None
    md5: str | None = None
    content_type: str | None = None
    reason: Reason | None = None
    message: str | None = None


class Machine(Value):
    """A computer that carries workers, as the coordinator last saw it."""

    id: str
    name: str
    state: Literal["ready", "quarantined", "lost"] = "ready"
    """`quarantined`: up, but given no work, since its canary came out wrong; `lost`: no longer heard of."""
    reason: Reason | None = None
    message: str | None = None
    canary: str | None = None
    """SHA-256 of the canary as this machine encoded it."""
    build: str = ""
    """The ffmpeg build it encodes with."""
    architecture: str = ""
    seen_at: Utc


class Event(Value):
    """Something that happened to a job; numbered over the whole farm, in the order of writing."""

    seq: int
    job_id: str
    at: Utc
    kind: str
    """`created`, the state that the job entered, `prepared`: the inputs of a held one are here, or `playable`: an
    output can be played as far as it is encoded."""
    data: dict[str, Any] = Field(default_factory=dict)
