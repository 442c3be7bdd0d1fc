"""Why something failed or ended: a closed list, apart from the states."""

import errno
from enum import StrEnum

from framemill import errors


class Reason(StrEnum):
    """Why a job, input, output, chunk or delivery is in the state it is in."""

    SOURCE_MISSING = "source_missing"  # there is no such source
    SOURCE_REFUSED = "source_refused"  # it is there, but not for us: credentials, address, permission
    SOURCE_UNREACHABLE = "source_unreachable"  # its host does not answer
    UNREADABLE_SOURCE = "unreadable_source"  # nothing in it can be decoded
    SOURCE_DAMAGED = "source_damaged"  # it decodes only in part
    SOURCE_ENCRYPTED = "source_encrypted"  # it takes a key that nobody gave
    SOURCE_TOO_LARGE = "source_too_large"  # over the job's or the account's limit
    NO_DECODER = "no_decoder"  # the ffmpeg in use cannot decode that
    WRONG_SETTINGS = "wrong_settings"  # what was asked for cannot be
    NO_ENCODER = "no_encoder"  # no machine of this farm can encode that
    FFMPEG_FAILED = "ffmpeg_failed"  # ffmpeg ended with an error, on two machines
    CHILD_FAILED = "child_failed"  # a child that reads media died or ran out of time
    STALLED = "stalled"  # the encode did not get on for too long, and was ended
    QUARANTINED = "quarantined"  # some of its frames fail alike wherever they are encoded
    CHUNK_MISMATCH = "chunk_mismatch"  # even the decoded index does not tell which frames come out
    VERIFICATION_FAILED = "verification_failed"  # the result is not what the plan promised
    OUT_OF_MEMORY = "out_of_memory"  # a bigger machine may do it
    DISK_FULL = "disk_full"  # no room for sources, chunks or outputs
    TARGET_REFUSED = "target_refused"  # the target does not take the output
    TARGET_UNREACHABLE = "target_unreachable"  # the target's host does not answer
    TARGET_FULL = "target_full"  # the target takes no more
    WORKER_LOST = "worker_lost"  # whoever worked on it is gone
    TIMED_OUT = "timed_out"  # over the job's own limit of processing time
    SPEND_CAP_REACHED = "spend_cap_reached"  # the next result would cost more than the job may spend
    BALANCE_TOO_LOW = "balance_too_low"  # the account cannot pay for the next result
    QUOTA_EXCEEDED = "quota_exceeded"  # over the account's quota
    NEVER_STARTED = "never_started"  # held, and nobody started it before it expired
    CANCELLED_BY_CLIENT = "cancelled_by_client"  # its owner asked for it
    INTERNAL = "internal"  # a fault of ours

    @property
    def retryable(self) -> bool:
        """Whether the same request, unchanged, may succeed later."""
        return self in _RETRYABLE


_RETRYABLE = frozenset(
    {
        Reason.SOURCE_UNREACHABLE,
        Reason.NO_ENCODER,
        Reason.CHILD_FAILED,
        Reason.STALLED,
        Reason.OUT_OF_MEMORY,
        Reason.DISK_FULL,
        Reason.TARGET_UNREACHABLE,
        Reason.TARGET_FULL,
        Reason.WORKER_LOST,
        Reason.BALANCE_TOO_LOW,
        Reason.QUOTA_EXCEEDED,
        Reason.NEVER_STARTED,
        Reason.CANCELLED_BY_CLIENT,
    }
)

_REASON_OF: dict[type[BaseException], Reason] = {
    errors.WrongUse: Reason.WRONG_SETTINGS,
    errors.SourceMissing: Reason.SOURCE_MISSING,
    errors.SourceRefused: Reason.SOURCE_REFUSED,
    errors.SourceUnreachable: Reason.SOURCE_UNREACHABLE,
    errors.SourceDamaged: Reason.SOURCE_DAMAGED,
    errors.SourceEncrypted: Reason.SOURCE_ENCRYPTED,
    errors.SourceTooLarge: Reason.SOURCE_TOO_LARGE,
    errors.DecoderMissing: Reason.NO_DECODER,
    errors.SourceError: Reason.UNREADABLE_SOURCE,
    errors.EncoderMissing: Reason.NO_ENCODER,
    errors.FfmpegFailed: Reason.FFMPEG_FAILED,
    errors.ChildStalled: Reason.STALLED,
    errors.ChildFailed: Reason.CHILD_FAILED,
    errors.ChunkMismatch: Reason.CHUNK_MISMATCH,
    errors.VerificationFailed: Reason.VERIFICATION_FAILED,
    errors.MediaError: Reason.FFMPEG_FAILED,
    errors.DiskFull: Reason.DISK_FULL,
    errors.BlobsAway: Reason.DISK_FULL,  # likewise the farm's own affair, and waited for
    errors.TargetUnreachable: Reason.TARGET_UNREACHABLE,
    errors.OutputError: Reason.TARGET_REFUSED,
    errors.FarmError: Reason.WORKER_LOST,
    MemoryError: Reason.OUT_OF_MEMORY,
}


def reason_of(error: BaseException) -> Reason:
    """The reason that an error stands for; `internal` for what nobody foresaw."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Reason.DISK_FULL
    return next((_REASON_OF[cls] for cls in type(error).__mro__ if cls in _REASON_OF), Reason.INTERNAL)
