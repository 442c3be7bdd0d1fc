"""The words for a running farm: `jobs`, `why`, `pause`, `resume`, `gc`. Each imports what it needs when it runs."""

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


COMMANDS = (jobs, why, pause, resume, gc)
