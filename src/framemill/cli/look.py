"""`probe`, `plan`, `presets`, `settings` and `version`: what there is, and what would be done. Nothing is encoded."""

import asyncio
import itertools
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version as installed
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from framemill import __version__
from framemill.cli.printing import print_json
from framemill.jobs.choices import CHOICES
from framemill.jobs.presets import PRESETS
from framemill.jobs.settings.describing import described
from framemill.media import ffmpeg
from framemill.services.looking import plan_source, probe_source


def probe_command(source: str, credentials: str | None, *, as_json: bool) -> None:
    """Show what a source holds."""
    facts = asyncio.run(probe_source(source, credentials))
    if as_json:
        print_json(facts)
        return
    console = Console(highlight=False)
    form = facts["format"]
    console.print(f"{form['filename']}: {form.get('format_long_name')}, {form.get('duration', '?')} s", markup=False)
    table = Table("#", "kind", "codec", "what", "start", "duration", box=None, header_style="bold")
    for stream in facts["streams"]:
        table.add_row(
            str(stream["index"]), stream["codec_type"], stream.get("codec_name", "?"), _what(stream),
            stream.get("start_time", ""), stream.get("duration", ""),
        )  # fmt: skip
    console.print(table)


def _what(stream: dict[str, Any]) -> str:
    if stream["codec_type"] == "video":
        size = f"{stream.get('width')}x{stream.get('height')}"
        return f"{size} {stream.get('pix_fmt', '')} {stream.get('avg_frame_rate', '')}"
    if stream["codec_type"] == "audio":
        return f"{stream.get('sample_rate', '?')} Hz {stream.get('channel_layout', '')}"
    return str(stream.get("tags", {}).get("language", ""))


def plan_command(
    source: str,
    destination: str,
    preset: str | None,
    assignments: dict[str, str],
    *,
    as_json: bool,
    words: Sequence[str] = (),
    credentials: str | None = None,
) -> None:
    """Show how a source would be cut."""
    facts = asyncio.run(plan_source(source, destination, preset, assignments, words, credentials=credentials))
    if as_json:
        print_json(facts)
        return
    console = Console(highlight=False)
    index = facts.get("index")
    if index:
        console.print(f"{index['frames']} frames, from the source's {index['source']}: {index['why']}.", markup=False)
    table = Table("chunk", "frames", "starts at", "why there", "group", box=None, header_style="bold")
    for chunk in facts["chunks"]:
        frames = f"{chunk['first']}…{chunk['end'] - 1}"
        table.add_row(
            str(chunk["number"]), frames, f"{chunk['start_seconds']:.3f} s", chunk["why"], str(chunk["group"])
        )
    if facts["chunks"]:
        console.print(table)
    for command in facts.get("commands", ()):
        click.echo(f"\n{command}")
    shown: set[int] = set()
    for chunk in facts["chunks"]:
        if chunk["group"] not in shown:
            shown.add(chunk["group"])
            for command in chunk["commands"]:
                click.echo(f"\n[group {chunk['group']}] {command}")


def presets_command(*, as_json: bool) -> None:
    """List the presets."""
    if as_json:
        print_json([preset.model_dump(mode="json") for preset in PRESETS.values()])
        return
    table = Table("preset", "what it makes", box=None, header_style="bold")
    for preset in PRESETS.values():
        table.add_row(preset.name, preset.summary)
    console = Console(highlight=False)
    console.print(table)
    console.print("\nThe plain words that `--set` takes, and what they mean to each encoder:")
    words = Table("word", *CHOICES[0].means, "what it is for", box=None, header_style="bold")
    for row in CHOICES:
        words.add_row(f"{row.field}={row.word}", *row.means.values(), row.says)
    console.print(words)


def settings_command(word: str | None, *, as_json: bool) -> None:
    """List what `--set` takes; with a word, those whose name or sentence has it."""
    found = [one for one in described() if word is None or word.lower() in f"{one.name} {one.sentence}".lower()]
    if as_json:
        print_json([one._asdict() for one in found])
        return
    table = Table("setting", "takes", "usual", "what it does", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for group, members in itertools.groupby(found, key=lambda one: one.group):
        table.add_row(f"[bold]{group}[/bold]", end_section=False)
        for one in members:
            table.add_row(one.name, escape(one.takes), escape(one.usual), escape(one.sentence))
    Console(highlight=False).print(table)
    if not found:
        sys.stderr.write(f"No setting is called or says {word!r}.\n")


def version_command(*, as_json: bool) -> None:
    """Show the versions of what does the work."""
    versions = {
        "framemill": __version__,
        "ffmpeg": asyncio.run(ffmpeg.build_id()),
        "ray": installed("ray"),
        "av": installed("av"),
        "python": platform.python_version(),
    }
    if as_json:
        print_json(versions)
        return
    for name, number in versions.items():
        sys.stdout.write(f"{name} {number}\n")
