"""Which fields a body could have had where it has one that there is none of."""

import difflib
from collections.abc import Collection, Sequence
from typing import Any, get_args

from pydantic import BaseModel


def near_names(route: Any, where: Sequence[Any]) -> str:
    """`did you mean target?`, for the field at `where` (pydantic's `loc`) of what that route takes; else all there are.

    `where` begins with `body`.
    """
    body = getattr(route, "body_field", None)
    wrong = str(where[-1])
    names = sorted(_fields([body.field_info.annotation], where[1:-1])) if body is not None else []
    near = difflib.get_close_matches(wrong, names, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are: {', '.join(names)}" if names else "leave it away"


def _fields(kinds: Collection[Any], path: Sequence[Any]) -> set[str]:
    """The names of the fields of whatever is at that path in one of those types."""
    models = [model for kind in kinds for model in _models(kind)]
    if not path:
        return {name for model in models for name in model.model_fields}
    if isinstance(path[0], int):
        return _fields(models, path[1:])
    inner = [model.model_fields[path[0]].annotation for model in models if path[0] in model.model_fields]
    return _fields(inner, path[1:])


def _models(kind: Any) -> list[type[BaseModel]]:
    """The models in a type: itself, or what its lists and unions are of."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [model for part in get_args(kind) for model in _models(part)]
