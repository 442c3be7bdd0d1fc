"""What an S3 store's answer means, in a sentence that says what to check. Pure.

Nothing of the library's own message is passed on: it may hold a signed URL, and a stranger's server wrote it.
"""

from http import HTTPStatus

from botocore import exceptions
from botocore.exceptions import ClientError

from framemill.errors import (
    StorageBroken,
    StorageError,
    StorageMissing,
    StorageRefused,
    StorageUnreachable,
)
from framemill.storage.meanings import ARCHIVED, EXISTS, NO_ROOM, TROUBLE, Meaning, who_asks

BUCKET = "bucket"
"""The `param` of an error about the bucket itself, and not about something in it."""

_NO_BUCKET: Meaning = (StorageMissing, "the store has no bucket {bucket!r}. Check its name, and the endpoint.")
_NO_KEY: Meaning = (
    StorageMissing,
    "there is nothing of that key in the bucket. Check it: capital letters and slashes count.",
)
_DENIED: Meaning = (
    StorageRefused,
    "access is denied: check that {who} may {doing} it, and that bucket and key are right.",
)
_EXPIRED: Meaning = (StorageRefused, "the session token has expired: ask again with new credentials.")
_CLOCKS: Meaning = (StorageRefused, "the clocks of the store and of the farm differ too much: set the farm's.")
_REGION: Meaning = (StorageRefused, "the bucket is in another region: check the region, and the endpoint.")
_GARBLED: Meaning = (StorageBroken, "other bytes arrived than were sent ({said}). Try again.")
_ELSE: Meaning = (StorageRefused, "the store refuses ({status}, {said}): check bucket, key, region and endpoint.")

_BY_CODE: dict[str, Meaning] = {
    "NoSuchBucket": _NO_BUCKET,
    "NoSuchKey": _NO_KEY,
    "NoSuchUpload": (StorageMissing, "the upload is gone: it was completed or given up."),
    "PreconditionFailed": EXISTS,
    "InvalidAccessKeyId": (
        StorageRefused,
        "the store does not know the access key id: check it, and the endpoint.",
    ),
    "SignatureDoesNotMatch": (
        StorageRefused,
        "the secret access key does not belong to the access key id: check it.",
    ),
    **dict.fromkeys(("ExpiredToken", "TokenRefreshRequired"), _EXPIRED),
    "InvalidToken": (StorageRefused, "the session token does not belong to the key: check all three of them."),
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestExpired"), _CLOCKS),
    **dict.fromkeys(
        ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"), _REGION
    ),
    "AllAccessDisabled": (StorageRefused, "the store has closed the bucket to everybody."),
    "AccountProblem": (StorageRefused, "the account is closed, or in trouble: ask the store."),
    "AccessControlListNotSupported": (
        StorageRefused,
        "the bucket takes no ACL: leave it away, or have ACLs allowed on the bucket.",
    ),
    "InvalidObjectState": ARCHIVED,
    "NotImplemented": (StorageRefused, "the store cannot do that."),
    **dict.fromkeys(
        ("QuotaExceeded", "ServiceQuotaExceeded", "EntityTooLarge", "InsufficientStorage", "TooManyParts"), NO_ROOM
    ),
    **dict.fromkeys(
        ("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "InvalidPart"), _GARBLED
    ),
    **dict.fromkeys(
        ("RequestTimeout", "SlowDown", "Throttling", "OperationAborted", "ConditionalRequestConflict"), TROUBLE
    ),
}
"""https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""
_BY_STATUS: dict[int, Meaning] = {
    HTTPStatus.MOVED_PERMANENTLY: _REGION,
    HTTPStatus.TEMPORARY_REDIRECT: _REGION,
    HTTPStatus.UNAUTHORIZED: _DENIED,
    HTTPStatus.FORBIDDEN: _DENIED,
    HTTPStatus.NOT_FOUND: _NO_KEY,
    HTTPStatus.PRECONDITION_FAILED: EXISTS,
    HTTPStatus.TOO_MANY_REQUESTS: TROUBLE,
    HTTPStatus.INSUFFICIENT_STORAGE: NO_ROOM,
}
_BY_KIND: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Meaning], ...] = (
    (
        (exceptions.IncompleteReadError, exceptions.ResponseStreamingError, exceptions.FlexibleChecksumError),
        (StorageBroken, "the store broke off in the middle. Try again later."),
    ),
    (exceptions.ParamValidationError, (StorageMissing, "no bucket can be named so, or no key.")),
    (
        exceptions.SSLError,
        (StorageUnreachable, "the endpoint's TLS certificate cannot be trusted, or it speaks no TLS: check it."),
    ),
    (
        (exceptions.ReadTimeoutError, exceptions.ConnectTimeoutError),
        (StorageUnreachable, "the store has been silent for too long. Check the endpoint; else try again later."),
    ),
    (
        (exceptions.HTTPClientError, exceptions.ConnectionError),
        (StorageUnreachable, "the store cannot be reached. Check the endpoint; else try again later."),
    ),
    ((exceptions.EndpointResolutionError, ValueError), (StorageRefused, "the endpoint is no URL: check it.")),
)


def told(error: Exception, bucket: str, key: str, *, doing: str, anonymous: bool = False) -> StorageError:
    """The error of ours that says what one of the library's means; `doing`: read, write, list, delete."""
    status, code = (status_of(error), code_of(error)) if isinstance(error, ClientError) else (0, "")
    kind, sentence = _meaning(error, status, code)
    written = sentence.format(
        bucket=bucket,
        doing=doing,
        status=status,
        said=code if code.isalpha() else "without a reason",
        who=who_asks(anonymous=anonymous),
    )
    found = kind(f"s3://{bucket}/{key}: {written}")
    if code == "NoSuchBucket":
        found.param = BUCKET
    return found


def code_of(error: ClientError) -> str:
    """The code that the store gave; of an answer without a body its status, as text."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """The HTTP status."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _meaning(error: Exception, status: int, code: str) -> Meaning:
    if isinstance(error, ClientError):
        fallback = TROUBLE if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _ELSE
        return _BY_CODE.get(code) or _BY_STATUS.get(status, fallback)
    odd = (StorageBroken, f"the store answered what cannot be ({type(error).__name__}). Try again later.")
    return next((meaning for kind, meaning in _BY_KIND if isinstance(error, kind)), odd)
