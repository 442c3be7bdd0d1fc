"""`framemill up`, `down` and `status`: a farm that stays."""

import contextlib
import json
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import click
from rich import filesize
from rich.console import Console
from rich.table import Table

from framemill.config import Settings, load_settings
from framemill.errors import FarmError
from framemill.logs import log_file, log_to
from framemill.serve import daemon
from framemill.serve.farmfile import admin_password_of, read_farm
from framemill.serve.launch import python
from framemill.serve.lock import farm_lock
from framemill.serve.login import login_url
from framemill.serve.service import run_farm
from framemill.serve.status import status
from framemill.storage.http import is_loopback

_NEXT = (
    ("framemill encode SRC -o DST", "encodes on it"),
    ("framemill status", "shows how it stands"),
    ("framemill login", "prints another link to its pages"),
    ("framemill down", "ends it; jobs go on at the next `framemill up`"),
)


def up_command(data_dir: str | None, host: str | None, port: int | None, slots: int | None, *, detach: bool) -> None:
    """Run a farm: here, until it is ended, or behind the scenes."""
    settings = load_settings(data_dir=data_dir, host=host, port=port, slots=slots)
    first = {path for path in (settings.folder.admin_key, settings.folder.admin_password) if not path.exists()}
    if (warning := exposed(settings)) is not None:
        click.secho(warning, fg="red", bold=True, err=True)
    if not detach:
        log_to(settings.log_level, settings.log_format, file=log_file(settings.folder.logs, "supervisor"))
        run_farm(settings, _say(settings, first=first))
        return
    with farm_lock(settings.folder.lock):  # whoever has it says so now, and not in a log
        pass
    argv = python("-m", "framemill", "up")
    with _showing() as doing:
        farm = daemon.start(argv, settings.variables(), settings.folder, doing)
    click.echo(f"Framemill runs at {farm.url} (process {farm.supervisor.pid})")
    _what_next(settings, first=first)


def exposed(settings: Settings) -> str | None:
    """What to say loudly of a farm that listens to more than this machine, and is not said to stand behind TLS."""
    behind_tls = (settings.public_url or "").startswith("https:")
    if behind_tls or is_loopback(f"//[{settings.host}]" if ":" in settings.host else f"//{settings.host}"):
        return None
    return (
        f"WARNING: the farm listens on {settings.host}, to whoever can reach this machine, without TLS: keys, "
        "passwords, films and Ray's token, which opens a shell, can be read on their way. Put a proxy with TLS before "
        "it (README: Caddy, nginx, Traefik), have it listen on 127.0.0.1, and set FRAMEMILL_PUBLIC_URL=https://…"
    )


def down_command(data_dir: str | None, *, now: bool) -> None:
    """End a farm; there need be none."""
    settings = load_settings(data_dir=data_dir)
    with _showing() as doing:
        ended = daemon.end(settings.folder, doing, now=now, drain_seconds=settings.drain_seconds)
    click.echo("The farm has ended." if ended else f"No farm runs in {settings.data_dir}.")


def login_command(data_dir: str | None) -> None:
    """Print a link to the farm's pages. Raises `FarmError` where none runs."""
    settings = load_settings(data_dir=data_dir)
    farm = read_farm(settings.folder)
    if farm is None:
        raise FarmError(f"No farm runs in {settings.data_dir}. Start one with `framemill up`.")
    click.echo(login_url(settings, farm.url))


def status_command(data_dir: str | None, *, as_json: bool) -> int:
    """Show how a farm stands; the exit code."""
    settings = load_settings(data_dir=data_dir)
    told = status(settings.folder, _key(settings))
    if as_json:
        click.echo(json.dumps(told, indent=2))
    elif told["state"] == "down":
        click.echo(f"framemill: {told['message']} Start one with `framemill up`.", err=True)
    else:
        _show(told)
    return 1 if told["state"] == "down" else 0


def _say(settings: Settings, *, first: Collection[Path]) -> Callable[[str], None]:
    told: list[str] = []

    def say(sentence: str) -> None:
        click.echo(sentence)
        if not told and sentence.startswith("Framemill runs"):
            told.append(sentence)
            _what_next(settings, first=first)

    return say


def _what_next(settings: Settings, *, first: Collection[Path]) -> None:
    """What can be done with the farm now; `first`: files of what was made just now, and is shown this once."""
    farm = read_farm(settings.folder)
    if farm is not None:
        click.echo(f"  Its pages, for the next ten minutes: {login_url(settings, farm.url)}")
    for command, what in _NEXT:
        click.echo(f"  {command:<28} {what}")
    if farm is not None and farm.ray_jobs:
        click.echo(
            f"  Ray jobs: {farm.ray_jobs}, with RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH={settings.folder.ray_token}"
        )
    for what, secret in shown_once(settings, first):
        click.echo(f"  {what}, shown this once: {secret}")
    if settings.admin_key is None:
        click.echo(f"  Its key is in {settings.folder.admin_key}, its logs are in {settings.folder.logs}.")


def shown_once(settings: Settings, made: Collection[Path]) -> Iterator[tuple[str, str]]:
    """What is shown of the secrets in files that were made just now; not of those that were set."""
    if settings.admin_key is None and settings.folder.admin_key in made and (key := _key(settings)):
        yield "Its key, which opens everything", key
    if settings.admin_password is None and settings.folder.admin_password in made:
        yield "First password of its user admin, who then chooses another", admin_password_of(settings)


def _key(settings: Settings) -> str | None:
    if settings.admin_key is not None:
        return settings.admin_key.get_secret_value()
    with contextlib.suppress(OSError):
        return settings.folder.admin_key.read_text("ascii").strip()
    return None


@contextlib.contextmanager
def _showing() -> Iterator[daemon.Doing]:
    """What is waited for: turning on a terminal, a line each time where it is none."""
    console = Console(stderr=True)
    last = ""
    with console.status("Starting") if console.is_terminal else contextlib.nullcontext() as turning:

        def doing(what: str) -> None:
            nonlocal last
            if what and what != last:
                last = what
                sentence = f"{what[:1].upper()}{what[1:]}…"
                if turning is not None:
                    turning.update(sentence)
                else:
                    print(sentence, file=sys.stderr, flush=True)

        yield doing


def _show(told: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(f"{told['state']} at {told['url']}", markup=False)
    if told["message"]:
        console.print(told["message"], markup=False)
    if told["ray_jobs"]:
        console.print(f"Ray jobs at {told['ray_jobs']}", markup=False)
    for name, words in (("slots", "slots"), ("jobs", "jobs"), ("backlog_seconds", "seconds of work waiting")):
        if told[name] is not None:
            console.print(f"{words}: {_shown(told[name])}", markup=False)
    table = Table("pid", "role", "state", "cpu", "memory", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for one in told["processes"]:
        memory = filesize.decimal(one["rss_bytes"])
        table.add_row(str(one["pid"]), one["role"], one["state"], f"{one['cpu_seconds']:.1f} s", memory)
    console.print(table)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items()) or "none"
    return str(value)
