"""What our errors are called over HTTP: one table, read by whoever answers and by whoever asks."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from framemill import errors
from framemill.errors import FramemillError

Kind: TypeAlias = Literal[
    "invalid_request", "authentication", "permission", "not_found", "conflict", "rate_limit", "farm", "internal"
]
"""Whose turn it is: the caller's, to ask otherwise; or the farm's, to be put right."""


class Answer(NamedTuple):
    """How an error is answered."""

    status: int
    kind: Kind
    code: str


ANSWERS: Mapping[type[FramemillError], Answer] = {
    errors.WrongUse: Answer(422, "invalid_request", "wrong_use"),
    errors.UnknownSetting: Answer(422, "invalid_request", "unknown_setting"),
    errors.UnknownPreset: Answer(422, "invalid_request", "unknown_preset"),
    errors.InvalidSetting: Answer(422, "invalid_request", "invalid_setting"),
    errors.SourceMissing: Answer(422, "invalid_request", "source_missing"),
    errors.SourceRefused: Answer(422, "invalid_request", "source_refused"),
    errors.SourceUnreachable: Answer(422, "invalid_request", "source_unreachable"),
    errors.SourceEncrypted: Answer(422, "invalid_request", "source_encrypted"),
    errors.SourceTooLarge: Answer(422, "invalid_request", "source_too_large"),
    errors.SourceUnreadable: Answer(422, "invalid_request", "unreadable_source"),
    errors.KeyRefused: Answer(401, "authentication", "key_refused"),
    errors.LinkExpired: Answer(403, "permission", "link_expired"),
    errors.Forbidden: Answer(403, "permission", "forbidden"),
    errors.TooMany: Answer(429, "rate_limit", "too_many_requests"),
    errors.TooLarge: Answer(413, "invalid_request", "too_large"),
    errors.NotFound: Answer(404, "not_found", "not_found"),
    errors.Conflict: Answer(409, "conflict", "conflict"),
    errors.KeyReused: Answer(409, "conflict", "idempotency_conflict"),
    errors.StillUnderWay: Answer(409, "conflict", "idempotency_in_progress"),
    errors.DiskFull: Answer(503, "farm", "disk_full"),
    errors.BlobsAway: Answer(503, "farm", "store_unavailable"),
    errors.FarmError: Answer(503, "farm", "farm_unavailable"),
    errors.FramemillError: Answer(500, "internal", "internal"),
}
"""Each of our errors by its class, or by the nearest class above it."""

FRAMEWORK: Mapping[str, Answer] = {
    "invalid_json": Answer(400, "invalid_request", "invalid_json"),
    "unsupported_media_type": Answer(415, "invalid_request", "unsupported_media_type"),
    "invalid_field": Answer(422, "invalid_request", "invalid_field"),
    "method_not_allowed": Answer(405, "invalid_request", "method_not_allowed"),
    "store_unavailable": Answer(503, "farm", "store_unavailable"),
    "not_ready": Answer(503, "farm", "not_ready"),
}
"""What is answered by its code where nothing of ours was raised."""

BY_CODE: Mapping[str, Answer] = {**{answer.code: answer for answer in ANSWERS.values()}, **FRAMEWORK}
"""All of them."""

ERRORS: Mapping[str, type[FramemillError]] = {answer.code: kind for kind, answer in ANSWERS.items()}
"""The other way: what a code stands for."""


def answer_for(error: FramemillError) -> Answer:
    """How this error is answered."""
    return next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)
