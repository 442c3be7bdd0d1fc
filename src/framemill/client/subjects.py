"""What a client may ask of a farm beside jobs: webhooks, keys, accounts, usage."""

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

from framemill.api.native import account_schemas as accounts
from framemill.api.native import webhook_schemas as hooks
from framemill.client.asking import Line, body_of


class Webhooks:
    """`farm.webhooks`: who hears of all jobs of the account."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def create(
        self,
        url: str,
        kinds: Collection[str] | None = None,
        *,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> hooks.SecretWebhook:
        """A new one; its `secret` is told this once. `kinds`: none: the ends of jobs; `*`: everything."""
        said = {"kinds": None if kinds is None else list(kinds), "description": description, "metadata": metadata}
        body = {"url": url, **{name: value for name, value in said.items() if value is not None}}
        return self._line.told(hooks.SecretWebhook, "POST", "/webhooks", body, once=True)

    def list(self) -> tuple[hooks.Webhook, ...]:
        """All of them, oldest first."""
        return self._line.told(hooks.Webhooks, "GET", "/webhooks").data

    def get(self, webhook_id: str) -> hooks.Webhook:
        """One of them."""
        return self._line.told(hooks.Webhook, "GET", _at("webhooks", webhook_id))

    def edit(self, webhook_id: str, changes: hooks.EditedWebhook | Mapping[str, Any]) -> hooks.Webhook:
        """Change what is named; `enabled` has it told nothing, or again."""
        body = body_of(hooks.EditedWebhook, changes)
        return self._line.told(hooks.Webhook, "PATCH", _at("webhooks", webhook_id), body)

    def remove(self, webhook_id: str) -> None:
        """Forget it, and its messages."""
        self._line.asked("DELETE", _at("webhooks", webhook_id))

    def rotate(self, webhook_id: str, overlap_seconds: float = 86_400.0) -> hooks.SecretWebhook:
        """Give it another secret, told this once; for a while messages are signed with both."""
        body = {"overlap_seconds": overlap_seconds}
        return self._line.told(hooks.SecretWebhook, "POST", _at("webhooks", webhook_id, "rotate"), body)

    def test(self, webhook_id: str) -> hooks.Delivery:
        """Have it sent something; `delivery` tells what came of it."""
        return self._line.told(hooks.Delivery, "POST", _at("webhooks", webhook_id, "test"))

    def deliveries(
        self, webhook_id: str | None = None, *, job_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> hooks.Deliveries:
        """A page of what was sent to a webhook, or about a job, newest first."""
        params = {"limit": limit, **({} if cursor is None else {"cursor": cursor})}
        if webhook_id is not None:
            return self._line.told(hooks.Deliveries, "GET", _at("webhooks", webhook_id, "deliveries"), params=params)
        return self._line.told(hooks.Deliveries, "GET", "/webhooks/deliveries", params={**params, "job_id": job_id})

    def delivery(self, delivery_id: str) -> hooks.WholeDelivery:
        """A message with each try."""
        return self._line.told(hooks.WholeDelivery, "GET", _at("webhooks/deliveries", delivery_id))

    def redeliver(self, delivery_id: str) -> hooks.Delivery:
        """Have it sent once more, now, under the same id."""
        return self._line.told(hooks.Delivery, "POST", _at("webhooks/deliveries", delivery_id, "redeliver"))

    def callback_secret(self) -> str:
        """What callbacks of the account's jobs are signed with, where they bring no secret of their own."""
        return self._line.told(hooks.Secret, "GET", "/webhooks/callback-secret").secret


class Keys:
    """`farm.keys`."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def create(self, key: accounts.NewKey | Mapping[str, Any]) -> accounts.MadeKey:
        """A new one; `key` is told this once."""
        return self._line.told(accounts.MadeKey, "POST", "/keys", body_of(accounts.NewKey, key), once=True)

    def list(self, limit: int = 50, cursor: str | None = None, account: str | None = None) -> accounts.Keys:
        """A page of them, newest first."""
        said = {"limit": limit, "cursor": cursor, "account": account}
        return self._line.told(accounts.Keys, "GET", "/keys", params=_named(said))

    def get(self, key_id: str) -> accounts.Key:
        """One of them, without what it opens with."""
        return self._line.told(accounts.Key, "GET", _at("keys", key_id))

    def revoke(self, key_id: str) -> None:
        """It opens nothing any more."""
        self._line.asked("DELETE", _at("keys", key_id))


class Accounts:
    """`farm.accounts`: an admin's, but that everybody may look at their own."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def create(self, account: accounts.NewAccount | Mapping[str, Any]) -> accounts.Account:
        """A new one."""
        return self._line.told(accounts.Account, "POST", "/accounts", body_of(accounts.NewAccount, account), once=True)

    def list(self, limit: int = 50, cursor: str | None = None) -> accounts.Accounts:
        """A page of them, in the order of their ids."""
        return self._line.told(accounts.Accounts, "GET", "/accounts", params=_named({"limit": limit, "cursor": cursor}))

    def get(self, account_id: str) -> accounts.Account:
        """One of them."""
        return self._line.told(accounts.Account, "GET", _at("accounts", account_id))

    def edit(self, account_id: str, changes: accounts.ChangedAccount | Mapping[str, Any]) -> accounts.Account:
        """Change what is named."""
        body = body_of(accounts.ChangedAccount, changes)
        return self._line.told(accounts.Account, "PATCH", _at("accounts", account_id), body)

    def remove(self, account_id: str) -> None:
        """Remove it with its keys, users, money and ended jobs. Raises `Conflict` while a job of it has not ended."""
        self._line.asked("DELETE", _at("accounts", account_id))

    def deposit(self, account_id: str, amount: int, note: str | None = None) -> accounts.Account:
        """Put thousandths of a credit on it."""
        body = _named({"amount": amount, "note": note})
        return self._line.told(accounts.Account, "POST", _at("accounts", account_id, "deposit"), body, once=True)

    def withdraw(self, account_id: str, amount: int, note: str | None = None) -> accounts.Account:
        """Take thousandths of a credit off it."""
        body = _named({"amount": amount, "note": note})
        return self._line.told(accounts.Account, "POST", _at("accounts", account_id, "withdraw"), body, once=True)

    def ledger(self, account_id: str, limit: int = 50, cursor: int | None = None) -> accounts.Entries:
        """What was put on it, taken off, reserved and released, newest first."""
        params = _named({"limit": limit, "cursor": cursor})
        return self._line.told(accounts.Entries, "GET", _at("accounts", account_id, "ledger"), params=params)


class Users:
    """`farm.users`: an admin's."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def create(self, user: accounts.NewUser | Mapping[str, Any]) -> accounts.User:
        """A new one."""
        return self._line.told(accounts.User, "POST", "/users", body_of(accounts.NewUser, user), once=True)

    def list(self, limit: int = 50, cursor: str | None = None) -> accounts.Users:
        """A page of them, newest first."""
        return self._line.told(accounts.Users, "GET", "/users", params=_named({"limit": limit, "cursor": cursor}))

    def edit(self, user_id: str, changes: accounts.ChangedUser | Mapping[str, Any]) -> accounts.User:
        """Change what is named."""
        return self._line.told(accounts.User, "PATCH", _at("users", user_id), body_of(accounts.ChangedUser, changes))

    def remove(self, user_id: str) -> None:
        """Remove them; what they made stays their account's."""
        self._line.asked("DELETE", _at("users", user_id))


def _at(subject: str, its_id: str, what: str = "") -> str:
    return f"/{subject}/{quote(its_id, safe='')}" + (f"/{what}" if what else "")


def _named(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}
