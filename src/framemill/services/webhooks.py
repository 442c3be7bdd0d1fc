"""What a front door may ask of webhooks: made, changed, tried, and what became of their messages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import Connection

from framemill.errors import Conflict, NotFound, WrongUse
from framemill.jobs.model import NATIVE, CallbackPolicy
from framemill.jobs.settings import Value
from framemill.jobs.telling import Message, Webhook
from framemill.policy.callbacks import ALL, ENDS, KINDS, unknown_kinds
from framemill.services.callers import Caller
from framemill.services.desk import Desk
from framemill.services.fields import about
from framemill.services.idempotency import Ids
from framemill.services.jobs import Nudge
from framemill.services.messaging import test_message
from framemill.services.schemes import Scheme
from framemill.services.signing import account_secret, new_secret
from framemill.store import messages as message_rows
from framemill.store import webhooks as webhook_rows
from framemill.store.database import Database

MOST = 50
"""Webhooks of one account."""
USUAL_POLICY = CallbackPolicy(
    timeout_seconds=15.0,
    # As Standard Webhooks proposes: quickly at first, and for a day and a half in all.
    retry_seconds=(5.0, 60.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0),
    disable_after=20,
    disable_span_seconds=86_400.0,
)
"""Of a webhook of the native API."""


class WebhookRequest(Value):
    """A webhook as a client asks for it."""

    url: str
    kinds: tuple[str, ...] = ENDS
    description: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    policy: CallbackPolicy = USUAL_POLICY


class WebhookChanges(Value):
    """What is to be changed of one; fields that are not set stay."""

    url: str = ""
    kinds: tuple[str, ...] = ENDS
    description: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Messages of a page, newest first, and where to go on (none: there are no more)."""

    messages: Sequence[Message]
    next_cursor: str | None


class Webhooks:
    """The webhooks that a caller may see. Plain functions: an event loop calls them in threads.

    All raise `NotFound` for what is not there, or is another account's. Any other door than the native one shows those
    that were made at it.
    """

    def __init__(
        self,
        database: Database,
        nudge: Nudge,
        desk: Desk,
        *,
        caller: Caller,
        door: str = NATIVE,
        ids: Ids | None = None,
        secret: Callable[[], str] = new_secret,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._nudge = nudge
        self._desk = desk
        self._caller = caller
        self._door = door
        self._ids = ids or Ids()
        self._secret = secret
        self._clock = clock

    def made(self, request: WebhookRequest) -> tuple[Webhook, str]:
        """A new webhook, and its secret, which is told this once. Raises `WrongUse`, and `Conflict` for too many."""
        _refuse_unknown(request.kinds)
        with about("url"):
            url, sealed_url = self._desk.address(request.url)
        secret = self._secret()
        webhook = Webhook(
            id=self._ids(),
            account=self._caller.account,
            door=self._door,
            url=url,
            sealed_url=sealed_url,
            sealed_secret=self._desk.seals.seal(secret),
            created_at=self._clock(),
            policy=request.policy.model_copy(update={"trusted": self._desk.trusted}),
            **request.model_dump(exclude={"url", "policy"}),
        )
        with self._database.writing() as conn:
            if self._ids.again and webhook_rows.load_webhook(conn, webhook.id) is not None:
                webhook_rows.save_webhook(conn, webhook)  # nobody has heard the secret that it had
                return webhook, secret
            if webhook_rows.count_webhooks(conn, webhook.account) >= MOST:
                raise Conflict(f"This account has {MOST} webhooks: remove one first.")
            webhook_rows.add_webhook(conn, webhook)
        return webhook, secret

    def listed(self, door: str | None = None) -> list[Webhook]:
        """All there are of the account, oldest first; `door`: of those that were made there."""
        with self._database.reading() as conn:
            return webhook_rows.webhooks_of(conn, self._caller.sees, door)

    def shown(self, webhook_id: str) -> Webhook:
        """One of them."""
        with self._database.reading() as conn:
            return self._loaded(conn, webhook_id)

    def changed(self, webhook_id: str, changes: WebhookChanges) -> Webhook:
        """Change what is set. Raises `WrongUse`. One that is enabled begins without failures."""
        named = changes.model_fields_set
        said: dict[str, Any] = {name: getattr(changes, name) for name in named - {"url", "enabled"}}
        if "kinds" in named:
            _refuse_unknown(changes.kinds)
        with self._database.writing() as conn:
            before = self._loaded(conn, webhook_id)
            if "url" in named and changes.url != before.url:
                with about("url"):
                    said["url"], said["sealed_url"] = self._desk.address(changes.url)
                said["policy"] = before.policy.model_copy(update={"trusted": self._desk.trusted})
            if "enabled" in named:
                said |= _enabled(before, self._clock(), enabled=changes.enabled)
            after = Webhook.model_validate({**dict(before), **said})
            webhook_rows.save_webhook(conn, after)
        return after

    def removed(self, webhook_id: str) -> None:
        """Forget a webhook and its messages."""
        with self._database.writing() as conn:
            webhook_rows.remove_webhook(conn, self._loaded(conn, webhook_id).id)

    def rotated(self, webhook_id: str, overlap_seconds: float) -> tuple[Webhook, str]:
        """Give it another secret; messages are signed with the one before, too, for so long."""
        secret, now = self._secret(), self._clock()
        with self._database.writing() as conn:
            before = self._loaded(conn, webhook_id)
            after = before.model_copy(
                update={
                    "sealed_secret": self._desk.seals.seal(secret),
                    "sealed_old_secret": before.sealed_secret if overlap_seconds else None,
                    "old_secret_until": now + timedelta(seconds=overlap_seconds) if overlap_seconds else None,
                }
            )
            webhook_rows.save_webhook(conn, after)
        return after, secret

    def tried(self, webhook_id: str, scheme: Scheme) -> Message:
        """Have a message sent that says nothing: it is tried once, whether the webhook is enabled or not."""
        with self._database.writing() as conn:
            message = test_message(self._loaded(conn, webhook_id), scheme, self._clock())
            message_rows.add_messages(conn, [message])
        self._nudge(())
        return message

    def deliveries(
        self, webhook_id: str | None = None, job_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Deliveries:
        """Messages, newest first: to a webhook, or about a job. Raises `WrongUse` where neither is named."""
        if webhook_id is None and job_id is None:
            raise WrongUse("Say of which webhook or of which job: webhook_id or job_id.")
        with self._database.reading() as conn:
            if webhook_id is not None:
                self._loaded(conn, webhook_id)
            found = message_rows.list_messages(conn, self._caller.sees, webhook_id, job_id, cursor, limit + 1)
        return Deliveries(found[:limit], found[limit - 1].id if len(found) > limit else None)

    def delivery(self, message_id: str) -> Message:
        """One message, and what became of it."""
        with self._database.reading() as conn:
            return self._message(conn, message_id)

    def redelivered(self, message_id: str) -> Message:
        """Have it sent once more, now, under the same id; the message as it was."""
        with self._database.writing() as conn:
            self._message(conn, message_id)
            message_rows.send_again(conn, message_id, self._clock())
            again = self._message(conn, message_id)
        self._nudge(())
        return again

    def callback_secret(self) -> str:
        """What callbacks of the caller's jobs are signed with, where they bring no secret of their own."""
        return account_secret(self._desk.seals, self._caller.account)

    def _loaded(self, conn: Connection, webhook_id: str) -> Webhook:
        found = webhook_rows.load_webhook(conn, webhook_id) if webhook_id.isprintable() else None
        if found is None or self._caller.sees not in {None, found.account} or self._door not in {NATIVE, found.door}:
            raise NotFound(f"There is no webhook {webhook_id!r}.")
        return found

    def _message(self, conn: Connection, message_id: str) -> Message:
        found = message_rows.load_message(conn, message_id) if message_id.isprintable() else None
        if found is None or self._caller.sees not in {None, found.account}:
            raise NotFound(f"There is no delivery {message_id!r}.")
        return found


def _enabled(before: Webhook, now: datetime, *, enabled: bool) -> dict[str, Any]:
    if enabled:
        return {"disabled_at": None, "reason": None, "message": None, "failures": 0, "failing_since": None}
    if before.disabled_at is not None:
        return {}
    return {"disabled_at": now, "reason": "owner", "message": None}


def _refuse_unknown(kinds: Sequence[str]) -> None:
    if strange := unknown_kinds(kinds):
        with about("kinds"):
            known = ", ".join(KINDS)
            raise WrongUse(f"There are no events {', '.join(strange)}; there are {known}, and {ALL} for all.")
