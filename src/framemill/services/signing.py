"""What messages are signed with, and how: Standard Webhooks, which the native API speaks."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from standardwebhooks import Webhook as Signer

from framemill.errors import WrongUse
from framemill.jobs.model import CallbackPolicy
from framemill.jobs.telling import Message, Webhook
from framemill.sealing import Seals

PREFIX = "whsec_"
_SECRET_BYTES = 24
_FEWEST_BYTES, _MOST_BYTES = 24, 64  # Standard Webhooks: "between 24 bytes (192 bits) and 64 bytes (512 bits)"


def standard_headers(message: Message, keys: Sequence[str], now: datetime) -> Mapping[str, str]:
    """The headers of Standard Webhooks; with several secrets there is a signature by each."""
    signatures = " ".join(Signer(key).sign(message.id, now, message.body) for key in keys)
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(int(now.timestamp())),
        **({"webhook-signature": signatures} if signatures else {}),
    }


def new_secret() -> str:
    """A secret for Standard Webhooks."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def account_secret(seals: Seals, account: str) -> str:
    """What the callbacks of an account's jobs are signed with, where they bring no secret of their own."""
    return PREFIX + base64.b64encode(seals.key(f"callbacks of {account}")).decode()


def checked_secret(secret: str) -> str:
    """A secret that a client brings. Raises `WrongUse` where Standard Webhooks does not take it."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith(PREFIX) or not _FEWEST_BYTES <= len(key) <= _MOST_BYTES:
        raise WrongUse(f"A secret is {PREFIX} and then {_FEWEST_BYTES} to {_MOST_BYTES} bytes in base64.")
    return secret


def secrets_for(message: Message, webhook: Webhook | None, seals: Seals, now: datetime) -> list[str]:
    """What a message is signed with, the newest first. Raises `KeyRefused` where the farm's secret has changed."""
    if webhook is not None:
        sealed = [webhook.sealed_secret]
        if webhook.sealed_old_secret and webhook.old_secret_until is not None and now < webhook.old_secret_until:
            sealed.append(webhook.sealed_old_secret)
        return [seals.opened(one) for one in sealed]
    policy: CallbackPolicy = message.policy
    if policy.sealed_secret is not None:
        return [seals.opened(policy.sealed_secret)]
    return [account_secret(seals, message.account)]
