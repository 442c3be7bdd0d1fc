"""What an answer of Azure's blobs means, in a sentence that says what to check. Pure.

The library gives text: it is told apart by what it quotes of the answer, and none of it is passed on, since it may hold
a signed URL, and a stranger's server wrote it.
"""

import re
from http import HTTPStatus

from framemill.errors import (
    StorageBroken,
    StorageError,
    StorageFull,
    StorageMissing,
    StorageRefused,
    StorageUnreachable,
)
from framemill.storage.meanings import ARCHIVED, EXISTS, Meaning, who_asks

CONTAINER = "container"
"""The `param` of an error about the container itself, and not about something in it."""

_DENIED: Meaning = (
    StorageRefused,
    "access is denied: check the account's key or signature, that {who} may {doing} it, and that it has not expired.",
)
_NO_CONTAINER: Meaning = (
    StorageMissing,
    "the account has no container {container!r}. Check its name, and the account.",
)
_TROUBLE: Meaning = (StorageUnreachable, "the store is in trouble ({status}). Try again later.")
_ELSE: Meaning = (StorageRefused, "the store refuses ({status}): check container, account and endpoint.")
_ODD_NAME: Meaning = (
    StorageRefused,
    "the farm cannot name a blob that has empty parts, or `.` and `..`, between its slashes.",
)
_SILENT: Meaning = (
    StorageUnreachable,
    "the store cannot be reached, or has been silent for too long. Check the endpoint; else try again later.",
)
_ODD: Meaning = (StorageBroken, "the store answered what cannot be. Try again later.")
_BY_CODE: dict[str, Meaning] = {
    "ContainerNotFound": _NO_CONTAINER,
    "AccountIsDisabled": (StorageRefused, "the account is disabled: ask Azure."),
    "BlobArchived": ARCHIVED,
    "Md5Mismatch": (StorageBroken, "other bytes arrived than were sent. Try again."),
    **dict.fromkeys(("BlockCountExceedsLimit", "RequestBodyTooLarge"), (StorageFull, "it is too large for the store.")),
}
"""https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-error-codes"""
_BY_STATUS: dict[int, Meaning] = {
    HTTPStatus.UNAUTHORIZED: _DENIED,
    HTTPStatus.FORBIDDEN: _DENIED,
    HTTPStatus.NOT_FOUND: (
        StorageMissing,
        "there is nothing of that name in the container. Check it: capital letters and slashes count.",
    ),
    HTTPStatus.CONFLICT: EXISTS,
    HTTPStatus.PRECONDITION_FAILED: EXISTS,
    HTTPStatus.INSUFFICIENT_STORAGE: (StorageFull, "the store takes no more: free some room there."),
    HTTPStatus.TOO_MANY_REQUESTS: _TROUBLE,
}


def told(error: Exception, container: str, path: str, *, doing: str, anonymous: bool) -> StorageError:
    """The error of ours that says what one of the library's means; `doing`: read, write, list, delete."""
    kind, sentence = meaning = _meaning(error)
    written = sentence.format(
        container=container, doing=doing, who=who_asks(anonymous=anonymous), status=status_of(error)
    )
    found = kind(f"az://{container}/{path}: {written}")
    if meaning is _NO_CONTAINER:
        found.param = CONTAINER
    return found


def status_of(error: Exception) -> int:
    """That of the answer; 0: there was none."""
    text = str(error)
    if "StartTooLarge" in text:  # of a range that begins where the blob ends
        return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    found = re.search(r"status code: (\d{3})|\(code: (\d{3})\)", text)
    if found is None:
        return HTTPStatus.NOT_FOUND if isinstance(error, FileNotFoundError) else 0
    return int(found[1] or found[2])


def _meaning(error: Exception) -> Meaning:
    text, status = str(error), status_of(error)
    code = re.search(r"<Code>(\w+)</Code>", text)
    if status:
        fallback = _TROUBLE if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _ELSE
        return _BY_CODE.get(code[1] if code else "") or _BY_STATUS.get(status, fallback)
    if isinstance(error, ValueError) or "invalid path" in text:
        return _ODD_NAME
    return _SILENT if "HTTP error" in text else _ODD
