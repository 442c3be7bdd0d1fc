"""The farm that runs: speaking to it, and `framemill pause`, `resume` and `gc`."""

from typing import Any

import click
from rich import filesize

from framemill.api.native.schemas import Farm
from framemill.cli.finding import Address, find_farm
from framemill.cli.printing import print_json
from framemill.client import Framemill
from framemill.config import load_settings
from framemill.errors import FarmError

_STARTING_SECONDS = 60.0
_USUAL_SECONDS = 5.0


def speak_to(address: Address) -> Framemill:
    """A client of that farm; one that still starts is waited for."""
    patience = _STARTING_SECONDS if address.starting else _USUAL_SECONDS
    client = Framemill(address.url, address.key, patience_seconds=patience, proof=address.proof)
    if address.starting:
        client.farm()
    return client


def the_farm(server: str | None, key: str | None, data_dir: str | None) -> Framemill:
    """A client of the farm that is meant. Raises `FarmError` where none runs."""
    address = find_farm(server, key, data_dir)
    if address is None:
        folder = load_settings(data_dir=data_dir).data_dir
        raise FarmError(f"No farm runs in {folder}. Start one with `framemill up`, or name one with --server.")
    return speak_to(address)


def pause_command(farm: Framemill, *, as_json: bool) -> None:
    """Start nothing more."""
    _tell(farm.pause(), as_json=as_json)


def resume_command(farm: Framemill, *, as_json: bool) -> None:
    """Go on."""
    _tell(farm.resume(), as_json=as_json)


def gc_command(farm: Framemill, *, dry_run: bool, as_json: bool) -> None:
    """Throw away what nobody needs."""
    _tell_collected(farm.gc(dry_run=dry_run), as_json=as_json)


def collect_command(data_dir: str | None, *, dry_run: bool, as_json: bool) -> None:
    """The same in the folder of a farm that does not run."""
    from framemill.services.collecting import collect_here  # noqa: PLC0415 - who speaks to a farm needs no store

    _tell_collected(collect_here(load_settings(data_dir=data_dir), dry_run=dry_run), as_json=as_json)


def _tell_collected(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        click.echo(f"{name.replace('_', ' ')}: {_human(name, value)}")


def _tell(farm: Farm, *, as_json: bool) -> None:
    if as_json:
        print_json(farm.model_dump(mode="json"))
    elif farm.paused:
        click.echo("The farm is paused: what runs goes on, nothing more is started until `framemill resume`.")
    else:
        click.echo(
            "The farm goes on." if farm.waiting is None else f"The farm is not paused, but: {farm.waiting.sentence}"
        )
    if not farm.live and not as_json:
        click.echo(f"framemill: {farm.message} It learns of this when it is back.", err=True)


def _human(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and "bytes" in name:
        return filesize.decimal(value)
    return str(value)
