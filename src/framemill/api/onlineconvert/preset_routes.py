"""Routes of presets."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from framemill.api.asked import Parts
from framemill.api.auth import caller_of, given_key, needs
from framemill.api.idempotency import TheIds
from framemill.api.onlineconvert.answers import listed
from framemill.api.onlineconvert.asked import KEY_HEADERS
from framemill.api.onlineconvert.names import NAME
from framemill.api.onlineconvert.presets import KIND, Presets
from framemill.api.onlineconvert.schemas import Named, Words
from framemill.services.keepsakes import Keepsakes

routes = APIRouter(prefix="/presets")
_WRITES = [Depends(needs("jobs:write"))]
_Word = Annotated[str | None, Query(max_length=200)]


Scope = Literal["private", "public"] | None
"""Whatever is said, it is private: the farm's own alone are public."""


class NewPreset(Words):
    """Options that are to be kept."""

    name: str = Field(min_length=1, max_length=200)
    target: str = Field(min_length=1, max_length=100)
    category: str | None = Field(default=None, max_length=100)
    scope: Scope = None
    options: Named = Field(default={}, repr=False)


class ChangedPreset(Words):
    """What is to be changed of them."""

    name: str = Field(default="", min_length=1, max_length=200)
    target: str = Field(default="", min_length=1, max_length=100)
    category: str | None = Field(default=None, max_length=100)
    scope: Scope = None
    options: Named = Field(default={}, repr=False)


async def _presets(request: Request, parts: Parts, ids: TheIds) -> Presets:
    """Those of whoever asks; nobody has to say who they are, for those that are everybody's. A job's token says it of
    that job alone, so it counts for nothing here."""
    if not given_key(request) and not any(request.headers.get(name) for name in KEY_HEADERS):
        return Presets(None)
    caller = await caller_of(request)
    return Presets(Keepsakes(parts.database, parts.seals, caller=caller, door=NAME, kind=KIND, ids=ids))


ThePresets = Annotated[Presets, Depends(_presets)]


@routes.get("")
async def show_all(presets: ThePresets, category: _Word = None, target: _Word = None, filter: _Word = None) -> Response:
    """The farm's own, and with a key those of its account."""
    found = await asyncio.to_thread(presets.listed, category=category, target=target, words=filter)
    return listed(found)


@routes.post("", status_code=201, dependencies=_WRITES)
async def make(asked: NewPreset, presets: ThePresets) -> dict[str, Any]:
    """A preset of the account."""
    return await asyncio.to_thread(presets.made, asked.name, asked.target, asked.category, asked.options)


@routes.get("/{preset_id}")
async def show(preset_id: str, presets: ThePresets) -> dict[str, Any]:
    """One of them."""
    return await asyncio.to_thread(presets.shown, preset_id)


@routes.patch("/{preset_id}", dependencies=_WRITES)
async def change(preset_id: str, asked: ChangedPreset, presets: ThePresets) -> dict[str, Any]:
    """Other words for it; what is not said stays."""
    return await asyncio.to_thread(presets.changed, preset_id, asked.model_dump(exclude_unset=True))


@routes.delete("/{preset_id}", status_code=204, dependencies=_WRITES)
async def remove(preset_id: str, presets: ThePresets) -> None:
    """Forget it."""
    await asyncio.to_thread(presets.removed, preset_id)
