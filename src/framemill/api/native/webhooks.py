"""Routes of webhooks and of what was sent. SQL runs in threads; deciding is the services'."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from framemill.api.asked import ApiUrl, Parts
from framemill.api.auth import TheCaller, needs
from framemill.api.documented import CONFLICT, MISSING, documented
from framemill.api.idempotency import TheIds
from framemill.api.native import webhook_schemas as schemas
from framemill.api.native.telling import SCHEME
from framemill.jobs.telling import Message, Webhook
from framemill.services.webhooks import WebhookChanges, WebhookRequest, Webhooks

routes = APIRouter(prefix="/webhooks", tags=["webhooks"], dependencies=[Depends(needs("webhooks"))])

ASKED_WRONG = documented("wrong_use")
Limit = Annotated[int, Query(ge=1, le=100, description="Most messages of a page.")]
Cursor = Annotated[str | None, Query(pattern=r"^[0-9a-f-]{36}$", description="`next_cursor` of the page before.")]
JobId = Annotated[str, Query(pattern=r"^[0-9a-f-]{1,36}$", description="The job that they are about.")]


async def _webhooks(parts: Parts, caller: TheCaller, ids: TheIds) -> Webhooks:
    return Webhooks(parts.database, parts.nudge, parts.desk_of(caller), caller=caller, ids=ids)


TheWebhooks = Annotated[Webhooks, Depends(_webhooks)]


@routes.post("", status_code=201, summary="Make a webhook", responses={**CONFLICT, **ASKED_WRONG})
async def make(
    asked: schemas.NewWebhook, webhooks: TheWebhooks, api: ApiUrl, response: Response
) -> schemas.SecretWebhook:
    """It hears of all jobs of the account from now on. Its secret is told this once."""
    made, secret = await asyncio.to_thread(webhooks.made, WebhookRequest.model_validate(asked.model_dump()))
    response.headers["Location"] = f"{api}/webhooks/{made.id}"
    return schemas.SecretWebhook.model_validate({**_webhook(made), "secret": secret})


@routes.get("", summary="List the webhooks")
async def listed(webhooks: TheWebhooks) -> schemas.Webhooks:
    """Oldest first."""
    found = await asyncio.to_thread(webhooks.listed)
    return schemas.Webhooks.model_validate({"data": [_webhook(one) for one in found]})


@routes.get("/callback-secret", summary="What callbacks of jobs are signed with")
async def callback_secret(webhooks: TheWebhooks) -> schemas.Secret:
    """Where a callback brings no secret of its own."""
    return schemas.Secret(secret=webhooks.callback_secret())


@routes.get("/deliveries", summary="What was sent about a job")
async def deliveries_of_job(
    webhooks: TheWebhooks, job_id: JobId, limit: Limit = 50, cursor: Cursor = None
) -> schemas.Deliveries:
    """To its callbacks, and to webhooks; newest first."""
    found = await asyncio.to_thread(webhooks.deliveries, None, job_id, limit, cursor)
    return schemas.Deliveries.model_validate(
        {"data": [_delivery(one) for one in found.messages], "next_cursor": found.next_cursor}
    )


@routes.get("/deliveries/{delivery_id}", summary="Show a message", responses=MISSING)
async def delivery(delivery_id: str, webhooks: TheWebhooks) -> schemas.WholeDelivery:
    """With its body, and each try."""
    found = await asyncio.to_thread(webhooks.delivery, delivery_id)
    return schemas.WholeDelivery.model_validate({**_delivery(found), "body": found.body})


@routes.post(
    "/deliveries/{delivery_id}/redeliver", status_code=202, summary="Send a message once more", responses=MISSING
)
async def redeliver(delivery_id: str, webhooks: TheWebhooks) -> schemas.Delivery:
    """Now, under the same id. One that has ended is tried once."""
    return schemas.Delivery.model_validate(_delivery(await asyncio.to_thread(webhooks.redelivered, delivery_id)))


@routes.get("/{webhook_id}", summary="Show a webhook", responses=MISSING)
async def show(webhook_id: str, webhooks: TheWebhooks) -> schemas.Webhook:
    """Without its secret."""
    return schemas.Webhook.model_validate(_webhook(await asyncio.to_thread(webhooks.shown, webhook_id)))


@routes.patch("/{webhook_id}", summary="Change a webhook", responses={**MISSING, **ASKED_WRONG})
async def edit(webhook_id: str, asked: schemas.EditedWebhook, webhooks: TheWebhooks) -> schemas.Webhook:
    """`enabled: false` has nothing more sent to it; `true` lets it go on."""
    changes = WebhookChanges.model_validate(asked.model_dump(include=asked.model_fields_set))
    return schemas.Webhook.model_validate(_webhook(await asyncio.to_thread(webhooks.changed, webhook_id, changes)))


@routes.delete("/{webhook_id}", status_code=204, summary="Remove a webhook", responses=MISSING)
async def remove(webhook_id: str, webhooks: TheWebhooks) -> None:
    """And what is known of its messages."""
    await asyncio.to_thread(webhooks.removed, webhook_id)


@routes.post("/{webhook_id}/rotate", summary="Give a webhook another secret", responses=MISSING)
async def rotate(webhook_id: str, asked: schemas.RotateAsked, webhooks: TheWebhooks) -> schemas.SecretWebhook:
    """The new one is told this once; for a while messages are signed with both."""
    found, secret = await asyncio.to_thread(webhooks.rotated, webhook_id, asked.overlap_seconds)
    return schemas.SecretWebhook.model_validate({**_webhook(found), "secret": secret})


@routes.post("/{webhook_id}/test", status_code=202, summary="Send a webhook something", responses=MISSING)
async def test(webhook_id: str, webhooks: TheWebhooks) -> schemas.Delivery:
    """A message `webhook.test`, tried once; `GET …/deliveries/{id}` tells what came of it."""
    return schemas.Delivery.model_validate(_delivery(await asyncio.to_thread(webhooks.tried, webhook_id, SCHEME)))


@routes.get("/{webhook_id}/deliveries", summary="What was sent to a webhook", responses=MISSING)
async def deliveries(
    webhook_id: str, webhooks: TheWebhooks, limit: Limit = 50, cursor: Cursor = None
) -> schemas.Deliveries:
    """Newest first."""
    found = await asyncio.to_thread(webhooks.deliveries, webhook_id, None, limit, cursor)
    return schemas.Deliveries.model_validate(
        {"data": [_delivery(one) for one in found.messages], "next_cursor": found.next_cursor}
    )


def _webhook(found: Webhook) -> dict[str, Any]:
    named = found.model_dump(include=set(schemas.Webhook.model_fields))
    return {**named, "enabled": found.disabled_at is None}


def _delivery(found: Message) -> dict[str, Any]:
    named = found.model_dump(include=set(schemas.Delivery.model_fields) - {"tries"})
    return {**named, "tries": [one.model_dump() for one in found.story]}
