"""What went wrong, in this door's words: `{message, code, errors}`; its clients read the message."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from framemill.api.errors import Refusal
from framemill.api.onlineconvert.refused import Refused
from framemill.errors import BalanceTooLow, OverLimit, QuotaExceeded

_STATUSES: Mapping[int, int] = {422: 400, 415: 400}
"""A body that does not fit is a 400 there."""
_SAID: Mapping[str, str] = {"inputs": "input", "outputs": "conversion", "callbacks": "callback"}
"""Fields as the farm calls them, and as the client has."""


def write(_request: Request, found: Refusal, cause: Exception) -> Response:
    """As it writes a refusal."""
    status = _status(found, cause)
    errors: dict[str, list[str]] = {}
    message = found.message
    if isinstance(cause, RequestValidationError):
        errors = _by_field(cause.errors())
        message = "; ".join(f"{field}: {reasons[0]}" if field else reasons[0] for field, reasons in errors.items())
    elif found.param:
        field = said(found.param)
        errors = {field: [message]}
        message = f"{field}: {message}"
    told = {"message": message, "code": status, "errors": errors}
    return JSONResponse(told, status, headers=dict(found.headers))


def said(param: str) -> str:
    """A field as the client knows it, for one that the farm has named."""
    first, dot, rest = param.partition(".")
    first = _SAID.get(first, first)
    if first == "input" and rest.rpartition(".")[2] == "uri":
        rest = f"{rest.removesuffix('uri')}source"
    return f"{first}{dot}{rest}"


def _status(found: Refusal, cause: Exception) -> int:
    match cause:
        case Refused():
            return cause.status
        case BalanceTooLow() | QuotaExceeded() | OverLimit():
            return 402
        case _:
            return _STATUSES.get(found.status, found.status)


def _by_field(issues: Sequence[Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in issues:
        place = list(one["loc"])
        # JSON that is none is found at an offset, which is no field.
        field = "" if one["type"] == "json_invalid" else ".".join(str(part) for part in place[1:])
        reason = str(one["msg"]).removeprefix("Value error, ")
        if one["type"] == "json_invalid":
            reason = f"The body is no JSON: {one.get('ctx', {}).get('error', reason)}"
        found.setdefault(field, []).append(reason)
    return found
