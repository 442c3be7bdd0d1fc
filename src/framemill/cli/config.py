"""`framemill config`: each setting, and where it came from."""

import json
from typing import Any

import click
from pydantic import ByteSize
from rich.console import Console
from rich.table import Table

from framemill.config import load_settings, origin_of
from framemill.secrets import masked_settings


def config_command(data_dir: str | None, *, as_json: bool) -> None:
    """Show them, without secrets."""
    settings = load_settings(data_dir=data_dir)
    shown, file = masked_settings(settings), settings.folder.settings_file
    if as_json:
        told = {name: {"value": shown[name], "from": origin} for name, _, origin in origin_of(settings)}
        click.echo(json.dumps({"file": str(file), "file_exists": file.is_file(), "settings": told}, indent=2))
        return
    table = Table("setting", "value", "from", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name, _, origin in origin_of(settings):
        table.add_row(name, _words(shown[name]), origin, style="dim" if origin == "default" else "")
    console = Console(highlight=False)
    console.print(table)
    console.print(f"\n{file}{'' if file.is_file() else ' (not there)'}", markup=False, soft_wrap=True)


def _words(value: Any) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case ByteSize():
            return value.human_readable(separator=" ")
        case dict():
            return ", ".join(f"{name}={_words(one)}" for name, one in value.items()) or "–"
        case _:
            return str(value)
