"""The route of the audit trail."""

import asyncio

from fastapi import APIRouter, Depends

from framemill.api.asked import Parts
from framemill.api.auth import TheCaller, admins_only
from framemill.api.native import account_mapping as mapping
from framemill.api.native import account_schemas as schemas
from framemill.api.native.keys import Limit, Whose
from framemill.api.native.ledger import SeqCursor
from framemill.services.audit import listed as listed_audit

routes = APIRouter(prefix="/audit", tags=["accounts"], dependencies=[Depends(admins_only)])


@routes.get("", summary="Who did what, newest first")
async def listed(
    parts: Parts, caller: TheCaller, account: Whose = None, limit: Limit = 50, cursor: SeqCursor = None
) -> schemas.Audit:
    """An admin may ask. With `account`: what was done to things of that account."""
    found, more = await asyncio.to_thread(listed_audit, parts.database, caller, limit, cursor, account)
    return schemas.Audit(data=tuple(mapping.audited(one) for one in found), next_cursor=more)
