"""What travels between the coordinator and the crew: small frozen values; bytes stay in the blobs."""

from typing import Literal

from pydantic import Field

from framemill.jobs.reasons import Reason
from framemill.jobs.settings import OutputSettings, RunSettings, Value
from framemill.jobs.usage import Usage
from framemill.media.chunkfile import ChunkFacts
from framemill.media.damage import Complaints


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


class Planned(Value):
    """A plan was written."""

    chunks: tuple[ChunkPlace, ...]
    warning: str = ""
    """What the owner should know of the source."""
    usage: Usage = Usage()


class GroupOrder(Value):
    """Encode one group of chunks of one rendition."""

    title_key: str
    rendition: int
    group: int
    token: str = ""
    """The lease's fencing token."""


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


class Encoded(Value):
    """What came of an order. `reason` says why nothing did."""

    chunks: tuple[EncodedChunk, ...] = ()
    complaints: Complaints = Complaints()
    """Of an extra's decoder; of a chunk's they are settled already."""
    usage: Usage = Usage()
    reason: Reason | None = None
    message: str = ""
    command: str = ""
    """Reproduces the failure."""


class StitchOrder(Value):
    """Join, package and verify one output in a folder."""

    title_key: str
    folder: str
    """Where the result is written, on this machine; it exists."""
    name: str
    """File name of a file, stem of a package's MP4."""
    verify: Literal["packets", "full"] = "packets"


class WrittenFile(Value):
    """A file of a verified output."""

    path: str
    """Relative to the output's folder."""
    size: int
    sha256: str
    md5: str


class Stitched(Value):
    """A verified output, or why there is none."""

    files: tuple[WrittenFile, ...] = ()
    proof: dict[str, object] = Field(default_factory=dict)
    usage: dict[str, Usage] = Field(default_factory=dict)
    """By stage: join, package, verify, checksum."""
    reason: Reason | None = None
    message: str = ""


class Progress(Value):
    """How far a worker's order is: frames of the group that left the encoder's door."""

    title_key: str
    rendition: int
    group: int
    frames: int
