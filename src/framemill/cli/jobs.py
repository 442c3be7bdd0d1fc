"""`framemill jobs` and `framemill why`: what the running farm has to do, and how far it is."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import click
from rich import filesize
from rich.console import Console
from rich.table import Table

from framemill.api.native.schemas import FiledOutput, Input, Job
from framemill.cli.encode import Bar
from framemill.cli.printing import print_json
from framemill.client import Framemill
from framemill.client.downloading import is_folder
from framemill.storage.address import is_remote

_PAGE = 100
_PIPED_COLUMNS = 200  # where nobody looks at a terminal, nothing is to be cut off


def list_command(farm: Framemill, states: Sequence[str], limit: int, *, as_json: bool) -> None:
    """List jobs, newest first."""
    found: list[Job] = []
    cursor: str | None = None
    while len(found) < limit:
        page = farm.list(states, min(limit - len(found), _PAGE), cursor)
        found += page.data
        cursor = page.next_cursor
        if cursor is None:
            break
    if as_json:
        print_json({"data": [job.model_dump(mode="json") for job in found], "next_cursor": cursor})
        return
    if not found:
        click.echo("There are no jobs." if not states else f"There are no jobs that are {' or '.join(states)}.")
        return
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("job", "state", "done", "made", "source"):
        table.add_column(column, no_wrap=column != "source")
    table.add_column("why", overflow="fold")
    for job in found:
        table.add_row(job.id, job.state, _done(job), _time(job.created_at), _source(job), _why(job))
    _console().print(table)
    if cursor is not None:
        click.echo(f"There are more: --limit {2 * limit}.", err=True)


def show_command(farm: Framemill, prefix: str, *, as_json: bool) -> None:
    """Show a job with its parts."""
    job = farm.get(farm.find(prefix).id)
    outputs = farm.outputs(job.id).data
    if as_json:
        told = job.model_dump(mode="json")
        print_json({**told, "outputs": [output.model_dump(mode="json") for output in outputs]})
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(job, outputs):
        table.add_row(name, value)
    _console().print(table)


def move_command(farm: Framemill, prefix: str, wish: str, *, as_json: bool) -> None:
    """Cancel, retry or start a job."""
    job_id = farm.find(prefix).id
    wishes = {"cancel": farm.cancel, "retry": farm.retry, "start": farm.start}
    job = wishes[wish](job_id)
    if as_json:
        print_json(job.model_dump(mode="json"))
        return
    attempt = f" (attempt {job.attempt})" if wish == "retry" else ""
    click.echo(f"Job {job.id} is {job.state}{attempt}.")


def why_command(farm: Framemill, prefix: str, *, as_json: bool) -> None:
    """Tell why a job does not move, and the next thing to do."""
    found = farm.why(farm.find(prefix).id)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    click.echo(f"Job {found.job_id} is {found.state}.")
    if found.waiting is not None:
        click.echo(f"{found.waiting.sentence} ({found.waiting.code})")
    if found.facts.get("reason"):
        click.echo(f"{found.facts.get('message') or 'It says no more.'} ({found.facts['reason']})")
    click.echo(f"→ {found.next}")


def download_command(farm: Framemill, prefix: str, destination: str) -> None:
    """Fetch the first output of a job."""
    job = farm.find(prefix)
    output = farm.output(job.outputs[0].id)
    target = Path(destination)
    with Bar(show=True) as bar:
        place = target / output.name if is_folder(output) and target.is_dir() else target
        found = farm.download(
            output,
            place,
            lambda done, size: bar.update({"state": "downloading", "bytes": done, "bytes_planned": size}),
        )
    click.echo(str(found))


def _facts(job: Job, outputs: Sequence[FiledOutput]) -> list[tuple[str, str]]:
    facts = [("job", job.id), ("state", f"{job.state}, since {_time(job.entered_at)}")]
    if job.waiting is not None:
        facts.append(("waits", f"{job.waiting.sentence} ({job.waiting.code})"))
    if job.reason is not None:
        facts.append(("why", f"{job.message or ''} ({job.reason})".strip()))
    facts += [("warning", warning.message) for warning in job.warnings]
    if job.progress.frames_planned:
        facts.append(("frames", f"{job.progress.frames} of {job.progress.frames_planned} ({_done(job)})"))
    facts += [("source", _input(one)) for one in job.inputs]
    for output in outputs:
        facts.append(("output", _output(output)))
        elsewhere = len(output.targets) > 1 or any(is_remote(target.uri) for target in output.targets)
        facts += [("delivery", one) for one in _deliveries(output)] if elsewhere else []
    if job.attempt > 1:
        facts.append(("attempt", str(job.attempt)))
    if job.priority:
        facts.append(("priority", str(job.priority)))
    if job.deadline is not None:
        facts.append(("deadline", _time(job.deadline)))
    facts.append(("made", _time(job.created_at)))
    if job.started_at is not None:
        facts.append(("started", _time(job.started_at)))
    if job.ended_at is not None:
        facts.append(("ended", _time(job.ended_at)))
    if job.timings_seconds:
        facts.append(("took", ", ".join(f"{state} {seconds:.1f} s" for state, seconds in job.timings_seconds.items())))
    return facts


def _input(one: Input) -> str:
    known = [one.state]
    if one.size_bytes is not None:
        known.append(filesize.decimal(one.size_bytes))
    if one.duration_seconds is not None:
        known.append(f"{one.duration_seconds:.1f} s")
    if one.message:
        known.append(one.message)
    return f"{one.uri}  ({', '.join(known)})"


def _output(one: FiledOutput) -> str:
    place = one.target or f"{one.name}, with the farm"
    known = [f"preset {one.preset}"] if one.preset else []
    once = [file for file in one.files if file.target == one.files[0].target]
    if once:
        files = f"{len(once)} files, " if len(once) > 1 else ""
        known.append(files + filesize.decimal(sum(file.size_bytes or 0 for file in once)))
    if one.message:
        known.append(one.message)
    return f"{place}  ({', '.join(known)})" if known else place


def _deliveries(output: FiledOutput) -> Iterator[str]:
    """How far each of its targets is."""
    for number, target in enumerate(output.targets):
        files = [file for file in output.files if file.target == number]
        uri = files[0].uri if len(files) == 1 else target.uri  # which tells the number that its name was given
        known = [target.state or "not begun"]
        if len(files) > 1:
            known.append(f"{sum(file.state == 'completed' for file in files)} of {len(files)} files")
        if target.message:
            known.append(target.message)
        yield f"{uri}  ({', '.join(known)})"


def _done(job: Job) -> str:
    return "" if job.progress.share is None else f"{job.progress.share:.0%}"


def _time(at: datetime) -> str:
    """In the zone of who looks."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _source(job: Job) -> str:
    return next((PurePosixPath(unquote(urlsplit(one.uri).path)).name or one.uri for one in job.inputs), "")


def _why(job: Job) -> str:
    return job.waiting.sentence if job.waiting is not None else job.message or ""


def _console() -> Console:
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=_PIPED_COLUMNS)
