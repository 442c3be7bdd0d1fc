"""Routes of webhooks."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from framemill.api.asked import Parts
from framemill.api.auth import TheCaller, needs
from framemill.api.devstreamcore import ids, mapping
from framemill.api.devstreamcore.asked import DOOR_NAME
from framemill.api.devstreamcore.schemas import Asked
from framemill.api.devstreamcore.telling import EVENTS, HEARS, POLICY, USUAL, Event
from framemill.api.idempotency import TheIds
from framemill.api.strict import Text
from framemill.jobs.telling import Webhook
from framemill.services.webhooks import WebhookChanges, WebhookRequest, Webhooks

routes = APIRouter(prefix="/v1/webhooks", dependencies=[Depends(needs("webhooks"))])

Url = Annotated[Text, Field(min_length=1, max_length=2048)]
Events = Annotated[tuple[Event, ...], Field(min_length=1)]


class NewWebhook(Asked):
    """A webhook to be made."""

    url: Url
    events: Events = USUAL


class ChangedWebhook(Asked):
    """What is to be another; what is left out stays."""

    url: Url = ""
    events: Events = USUAL
    enabled: bool = True


async def _webhooks(parts: Parts, caller: TheCaller, made: TheIds) -> Webhooks:
    return Webhooks(parts.database, parts.nudge, parts.desk_of(caller), caller=caller, door=DOOR_NAME, ids=made)


TheWebhooks = Annotated[Webhooks, Depends(_webhooks)]


@routes.post("", status_code=201)
async def make(asked: NewWebhook, webhooks: TheWebhooks) -> dict[str, Any]:
    """It hears of all videos of the account from now on. Its secret is told this once."""
    request = WebhookRequest(url=asked.url, policy=POLICY, **_heard(asked.events))
    made, secret = await asyncio.to_thread(webhooks.made, request)
    return {**_webhook(made), "secret": secret}


@routes.get("")
async def listed(webhooks: TheWebhooks) -> dict[str, Any]:
    """Oldest first."""
    return {"data": [_webhook(one) for one in await asyncio.to_thread(webhooks.listed, DOOR_NAME)]}


@routes.get("/{webhook_id}")
async def show(webhook_id: str, webhooks: TheWebhooks) -> dict[str, Any]:
    """Without its secret."""
    return _webhook(await asyncio.to_thread(webhooks.shown, ids.webhook_of(webhook_id)))


@routes.patch("/{webhook_id}")
async def change(webhook_id: str, asked: ChangedWebhook, webhooks: TheWebhooks) -> dict[str, Any]:
    """`enabled: false` has nothing more sent to it."""
    said: dict[str, Any] = {name: getattr(asked, name) for name in asked.model_fields_set & {"url", "enabled"}}
    if "events" in asked.model_fields_set:
        said |= _heard(asked.events)
    changes = WebhookChanges.model_validate(said)
    return _webhook(await asyncio.to_thread(webhooks.changed, ids.webhook_of(webhook_id), changes))


@routes.delete("/{webhook_id}", status_code=204)
async def remove(webhook_id: str, webhooks: TheWebhooks) -> None:
    """And what was to be sent to it."""
    await asyncio.to_thread(webhooks.removed, ids.webhook_of(webhook_id))


def _heard(events: tuple[Event, ...]) -> dict[str, Any]:
    kinds = dict.fromkeys(kind for event in events for kind in HEARS[event])
    return {"kinds": tuple(kinds), "metadata": {EVENTS: list(dict.fromkeys(events))}}


def _webhook(found: Webhook) -> dict[str, Any]:
    return {
        "id": ids.webhook_id(found.id),
        "url": found.url,
        "events": found.metadata.get(EVENTS, []),
        "enabled": found.disabled_at is None,
        "created_at": mapping.moment(found.created_at),
    }
