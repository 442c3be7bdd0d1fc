"""The operator's tables of one door, `[tariffs.NAME]` and `[doors.NAME]`, as that door reads them."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from framemill.errors import InvalidSetting
from framemill.jobs.settings import Value

Table = TypeVar("Table", bound=Value)


def read_table(kind: type[Table], said: Mapping[str, Any], name: str) -> Table:
    """The table of that name, completed with what is usual. Raises `InvalidSetting`, which names the field."""
    try:
        return kind.model_validate(dict(said))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise InvalidSetting(f"Setting {name}.{where}: {reason}.") from None
