"""Examples for the OpenAPI document: whole ones for what people begin with, others put together from their schemas."""

from collections.abc import Mapping
from typing import Any

_ID = "019aaaaa-0000-7000-8000-000000000001"
_TIME = "2030-05-17T12:00:00Z"

WHOLE: Mapping[str, Mapping[str, Any]] = {
    "NewJob": {
        "file": {
            "inputs": [{"uri": "https://example.org/film.mov"}],
            "outputs": [{"target": "/films/film.mp4", "preset": "h264-720p", "settings": {"crf": 22}}],
        },
        "package": {"inputs": [{"uri": "/films/in.mov"}], "preset": "hls", "metadata": {"user": "42"}, "priority": 5},
        "stores": {
            "inputs": [{"uri": "s3://raw/film.mov", "credentials": "studio"}],
            "outputs": [
                {
                    "targets": [
                        {"uri": "s3://films/film.mp4", "credentials": "studio", "if_exists": "rename"},
                        {
                            "uri": "sftp://archive.example.org/films/film.mp4",
                            "credentials": {"kind": "sftp", "user": "ada", "password": "correct horse battery staple"},
                        },
                    ],
                    "preset": "h264-720p",
                }
            ],
        },
        "held": {"start": "held", "callback": {"url": "https://example.org/hook", "on": "end"}},
    },
    "NewJobs": {
        "two": {
            "jobs": [
                {"inputs": [{"uri": "https://example.org/a.mov"}], "preset": "h264"},
                {"inputs": [{"uri": "https://example.org/b.mov"}], "preset": "h264"},
            ]
        }
    },
    "FolderOfJobs": {
        "folder": {
            "folder": "/films/in/",
            "files": ["*.mov", "*.mxf"],
            "outputs": [{"target": "/films/out/{path}.mp4", "preset": "h264-720p"}],
        }
    },
    "EditedJob": {"priority": {"priority": 10, "metadata": {"user": "42"}}},
    "NewInput": {"address": {"uri": "https://example.org/film.mov"}},
    "ChangedInput": {"address": {"uri": "https://example.org/other.mov"}},
    "NewOutput": {
        "file": {"target": "/films/film.mp4", "preset": "h264-720p", "settings": {"crf": 22}},
        "store": {"targets": [{"uri": "s3://films/film.mp4", "credentials": "studio"}], "preset": "h264-720p"},
    },
    "ProbeAsked": {"address": {"uri": "https://example.org/film.mov"}},
}
"""By the schema's name, then by the example's."""

_BY_NAME: Mapping[str, Any] = {
    "id": _ID,
    "name": "film.mp4",
    "filename": "film.mov",
    "uri": "https://example.org/film.mov",
    "url": "https://example.org/hook",
    "path": "film.mp4",
    "state": "encoding",
    "door": "native",
    "start": "auto",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "md5": "098f6bcd4621d373cade4e832627b4f6",
    "content_type": "video/mp4",
    "preset": "h264-720p",
    "settings": {"crf": 22},
    "metadata": {"user": "42"},
    "facts": {"format": {"format_name": "mov,mp4,m4a,3gp,3g2,mj2", "duration": "634.533000"}, "streams": []},
    "request_id": "1f0a6a9c2f5d4f0e9d8e6a3b7c5d2e1f",
    "message": "All 4 slots are busy.",
    "sentence": "All 4 slots are busy.",
    "code": "no_slot",
    "next": "Nothing: its turn comes.",
    "next_cursor": None,
    "email": "somebody@example.org",
    "password": "correct horse battery staple",
    "old": "correct horse battery",
    "new": "correct horse battery staple",
    "openapi_url": "https://example.org/v1/openapi.json",
    "docs_url": "https://example.org/v1/docs",
    "summary": "H.264, at most 1280×720",
    "version": "1.0.0",
    "jobs": {"queued": 3, "encoding": 1},
    "width": 1280,
    "height": 720,
    "attempt": 1,
    "share": 0.42,
    "frames": 6346,
    "frames_planned": 15109,
    "duration_seconds": 634.533,
    "size_bytes": 73_400_320,
}


def example_of(schema: Mapping[str, Any], known: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:
    """Something that fits a schema; `known`: the document's schemas by name."""
    given = [schema[one] for one in ("const", "example") if one in schema] + list(schema.get("examples", ())[:1])
    several = next((schema[one] for one in ("anyOf", "oneOf", "allOf") if one in schema), None)
    if given:
        found = given[0]
    elif "$ref" in schema:
        referred = str(schema["$ref"]).rpartition("/")[2]
        whole = {} if name else WHOLE.get(referred, {})
        found = next(iter(whole.values()), None) or example_of(known[referred], known, name, depth + 1)
    elif "enum" in schema:
        found = _BY_NAME[name] if _BY_NAME.get(name) in schema["enum"] else schema["enum"][0]
    elif several is not None:
        kinds = [one for one in several if one.get("type") != "null"]
        found = None if name == "next_cursor" else example_of(kinds[0], known, name, depth)
    elif name in _BY_NAME and _is_of(_BY_NAME[name], schema):
        found = _BY_NAME[name]
    elif schema.get("default") is not None:
        found = schema["default"]
    else:
        found = _by_type(schema, known, name, depth)
    return found


def _by_type(schema: Mapping[str, Any], known: Mapping[str, Any], name: str, depth: int) -> Any:
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {field: example_of(inner, known, field, depth + 1) for field, inner in fields.items()}
        case "array":
            return [example_of(schema.get("items", {}), known, "", depth + 1)] if depth < _DEEPEST else []
        case "integer" | "number":
            least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
            number = max(least, 1) if "exclusiveMinimum" not in schema else least + 1
            return int(number) if schema["type"] == "integer" else number
        case "boolean":
            return False
        case "string":
            return _text(schema, name)
    return {}


_DEEPEST = 8


def _text(schema: Mapping[str, Any], name: str) -> str:
    if schema.get("format") == "date-time" or name.endswith("_at"):
        return _TIME
    if schema.get("format") == "date":
        return _TIME[:10]
    if name.endswith(("_id", "cursor")):
        return _ID
    if name.endswith("url"):
        return f"https://example.org/v1/{name.removesuffix('_url')}"
    return name or "text"


def _is_of(value: Any, schema: Mapping[str, Any]) -> bool:
    kinds: Mapping[str, tuple[type, ...]] = {
        **{"string": (str,), "integer": (int,), "number": (int, float)},
        **{"object": (dict,), "boolean": (bool,), "array": (list,)},
    }
    return value is None or isinstance(value, kinds.get(str(schema.get("type")), ()))
