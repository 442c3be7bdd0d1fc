"""The secret that an account has its callbacks signed with, and its routes: the vendor has them in its dashboard."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from framemill.api.asked import Parts
from framemill.api.auth import TheCaller, needs
from framemill.api.onlineconvert.names import NAME
from framemill.api.onlineconvert.schemas import Words
from framemill.services.keepsakes import Keepsakes

KIND = "webhook-secret"
"""As it is kept."""

routes = APIRouter(prefix="/webhook-secret", dependencies=[Depends(needs("webhooks"))])


class NewSecret(Words):
    """What callbacks are signed with from now on."""

    secret: str = Field(min_length=16, max_length=200, repr=False)


class Signing:
    """Of one account; each call blocks. Callbacks of jobs that there are stay as they were."""

    def __init__(self, kept: Keepsakes) -> None:
        self._kept = kept

    def secret(self) -> str | None:
        """What its callbacks are signed with; none: they are not."""
        found = self._kept.listed()
        return None if not found else str(self._kept.secrets(found[0])["secret"])

    def set(self, secret: str | None) -> None:
        """This one from now on; none: they are signed no more."""
        for one in self._kept.listed():
            self._kept.removed(one.id)
        if secret is not None:
            self._kept.made(KIND, {}, {"secret": secret})


async def _signing(parts: Parts, caller: TheCaller) -> Signing:
    return Signing(Keepsakes(parts.database, parts.seals, caller=caller, door=NAME, kind=KIND))


TheSigning = Annotated[Signing, Depends(_signing)]


@routes.get("")
async def show(signing: TheSigning) -> dict[str, Any]:
    """Whether there is one; it is told to nobody."""
    return {"set": await asyncio.to_thread(signing.secret) is not None}


@routes.put("", status_code=204)
async def replace(asked: NewSecret, signing: TheSigning) -> None:
    """Callbacks of new jobs carry X-Oc-Signature from now on."""
    await asyncio.to_thread(signing.set, asked.secret)


@routes.delete("", status_code=204)
async def remove(signing: TheSigning) -> None:
    """And now no more."""
    await asyncio.to_thread(signing.set, None)
