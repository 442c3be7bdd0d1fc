"""`framemill webhooks`: who hears of jobs, and what they were told."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
import httpx
from rich.console import Console
from rich.table import Table

from framemill.cli.printing import print_json
from framemill.client import Framemill, Happened
from framemill.jobs.model import CallbackPolicy, new_id
from framemill.jobs.telling import Message
from framemill.services.signing import new_secret, standard_headers

_FORWARD_SECONDS = 15.0


def list_webhooks(farm: Framemill, *, as_json: bool) -> None:
    """List them."""
    found = farm.webhooks.list()
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
        return
    if not found:
        click.echo("There are no webhooks.")
        return
    table = _table("webhook", "enabled", "hears", "url")
    for one in found:
        table.add_row(one.id, "yes" if one.enabled else f"no ({one.reason})", ", ".join(one.kinds), one.url)
    _console().print(table)


def create_webhook(farm: Framemill, url: str, kinds: Sequence[str], description: str | None, *, as_json: bool) -> None:
    """Make one, and tell its secret."""
    made = farm.webhooks.create(url, kinds or None, description=description)
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    click.echo(f"Webhook {made.id} hears of {', '.join(made.kinds)}.")
    click.echo(f"Its messages are signed with {made.secret}, which is told this once.")


def remove_webhook(farm: Framemill, webhook_id: str) -> None:
    """Forget one."""
    farm.webhooks.remove(webhook_id)
    click.echo(f"Webhook {webhook_id} is removed.")


def try_webhook(farm: Framemill, webhook_id: str, *, as_json: bool) -> None:
    """Have one sent something."""
    sent = farm.webhooks.test(webhook_id)
    if as_json:
        print_json(sent.model_dump(mode="json"))
        return
    click.echo(f"Message {sent.id} is on its way: see `framemill webhooks deliveries {webhook_id}`.")


def list_deliveries(farm: Framemill, webhook_id: str, limit: int, *, as_json: bool) -> None:
    """List what was sent."""
    page = farm.webhooks.deliveries(webhook_id, limit=limit)
    if as_json:
        print_json(page.model_dump(mode="json"))
        return
    table = _table("message", "kind", "state", "tries", "last answer", "job")
    for one in page.data:
        last = one.tries[-1] if one.tries else None
        said = "" if last is None else str(last.status or last.error)
        table.add_row(one.id, one.kind, one.state, str(len(one.tries)), said, one.job_id or "")
    _console().print(table)


def listen(farm: Framemill, forward: str | None, secret: str | None, *, as_json: bool) -> None:
    """Print what happens, as it happens, and pass it on signed, until interrupted: as a webhook would be told."""
    key = secret or new_secret()
    if forward is not None:
        click.echo(f"Passed on to {forward}, signed with {key}.", err=True)
    with httpx.Client(timeout=_FORWARD_SECONDS, follow_redirects=False, trust_env=False) as client:
        for told in farm.happenings():
            answered = None if forward is None else _passed_on(client, forward, key, told)
            _show(told, answered, as_json=as_json)


def _passed_on(client: httpx.Client, url: str, key: str, told: Happened) -> str:
    body = json.dumps(told.data, ensure_ascii=False, separators=(",", ":"))
    now = datetime.now(UTC)
    message = Message(
        id=new_id(),
        account="",
        stream="",
        kind=told.kind,
        host="",
        url=url,
        policy=CallbackPolicy(),
        body=body,
        created_at=now,
    )
    headers = {"Content-Type": "application/json", **standard_headers(message, [key], now)}
    try:
        return str(client.post(url, content=body.encode(), headers=headers).status_code)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__


def _show(told: Happened, answered: str | None, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"kind": told.kind, "seq": told.seq, "answered": answered, "body": told.data}))
        return
    job: dict[str, Any] = told.data.get("data", {})
    passed = "" if answered is None else f"  → {answered}"
    click.echo(f"{told.data.get('timestamp', '')}  {told.kind}  {job.get('id', '')}{passed}")


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=column != "url")
    return table


def _console() -> Console:
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=200)
