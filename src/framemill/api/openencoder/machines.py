"""Routes of the machines that a cloud lends to the farm. Where none does, each is told so in the original's words."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends
from pydantic import Field

from framemill.api.asked import Parts
from framemill.api.auth import needs
from framemill.api.openencoder.asked import TheSettings, Words
from framemill.api.openencoder.paging import number_of
from framemill.api.openencoder.refused import Refused, stated
from framemill.errors import FarmError, WrongUse
from framemill.services.lending import Lender, LentMachine

TAGS = ("openencoder", "openencoder-worker")
"""Of every machine: the first as the document has it, the second as the original."""
MOST = 10
"""Machines of one request."""
_HOURLY_DIGITS, _CENTS = 5, 2
"""Behind the point: clouds charge fractions of a cent by the hour."""

T = TypeVar("T")

_READS, _LENDS = Depends(needs("farm:read")), Depends(needs("farm:write"))


class NewMachines(Words):
    """Machines to be made."""

    provider: str = Field(min_length=1, max_length=100)
    size: str = Field(min_length=1, max_length=100)
    count: int = Field(ge=1, le=MOST, strict=True)
    region: str | None = Field(default=None, max_length=100)
    """None: that of the settings."""


async def _lender(parts: Parts) -> Lender:
    if parts.lender is None:
        raise not_configured()
    return parts.lender


TheLender = Annotated[Lender, Depends(_lender)]


def not_configured(why: str = "") -> Refused:
    """There is no cloud that lends anything, or it does not."""
    refused = stated(401, "machines not configured")
    if why:
        refused.told["error"] = why
    return refused


def _routes(prefix: str) -> APIRouter:
    """The same at the path of the original's code, and at that of its document's example."""
    routes = APIRouter(prefix=prefix)

    @routes.post("", dependencies=[_LENDS])
    async def create(asked: NewMachines, lender: TheLender, settings: TheSettings) -> dict[str, Any]:
        """Make machines, which join the farm."""

        if asked.provider != lender.name:
            raise WrongUse(f"provider: machines are lent by {lender.name} alone, not by {asked.provider[:40]!r}.")

        def make() -> Sequence[int]:
            values = settings.values()
            if values["DIGITAL_OCEAN_ENABLED"] != "enabled":
                raise not_configured("The settings forbid it: set DIGITAL_OCEAN_ENABLED to enabled.")
            region = asked.region or values["DIGITAL_OCEAN_REGION"]
            return lender.lend(asked.size, region, asked.count, TAGS)

        made = await _answer(make)
        return {"machine": [{"id": one, "provider": lender.name} for one in made]}

    @routes.get("", dependencies=[_LENDS])
    async def listed(lender: TheLender) -> dict[str, Any]:
        """The farm's own."""
        return {"machines": [_told(one, lender.name) for one in await _answer(lender.machines)]}

    @routes.delete("", dependencies=[_LENDS])
    async def remove_all(lender: TheLender) -> dict[str, Any]:
        """Give back the farm's own, and no other."""
        await _answer(lambda: lender.give_back([one.id for one in lender.machines()]))
        return {"deleted": True}

    @routes.get("/regions", dependencies=[_LENDS])
    async def regions(lender: TheLender) -> dict[str, Any]:
        """Where machines can be."""
        return {"regions": [one.model_dump(mode="json") for one in await _answer(lender.regions)]}

    @routes.get("/sizes", dependencies=[_LENDS])
    async def sizes(lender: TheLender) -> dict[str, Any]:
        """What kinds there are, from the cheapest on."""
        found = sorted(await _answer(lender.sizes), key=lambda one: (one.price_monthly, one.slug))
        return {"sizes": [one.model_dump(mode="json") for one in found]}

    @routes.get("/pricing", dependencies=[_READS])
    async def pricing(lender: TheLender) -> dict[str, Any]:
        """What the farm's own cost."""
        found = await _answer(lender.machines)
        hourly, monthly = sum(one.price_hourly for one in found), sum(one.price_monthly for one in found)
        prices = {"price_hourly": round(hourly, _HOURLY_DIGITS), "price_monthly": round(monthly, _CENTS)}
        return {"pricing": {"count": len(found), **prices}}

    @routes.get("/vpc", dependencies=[_LENDS])
    async def networks(lender: TheLender) -> dict[str, Any]:
        """Private networks."""
        return {"vpcs": [one.model_dump(mode="json") for one in await _answer(lender.networks)]}

    @routes.delete("/{machine_id}", dependencies=[_LENDS])
    async def remove(machine_id: str, lender: TheLender) -> dict[str, Any]:
        """Give one of the farm's own back."""
        wanted = number_of(machine_id)
        if wanted not in await _answer(lambda: lender.give_back([wanted])):
            raise stated(404, "Machine does not exist")
        return {"machine": {"id": wanted, "provider": lender.name}}

    return routes


async def _answer(ask: Callable[[], T]) -> T:
    """What the cloud says; where it refuses, that is told as the original tells it, with the reason beside."""
    try:
        return await asyncio.to_thread(ask)
    except FarmError as error:
        raise not_configured(error.message) from None


def _told(one: LentMachine, provider: str) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "status": one.state,
        "size_slug": one.size,
        "created_at": one.created_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "region": one.region,
        "tags": one.tags,
        "provider": provider,
    }


ROUTES = (_routes("/machines"), _routes("/machine"))
