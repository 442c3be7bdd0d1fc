"""What Google's answers mean."""

import pytest

from framemill.errors import (
    StorageError,
    StorageExists,
    StorageFull,
    StorageMissing,
    StorageRefused,
    StorageUnreachable,
)
from framemill.storage.googleerrors import reason_of, told


@pytest.mark.parametrize(
    ("status", "reason", "meant"),
    [
        (401, "authError", StorageRefused),
        (403, "forbidden", StorageRefused),
        (403, "storageQuotaExceeded", StorageFull),
        (403, "rateLimitExceeded", StorageUnreachable),
        (404, "notFound", StorageMissing),
        (412, "conditionNotMet", StorageExists),
        (429, "", StorageUnreachable),
        (400, "invalid", StorageRefused),
        (500, "", StorageUnreachable),
        (599, "", StorageUnreachable),
    ],
)
def test_a_status_and_a_reason(status: int, reason: str, meant: type[StorageError]) -> None:
    error = told("gs://box/x", status, reason, doing="read")
    assert type(error) is meant
    assert error.message.startswith("gs://box/x: ")
    assert "{" not in error.message


def test_a_reason_that_is_a_sentence_is_not_passed_on() -> None:
    assert "upload_id" not in told("x", 400, "see https://host/?upload_id=s3cret", doing="write").message


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"error": {"errors": [{"reason": "notFound"}, {"reason": "x"}]}}, "notFound"),
        ({"error": {"status": "PERMISSION_DENIED"}}, "PERMISSION_DENIED"),
        ({"error": {"errors": []}}, ""),
        ({"error": "invalid_grant"}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_the_reason_in_an_answer(answer: object, reason: str) -> None:
    assert reason_of(answer) == reason
