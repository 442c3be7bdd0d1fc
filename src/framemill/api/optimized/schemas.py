"""What its clients send, in the words of the document."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from framemill.api.strict import Text, storable


class Asked(BaseModel):
    """A film that somebody wants to take along."""

    model_config = ConfigDict(populate_by_name=True, extra="ignore", frozen=True)

    url: Text = Field(min_length=1, max_length=16384)
    extension: Any = Field(default=None, alias="fileExtension")
    """What the media server would have made of it: a word, many of them, or nothing."""
    device_id: Text | None = Field(default=None, alias="deviceId", max_length=256)
    item_id: Text | None = Field(default=None, alias="itemId", max_length=256)
    item: Annotated[Any, BeforeValidator(storable)] = None
    """Given back as it came."""
