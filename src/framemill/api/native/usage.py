"""The route of what accounts used."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from framemill.api.asked import Parts
from framemill.api.auth import TheCaller, needs
from framemill.api.documented import MISSING, documented
from framemill.api.native import account_mapping as mapping
from framemill.api.native import account_schemas as schemas
from framemill.api.native.keys import Whose
from framemill.api.strict import Day
from framemill.services.usage import used

routes = APIRouter(prefix="/usage", tags=["accounts"], dependencies=[Depends(needs("usage"))])

From = Annotated[Day | None, Query(alias="from", description="First day; none: 30 days before the last.")]
To = Annotated[Day | None, Query(description="Last day, UTC; none: today.")]


@routes.get("", summary="What was used, day by day", responses={**MISSING, **documented("wrong_use")})
async def listed(
    parts: Parts, caller: TheCaller, first: From = None, to: To = None, account: Whose = None
) -> schemas.Usage:
    """Of one's own account; an admin sees all, or the one that is named. Days without anything are left out."""
    last = to or datetime.now(UTC).date()
    begin = first or max(last, date.min + timedelta(days=30)) - timedelta(days=30)
    found = await asyncio.to_thread(used, parts.database, caller, begin, last, account)
    return schemas.Usage(data=tuple(mapping.used(one) for one in found))
