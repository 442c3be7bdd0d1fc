"""`framemill compare`: how good an encode is, as a table, and as a page with the curve and the worst pictures."""

import asyncio

import click
from rich.console import Console
from rich.table import Table

from framemill.cli.encode import Bar, terminated_as_interrupted
from framemill.cli.printing import print_json
from framemill.errors import WrongUse
from framemill.services.comparing import (
    CompareRequest,
    Comparison,
    OnProgress,
    compare,
    compare_request,
    comparison_facts,
)
from framemill.services.comparison_page import write_page
from framemill.services.comparison_words import figure_rows, film_rows, notes


def compare_command(
    reference: str, distorted: str, page: str | None, seams: str | None, report: str | None, *, as_json: bool
) -> None:
    """Measure B against A, and tell."""
    request = compare_request(
        reference, distorted, page=page, seams=parse_seams(seams), report=report, usual_page=not as_json
    )
    with terminated_as_interrupted(), Bar(show=not as_json) as bar:
        comparison = asyncio.run(_compare(request, bar.update))
    facts = comparison_facts(comparison) | {"page": str(request.page) if request.page else None}
    if as_json:
        print_json(facts)
        return
    console = Console(highlight=False)
    films = Table("", "A", "B", box=None, header_style="bold")
    for film in film_rows(facts):
        films.add_row(*film)
    figures = Table("measure", "value", "", box=None, header_style="bold")
    figures.columns[1].justify = "right"
    for figure in figure_rows(facts):
        figures.add_row(*figure)
    console.print(films, "", figures, "", sep="\n")
    for note in notes(facts):
        console.print(note, markup=False)
    if request.page:
        click.echo(f"\n{request.page}")


async def _compare(request: CompareRequest, on_progress: OnProgress) -> Comparison:
    comparison = await compare(request, on_progress)
    if request.page is not None:
        on_progress({"state": "drawing"})
        await write_page(comparison, request.page)
    return comparison


def parse_seams(text: str | None) -> list[int] | None:
    """`120,240` as frame numbers. Raises `WrongUse` for anything else."""
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    wrong = next((word for word in words if not (word.isascii() and word.isdigit())), None)
    if wrong is not None:
        raise WrongUse(f"--seams takes frame numbers with commas between them, such as 120,240; not {wrong!r}.")
    return [int(word) for word in words]
