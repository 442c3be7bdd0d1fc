"""Every answer that is none of the others: what went wrong is found here, whoever noticed it; a door writes it down."""

import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from framemill.api.codes import Kind, answer_for
from framemill.api.nearby import near_names
from framemill.api.urls import route_path
from framemill.errors import FramemillError, KeyRefused, LinkExpired, StillUnderWay, TooMany
from framemill.store.trouble import is_trouble

log = logging.getLogger(__name__)

RETRY_SECONDS = 5
"""When to ask again, where the farm is at fault for a while."""

_CODES: Mapping[int, str] = {413: "too_large", 400: "invalid_json"}
_KINDS: Mapping[int, Kind] = {401: "authentication", 403: "permission", 404: "not_found", 409: "conflict"}


class Refusal(NamedTuple):
    """What a request that went wrong is told, before a door has put it into its words."""

    status: int
    kind: Kind
    code: str
    message: str
    param: str | None = None
    """The field that is meant, `outputs.0.settings`."""
    headers: Mapping[str, str] = {}


Write: TypeAlias = Callable[[Request, Refusal, Exception], Response]
"""Writes a refusal as a door does; beside it, what was raised."""


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
    """The native answer to a request that went wrong."""
    retry = {"Retry-After": str(RETRY_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    error = {"type": kind, "code": code, "message": message, "param": param, "request_id": request_id}
    return JSONResponse({"error": error}, status, headers={**retry, **(headers or {})})


def native(request: Request, found: Refusal, _cause: Exception) -> Response:
    """As the native API writes a refusal."""
    status, kind, code, message, param, headers = found
    return envelope(
        status, kind, code, message, request_id=request_id_of(request), param=param, headers=headers
    )  # fmt: skip


def request_id_of(request: Request) -> str | None:
    """The id that the request came with, or was given."""
    found: str | None = request.scope.get("state", {}).get("request_id")
    return found


def refusal(request: Request, error: FramemillError) -> Response:
    """The native answer to one of our errors."""
    return native(request, refused(request, error), error)


def refused(request: Request, error: FramemillError) -> Refusal:
    """What one of our errors is told as."""
    answer = answer_for(error)
    if answer.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s", error.message, extra={"action": "request_failed", "request": request_id_of(request)})
    return Refusal(*answer, error.message, error.param, _headers(error))


def install(app: FastAPI, write: Write = native) -> None:
    """Answer every error of this application as `write` does."""

    @app.exception_handler(FramemillError)
    async def ours(request: Request, error: FramemillError) -> Response:
        return write(request, refused(request, error), error)

    @app.exception_handler(RequestValidationError)
    async def unfit(request: Request, error: RequestValidationError) -> Response:
        return write(request, _unfit(request, error), error)

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        return write(request, _of_framework(request, error), error)

    @app.exception_handler(SQLAlchemyError)
    async def store(request: Request, error: SQLAlchemyError) -> Response:
        if not is_trouble(error):
            raise error
        log.error(
            "the store does not answer: %s",
            error,
            extra={"action": "store_unavailable", "request": request_id_of(request)},
        )
        told = "The farm's database does not answer. Nothing is lost; try again in a moment."
        return write(request, Refusal(503, "farm", "store_unavailable", told), error)


def unforeseen(request: Request) -> Refusal:
    """What is told where nobody knows what went wrong."""
    told = f"A fault of the farm's; its log tells more under {request_id_of(request)}."
    return Refusal(500, "internal", "internal", told)


def _unfit(request: Request, error: RequestValidationError) -> Refusal:
    first = error.errors()[0]
    param = _param(first["loc"])
    if first["loc"][0] == "body" and not _says_json(request):
        told = "The body is read as JSON: send it with Content-Type: application/json."
        return Refusal(415, "invalid_request", "unsupported_media_type", told)
    reason = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "json_invalid":
        told = f"The body is no JSON: {first.get('ctx', {}).get('error', reason)}."
        return Refusal(400, "invalid_request", "invalid_json", told)
    if first["type"] == "extra_forbidden":
        reason = f"there is no such field; {near_names(request.scope.get('route'), first['loc'])}"
    elif first["type"] == "missing" and len(first["loc"]) == 1:
        reason = "A body is needed, a JSON object"
    told = f"{param}: {reason}" if param else reason
    told += "" if told.endswith(("?", ".")) else "."
    return Refusal(422, "invalid_request", "invalid_field", told, param)


def _of_framework(request: Request, error: HTTPException) -> Refusal:
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(request)
    code = _CODES.get(status, status.phrase.lower().replace(" ", "_"))
    told = _told(status, str(error.detail), request)
    return Refusal(status, _KINDS.get(status, "invalid_request"), code, told, None, headers)


def _headers(error: FramemillError) -> dict[str, str]:
    if isinstance(error, TooMany | StillUnderWay):
        return {"Retry-After": str(math.ceil(error.retry_seconds))}
    if isinstance(error, KeyRefused) and not isinstance(error, LinkExpired):
        return {"WWW-Authenticate": "Bearer"}
    return {}


def _says_json(request: Request) -> bool:
    """Whether the body is said to be JSON, or there is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not kind:
        return request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _param(where: Sequence[Any]) -> str | None:
    """`outputs.0.settings`, from where pydantic saw it; none: the body as a whole."""
    return ".".join(str(part) for part in where[1:]) or None


def _allowed(request: Request) -> str:
    """The methods that the path takes: of all its routes, where the framework tells those of the first alone."""
    path = route_path(request.scope)
    known = request.app.openapi()["paths"]
    fitting = [one for one in known if re.fullmatch(_PLACE.sub("[^/]+", one), path)]
    if not fitting:  # what the document does not tell of is only looked at
        return "GET"
    closest = min(fitting, key=lambda one: one.count("{"))  # `/jobs/batch` is no `/jobs/{job_id}`
    return ", ".join(sorted(method.upper() for method in known[closest]))


_PLACE = re.compile(r"\{\w+\}")


def _told(status: HTTPStatus, detail: str, request: Request) -> str:
    if status is HTTPStatus.NOT_FOUND:
        return f"There is nothing at {request.url.path}; the API is described at /v1/openapi.json."
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{request.url.path} does not take {request.method}."
    return detail
