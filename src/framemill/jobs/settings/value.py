"""The base of all values."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict

#: For a choice of numbers, which `key=value` gives as text.
DIGITS = BeforeValidator(lambda said: int(said) if isinstance(said, str) and said.isdecimal() else said)


class Value(BaseModel):
    """Base of the values that cross a process: frozen, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """The value with others; what was worked out of the old ones (cached properties) does not come along."""
        copied = super().model_copy(update=update, deep=deep)
        if update:
            for name in copied.__dict__.keys() - type(self).model_fields.keys():
                del copied.__dict__[name]
        return copied
