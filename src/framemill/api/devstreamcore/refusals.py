"""What went wrong, in DevStreamCore's words: one `error` with its type."""

import re
from collections.abc import Mapping

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from framemill.api.codes import Kind
from framemill.api.errors import Refusal, request_id_of
from framemill.errors import QuotaExceeded

STATUSES: Mapping[int, int] = {422: 400, 415: 400}
"""A body that does not fit, or is no JSON, is a 400 there."""
TYPES: Mapping[Kind, str] = {
    "invalid_request": "invalid_request_error",
    "authentication": "authentication_error",
    "permission": "permission_error",
    "not_found": "not_found",
    "conflict": "invalid_request_error",
    "rate_limit": "rate_limit_error",
    "farm": "api_error",
    "internal": "api_error",
}
QUOTA_STATUS, QUOTA_EXCEEDED = 402, "quota_exceeded"

FIELDS: Mapping[str, str] = {
    "size": "file_size_bytes",
    "upload_name": "upload_id",
    "content_type": "mime_type",
    "inputs.0.uri": "input.0.url",
}
"""What we call a field, where they call it otherwise."""
_PLACE = re.compile(r"\.(\d+)(?=\.|$)")


def write(request: Request, found: Refusal, cause: Exception) -> Response:
    """As DevStreamCore writes a refusal."""
    spent = isinstance(cause, QuotaExceeded)
    told = {
        "type": QUOTA_EXCEEDED if spent else TYPES[found.kind],
        "code": QUOTA_EXCEEDED if spent else found.code,
        "message": found.message,
    }
    if found.param is not None:
        told["param"] = field_of(found.param)
    if (request_id := request_id_of(request)) is not None:
        told["request_id"] = request_id
    status = QUOTA_STATUS if spent else STATUSES.get(found.status, found.status)
    return JSONResponse({"error": told}, status, headers=dict(found.headers))


def field_of(param: str) -> str:
    """`parts[0].etag`, where we say `parts.0.etag`."""
    return _PLACE.sub(r"[\1]", FIELDS.get(param, param))
