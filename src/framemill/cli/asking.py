"""The words for a running farm: `jobs`, `why`, `webhooks`, `pause`, `resume`, `gc`. Each imports what it needs when it
runs."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

_json = click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout, and nothing else.")
_id = click.argument("job_id", metavar="ID")


def farm_options(command: _Command) -> _Command:
    """Which farm is meant: `server`, `key` and `data_dir`."""
    for option in (
        click.option("--data-dir", metavar="DIR", help="The farm's folder (default: $FRAMEMILL_DATA_DIR)."),
        click.option("--key", metavar="KEY", help="The farm's key (default: $FRAMEMILL_ADMIN_KEY, else its folder's)."),
        click.option("--server", metavar="URL", help="The farm (default: $FRAMEMILL_SERVER, else its folder's)."),
    ):
        command = option(command)
    return command


@click.group()
def jobs() -> None:
    """Show and move the jobs of the running farm. An ID may be cut short, to 8 characters or more."""


@jobs.command("list")
@click.option("--state", "states", multiple=True, metavar="STATE", help="Only jobs in this state; may be repeated.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Most jobs to show.")
@_json
@farm_options
def list_(states: tuple[str, ...], limit: int, as_json: bool, **farm: str | None) -> None:
    """List jobs, newest first."""
    from framemill.cli.farm import the_farm
    from framemill.cli.jobs import list_command

    with the_farm(**farm) as client:
        list_command(client, states, limit, as_json=as_json)


@jobs.command()
@_id
@_json
@farm_options
def show(job_id: str, as_json: bool, **farm: str | None) -> None:
    """Show a job: how far it is, its source, its outputs, what it took."""
    from framemill.cli.farm import the_farm
    from framemill.cli.jobs import show_command

    with the_farm(**farm) as client:
        show_command(client, job_id, as_json=as_json)


def _move(wish: str, job_id: str, as_json: bool, farm: dict[str, str | None]) -> None:
    from framemill.cli.farm import the_farm
    from framemill.cli.jobs import move_command

    with the_farm(**farm) as client:
        move_command(client, job_id, wish, as_json=as_json)


@jobs.command()
@_id
@_json
@farm_options
def cancel(job_id: str, as_json: bool, **farm: str | None) -> None:
    """Cancel a job, at any stage."""
    _move("cancel", job_id, as_json, farm)


@jobs.command()
@_id
@_json
@farm_options
def retry(job_id: str, as_json: bool, **farm: str | None) -> None:
    """Do a job that has ended once more; what it published stays until the new outputs are verified."""
    _move("retry", job_id, as_json, farm)


@jobs.command()
@_id
@_json
@farm_options
def start(job_id: str, as_json: bool, **farm: str | None) -> None:
    """Start a held job."""
    _move("start", job_id, as_json, farm)


@click.command()
@_id
@_json
@farm_options
def why(job_id: str, as_json: bool, **farm: str | None) -> None:
    """Tell why a job does not move, and the next thing to do."""
    from framemill.cli.farm import the_farm
    from framemill.cli.jobs import why_command

    with the_farm(**farm) as client:
        why_command(client, job_id, as_json=as_json)


jobs.add_command(why)


@click.command()
@_json
@farm_options
def pause(as_json: bool, **farm: str | None) -> None:
    """Let the running farm start nothing more; what runs goes on."""
    from framemill.cli.farm import pause_command, the_farm

    with the_farm(**farm) as client:
        pause_command(client, as_json=as_json)


@click.command()
@_json
@farm_options
def resume(as_json: bool, **farm: str | None) -> None:
    """Let a paused farm go on."""
    from framemill.cli.farm import resume_command, the_farm

    with the_farm(**farm) as client:
        resume_command(client, as_json=as_json)


@click.command()
@click.option("--dry-run", is_flag=True, help="Only tell what would be thrown away.")
@_json
@farm_options
def gc(dry_run: bool, as_json: bool, **farm: str | None) -> None:
    """Throw away chunks and files that nobody needs, whether the farm runs or not."""
    from framemill.cli.farm import collect_command, gc_command, the_farm
    from framemill.cli.finding import find_farm

    if find_farm(**farm) is None:
        collect_command(farm["data_dir"], dry_run=dry_run, as_json=as_json)
        return
    with the_farm(**farm) as client:
        gc_command(client, dry_run=dry_run, as_json=as_json)


@jobs.command()
@_id
@click.option("-o", "--output", "destination", metavar="DST", default=".", help="A file, or a folder (default: this).")
@farm_options
def download(job_id: str, destination: str, **farm: str | None) -> None:
    """Fetch a job's result; what was fetched before is gone on with."""
    from framemill.cli.farm import the_farm
    from framemill.cli.jobs import download_command

    with the_farm(**farm) as client:
        download_command(client, job_id, destination)


@click.group()
def webhooks() -> None:
    """Show and change who hears of jobs, and hear of them here."""


_webhook = click.argument("webhook_id", metavar="WEBHOOK")


@webhooks.command("list")
@_json
@farm_options
def list_webhooks(as_json: bool, **farm: str | None) -> None:
    """List the webhooks of the account."""
    from framemill.cli.farm import the_farm
    from framemill.cli.webhooks import list_webhooks

    with the_farm(**farm) as client:
        list_webhooks(client, as_json=as_json)


@webhooks.command("create")
@click.argument("url", metavar="URL")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="`job.completed`, …, or `*`; may be repeated.")
@click.option("--description", metavar="TEXT", help="For whoever lists it.")
@_json
@farm_options
def create_webhook(
    url: str, kinds: tuple[str, ...], description: str | None, as_json: bool, **farm: str | None
) -> None:
    """Have URL told of all jobs of the account, at their ends or as --kind says."""
    from framemill.cli.farm import the_farm
    from framemill.cli.webhooks import create_webhook

    with the_farm(**farm) as client:
        create_webhook(client, url, kinds, description, as_json=as_json)


@webhooks.command("remove")
@_webhook
@farm_options
def remove_webhook(webhook_id: str, **farm: str | None) -> None:
    """Tell it nothing more, and forget what it was told."""
    from framemill.cli.farm import the_farm
    from framemill.cli.webhooks import remove_webhook

    with the_farm(**farm) as client:
        remove_webhook(client, webhook_id)


@webhooks.command("test")
@_webhook
@_json
@farm_options
def try_webhook(webhook_id: str, as_json: bool, **farm: str | None) -> None:
    """Have it sent something."""
    from framemill.cli.farm import the_farm
    from framemill.cli.webhooks import try_webhook

    with the_farm(**farm) as client:
        try_webhook(client, webhook_id, as_json=as_json)


@webhooks.command()
@_webhook
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Most messages to show.")
@_json
@farm_options
def deliveries(webhook_id: str, limit: int, as_json: bool, **farm: str | None) -> None:
    """List what it was sent, newest first."""
    from framemill.cli.farm import the_farm
    from framemill.cli.webhooks import list_deliveries

    with the_farm(**farm) as client:
        list_deliveries(client, webhook_id, limit, as_json=as_json)


@webhooks.command()
@click.option("--forward", metavar="URL", help="Where to pass on what happens, as a webhook would be told.")
@click.option("--secret", metavar="SECRET", help="What to sign with (default: a new one, which is shown).")
@_json
@farm_options
def listen(forward: str | None, secret: str | None, as_json: bool, **farm: str | None) -> None:
    """Show what happens to jobs as it happens, until interrupted. Nobody has to reach this machine for it."""
    from framemill.cli.farm import the_farm
    from framemill.cli.webhooks import listen

    with the_farm(**farm) as client:
        listen(client, forward, secret, as_json=as_json)


COMMANDS = (jobs, why, pause, resume, gc, webhooks)
