"""Strictness in what is taken: JSON has numbers, texts and truths, and each is what it is.

Pydantic's own strict mode would refuse lists and times as they come out of JSON, so single kinds are made strict.
"""

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
