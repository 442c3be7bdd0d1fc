"""The error tree. Every message says what happened, where, and what to do.

FramemillError
├── WrongUse               the caller asked for something that cannot be (exit 2)
│   ├── UnknownSetting
│   ├── UnknownPreset
│   ├── InvalidSetting
│   ├── NotFound           there is nothing of that id
│   ├── Conflict           what it is about is in a state that does not allow it
│   │   ├── KeyReused      an Idempotency-Key of another request
│   │   └── StillUnderWay  the same request is being carried out
│   ├── KeyRefused         the farm does not take that key
│   │   └── LinkExpired    a link that was good once
│   ├── Forbidden          the farm knows who asks, and they may not
│   │   ├── PathRefused    a path on the farm's machine that is closed to clients
│   │   ├── QuotaExceeded  their account has used up what it may
│   │   ├── OverLimit      the job's own limits do not allow it
│   │   └── BalanceTooLow  their account does not have what it costs
│   ├── AddressClosed      an address that is closed to clients, as it stands in a URL
│   ├── TooMany            more than the limits allow, for now
│   ├── TooLarge           more bytes than are taken there
│   └── ForeignDatabase    the database is not one that this release made or knows
├── SourceError            the source cannot be read (exit 1)
│   ├── SourceMissing
│   ├── SourceRefused
│   ├── SourceUnreachable
│   ├── SourceUnreadable
│   ├── SourceDamaged
│   ├── SourceEncrypted
│   ├── SourceTooLarge     more than the limits allow
│   └── DecoderMissing
├── MediaError             a media process failed
│   ├── FfmpegFailed
│   ├── EncoderMissing     the ffmpeg in use cannot encode that
│   ├── ChildFailed        a child that reads media died, hung or raised
│   │   └── ChildStalled   it stood still, and was ended
│   ├── ChunkMismatch      a chunk delivered other frames than planned
│   └── VerificationFailed
├── OutputError            the result cannot be put where it was asked for
│   ├── DiskFull
│   └── TargetUnreachable  whoever shall have it does not answer
├── StorageError           a store did not do what it was asked for
│   ├── StorageMissing     there is no such thing in it
│   ├── StorageExists      there is one already, which was not to be replaced
│   ├── StorageRefused     credentials, permission, or an address that is closed to clients
│   │   └── AddressRefused the latter
│   ├── StorageFull        it takes no more
│   ├── StorageUnreachable it does not answer
│   │   └── BlobsAway      the farm's own bucket, or what keeps us from using it
│   └── StorageBroken      it answers what cannot be, or breaks off
├── InvalidTransition      an event that a state has no edge for
├── StaleWrite             somebody else wrote the row first
│   └── EpochOver          another coordinator has taken over
└── FarmError              the farm's processes failed
    ├── FarmLocked         another supervisor has the data folder
    ├── StaleOrder         an order of a coordinator that is the last no more
    └── WorkerLost         whoever carried out an order is gone
"""

from typing import Any


class FramemillError(Exception):
    """Base of all errors of this project; pickles with its attributes, since errors cross processes."""

    param: str | None = None
    """Which field of a request is meant, where one is: `outputs.0.settings.crf`."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild by attributes: an `__init__` with other arguments would not survive a process border."""
        return (_rebuild, (type(self), self.args, self.__dict__.copy()))


def _rebuild(cls: type[FramemillError], args: tuple[Any, ...], attributes: dict[str, Any]) -> FramemillError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class WrongUse(FramemillError):
    """The caller asked for something that cannot be."""


class UnknownSetting(WrongUse):
    """A setting of that name does not exist."""


class UnknownPreset(WrongUse):
    """A preset of that name does not exist."""


class InvalidSetting(WrongUse):
    """The setting exists, but not with that value."""


class NotFound(WrongUse):
    """There is nothing of that id, or nothing that the caller may know of."""


class Conflict(WrongUse):
    """What is asked for does not fit the state of what it is asked of."""


class KeyReused(Conflict):
    """The `Idempotency-Key` belongs to another request."""


class StillUnderWay(Conflict):
    """The same request, with the same `Idempotency-Key`, is being carried out; later it can be told what came of it."""

    def __init__(self, message: str, retry_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class KeyRefused(WrongUse):
    """The farm does not take that key, or no key was given."""


class LinkExpired(KeyRefused):
    """A signed link was good for a while, and is no more."""


class Forbidden(WrongUse):
    """The farm knows who asks, and they may not do that."""


class PathRefused(Forbidden):
    """The path is on the farm's machine, and closed to clients."""


class QuotaExceeded(Forbidden):
    """The account has used up what it may use in a month, or keep."""


class OverLimit(Forbidden):
    """The limits that a job came with do not allow it."""


class BalanceTooLow(Forbidden):
    """The account does not have what is to be set aside or taken."""

    def __init__(self, message: str, required: int = 0, available: int = 0) -> None:
        """`required` and `available`: thousandths of a credit."""
        super().__init__(message)
        self.required = required
        self.available = available


class AddressClosed(WrongUse):
    """A URL itself names a place that is closed to clients."""

    def __init__(self, message: str, host: str = "") -> None:
        super().__init__(message)
        self.host = host


class TooMany(WrongUse):
    """More than an account's limits allow; later it may be allowed again."""

    def __init__(self, message: str, retry_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class TooLarge(WrongUse):
    """More bytes than are taken there."""


class ForeignDatabase(WrongUse):
    """A newer release wrote the database, or none did."""


class SourceError(FramemillError):
    """The source cannot be read."""


class SourceMissing(SourceError):
    """There is no such source."""


class SourceRefused(SourceError):
    """The source is there, but not for us."""


class SourceUnreachable(SourceError):
    """Whoever has the source does not answer."""


class SourceUnreadable(SourceError):
    """The source is there, but holds nothing that can be decoded."""


class SourceDamaged(SourceError):
    """The source decodes only in part, and nobody asked to keep that part."""


class SourceEncrypted(SourceError):
    """The source can only be decoded with a key."""


class SourceTooLarge(SourceError):
    """The source is larger than the job, the account or the farm's disk allows."""


class DecoderMissing(SourceError):
    """The ffmpeg in use knows no decoder for the source."""


class MediaError(FramemillError):
    """A media process failed."""


class FfmpegFailed(MediaError):
    """ffmpeg ended with an error; carries the command and the last lines it wrote."""

    def __init__(self, message: str, command: str = "", stderr: str = "") -> None:
        super().__init__(message)
        self.command = command
        self.stderr = stderr


class EncoderMissing(MediaError):
    """The ffmpeg in use cannot encode what was asked for."""


class ChildFailed(MediaError):
    """A child process that reads media died, ran out of time or memory, or raised."""


class ChildStalled(ChildFailed):
    """A child process stood still, and was ended."""


class ChunkMismatch(MediaError):
    """A chunk delivered other frames than planned: the index was wrong, not the chunk."""


class VerificationFailed(MediaError):
    """The result is not what the plan promised; nothing is published."""


class OutputError(FramemillError):
    """The result cannot be put where it was asked for."""


class DiskFull(OutputError):
    """There is no room for the store, the chunks or the result."""


class TargetUnreachable(OutputError):
    """Whoever shall have the result does not answer."""


class StorageError(FramemillError):
    """A store did not do what it was asked for. Whoever asked knows whether that is about a source or a target."""


class StorageMissing(StorageError):
    """There is no such object, file, bucket or folder."""


class StorageExists(StorageError):
    """There is something of that name already, and it was not to be replaced."""


class StorageRefused(StorageError):
    """The store does not let us: credentials, permissions, or an address that is closed to clients."""


class AddressRefused(StorageRefused):
    """The host leads into a network that is closed to clients; the message names the line that opens it."""


class StorageFull(StorageError):
    """The store takes no more."""


class StorageUnreachable(StorageError):
    """The store does not answer; later it may."""


class BlobsAway(StorageUnreachable):
    """The farm's own bucket cannot be used at the moment: no order is at fault, and everything waits for it."""


class StorageBroken(StorageError):
    """The store answers what cannot be, or breaks off in the middle; another try may help."""


class InvalidTransition(FramemillError):
    """An event arrived that the state has no edge for; carries the story that led there."""

    def __init__(self, kind: str, state: str, event: str, story: tuple[str, ...] = ()) -> None:
        told = f" (after {' → '.join(story)})" if story else ""
        super().__init__(f"{kind} in state {state!r} cannot take {event!r}{told}")
        self.kind = kind
        self.state = state
        self.event = event
        self.story = story


class StaleWrite(FramemillError):
    """Somebody else wrote the row first: drop the result and read again."""


class EpochOver(StaleWrite):
    """Another coordinator has taken over: whoever asked for the change ends."""


class FarmError(FramemillError):
    """The farm's own processes could not be started or were lost."""


class FarmLocked(FarmError):
    """Another supervisor has the data folder: one folder, one farm."""


class StaleOrder(FarmError):
    """The order comes from a coordinator that is the last no more, or was stopped: nobody waits for what it brings."""


class WorkerLost(FarmError):
    """Whoever carried out an order is gone, or cannot be reached: nobody knows how far it came."""
