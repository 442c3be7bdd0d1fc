"""The route by which people look for a source in the settings' store."""

import asyncio
import logging
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query

from framemill.api.asked import Parts
from framemill.api.auth import TheCaller, needs
from framemill.api.openencoder.asked import TheSettings
from framemill.api.openencoder.places import Stores
from framemill.api.openencoder.settings_words import stores_of
from framemill.errors import FramemillError, WrongUse
from framemill.services.browsing import Level, level_of

log = logging.getLogger(__name__)

LONGEST = 1024
"""Letters of a prefix, as S3 takes them."""

routes = APIRouter(prefix="/storage", dependencies=[Depends(needs("jobs:read"))])


@routes.get("/list")
async def listed(
    settings: TheSettings, parts: Parts, caller: TheCaller, prefix: Annotated[str, Query(max_length=LONGEST)] = ""
) -> dict[str, Any]:
    """What is directly below a prefix of the inbound store, by whole keys; nothing at all where it does not answer."""

    def look() -> Level:
        stores = stores_of(settings.values())
        if not stores.inbound:
            raise WrongUse("The settings do not say where sources lie: fill in the bucket and its keys.")
        return level_of(inbound_uri(stores, prefix), stores.elsewhere or stores.access, caller, parts.desk_of(caller))

    try:
        found = await asyncio.to_thread(look)
    except FramemillError as error:
        log.info("the store cannot be looked at: %s", error.message, extra={"action": "store_not_listed"})
        return {"data": None, "error": error.message}
    files = [{"name": one.path, "size": one.size or 0} for one in found.files]
    return {"data": {"folders": found.folders or None, "files": files or None}}


def inbound_uri(stores: Stores, prefix: str) -> str:
    """The URI of what begins so in the store that sources come from; on an FTP server that is a folder."""
    path = prefix.lstrip("/")
    if stores.access.kind == "ftp":
        folder = f"{path.rstrip('/')}/" if path else ""
        return f"ftp://{stores.inbound}/{quote(folder)}"
    return f"s3://{stores.inbound}/{path}"
