"""What the OpenAPI document says of errors: for each route, each code that it answers, with an example."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from framemill.api.codes import BY_CODE
from framemill.api.native.schemas import ErrorEnvelope

Responses = dict[int | str, dict[str, Any]]

TOLD: Mapping[str, str] = {
    "invalid_json": "The body is no JSON: Expecting value.",
    "unsupported_media_type": "The body is read as JSON: send it with Content-Type: application/json.",
    "invalid_field": "outputs.0.taget: there is no such field; did you mean target or targets?",
    "method_not_allowed": "/v1/jobs does not take PUT.",
    "store_unavailable": "The farm's database does not answer. Nothing is lost; try again in a moment.",
    "not_ready": "The farm is not ready yet.",
    "wrong_use": "x.mp4 is a path on the farm's machine: write it from the root.",
    "unknown_setting": "There is no setting 'cfr'; did you mean crf?",
    "unknown_preset": "There is no preset 'h246'; there is h264, h265.",
    "invalid_setting": "Setting crf: Input should be less than or equal to 63.",
    "source_missing": "There is no file /films/in.mov. Check the path.",
    "source_refused": "/films/in.mov cannot be read: Permission denied. Change its mode or owner.",
    "source_unreachable": "https://example.org/in.mov has been silent for 30 s. Try again later.",
    "source_too_large": "The source has 21474836480 bytes or more, and may have 1073741824.",
    "unreadable_source": "/films/in.mov is no media file that can be read.",
    "key_refused": "A key is needed: send `Authorization: Bearer KEY` or `X-API-Key: KEY`.",
    "link_expired": "This link was good until a while ago: ask for a new one.",
    "forbidden": "This key may not do that: it lacks the scope jobs:write. Ask for a key that has it.",
    "too_many_requests": "This account may ask 100 times a minute, and has. Ask again in 12 s.",
    "too_large": "The body is larger than 4 MiB.",
    "not_found": "There is no job '019aaaaa-0000-7000-8000-000000000001'.",
    "conflict": "Job 019aaaaa-0000-7000-8000-000000000001 is queued: only a job that is held is started.",
    "idempotency_conflict": "This Idempotency-Key belongs to another request: take a new one for each.",
    "idempotency_in_progress": "The same request is still being carried out: ask again in a moment.",
    "disk_full": "The disk is full: nothing can be written to the database.",
    "farm_unavailable": "The coordinator does not answer. It comes back by itself.",
}
"""An example of each message."""

_SAID: Mapping[int, str] = {
    400: "The body is no JSON",
    401: "No key, or one that the farm does not take",
    403: "The key does not allow it",
    404: "There is no such thing, or it is another account's",
    405: "The path does not take that method; `Allow` names those that it does",
    409: "What it is about is in a state that does not allow it",
    413: "The body is too large",
    415: "The body is of another type than the route takes",
    422: "Something in it cannot be; `param` names the field",
    429: "More than the account's limits allow; `Retry-After` says when to ask again",
    500: "A fault of the farm's",
    503: "The farm cannot do it now; `Retry-After` says when to ask again",
}
_REQUEST_ID = "1f0a6a9c2f5d4f0e9d8e6a3b7c5d2e1f"


def documented(*codes: str) -> Responses:
    """What a route says of the errors that it answers, for `responses=` of its decorator."""
    by_status: dict[int, list[str]] = defaultdict(list)
    for code in sorted(set(codes)):
        by_status[BY_CODE[code].status].append(code)
    return {status: _response(status, named) for status, named in sorted(by_status.items())}


def answers(example: Mapping[str, Any]) -> Responses:
    """An example of an answer 200 whose schema says nothing."""
    return {200: {"content": {"application/json": {"example": dict(example)}}}}


def codes_in(responses: Mapping[Any, Any]) -> set[str]:
    """The codes that were documented there."""
    examples = (
        response.get("content", {}).get("application/json", {}).get("examples", {}) for response in responses.values()
    )
    return {name for each in examples for name in each if name in BY_CODE}


def _response(status: int, codes: Iterable[str]) -> dict[str, Any]:
    return {
        "model": ErrorEnvelope,
        "description": _SAID[status],
        "content": {"application/json": {"examples": {code: {"value": _example(code)} for code in codes}}},
    }


def _example(code: str) -> dict[str, Any]:
    answer = BY_CODE[code]
    return {
        "error": {
            "type": answer.kind,
            "code": code,
            "message": TOLD.get(code, f"{code.replace('_', ' ').capitalize()}."),
            "param": None,
            "request_id": _REQUEST_ID,
        }
    }


DOCUMENTED = documented("key_refused", "forbidden", "too_many_requests", "store_unavailable")
"""What every route that takes a key may answer."""
MISSING = documented("not_found")
CONFLICT = documented("conflict")
BODY = ("invalid_json", "too_large", "unsupported_media_type", "invalid_field")
"""What every route with a JSON body may answer; the document adds it by itself."""
