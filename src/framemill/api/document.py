"""The OpenAPI 3.1 document of the API: what FastAPI knows of the routes, with errors, examples and headers beside."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from framemill.api.codes import BY_CODE
from framemill.api.documented import BODY, DOCUMENTED, Responses, codes_in, documented
from framemill.api.examples import WHOLE, example_of

DESCRIPTION = """
A self-hosted video transcoding farm. A job takes a source and makes outputs of it: `POST /v1/jobs`.

* Every request but those of `health` takes a key: `Authorization: Bearer KEY` or `X-API-Key: KEY`.
* Numbers carry their unit in their name (`size_bytes`, `duration_seconds`, `bitrate_bps`); times are RFC 3339 in UTC;
  ids are UUIDs; money is in thousandths of a credit.
* What cannot be is answered with one envelope, `{"error": {type, code, message, param, request_id}}`: `code` is for
  programs, `message` for people, `param` names the field. Fields that there are none of are refused.
* Every answer has an `X-Request-Id`: the one that came with the request, or a new one.
* Lists are `{"data": […], "next_cursor": …}`; `cursor=` takes the latter, and null says that there are no more.
"""

TAGS = {
    "jobs": "What is to be encoded, and how far it is",
    "uploads": "Sources that are sent to the farm",
    "outputs": "Results, and links to them",
    "presets": "Named settings of an output",
    "probe": "What a source holds, and what a job would take",
    "events": "What happened, and what happens",
    "webhooks": "Who is told of what happens",
    "accounts": "Accounts, users, keys, sessions and what was used",
    "farm": "The farm as a whole: for its operator",
    "health": "Whether it lives; takes no key",
}

_HEADERS: Mapping[str, Any] = {
    "RequestId": {"description": "Names the request in the farm's log.", "schema": {"type": "string"}},
    "RetryAfter": {"description": "Seconds to wait before asking again.", "schema": {"type": "integer", "minimum": 0}},
    "Location": {"description": "Where it is now.", "schema": {"type": "string", "format": "uri"}},
    "Allow": {"description": "The methods that the path takes.", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}},
}
_HEADERS_OF: Mapping[str, tuple[tuple[str, str], ...]] = {
    "201": (("Location", "Location"),),
    "401": (("WWW-Authenticate", "WWW-Authenticate"),),
    "429": (("Retry-After", "RetryAfter"),),
    "503": (("Retry-After", "RetryAfter"),),
}
_IDEMPOTENCY: Mapping[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same request under the same key is carried out once, and answered alike for 24 hours.",
    "schema": {"type": "string", "pattern": "^[ -~]{0,255}$"},
}
_METHODS = frozenset({"get", "post", "put", "patch", "delete", "head", "options"})
_JSON = "application/json"


def describe(app: FastAPI) -> dict[str, Any]:
    """The document of that application, without `servers`: those are as the client has asked."""
    told = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    used = set()
    for methods in told["paths"].values():
        for method, operation in methods.items():
            if method in _METHODS:
                if method == "post" and operation.get("security"):
                    operation.setdefault("parameters", []).append(_IDEMPOTENCY)
                _complete(operation, told["components"]["schemas"])
                used |= set(operation.get("tags", ()))
    told["tags"] = [{"name": name, "description": said} for name, said in TAGS.items() if name in used]
    components = told["components"]
    for framework in ("HTTPValidationError", "ValidationError"):
        components.get("schemas", {}).pop(framework, None)
    components["headers"] = dict(_HEADERS)
    every = documented(*BY_CODE).values()
    components["examples"] = {
        code: example for response in every for code, example in response["content"][_JSON]["examples"].items()
    }
    return told


def _complete(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    responses: dict[str, Any] = operation["responses"]
    own = codes_in(responses)
    if _IDEMPOTENCY in operation.get("parameters", ()):
        own |= {"idempotency_conflict", "idempotency_in_progress", "wrong_use"}
    if any(_may_be_unfit(one) for one in operation.get("parameters", ())):
        own.add("invalid_field")
    if _is_frameworks(responses.get("422")):
        del responses["422"]
    always = codes_in(DOCUMENTED) if operation.get("security") else set()
    body = operation.get("requestBody", {}).get("content", {})
    asked = set(BODY) if _JSON in body else set()
    for status, response in _plain(documented(*sorted(own | always | asked))).items():
        said = responses.get(status, {}).get("description", "")
        responses[status] = {**response, "description": said or response["description"]}
    operation["responses"] = {status: responses[status] for status in sorted(responses)}
    for status, response in responses.items():
        headers = (("X-Request-Id", "RequestId"), *_HEADERS_OF.get(status, ()))
        known = response.setdefault("headers", {})
        for name, kind in headers:
            known.setdefault(name, {"$ref": f"#/components/headers/{kind}"})
        _exemplify(response.get("content", {}).get(_JSON), schemas)
    _exemplify(body.get(_JSON), schemas)


def _plain(responses: Responses) -> dict[str, dict[str, Any]]:
    """As the document has them: a schema instead of a model."""
    found = {}
    for status, response in responses.items():
        codes = response["content"][_JSON]["examples"]
        examples = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
        content = {_JSON: {"schema": {"$ref": "#/components/schemas/ErrorEnvelope"}, "examples": examples}}
        found[str(status)] = {"description": response["description"], "content": content}
    return found


def _exemplify(content: dict[str, Any] | None, schemas: Mapping[str, Any]) -> None:
    """Add examples of what is sent or answered, where there are none yet."""
    if content is None or "example" in content or "examples" in content:
        return
    schema = content.get("schema", {})
    names = [str(one.get("$ref", "")).rpartition("/")[2] for one in (schema, *schema.get("anyOf", ()))]
    whole = next((WHOLE[name] for name in names if name in WHOLE), None)
    if whole is not None:
        content["examples"] = {name: {"value": value} for name, value in whole.items()}
    elif schema.get("properties") or any(names):
        content["example"] = example_of(schema, schemas)


def _may_be_unfit(parameter: Mapping[str, Any]) -> bool:
    """Whether there are texts that the parameter cannot be."""
    schema = parameter.get("schema", {})
    return parameter is not _IDEMPOTENCY and any(
        one.get("type") not in {"string", "null"} or set(one) - {"type", "title", "description", "default", "examples"}
        for one in schema.get("anyOf", [schema])
    )


def _is_frameworks(response: Mapping[str, Any] | None) -> bool:
    if response is None:
        return False
    schema = response.get("content", {}).get(_JSON, {}).get("schema", {})
    return str(schema.get("$ref", "")).endswith("/HTTPValidationError")
