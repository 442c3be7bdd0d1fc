"""What went wrong, in this door's words, of which it has several: each kind of refusal is told as its clients read it.

What the original has no words for has `status`, `message` and `error`, so that whichever a client reads is there.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from framemill.api.errors import Refusal
from framemill.api.openencoder.refused import Refused
from framemill.errors import Forbidden

_STATUSES = {422: 400, 415: 400}
"""A body that does not fit is a 400 there."""
_REALM = {"WWW-Authenticate": "JWT realm=openencoder"}


def write(_request: Request, found: Refusal, cause: Exception) -> Response:
    """As it writes a refusal."""
    if isinstance(cause, Refused):
        return JSONResponse(cause.told, cause.status, headers=dict(found.headers))
    if type(cause) is Forbidden:  # a role, or a key, that may not do that; its kinds have reasons to tell
        return JSONResponse({"message": "unauthorized"}, HTTPStatus.UNAUTHORIZED)
    status = _STATUSES.get(found.status, found.status)
    if status == HTTPStatus.UNAUTHORIZED:
        return JSONResponse({"code": status, "message": found.message}, status, headers={**found.headers, **_REALM})
    told = _message(found, cause)
    return JSONResponse({"status": status, "message": told, "error": told}, status, headers=dict(found.headers))


def _message(found: Refusal, cause: Exception) -> str:
    """Of a field that is missing or empty as the original says it; clients may look for its name."""
    first: Any = cause.errors()[0] if isinstance(cause, RequestValidationError) else None
    if first is None or not _is_missing(first) or len(first["loc"]) == 1:
        named = found.param is None or found.param in found.message
        return found.message if named else f"{found.param}: {found.message}"
    name = "".join(part.capitalize() for part in str(first["loc"][-1]).split("_"))
    return f"Key: 'request.{name}' Error:Field validation for '{name}' failed on the 'required' tag"


def _is_missing(error: Mapping[str, Any]) -> bool:
    """Whether nothing was said of a field that is needed."""
    return error["type"] == "missing" or (error["type"], error["input"]) == ("string_too_short", "")
