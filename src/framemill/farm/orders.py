"""What travels between the coordinator and the workers: small frozen values; bytes stay in the blobs.

A result says in `reason` why there is none; whoever carries out an order raises nothing that it has foreseen.
"""

from typing import Any, Literal, TypeAlias

from pydantic import Field

from framemill.jobs.reasons import Reason
from framemill.jobs.settings import OutputSettings, RunSettings, Value
from framemill.jobs.usage import Usage
from framemill.media.chunkfile import ChunkFacts
from framemill.media.damage import Complaints
from framemill.media.estimate import OutputEstimate


class Result(Value):
    """What came of an order."""

    usage: Usage = Usage()
    reason: Reason | None = None
    """Why nothing came of it."""
    message: str = ""
    command: str = ""
    """Reproduces the failure."""


class IngestOrder(Value):
    """Bring a source here, and read it."""

    uri: str
    """With its secrets: never logged."""
    name: str
    """What its owner calls it; masked."""
    folder: str
    """Where a remote one is kept, on this machine."""
    sha256: str = ""
    """Of its bytes, where that is known already."""


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


class ProbeOrder(Value):
    """Look into a source, and say what outputs of it would take. Nothing of it is kept."""

    uri: str
    """With its secrets: never logged."""
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


class PlanOrder(Value):
    """Index a source and plan one output of it."""

    title_key: str
    """Where the plan goes."""
    source_key: str
    """Blob of the source as it was read (`media.title.Source`)."""
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
    """Encode one group of chunks of one rendition."""

    title_key: str
    rendition: int
    group: int


class ExtraOrder(Value):
    """Encode the sound, or convert one text track, or copy the packets: whole, in one process."""

    title_key: str
    kind: Literal["sound", "text", "remux"]
    rank: int = 0
    key: str
    """Blob that it becomes."""


class EncodedChunk(Value):
    """A chunk that is in the blobs."""

    number: int
    key: str
    blob: str
    facts: ChunkFacts


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


class WrittenFile(Value):
    """A file of a verified output."""

    path: str
    """Relative to the output's folder."""
    size: int
    sha256: str
    md5: str


class Stitched(Result):
    """A verified output."""

    files: tuple[WrittenFile, ...] = ()
    proof: dict[str, object] = Field(default_factory=dict)
    stages: dict[str, Usage] = Field(default_factory=dict)
    """What each used: join, package, verify, checksum."""
    damaged: tuple[str, ...] = ()
    """Keys of blobs whose bytes are not what was written."""


Order: TypeAlias = IngestOrder | PlanOrder | GroupOrder | ExtraOrder | TrialOrder | StitchOrder | GrowOrder | ProbeOrder
