"""What the words of `/v1` are made of: what is taken, strictly, and what is told."""

from typing import Any, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from framemill.api.strict import strictly


class Asked(BaseModel):
    """Base of what a client sends. Nothing is read into it: no number is a truth, no text a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The usual one, and strict."""
        return cast(CoreSchema, strictly(handler(source)))


class Told(BaseModel):
    """Base of what a client reads; one that is older than the farm passes over what it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)
