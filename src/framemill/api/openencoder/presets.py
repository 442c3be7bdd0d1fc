"""Routes of presets."""

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BeforeValidator, Field

from framemill.api.auth import needs
from framemill.api.openencoder.asked import Words
from framemill.api.openencoder.ordering import TheShelf
from framemill.api.openencoder.paging import PerPage, WhichPage, number_of
from framemill.api.openencoder.preset_data import Preset, settings_of, usual_output
from framemill.api.strict import Text

CHANGES = [Depends(needs("jobs:write"))]


def _as_text(data: Any) -> Any:
    """Some send the object itself."""
    return json.dumps(data, ensure_ascii=False) if isinstance(data, dict) else data


class PresetSaid(Words):
    """A preset as it shall be."""

    name: Text = Field(min_length=1, max_length=200)
    description: Text = Field(default="", max_length=10_000)
    data: Annotated[Text, BeforeValidator(_as_text)] = Field(min_length=1, max_length=50_000)
    output: Text = Field(default="", max_length=255)
    active: bool = True

    def checked(self, output: str = "") -> dict[str, Any]:
        """The same, with the name of its file: what is said, else `output`, else after its name.

        Raises `WrongUse` for what cannot be encoded.
        """
        named = self.output or output or usual_output(self.name, self.data)
        settings_of(self.data, named)
        return {**self.model_dump(), "output": named}


def _routes(prefix: str) -> APIRouter:
    """The same at the path of the original's code, and at that of its document."""
    routes = APIRouter(prefix=prefix, dependencies=[Depends(needs("jobs:read"))])

    @routes.post("", status_code=201, dependencies=CHANGES)
    async def create(said: PresetSaid, shelf: TheShelf) -> dict[str, Any]:
        """A preset; what cannot be encoded is refused at once."""
        made = await asyncio.to_thread(lambda: shelf.made(said.checked()))
        return {**told(made), "status": 201, "preset": told(made)}

    @routes.get("")
    async def listed(shelf: TheShelf, page: WhichPage, count: PerPage) -> dict[str, Any]:
        """Newest first."""
        found = await asyncio.to_thread(shelf.listed)
        here = [told(preset) for preset in found[(page - 1) * count : page * count]]
        return {"count": len(found), "presets": here, "items": here}

    @routes.get("/{preset_id}")
    async def show(preset_id: str, shelf: TheShelf) -> dict[str, Any]:
        """One of them."""
        found = await asyncio.to_thread(shelf.shown, number_of(preset_id))
        return {**told(found), "status": 200, "preset": told(found)}

    @routes.delete("/{preset_id}", dependencies=CHANGES)
    async def remove(preset_id: str, shelf: TheShelf) -> dict[str, Any]:
        """Forget one that the account has made; one of the farm's is then as it was."""
        await asyncio.to_thread(shelf.removed, number_of(preset_id))
        return {"status": 200}

    async def edit(preset_id: str, said: PresetSaid, shelf: TheShelf) -> dict[str, Any]:
        """Another one under its id; of the farm's own, for this account alone."""

        def changed() -> Preset:
            before = shelf.shown(number_of(preset_id))
            return shelf.changed(before.number, said.checked(before.output))

        found = await asyncio.to_thread(changed)
        return {**told(found), "status": 200, "preset": told(found)}

    for method in ("PUT", "POST"):  # its document says POST
        routes.add_api_route("/{preset_id}", edit, methods=[method], dependencies=CHANGES)
    return routes


def told(preset: Preset) -> dict[str, Any]:
    """A preset as it is told."""
    plain = preset.model_dump(exclude={"number"})
    return {"id": preset.number, **plain}


ROUTES = (_routes("/presets"), _routes("/preset"))
