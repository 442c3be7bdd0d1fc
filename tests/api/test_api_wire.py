"""What holds for every request: keys, ids, limits, and one envelope for whatever goes wrong."""

import asyncio
import dataclasses
import re
import subprocess
import sys
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from framemill import errors
from framemill.api.app import create_app
from framemill.api.auth import Keys
from framemill.api.bytes.app import create_bytes_app
from framemill.api.codes import ANSWERS, ERRORS, answer_for
from framemill.api.native.schemas import ErrorEnvelope
from framemill.api.wire import BODY_BYTES
from framemill.errors import DiskFull, FramemillError, MediaError

Door = Any

PROTECTED = [
    ("GET", "/v1/jobs"),
    ("POST", "/v1/jobs"),
    ("GET", "/v1/jobs/x"),
    ("PATCH", "/v1/jobs/x"),
    ("DELETE", "/v1/jobs/x"),
    ("POST", "/v1/jobs/x/cancel"),
    ("GET", "/v1/farm"),
    ("POST", "/v1/farm/pause"),
    ("POST", "/v1/farm/resume"),
    ("POST", "/v1/farm/gc"),
    ("POST", "/v1/farm/drain"),
]


def error_of(answer: Any) -> Any:
    """The error, which every answer of the kind is the envelope of."""
    ErrorEnvelope.model_validate(answer.json())
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"type", "code", "message", "param", "request_id"}
    assert answer.json()["error"]["request_id"] == answer.headers["X-Request-Id"]
    return answer.json()["error"]


def test_the_applications_start_and_end_as_servers_ask_them_to(door: Door) -> None:
    for app in (door.app, create_bytes_app(door.parts)):
        asked = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        said: list[str] = []

        async def receive(asked: list[dict[str, str]] = asked) -> dict[str, str]:
            return asked.pop(0)

        async def send(message: Any, said: list[str] = said) -> None:
            said.append(message["type"])

        asyncio.run(app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send))
        assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize("key", [None, "", "wrong", "an admin's ke"])
def test_nobody_comes_in_without_the_key(key: str | None, door: Door) -> None:
    for method, path in PROTECTED:
        answer = door.ask(method, path, key=key)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        error = error_of(answer)
        assert (error["type"], error["code"]) == ("authentication", "key_refused")
    assert door.farm.asked == []
    assert door.nudged == []


def test_the_key_comes_as_bearer_or_in_a_header_of_its_own(door: Door) -> None:
    for headers in (
        {"X-API-Key": "an admin's key"},
        {"Authorization": "bearer an admin's key"},
        {"Authorization": "Basic x", "X-API-Key": "an admin's key"},
    ):
        assert door.get("/v1/jobs", key=None, headers=headers).status_code == 200
    assert door.get("/v1/jobs", key=None, headers={"X-API-Key": "ü".encode()}).status_code == 401
    both = {"Authorization": "Bearer wrong", "X-API-Key": "an admin's key"}
    assert door.get("/v1/jobs", key=None, headers=both).status_code == 401


def test_an_empty_admin_key_lets_nobody_make_an_api(door: Door) -> None:
    with pytest.raises(ValueError, match="everybody"):
        Keys("", door.database, door.parts.seals)


def test_a_request_keeps_its_id_or_is_given_one(door: Door) -> None:
    assert door.get("/healthz", headers={"X-Request-Id": "mine-1.2:3"}).headers["X-Request-Id"] == "mine-1.2:3"
    for wrong in ("a b", "x" * 200, "ü", ""):
        given = door.get("/healthz", headers={"X-Request-Id": wrong.encode()}).headers["X-Request-Id"]
        assert re.fullmatch(r"[0-9a-f]{32}", given)


def test_an_id_that_somebody_else_tells_is_not_told_twice(door: Door) -> None:
    parts = dataclasses.replace(door.app.state.parts, tells_request_id=False)
    door.app = create_app(parts)
    answer = door.get("/v1/nothing", headers={"X-Request-Id": "mine"})
    assert "X-Request-Id" not in answer.headers
    assert answer.json()["error"]["request_id"] == "mine"


def test_what_is_not_there_and_what_a_path_does_not_take(door: Door) -> None:
    missing = door.get("/v1/nothing")
    assert (missing.status_code, error_of(missing)["code"]) == (404, "not_found")
    assert "/v1/openapi.json" in error_of(missing)["message"]
    wrong = door.ask("PUT", "/v1/jobs")
    assert (wrong.status_code, error_of(wrong)["code"]) == (405, "method_not_allowed")
    assert wrong.headers["Allow"]


def test_a_body_is_json_in_good_measure(door: Door) -> None:
    typed = {"Content-Type": "application/json"}
    broken = door.ask("POST", "/v1/jobs", content=b'{"inputs": ', headers=typed)
    assert (broken.status_code, error_of(broken)["code"]) == (400, "invalid_json")
    bytes_ = door.ask("POST", "/v1/jobs", content=b"\xff\xfe", headers=typed)
    assert (bytes_.status_code, error_of(bytes_)["type"]) == (400, "invalid_request")
    empty = door.ask("POST", "/v1/jobs")
    assert (empty.status_code, error_of(empty)["code"]) == (422, "invalid_field")
    large = door.ask("POST", "/v1/jobs", content=b'"' + b"x" * BODY_BYTES + b'"', headers=typed)
    assert (large.status_code, error_of(large)["type"]) == (413, "invalid_request")
    assert "larger than 4 MiB" in error_of(large)["message"]
    number = door.ask("POST", "/v1/jobs", content=b'{"priority": ' + b"9" * 5000 + b"}", headers=typed)
    assert number.status_code in {400, 422}


def test_what_nobody_foresaw_is_answered_too(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise ZeroDivisionError("secret words")

    door.app.add_api_route("/broken", broken)

    answer = door.get("/broken", headers={"X-Request-Id": "r1"})

    assert answer.status_code == 500
    error = error_of(answer)
    assert (error["type"], error["code"], error["request_id"]) == ("internal", "internal", "r1")
    assert "secret words" not in answer.text
    (record,) = [record for record in caplog.records if getattr(record, "action", "") == "request_failed"]
    assert getattr(record, "request", None) == "r1"
    assert record.exc_info is not None


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (DiskFull("The disk is full."), 503, "disk_full"),
        (MediaError("Odd."), 500, "internal"),
        (HTTPException(403, "Not you."), 403, "forbidden"),
    ],
)
def test_other_errors_have_their_answers(raised: Exception, status: int, code: str, door: Door) -> None:
    async def raises() -> None:
        raise raised

    door.app.add_api_route("/raises", raises)

    answer = door.get("/raises")

    assert (answer.status_code, error_of(answer)["code"]) == (status, code)
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_every_error_of_ours_has_an_answer_and_every_code_an_error() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FramemillError)]
    for kind in kinds:
        assert answer_for(kind.__new__(kind)).status >= 400
    assert len(ERRORS) == len(ANSWERS)
    assert all(ERRORS[answer_for(kind.__new__(kind)).code] in kind.__mro__ for kind in kinds)


def test_the_api_describes_itself(door: Door) -> None:
    described = door.get("/v1/openapi.json", key=None).json()

    assert described["openapi"].startswith("3.1")
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    assert {f"{method} {path.replace('/x', '/{job_id}')}" for method, path in PROTECTED} <= set(operations)
    for name, operation in operations.items():
        if name.split()[1].startswith("/v1/"):
            assert operation.get("security") or name.startswith("POST /v1/sessions"), name
        for status, response in operation["responses"].items():
            if status >= "400":
                refused = response["content"]["application/json"]["schema"]
                assert refused == {"$ref": "#/components/schemas/ErrorEnvelope"}, (name, status)
    for path in ("/docs", "/redoc"):
        assert door.get(path).status_code == 404


def test_the_api_needs_neither_ray_nor_media_libraries() -> None:
    code = (
        "import sys; import framemill.api.app, framemill.client;"
        "print([name for name in ('ray', 'av', 'framemill.farm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_the_client_needs_no_server() -> None:
    code = (
        "import sys; import framemill.client;"
        "print([name for name in ('ray', 'av', 'fastapi', 'sqlalchemy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
