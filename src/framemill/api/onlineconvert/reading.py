"""Bodies that are one thing, or a list of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

Word = TypeVar("Word", bound=BaseModel)


class Several(NamedTuple):
    """What was sent."""

    found: Sequence[Any]
    listed: bool
    """It was a list, and is answered by one."""


def several(body: Any, kind: type[Word], most: int = 100) -> Several:
    """What the body says, which is one of these or 1 to `most` of them. Raises `RequestValidationError`."""
    listed = isinstance(body, list)
    said = body if listed else [body]
    if not 1 <= len(said) <= most:
        why = {"type": "value_error", "loc": ("body",), "msg": f"it takes 1 to {most} of them, not {len(said)}"}
        raise RequestValidationError([why])
    return Several([_read(one, kind, (place,) if listed else ()) for place, one in enumerate(said)], listed)


def _read(said: Any, kind: type[Word], place: tuple[int, ...]) -> Word:
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        raise RequestValidationError(
            [{**one, "loc": ("body", *place, *one["loc"])} for one in error.errors(include_url=False)]
        ) from None
