"""Every answer that is none of the others: one envelope, whoever noticed what is wrong."""

import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from framemill.api.codes import Kind, answer_for
from framemill.api.native.schemas import ErrorEnvelope
from framemill.errors import FramemillError, KeyRefused, LinkExpired, TooMany
from framemill.store.trouble import is_trouble

log = logging.getLogger(__name__)

RETRY_SECONDS = 5
"""When to ask again, where the farm is at fault for a while."""

_KINDS: Mapping[int, Kind] = {401: "authentication", 403: "permission", 404: "not_found", 409: "conflict"}


def envelope(
    status: int,
    kind: Kind,
    code: str,
    message: str,
    *,
    request_id: str | None,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer to a request that went wrong."""
    retry = {"Retry-After": str(RETRY_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    error = {"type": kind, "code": code, "message": message, "param": param, "request_id": request_id}
    return JSONResponse({"error": error}, status, headers={**retry, **(headers or {})})


def request_id_of(request: Request) -> str | None:
    """The id that the request came with, or was given."""
    found: str | None = request.scope.get("state", {}).get("request_id")
    return found


def install(app: FastAPI) -> None:
    """Answer every error of this application with the envelope."""

    @app.exception_handler(FramemillError)
    async def ours(request: Request, error: FramemillError) -> JSONResponse:
        answer = answer_for(error)
        if answer.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("%s", error.message, extra={"action": "request_failed", "request": request_id_of(request)})
        return envelope(
            *answer, error.message, request_id=request_id_of(request), param=error.param, headers=_headers(error)
        )

    @app.exception_handler(RequestValidationError)
    async def unfit(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        param = _param(first["loc"])
        reason = str(first["msg"]).removeprefix("Value error, ")
        if first["type"] == "json_invalid":
            told = f"The body is no JSON: {first.get('ctx', {}).get('error', reason)}."
            return envelope(400, "invalid_request", "invalid_json", told, request_id=request_id_of(request))
        told = f"{param}: {reason}." if param else f"{reason}."
        return envelope(422, "invalid_request", "invalid_field", told, request_id=request_id_of(request), param=param)

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        kind: Kind = _KINDS.get(status, "invalid_request")
        return envelope(
            status,
            kind,
            status.phrase.lower().replace(" ", "_"),
            _told(status, str(error.detail), request),
            request_id=request_id_of(request),
            headers=error.headers,
        )

    @app.exception_handler(SQLAlchemyError)
    async def store(request: Request, error: SQLAlchemyError) -> JSONResponse:
        if not is_trouble(error):
            raise error
        log.error(
            "the store does not answer: %s",
            error,
            extra={"action": "store_unavailable", "request": request_id_of(request)},
        )
        told = "The farm's database does not answer. Nothing is lost; try again in a moment."
        return envelope(503, "farm", "store_unavailable", told, request_id=request_id_of(request))


def _headers(error: FramemillError) -> dict[str, str]:
    if isinstance(error, TooMany):
        return {"Retry-After": str(math.ceil(error.retry_seconds))}
    if isinstance(error, KeyRefused) and not isinstance(error, LinkExpired):
        return {"WWW-Authenticate": "Bearer"}
    return {}


def _param(where: Sequence[Any]) -> str | None:
    """`outputs.0.settings`, from where pydantic saw it; none: the body as a whole."""
    return ".".join(str(part) for part in where[1:]) or None


def _told(status: HTTPStatus, detail: str, request: Request) -> str:
    if status is HTTPStatus.NOT_FOUND:
        return f"There is nothing at {request.url.path}; the API is described at /v1/openapi.json."
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{request.url.path} does not take {request.method}."
    return detail


DOCUMENTED: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorEnvelope, "description": told}
    for status, told in {
        400: "The body is no JSON",
        401: "No key, or one that the farm does not take",
        403: "The key does not allow it",
        429: "More than the account's limits allow; `Retry-After` says when to ask again",
        413: "The body is too large",
        422: "Something in it cannot be",
        503: "The farm cannot do it now; try again",
    }.items()
}
"""What any route may answer."""

MISSING: dict[int | str, dict[str, Any]] = {404: {"model": ErrorEnvelope, "description": "There is no such job"}}
CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": ErrorEnvelope, "description": "The job is in a state that does not allow it"}
}
