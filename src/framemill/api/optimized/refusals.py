"""What went wrong, in this door's words: `{message, error, statusCode}`."""

from http import HTTPStatus

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from framemill.api.errors import Refusal

_STATUSES = {422: 400, 415: 400, 409: 400}
"""What does not fit is a 400 there."""


def write(_request: Request, found: Refusal, _cause: Exception) -> Response:
    """As it writes a refusal."""
    status = _STATUSES.get(found.status, found.status)
    told = {"message": found.message, "error": HTTPStatus(status).phrase, "statusCode": status}
    return JSONResponse(told, status, headers=dict(found.headers))
