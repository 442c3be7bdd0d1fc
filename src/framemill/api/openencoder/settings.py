"""Routes of the settings, for admins."""

import asyncio
from typing import Any

from fastapi import APIRouter, Depends

from framemill.api.auth import admins_only
from framemill.api.openencoder.asked import TheSettings
from framemill.api.openencoder.settings_words import told

routes = APIRouter(prefix="/settings", dependencies=[Depends(admins_only)])


@routes.get("")
async def show(settings: TheSettings) -> dict[str, Any]:
    """All of them; of secrets only whether they are set."""
    return {"settings": told(await asyncio.to_thread(settings.shown))}


@routes.put("")
async def replace(said: dict[str, Any], settings: TheSettings) -> dict[str, str]:
    """By their names. What is not said is empty from now on; a secret's mask leaves it as it is."""
    await asyncio.to_thread(settings.replace, said)
    return {"settings": "updated"}
