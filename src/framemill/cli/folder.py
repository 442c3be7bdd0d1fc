"""`framemill ingest`: a job for each file of a folder, on the running farm."""

import os
from collections.abc import Sequence
from typing import Any

import click

from framemill.cli.printing import print_json
from framemill.client import Framemill
from framemill.services.requests import container_of, openers_for, settings_for


def folder_command(
    farm: Framemill,
    folder: str,
    target: str,
    preset: str | None,
    assignments: dict[str, str],
    *,
    credentials: tuple[str | None, str | None],
    files: Sequence[str],
    most: int,
    recursive: bool,
    as_json: bool,
) -> None:
    """Submit them, and print a line for each: the job's id and its file."""
    name, output, run = settings_for(target, container_of(target), preset, assignments)
    openers = openers_for(folder, target, *credentials)
    place: dict[str, Any] = {"uri": target if "://" in target else _absolute(target)}
    if openers.destination is not None:
        place["credentials"] = openers.destination
    asked = {
        "folder": folder if "://" in folder else os.path.abspath(folder),
        "files": list(files),
        "recursive": recursive,
        "max_files": most,
        "outputs": [{"targets": [place], "preset": name, "settings": output.model_dump(mode="json")}],
        "run": run.model_dump(mode="json"),
    }
    if openers.source is not None:
        asked["credentials"] = openers.source
    made = farm.submit_folder(asked)
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    for one in made.data:
        click.echo(f"{one.job_id}  {one.uri}")
    if made.more:
        click.echo(f"framemill: the folder holds more than {most} files that fit: --max takes more.", err=True)


def _absolute(path: str) -> str:
    """With the slash that says that it is a folder."""
    return os.path.abspath(path) + ("/" if path.endswith("/") else "")
