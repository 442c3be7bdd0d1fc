"""Strictness in what is taken: JSON has numbers, texts and truths, and each is what it is.

Pydantic's own strict mode would refuse lists and times as they come out of JSON, so single kinds are made strict.
"""

import math
from datetime import date
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator
from pydantic_core import core_schema

_STRICT = frozenset({"bool", "int", "float", "str"})
_TIMES = frozenset({"datetime", "date"})


def strictly(schema: Any) -> Any:
    """Pydantic's core schema with those kinds made strict, however deep they lie."""
    if isinstance(schema, list):
        return [strictly(part) for part in schema]
    if isinstance(schema, tuple):
        return tuple(strictly(part) for part in schema)
    if not isinstance(schema, dict):
        return schema
    inner = {name: part if name in _NO_SCHEMAS else strictly(part) for name, part in schema.items()}
    if inner.get("type") in _STRICT:
        return {**inner, "strict": True}
    if inner.get("type") in _TIMES:
        return core_schema.no_info_before_validator_function(text_only, inner)
    return inner


_NO_SCHEMAS = frozenset({"metadata", "serialization", "default", "expected", "ref", "schema_ref", "config", "function"})


def text_only(value: Any) -> Any:
    """Times and dates are written, not counted: pydantic would take a number for seconds since 1970."""
    if isinstance(value, int | float) or (isinstance(value, str) and value.replace(".", "", 1).lstrip("+-").isdigit()):
        raise ValueError("a time is written as in RFC 3339, 2030-05-17T12:00:00Z")
    return value


def exactly(kind: type[BaseModel]) -> BeforeValidator:
    """For a field of a model that is not of ours alone, and is built already: it has numbers, texts and truths only."""
    return BeforeValidator(lambda value: kind.model_validate(value, strict=True) if isinstance(value, dict) else value)


Moment = Annotated[AwareDatetime, BeforeValidator(text_only)]
"""A point in time, in a query."""
Day = Annotated[date, BeforeValidator(text_only)]
"""A day, in a query."""


def storable(value: Any, depth: int = 0) -> Any:
    """Refuse what no database takes: NUL and half characters in texts, numbers that are none, and towers of lists."""
    if depth > _DEEPEST:
        raise ValueError(f"it is nested deeper than {_DEEPEST} levels")
    match value:
        case str() if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
            raise ValueError("a text holds a character that cannot be stored (NUL, or half a surrogate pair)")
        case float() if not math.isfinite(value):
            raise ValueError(f"{value} is no number")
        case dict():
            for name, part in value.items():
                storable(name)
                storable(part, depth + 1)
        case list() | tuple():
            for part in value:
                storable(part, depth + 1)
        case BaseModel():
            storable(value.model_dump(), depth)
    return value


_DEEPEST = 32
Text = Annotated[str, BeforeValidator(storable)]
Free = Annotated[dict[str, Any], BeforeValidator(storable)]
"""The client's own JSON."""
