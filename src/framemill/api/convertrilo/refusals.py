"""What went wrong, in Convertrilo's words: `{code, message}` and, of a body that does not fit, its `issues`."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from framemill.api.codes import Kind
from framemill.api.convertrilo.refused import Refused
from framemill.api.convertrilo.scopes import ScopeMissing
from framemill.api.errors import Refusal
from framemill.errors import AddressClosed, BalanceTooLow

Code: TypeAlias = Literal[
    "invalid_api_key", "api_key_expired", "user_not_found", "account_banned", "missing_required_scope",
    "invalid_request", "invalid_body", "invalid_url", "url_ingest_disabled", "url_host_blocked", "signed_url_required",
    "host_not_resolvable", "private_ip_blocked", "missing_content_length", "file_too_large",
    "unsupported_content_type", "probe_failed", "insufficient_tokens", "idempotency_conflict",
    "idempotency_in_progress", "rate_limit_exceeded", "not_found", "forbidden", "deprecated_dropbox",
    "google_drive_not_connected", "dropbox_not_connected", "no_video_files_found", "webhook_limit_exceeded",
    "webhook_not_found", "no_updates_provided", "output_not_available", "job_active", "job_files_delete_failed",
    "farm_unavailable", "internal",
]  # fmt: skip
"""All that its specification has, by 0.2.8; and the last two, for which it has no words."""
CODES: tuple[Code, ...] = get_args(Code)


def unfit(error: ValidationError) -> Refused:
    """The refusal of values that do not go together."""
    issues = _issues(error.errors(include_url=False, include_context=False, include_input=False))
    return Refused(400, "invalid_body", _first(issues), issues=issues)


_STATUSES: Mapping[int, int] = {422: 400, 415: 400}
"""What does not fit is a 400 there."""
_KINDS: Mapping[Kind, Code] = {
    "invalid_request": "invalid_request",
    "authentication": "invalid_api_key",
    "permission": "forbidden",
    "not_found": "not_found",
    "conflict": "invalid_request",
    "rate_limit": "rate_limit_exceeded",
    "farm": "farm_unavailable",
    "internal": "internal",
}
_CODES: Mapping[str, Code] = {
    "too_large": "file_too_large",
    "invalid_json": "invalid_body",
    "unsupported_media_type": "unsupported_content_type",
    "idempotency_conflict": "idempotency_conflict",
    "idempotency_in_progress": "idempotency_in_progress",
    "unknown_setting": "invalid_body",
    "invalid_setting": "invalid_body",
    "source_missing": "invalid_url",
    "source_refused": "invalid_url",
    "source_unreachable": "probe_failed",
    "source_encrypted": "probe_failed",
    "source_too_large": "file_too_large",
    "unreadable_source": "probe_failed",
}
"""Of our own codes (`api/codes.py`) that say more than whose turn it is."""


def write(_request: Request, found: Refusal, cause: Exception) -> Response:
    """As Convertrilo writes a refusal."""
    status = _STATUSES.get(found.status, found.status)
    told: dict[str, Any] = {"code": code_of(found, cause), "message": found.message}
    match cause:
        case Refused():
            status = cause.status
            told |= cause.told
        case RequestValidationError():
            told["issues"] = _issues(cause.errors())
            told["message"] = _first(told["issues"])
        case ScopeMissing():
            told["requiredScope"] = cause.required_scope
        case BalanceTooLow():
            status = 402
            told |= {"required": cause.required / 1000, "available": max(cause.available, 0) / 1000}
    return JSONResponse(told, status, headers=dict(found.headers))


def code_of(found: Refusal, cause: Exception) -> str:
    """What a refusal is called there."""
    if isinstance(cause, RequestValidationError):
        return _code_of_issues(cause.errors())
    if isinstance(cause, Refused):
        return cause.code
    if isinstance(cause, AddressClosed):
        return "private_ip_blocked" if _is_ip(cause.host) else "url_host_blocked"
    code = _OF_ERRORS.get(type(cause)) or _CODES.get(found.code, _KINDS[found.kind])
    if code == "invalid_api_key" and "has expired" in found.message:
        return "api_key_expired"
    names_place = found.code == "wrong_use" and (found.param or "").endswith(("uri", "url"))
    return "invalid_url" if names_place else code


_OF_ERRORS: Mapping[type[Exception], Code] = {
    ScopeMissing: "missing_required_scope",
    BalanceTooLow: "insufficient_tokens",
}


def _code_of_issues(issues: Sequence[Mapping[str, Any]]) -> Code:
    where = [str(part) for part in issues[0]["loc"]]
    if where[0] != "body":
        return "invalid_request"
    return "invalid_url" if where[-1] in {"sourceUrl", "url"} else "invalid_body"


def _issues(found: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {
            "path": [part for part in one["loc"] if part != "body"],
            "message": str(one["msg"]).removeprefix("Value error, "),
        }
        for one in found
    ]


def _first(issues: Sequence[Mapping[str, Any]]) -> str:
    where = ".".join(str(part) for part in issues[0]["path"])
    told = f"{where}: {issues[0]['message']}" if where else str(issues[0]["message"])
    return told if told.endswith((".", "?")) else f"{told}."


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
