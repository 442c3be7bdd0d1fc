"""`framemill doctor`: what this machine can do, what is wrong with it, and what to do next."""

import asyncio
from pathlib import Path

from rich.console import Console
from rich.table import Table

from framemill.cli.encode import Bar
from framemill.cli.printing import print_json
from framemill.config import load_settings
from framemill.media.capabilities import HARDWARE_ENCODERS, SOUND_ENCODERS, Tried
from framemill.services.doctoring import Facts, Problem, examine, judge, start_farm

_GB = 1 << 30


def doctor_command(folder: str, *, as_json: bool, verbose: bool) -> int:
    """Show it; the exit code is 1 when jobs cannot be done here."""
    with Bar(show=not as_json) as bar:
        bar.update({"state": "trying encoders"})
        facts = asyncio.run(examine(Path(folder).absolute(), load_settings()))
        bar.update({"state": "starting a farm"})
        facts = start_farm(facts, verbose=verbose)
    problems = judge(facts)
    if as_json:
        told = facts.model_dump(mode="json") | {"slots": facts.slots}
        print_json(told | {"problems": [problem.model_dump() for problem in problems]})
    else:
        _show(facts, problems)
    return 1 if any(problem.grave for problem in problems) else 0


def _show(facts: Facts, problems: list[Problem]) -> None:
    console = Console(highlight=False)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    hardware = [tried for tried in facts.encoders if tried.encoder in HARDWARE_ENCODERS]
    software = [tried for tried in facts.encoders if tried not in hardware]
    rows = {
        "Framemill": f"{facts.framemill}, Python {facts.python}, {facts.system}",
        "ffmpeg": f"{facts.ffmpeg}  ({facts.ffmpeg_path})",
        "pictures": _names([tried for tried in software if tried.encoder not in SOUND_ENCODERS]),
        "sound": _names([tried for tried in software if tried.encoder in SOUND_ENCODERS]),
        "decoded again": _decoders(software),
        "graphics": _graphics(facts, hardware),
        "processors": f"{facts.processors}; {facts.slots} encodes side by side",
        "memory": f"{facts.available_bytes / _GB:.1f} of {facts.memory_bytes / _GB:.1f} GiB available",
        "Ray": f"{facts.ray}, " + ("does not start" if facts.ray_seconds is None else f"up in {facts.ray_seconds} s"),
        **({"bucket": facts.blobs} if facts.blobs else {}),
        "disk": f"{facts.disk_free_bytes / _GB:.1f} GiB free in {facts.folder}",
    }
    for name, value in rows.items():
        table.add_row(f"[bold]{name}[/]", value)
    console.print(table)
    if not problems:
        console.print("\n[green]Nothing is wrong.[/]")
    for problem in problems:
        console.print(f"\n[{'red' if problem.grave else 'yellow'}]{'✗' if problem.grave else '!'}[/] ", end="")
        console.print(f"{problem.what}\n  → {problem.next}", markup=False)


def _names(tried: list[Tried]) -> str:
    return " ".join(f"[green]{one.encoder}[/]" if one.encodes else f"[red]✗{one.encoder}[/]" for one in tried)


def _decoders(tried: list[Tried]) -> str:
    works = {one.codec: one.decodes for one in tried if one.encodes}
    return " ".join(f"[green]{codec}[/]" if fine else f"[red]✗{codec}[/]" for codec, fine in works.items())


def _graphics(facts: Facts, tried: list[Tried]) -> str:
    works = [one.encoder for one in tried if one.encodes]
    if works:
        return f"[green]{' '.join(works)}[/]"
    return "no encoder; " + (f"devices: {', '.join(facts.graphics)}" if facts.graphics else "no device either")
