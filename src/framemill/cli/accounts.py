"""`framemill keys`, `accounts` and `users`: who may ask the running farm, and for how much."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from framemill.api.native.account_schemas import Account, Key, User
from framemill.cli.printing import print_json
from framemill.client import Framemill
from framemill.errors import WrongUse

One = TypeVar("One", bound=BaseModel)

_PAGE = 100
_PIPED_COLUMNS = 200  # where nobody looks at a terminal, nothing is to be cut off
_CREDIT = 1000


def create_key_command(
    farm: Framemill, name: str, account: str | None, scopes: Sequence[str], days: float | None, *, as_json: bool
) -> None:
    """Make a key, and tell it this once."""
    said = {"name": name, "account": account, "scopes": list(scopes) or None, "expires_in_days": days}
    made = farm.keys.create(said)
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    click.echo(made.key)
    click.echo(f"Keep it: it is shown this once. ({made.name}, account {made.account}, id {made.id})", err=True)


def list_keys_command(farm: Framemill, account: str | None, limit: int, *, as_json: bool) -> None:
    """List keys, newest first."""
    found = _all(lambda most, cursor: _page(farm.keys.list(most, cursor, account)), limit)
    if _told(found, as_json=as_json):
        return
    rows = [
        (one.id, one.account, one.name, f"{one.hint}…", _state(one), _time(one.used_at), " ".join(one.scopes))
        for one in found
    ]
    _show(("id", "account", "name", "key", "state", "used", "scopes"), rows)


def create_account_command(
    farm: Framemill,
    name: str,
    account_id: str | None,
    quotas: Sequence[str],
    credits_: float | None,
    *,
    as_json: bool,
) -> None:
    """Make an account."""
    balance = None if credits_ is None else thousandths(credits_)
    made = farm.accounts.create({"name": name, "id": account_id, "quotas": _quotas(quotas), "balance": balance})
    _show_account(made, as_json=as_json)


def list_accounts_command(farm: Framemill, limit: int, *, as_json: bool) -> None:
    """List accounts in the order of their ids."""
    found = _all(lambda most, cursor: _page(farm.accounts.list(most, cursor)), limit)
    if _told(found, as_json=as_json):
        return
    rows = [(one.id, one.name, one.state, _credits(one.balance), _credits(one.available)) for one in found]
    _show(("id", "name", "state", "balance", "available"), rows)


def show_account_command(farm: Framemill, account_id: str, *, as_json: bool) -> None:
    """Show an account with the last lines of its ledger."""
    account = farm.accounts.get(account_id)
    entries = farm.accounts.ledger(account_id, limit=10).data
    if as_json:
        told = account.model_dump(mode="json")
        print_json({**told, "ledger": [entry.model_dump(mode="json") for entry in entries]})
        return
    _show_account(account, as_json=False)
    if entries:
        rows = [
            (
                _time(one.at),
                one.kind,
                _credits(one.amount),
                _credits(one.balance_after),
                one.reference or one.note or "",
            )
            for one in entries
        ]
        _show(("at", "what", "credits", "balance", "for"), rows)


def quotas_command(farm: Framemill, account_id: str, quotas: Sequence[str], *, as_json: bool) -> None:
    """Set limits."""
    _show_account(farm.accounts.edit(account_id, {"quotas": _quotas(quotas)}), as_json=as_json)


def credit_command(farm: Framemill, account_id: str, credits_: float, note: str | None, *, as_json: bool) -> None:
    """Put credits on an account, or take them off."""
    amount = thousandths(credits_)
    if not amount:
        raise WrongUse("0 credits change nothing.")
    move = farm.accounts.deposit if amount > 0 else farm.accounts.withdraw
    _show_account(move(account_id, abs(amount), note), as_json=as_json)


def list_users_command(farm: Framemill, limit: int, *, as_json: bool) -> None:
    """List users, newest first."""
    found: list[User] = _all(lambda most, cursor: _page(farm.users.list(most, cursor)), limit)
    if _told(found, as_json=as_json):
        return
    rows = [
        (one.id, one.name, one.email or "", one.role, one.account, "disabled" if one.disabled_at else "")
        for one in found
    ]
    _show(("id", "name", "email", "role", "account", ""), rows)


def thousandths(credits_: float) -> int:
    """Thousandths of a credit. Raises `WrongUse` for what cannot be counted in them."""
    amount = round(credits_ * _CREDIT)
    if abs(amount - credits_ * _CREDIT) > 1e-6 * max(1.0, abs(amount)):
        raise WrongUse(f"Credits are counted in thousandths, and {credits_} is none.")
    return amount


def _quotas(words: Iterable[str]) -> dict[str, float | None]:
    said: dict[str, float | None] = {}
    for word in words:
        name, sign, value = word.partition("=")
        try:
            said[name.replace("-", "_")] = (float(value) if "." in value else int(value)) if value else None
        except ValueError:
            raise WrongUse(f"A quota is a number, as jobs_per_day=100, not {word!r}.") from None
        if not sign:
            raise WrongUse(f"A quota is written as jobs_per_day=100, not {word!r}.")
    return said


def _page(told: Any) -> tuple[Sequence[Any], Any]:
    return told.data, told.next_cursor


def _all(page: Callable[[int, Any], tuple[Sequence[One], Any]], limit: int) -> list[One]:
    found: list[One] = []
    cursor = None
    while len(found) < limit:
        more, cursor = page(min(limit - len(found), _PAGE), cursor)
        found += more
        if cursor is None:
            break
    return found


def _told(found: Sequence[BaseModel], *, as_json: bool) -> bool:
    if as_json:
        print_json({"data": [one.model_dump(mode="json") for one in found]})
    elif not found:
        click.echo("There are none.")
    return as_json or not found


def _show_account(account: Account, *, as_json: bool) -> None:
    if as_json:
        print_json(account.model_dump(mode="json"))
        return
    limits = {name: value for name, value in account.quotas.model_dump().items() if value is not None}
    click.echo(f"{account.id} ({account.name}): {account.state}")
    click.echo(f"  balance: {_credits(account.balance)}, of which {_credits(account.reserved)} reserved")
    click.echo("  quotas: " + (", ".join(f"{name}={value:g}" for name, value in limits.items()) or "none"))


def _show(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(*columns, box=None, header_style="bold", padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else _PIPED_COLUMNS
    console.print(table)


def _state(key: Key) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is None:
        return "good"
    return f"until {_time(key.expires_at)}"


def _credits(amount: int | None) -> str:
    return "not counted" if amount is None else f"{amount / _CREDIT:g}"


def _time(at: datetime | None) -> str:
    return "" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M")
