"""`framemill verify`: the gate, for any pair of files."""

import asyncio

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from framemill.cli.encode import Bar
from framemill.cli.printing import print_json
from framemill.media.agreement import Check
from framemill.services.verifying import verify_pair


def verify_command(source: str, output: str, *, full: bool, as_json: bool) -> int:
    """Show what was looked at; the exit code is 1 when anything disagrees."""
    with Bar(show=not as_json) as bar:
        bar.update({"state": "verifying"})
        checked = asyncio.run(verify_pair(source, output, full=full))
    passed = all(check.passed for checks in checked.values() for check in checks)
    if as_json:
        told = {path: [check.model_dump() for check in checks] for path, checks in checked.items()}
        print_json({"passed": passed, "source": source, "files": told})
    else:
        _show(source, checked)
    return 0 if passed else 1


def _show(source: str, checked: dict[str, list[Check]]) -> None:
    console = Console(highlight=False)
    for path, checks in checked.items():
        table = Table("", "what", escape(source), escape(path), box=None, header_style="bold")
        for check in checks:
            sign = "[green]✓[/]" if check.passed else "[red]✗[/]"
            table.add_row(sign, check.what, escape(check.expected), escape(check.found))
        console.print(table)
    wrong = sum(not check.passed for checks in checked.values() for check in checks)
    console.print("[green]Verified.[/]" if not wrong else f"[red]{wrong} of these do not agree.[/]")
