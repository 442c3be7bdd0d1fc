"""What the answers of Google's JSON interfaces mean, in a sentence that says what to check. Pure.

Nothing of their messages is passed on, which name the URLs of uploads: whoever has one of those can write there.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from framemill.errors import (
    StorageBroken,
    StorageError,
    StorageMissing,
    StorageRefused,
    StorageUnreachable,
)
from framemill.storage.meanings import EXISTS, NO_ROOM, TROUBLE, Meaning

_DENIED: Meaning = (StorageRefused, "access is denied: check that {who} may {doing} it, and that it is named rightly.")
_MISSING: Meaning = (StorageMissing, "there is no such thing, or {who} may not see it. Check its name.")
_SLOWER: Meaning = (StorageUnreachable, "the store asks for fewer requests ({said}). Try again later.")
_ELSE: Meaning = (StorageRefused, "the store refuses ({status}, {said}): check how it is named.")
_NOT_GOOD: Meaning = (StorageRefused, "the store does not take the credentials ({said}): check them.")

_BY_REASON: Mapping[str, Meaning] = {
    **dict.fromkeys(
        (
            *("storageQuotaExceeded", "quotaExceeded", "uploadTooLarge", "teamDriveFileLimitExceeded"),
            *("numChildrenInNonRootLimitExceeded", "activeItemCreationLimitExceeded"),
        ),
        NO_ROOM,
    ),
    **dict.fromkeys(
        ("rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded", "dailyLimitExceeded"), _SLOWER
    ),
    **dict.fromkeys(
        ("cannotDownloadAbusiveFile", "downloadQuotaExceeded"), (StorageRefused, "Google holds it back ({said}).")
    ),
    "fileNotDownloadable": (StorageRefused, "it is a document of Google's, and no file that can be fetched."),
    "conditionNotMet": EXISTS,
    "accountDisabled": (StorageRefused, "the account is closed: ask Google."),
    "userProjectAccountProblem": (StorageRefused, "the account is in trouble: ask Google."),
}
"""https://cloud.google.com/storage/docs/json_api/v1/status-codes, and
https://developers.google.com/workspace/drive/api/guides/handle-errors"""
_BY_STATUS: Mapping[int, Meaning] = {
    HTTPStatus.UNAUTHORIZED: _NOT_GOOD,
    HTTPStatus.FORBIDDEN: _DENIED,
    HTTPStatus.NOT_FOUND: _MISSING,
    HTTPStatus.GONE: (StorageBroken, "what was begun there has been given up. Try again."),
    HTTPStatus.PRECONDITION_FAILED: EXISTS,
    HTTPStatus.TOO_MANY_REQUESTS: _SLOWER,
    HTTPStatus.INSUFFICIENT_STORAGE: NO_ROOM,
}


def told(what: str, status: int, reason: str, *, doing: str, who: str = "these credentials") -> StorageError:
    """The error of ours for an answer; `doing`: read, write, list, delete."""
    fallback = TROUBLE if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _ELSE
    kind, sentence = _BY_REASON.get(reason) or _BY_STATUS.get(status, fallback)
    said = reason if reason.isalnum() else "without a reason"
    return kind(f"{what}: {sentence.format(doing=doing, who=who, status=status, said=said)}")


def reason_of(answer: Any) -> str:
    """The reason in the JSON of an answer, as far as there is one."""
    match answer:
        case {"error": {"errors": [{"reason": str(reason)}, *_]}}:
            return reason
        case {"error": {"status": str(reason)}}:
            return reason
        case _:
            return ""
