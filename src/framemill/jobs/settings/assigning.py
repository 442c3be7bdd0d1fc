"""Settings from `key=value` assignments."""

import difflib
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from framemill.errors import InvalidSetting, UnknownSetting
from framemill.jobs.settings.output import OutputSettings
from framemill.jobs.settings.run import RunSettings
from framemill.jobs.settings.value import Value

T = TypeVar("T", bound=Value)


def apply_assignments(
    output: OutputSettings, run: RunSettings, assignments: Mapping[str, Any]
) -> tuple[OutputSettings, RunSettings]:
    """Both settings with `key=value` assignments applied; lists and objects may be written as JSON.

    Raises `UnknownSetting` with the near names, `InvalidSetting` with the reason.
    """
    fields = {**OutputSettings.model_fields, **RunSettings.model_fields}
    for key in assignments:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(sorted(fields))}."
            unknown = UnknownSetting(f"There is no setting {key!r}; {hint}")
            unknown.param = key
            raise unknown
    return _updated(output, assignments), _updated(run, assignments)


def _updated(settings: T, assignments: Mapping[str, Any]) -> T:
    mine = {key: _parse(given) for key, given in assignments.items() if key in type(settings).model_fields}
    try:
        return type(settings).model_validate({**settings.model_dump(exclude_unset=True), **mine})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        invalid = InvalidSetting(f"Setting {where}: {reason}." if where else f"Settings: {reason}.")
        invalid.param = where or None
        raise invalid from None


def _parse(text: Any) -> Any:
    """Lists and objects are JSON; other text stays, for the field's own type to read, and so do values."""
    if text == "null":
        return None
    if not isinstance(text, str) or not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
