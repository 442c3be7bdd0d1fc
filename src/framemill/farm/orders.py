"""What travels between the coordinator and the workers: small frozen values; bytes stay in the blobs.

A result says in `reason` why there is none; whoever carries out an order raises nothing that it has foreseen.
"""

from typing import Any, Literal, Protocol, TypeAlias

from pydantic import Field

from framemill.jobs.accounts import DEFAULT_ACCOUNT
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import OutputSettings, RunSettings, Value
from framemill.jobs.usage import Usage
from framemill.media.chunkfile import ChunkFacts
from framemill.media.damage import Complaints
from framemill.media.estimate import OutputEstimate
from framemill.storage.keyring import Way
from framemill.storage.putting import Wanted


class OnShare(Protocol):
    """Hears how far an order is."""

    def __call__(self, share: float, size: int = 0, /) -> None:
        """`share`: of it done, 0 to 1; `size`: bytes that it moves in all, where nobody knew that beforehand."""


class Result(Value):
    """What came of an order."""

    usage: Usage = Usage()
    reason: Reason | None = None
    """Why nothing came of it."""
    message: str = ""
    command: str = ""
    """Reproduces the failure."""


class IngestOrder(Way):
    """Bring a source here, and read it."""

    name: str
    """What its owner calls it; masked."""
    folder: str
    """Where a remote one is kept, on this machine."""
    sha256: str = ""
    """Of its bytes, where that is known already."""
    most_bytes: int | None = None
    about_bytes: int | None = None
    """How many its owner expects; only where nobody else knows."""
    once: str = ""
    """Name of this reading of a source that can be read once only; empty: it can be read again."""


class SourceRead(Result):
    """A source that is here, and what was found in it."""

    source_key: str = ""
    """Blob of the source as it was read (`media.title.Source`)."""
    path: str = ""
    size: int = 0
    """Bytes."""
    sha256: str = ""
    facts: dict[str, Any] = Field(default_factory=dict)
    """In the shape of ffprobe's JSON."""


class ProbeOrder(Way):
    """Look into a source, and say what outputs of it would take. Nothing of it is kept."""

    name: str
    """What its owner calls it; masked."""
    outputs: tuple[OutputSettings, ...] = ()
    run: RunSettings = RunSettings()


class Probed(Result):
    """What is in a source."""

    size: int = 0
    """Bytes."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """In the shape of ffprobe's JSON."""
    estimates: tuple[OutputEstimate, ...] = ()
    """Of each output that was asked for."""


class JoinedSource(Value):
    """One of several sources that an output joins."""

    source_key: str
    start: float | None = None
    """Seconds from its first picture; none: from there."""
    end: float | None = None


class PlanOrder(Value):
    """Index a source, or several that are joined, and plan one output of it."""

    title_key: str
    """Where the plan goes."""
    source_key: str
    """Blob of the source as it was read (`media.title.Source`)."""
    joined: tuple[JoinedSource, ...] = ()
    """All sources in order, where there are several."""
    keep: bool = False
    """Leave out those that cannot be joined."""
    account: str = DEFAULT_ACCOUNT
    """Whose job it is."""
    trusted: bool = False
    """Whether what is to be laid over it may come from private networks (`jobs.model.Output.trusted`)."""
    settings: OutputSettings
    run: RunSettings
    decode: bool
    linear: bool


class ChunkPlace(Value):
    """A chunk of a planned output, as the store needs it."""

    rendition: int
    number: int
    group: int
    key: str
    first: int
    end: int


class Planned(Result):
    """A plan that was written."""

    chunks: tuple[ChunkPlace, ...] = ()
    warning: str = ""
    """What the owner should know of the source."""


class GroupOrder(Value):
    """Encode one group of chunks in some renditions, from one decode."""

    title_key: str
    renditions: tuple[int, ...]
    group: int


class SurveyOrder(Value):
    """Measure the chunks of a group in some renditions, before the title's bits are shared out."""

    title_key: str
    """The plan without shares."""
    renditions: tuple[int, ...]
    group: int


class Surveyed(Result):
    """What chunks take is in the blobs."""


class ShareOrder(Value):
    """Write a plan again, with what each chunk has of the title's bits."""

    title_key: str
    """Where it goes."""
    draft_key: str
    """The plan without shares."""


class ExtraOrder(Value):
    """Encode the sound, or convert one text track, or copy the packets, or write the output: whole, in one process."""

    title_key: str
    kind: Literal["sound", "text", "remux", "whole"]
    part: int | None = None
    """Of a title whose parts are files of their own: which of them it is of."""
    rank: int = 0
    key: str
    """Blob that it becomes."""


class EncodedChunk(Value):
    """A chunk that is in the blobs."""

    number: int
    key: str
    blob: str
    facts: ChunkFacts
    pixels: int = 1
    """Of each frame: what was encoded together shares what that took by them."""


class Encoded(Result):
    """Chunks, or an extra, that were encoded."""

    chunks: tuple[EncodedChunk, ...] = ()
    complaints: Complaints = Complaints()
    """Of an extra's decoder; of a chunk's they are settled already."""


class TrialOrder(Value):
    """Encode some frames of a rendition and throw the result away, to see whether they can be encoded."""

    title_key: str
    rendition: int
    first: int
    end: int


class Tried(Result):
    """What came of a trial: `reason` says why it failed."""


class StitchOrder(Value):
    """Join, package and verify one output in a folder."""

    title_key: str
    folder: str
    """Where the result is put, on this machine; the folder that it is in exists."""
    name: str
    """File name of a file, stem of a package's MP4."""
    verify: Literal["packets", "full"] = "packets"


class GrowOrder(Value):
    """Make as much of a package playable as there is, while the rest is encoded."""

    title_key: str
    folder: str
    """Where it grows, on this machine; it exists, or nobody wants it any more."""


class Grown(Result):
    """What can be played of a package."""

    spans: int = 0
    """Segments of each rendition, with their sound."""
    total: int = 0
    more: bool = False
    """There is more that could be written at once."""
    unheard: bool = False
    """There are pictures whose sound is not encoded yet."""


class WrittenFile(Wanted):
    """A file of a verified output."""

    path: str
    """Relative to the output's folder."""


class Stitched(Result):
    """A verified output."""

    files: tuple[WrittenFile, ...] = ()
    proof: dict[str, object] = Field(default_factory=dict)
    stages: dict[str, Usage] = Field(default_factory=dict)
    """What each used: join, package, verify, checksum."""
    damaged: tuple[str, ...] = ()
    """Keys of blobs whose bytes are not what was written."""


class TargetOrder(Value):
    """See whether a target takes an output, and what is there already."""

    way: Way
    name: str
    """What its owner calls the output."""
    folder: bool
    """Whether the output is one of several files."""
    prove: bool = False
    """Prove, by a small file beside it, that something can be written there."""
    rename: bool = False
    """Look for a name that is free."""
    acl: str | None = None


class TargetSeen(Result):
    """A target that was looked at."""

    there: bool = False
    """Something of that name is there already."""
    number: int = 1
    """Of the first name that is free: 2 for `film (2).mp4`."""


class DeliverOrder(Value):
    """Put files of one output into its target, in order."""

    way: Way
    folder: bool
    number: int = 1
    """Of its name there: 2 for `film (2).mp4`."""
    place: str
    """The folder on this machine where they lie."""
    files: tuple[WrittenFile, ...]
    if_exists: Literal["replace", "fail"] = "replace"
    acl: str | None = None


class Delivered(Result):
    """All of them are there, and are what they were here."""


class WithdrawOrder(Value):
    """Remove files of an output from its target, since not all of them came there. What is there otherwise stays."""

    way: Way
    folder: bool
    number: int = 1
    files: tuple[WrittenFile, ...]


class Withdrawn(Result):
    """What was there of them is gone, or cannot be removed."""


OF_TARGETS = (TargetOrder, DeliverOrder, WithdrawOrder)
"""What is carried out in the lane of deliveries."""

Order: TypeAlias = (
    IngestOrder
    | PlanOrder
    | SurveyOrder
    | ShareOrder
    | GroupOrder
    | ExtraOrder
    | TrialOrder
    | StitchOrder
    | GrowOrder
    | ProbeOrder
    | TargetOrder
    | DeliverOrder
    | WithdrawOrder
)
