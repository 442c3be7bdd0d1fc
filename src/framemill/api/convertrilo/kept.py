"""Routes of what clients have kept here under a name: presets of encodes, destinations, credentials of Google Drive.

Convertrilo's client of 0.2.8 has them. What they hold is given back as it came, without what is secret in it.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator

from framemill.api.asked import Parts
from framemill.api.auth import TheCaller
from framemill.api.convertrilo.asked import NAME
from framemill.api.convertrilo.mapping import moment
from framemill.api.convertrilo.refused import Refused
from framemill.api.convertrilo.scopes import Scope, needs
from framemill.api.idempotency import TheIds
from framemill.api.strict import storable
from framemill.errors import TooLarge
from framemill.jobs.keepsakes import Keepsake
from framemill.services.keepsakes import Keepsakes

_OURS = frozenset({"id", "name", "createdAt", "updatedAt", "hasSecrets"})
_SECRET = re.compile(
    "secret|token|passw|passphrase|pwd|credential|signature|serviceaccount|connectionstring|key(?!frame|int)"
)
"""What is in the name of a field that is told nobody, in small letters alone; `keyframe…` and `keyint` are settings."""

_OBJECTS = frozenset({"key", "keyprefix", "outputkey"})
"""What an object in a bucket is called: no secret."""


class _Free(BaseModel):
    """Beside what it names whatever a client likes, if it can be stored."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _can_be_stored(cls, said: Any) -> Any:
        return storable(said)


class Kept(_Free):
    """Something to be kept."""

    name: str = Field(min_length=1, max_length=200)


class Changed(_Free):
    """What is to be changed of it."""

    name: str | None = Field(default=None, min_length=1, max_length=200)


def routes_of(prefix: str, kind: str, plural: str, scope: Scope, *, hidden: bool = False) -> APIRouter:
    """Routes to list, make, change and forget those of a kind. `hidden`: nothing but its name is ever told."""
    routes = APIRouter(prefix=prefix, dependencies=[Depends(needs(scope))])

    async def keepsakes(parts: Parts, caller: TheCaller, ids: TheIds) -> AsyncIterator[Keepsakes]:
        try:
            yield Keepsakes(parts.database, parts.seals, caller=caller, door=NAME, kind=kind, ids=ids)
        except TooLarge as error:
            raise Refused(400, "invalid_body", error.message) from None

    these = Depends(keepsakes)

    @routes.get("")
    async def listed(kept: Keepsakes = these) -> dict[str, Any]:
        return {plural: [_told(one) for one in await asyncio.to_thread(kept.listed)]}

    @routes.post("", status_code=201)
    async def make(asked: Kept, kept: Keepsakes = these) -> dict[str, Any]:
        said = _said(asked)
        return _told(await asyncio.to_thread(kept.made, asked.name, {} if hidden else shown(said), _secrets(said)))

    @routes.patch("/{kept_id}")
    async def edit(kept_id: str, asked: Changed, kept: Keepsakes = these) -> dict[str, Any]:
        said = _said(asked)
        if asked.name is None and not said:
            raise Refused(400, "no_updates_provided", "Say what is to be changed.")
        data = {} if hidden else shown(said)
        changed = await asyncio.to_thread(
            kept.changed, kept_id, name=asked.name, data=data, secrets=said if _secrets(said) else None
        )
        return _told(changed)

    @routes.delete("/{kept_id}")
    async def remove(kept_id: str, kept: Keepsakes = these) -> dict[str, Any]:
        await asyncio.to_thread(kept.removed, kept_id)
        return {"ok": True, "id": kept_id}

    return routes


def shown(said: Any) -> Any:
    """The same without what is secret, however deep it lies."""
    if isinstance(said, dict):
        return {name: shown(value) for name, value in said.items() if not _is_secret(name)}
    return [shown(one) for one in said] if isinstance(said, list) else said


def _said(asked: Kept | Changed) -> dict[str, Any]:
    """What its client says of it beside its name."""
    return {name: value for name, value in (asked.model_extra or {}).items() if name not in _OURS}


def _secrets(said: dict[str, Any]) -> dict[str, Any] | None:
    """All of it, where any of it is secret."""
    return said if shown(said) != said else None


def _is_secret(name: str) -> bool:
    letters = re.sub("[^a-z]", "", name.lower())
    return letters not in _OBJECTS and _SECRET.search(letters) is not None


def _told(kept: Keepsake) -> dict[str, Any]:
    return {
        **shown(kept.data),
        "id": kept.id,
        "name": kept.name,
        "hasSecrets": kept.sealed is not None,
        "createdAt": moment(kept.created_at),
        "updatedAt": moment(kept.updated_at),
    }


ROUTES = (
    routes_of("/encode-presets", "preset", "presets", "jobs:create"),
    routes_of("/output-destinations", "destination", "destinations", "credentials:manage"),
    routes_of("/ondemand/credentials/google-drive", "google-drive", "credentials", "credentials:manage", hidden=True),
)
