"""Routes of webhooks and of what was sent to them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from framemill.api.asked import Parts
from framemill.api.auth import TheCaller
from framemill.api.convertrilo import webhook_words as words
from framemill.api.convertrilo.refused import Refused
from framemill.api.convertrilo.scopes import needs
from framemill.api.convertrilo.telling import MANAGED, POLICY, SCHEMES, kinds_of
from framemill.api.idempotency import TheIds
from framemill.errors import Conflict, NotFound
from framemill.services.webhooks import WebhookRequest, Webhooks

routes = APIRouter(prefix="/webhooks", dependencies=[Depends(needs("webhooks:manage"))])

DELIVERIES = 50
"""That are told of."""
TRIED_SECONDS = 2.0
"""How long who has something sent to try a webhook is kept waiting for what comes of it."""
_LOOK_SECONDS = 0.05


async def _webhooks(parts: Parts, caller: TheCaller, ids: TheIds) -> AsyncIterator[Webhooks]:
    try:
        yield Webhooks(parts.database, parts.nudge, parts.desk_of(caller), caller=caller, door="convertrilo", ids=ids)
    except NotFound as error:
        raise Refused(404, "webhook_not_found", error.message) from None


TheWebhooks = Annotated[Webhooks, Depends(_webhooks)]


@routes.get("")
async def listed(webhooks: TheWebhooks) -> dict[str, Any]:
    """Those that were made here, oldest first, without their secrets."""
    return {"webhooks": await asyncio.to_thread(_all_told, webhooks)}


@routes.post("")
async def make(asked: words.NewWebhook, webhooks: TheWebhooks) -> dict[str, Any]:
    """It hears of all of the account's jobs from now on. Its secret is told this once."""
    request = WebhookRequest(url=asked.url, kinds=kinds_of(asked.events), policy=POLICY)
    try:
        made, secret = await asyncio.to_thread(webhooks.made, request)
    except Conflict as error:
        raise Refused(400, "webhook_limit_exceeded", error.message) from None
    return {**words.webhook(made, ()), "secret": secret}


@routes.patch("/{webhook_id}")
async def edit(webhook_id: str, asked: words.EditedWebhook, webhooks: TheWebhooks) -> dict[str, Any]:
    """One that is active again begins without failures."""
    if not asked.changes.model_fields_set:
        raise Refused(400, "no_updates_provided", "Say what is to be changed: url, events or isActive.")
    await asyncio.to_thread(webhooks.changed, webhook_id, asked.changes)
    return await asyncio.to_thread(_one_told, webhooks, webhook_id)


@routes.delete("/{webhook_id}", status_code=204)
async def remove(webhook_id: str, webhooks: TheWebhooks) -> None:
    """And what is known of its messages."""
    await asyncio.to_thread(webhooks.removed, webhook_id)


@routes.post("/{webhook_id}")
@routes.post("/{webhook_id}/test")
async def test(webhook_id: str, webhooks: TheWebhooks) -> dict[str, Any]:
    """Has `webhook.test` sent; where its receiver answers soon, this tells what."""
    message = await asyncio.to_thread(webhooks.tried, webhook_id, SCHEMES[MANAGED])
    until = asyncio.get_running_loop().time() + TRIED_SECONDS
    while not message.story and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(_LOOK_SECONDS)
        message = await asyncio.to_thread(webhooks.delivery, message.id)
    delivery = next(iter(words.tries(message)), None)
    return {"ok": delivery is None or delivery["status"] == "success", "delivery": delivery}


@routes.get("/{webhook_id}/deliveries")
async def deliveries(webhook_id: str, webhooks: TheWebhooks) -> dict[str, Any]:
    """The newest tries of all that was sent to it."""
    found = await asyncio.to_thread(webhooks.deliveries, webhook_id, None, DELIVERIES)
    tries = sorted(
        (one for message in found.messages for one in words.tries(message)),
        key=lambda one: one["createdAt"],
        reverse=True,
    )
    return {"deliveries": tries[:DELIVERIES]}


def _all_told(webhooks: Webhooks) -> list[dict[str, Any]]:
    found = webhooks.listed(door="convertrilo")
    return [words.webhook(one, webhooks.deliveries(one.id, None, DELIVERIES).messages) for one in found]


def _one_told(webhooks: Webhooks, webhook_id: str) -> dict[str, Any]:
    found = webhooks.deliveries(webhook_id, None, DELIVERIES)
    return words.webhook(webhooks.shown(webhook_id), found.messages)
