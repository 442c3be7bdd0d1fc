"""The words about who may ask: `keys`, `accounts`, `users`. Each imports what it needs when it runs."""

import click

from framemill.cli.asking import farm_options

_json = click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout, and nothing else.")
_limit = click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Most to show.")
_account = click.argument("account_id", metavar="ACCOUNT")


@click.group()
def keys() -> None:
    """Make, list and revoke keys of the running farm."""


@keys.command("create")
@click.argument("name")
@click.option("--account", metavar="ID", help="Whose it is (default: the asking key's own).")
@click.option(
    "--scope", "scopes", multiple=True, metavar="SCOPE", help="What it may do; may be repeated (default: all)."
)
@click.option("--days", type=float, help="Until it expires (default: never).")
@_json
@farm_options
def create_key(
    name: str, account: str | None, scopes: tuple[str, ...], days: float | None, as_json: bool, **farm: str | None
) -> None:
    """Make a key, and print it: this once."""
    from framemill.cli.accounts import create_key_command
    from framemill.cli.farm import the_farm

    with the_farm(**farm) as client:
        create_key_command(client, name, account, scopes, days, as_json=as_json)


@keys.command("list")
@click.option("--account", metavar="ID", help="Only keys of this account.")
@_limit
@_json
@farm_options
def list_keys(account: str | None, limit: int, as_json: bool, **farm: str | None) -> None:
    """List keys, newest first."""
    from framemill.cli.accounts import list_keys_command
    from framemill.cli.farm import the_farm

    with the_farm(**farm) as client:
        list_keys_command(client, account, limit, as_json=as_json)


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
@farm_options
def revoke_key(key_id: str, **farm: str | None) -> None:
    """Revoke a key: it opens nothing any more, everywhere within five seconds."""
    from framemill.cli.farm import the_farm

    with the_farm(**farm) as client:
        client.keys.revoke(key_id)
        click.echo(f"The key {key_id} is revoked.")


@click.group()
def accounts() -> None:
    """Make, show and change accounts of the running farm."""


_quotas = click.option(
    "--quota", "quotas", multiple=True, metavar="NAME=N", help="A limit, as jobs_per_day=100; NAME= for none."
)


@accounts.command("create")
@click.argument("name")
@click.option("--id", "account_id", metavar="ID", help="What it is called by (default: one is made up).")
@_quotas
@click.option("--credits", "credits_", type=float, help="What it may spend (default: nobody counts).")
@_json
@farm_options
def create_account(
    name: str,
    account_id: str | None,
    quotas: tuple[str, ...],
    credits_: float | None,
    as_json: bool,
    **farm: str | None,
) -> None:
    """Make an account."""
    from framemill.cli.accounts import create_account_command
    from framemill.cli.farm import the_farm

    with the_farm(**farm) as client:
        create_account_command(client, name, account_id, quotas, credits_, as_json=as_json)


@accounts.command("list")
@_limit
@_json
@farm_options
def list_accounts(limit: int, as_json: bool, **farm: str | None) -> None:
    """List accounts."""
    from framemill.cli.accounts import list_accounts_command
    from framemill.cli.farm import the_farm

    with the_farm(**farm) as client:
        list_accounts_command(client, limit, as_json=as_json)


@accounts.command("show")
@_account
@_json
@farm_options
def show_account(account_id: str, as_json: bool, **farm: str | None) -> None:
    """Show an account: its quotas, its balance, its last entries."""
    from framemill.cli.accounts import show_account_command
    from framemill.cli.farm import the_farm

    with the_farm(**farm) as client:
        show_account_command(client, account_id, as_json=as_json)


@accounts.command("quotas")
@_account
@click.argument("quotas", nargs=-1, required=True, metavar="NAME=N…")
@_json
@farm_options
def change_quotas(account_id: str, quotas: tuple[str, ...], as_json: bool, **farm: str | None) -> None:
    """Set limits of an account, as jobs_per_day=100; NAME= for none. The others stay."""
    from framemill.cli.accounts import quotas_command
    from framemill.cli.farm import the_farm

    with the_farm(**farm) as client:
        quotas_command(client, account_id, quotas, as_json=as_json)


@accounts.command("suspend")
@_account
@farm_options
def suspend_account(account_id: str, **farm: str | None) -> None:
    """Refuse an account's keys and users; its jobs go on."""
    from framemill.cli.farm import the_farm

    with the_farm(**farm) as client:
        click.echo(f"{account_id} is {client.accounts.edit(account_id, {'state': 'suspended'}).state}.")


@accounts.command("resume")
@_account
@farm_options
def resume_account(account_id: str, **farm: str | None) -> None:
    """Let a suspended account's keys and users in again."""
    from framemill.cli.farm import the_farm

    with the_farm(**farm) as client:
        click.echo(f"{account_id} is {client.accounts.edit(account_id, {'state': 'active'}).state}.")


@accounts.command("credit")
@_account
@click.argument("credits_", type=float, metavar="CREDITS")
@click.option("--note", help="What for.")
@_json
@farm_options
def credit_account(account_id: str, credits_: float, note: str | None, as_json: bool, **farm: str | None) -> None:
    """Put credits on an account, or take them off (`-- -5`); from the first ones on it is counted."""
    from framemill.cli.accounts import credit_command
    from framemill.cli.farm import the_farm

    with the_farm(**farm) as client:
        credit_command(client, account_id, credits_, note, as_json=as_json)


@accounts.command("remove")
@_account
@farm_options
def remove_account(account_id: str, **farm: str | None) -> None:
    """Remove an account with its keys, users, money and ended jobs."""
    from framemill.cli.farm import the_farm

    with the_farm(**farm) as client:
        client.accounts.remove(account_id)
        click.echo(f"{account_id} is removed.")


@click.group()
def users() -> None:
    """Make, list and remove users, who log in with a password."""


@users.command("create")
@click.argument("name")
@click.option("--email", metavar="ADDRESS")
@click.option("--role", type=click.Choice(["guest", "operator", "admin"]), default="operator", show_default=True)
@click.option("--account", metavar="ID", default="default", show_default=True, help="Whose things are theirs.")
@click.password_option(help="Asked for, where it is left out.")
@farm_options
def create_user(name: str, email: str | None, role: str, account: str, password: str, **farm: str | None) -> None:
    """Make a user."""
    from framemill.cli.farm import the_farm

    with the_farm(**farm) as client:
        said = {"name": name, "email": email, "role": role, "account": account, "password": password}
        made = client.users.create(said)
        click.echo(f"{made.name} ({made.role}) is made: {made.id}")


@users.command("list")
@_limit
@_json
@farm_options
def list_users(limit: int, as_json: bool, **farm: str | None) -> None:
    """List users, newest first."""
    from framemill.cli.accounts import list_users_command
    from framemill.cli.farm import the_farm

    with the_farm(**farm) as client:
        list_users_command(client, limit, as_json=as_json)


@users.command("remove")
@click.argument("user_id", metavar="ID")
@farm_options
def remove_user(user_id: str, **farm: str | None) -> None:
    """Remove a user; what they made stays their account's."""
    from framemill.cli.farm import the_farm

    with the_farm(**farm) as client:
        client.users.remove(user_id)
        click.echo(f"The user {user_id} is removed.")


COMMANDS = (keys, accounts, users)
