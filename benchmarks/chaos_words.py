"""What is told of schedules that were carried out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.chaos_proof import Done, Record, begun_again, judged, lines, noticed_after, spread, went_on_after
from rich.console import Console
from rich.table import Table


def tell(console: Console, record: Record, wrong: Sequence[str], seed: str) -> None:
    """A schedule in a line, and what is wrong with it."""
    faults = ", ".join(_told(done, record) for done in record.faults)
    mark = "[red]failed[/red]" if wrong else "[green]green[/green]"
    again = begun_again(record.orders).total()
    told = f"{mark} {seed}/{record.schedule.number}{' +package' if record.schedule.package else ''}: {faults}"
    console.print(f"{told}; {record.seconds:.1f} s, {again} again, whole after {record.settled:.1f} s")
    for sentence in wrong:
        console.print(f"  {sentence}", markup=False)
    if wrong:
        console.print(f"  alone: python benchmarks/chaos.py {seed} --only {record.schedule.number}", markup=False)


def _told(done: Done, record: Record) -> str:
    if done.skipped:
        return f"({done.fault.kind}: {done.skipped})"
    known = {
        "back": None if done.back_at is None else done.back_at - done.at,
        "noticed": noticed_after(record, done),
        "went on": went_on_after(record, done),
    }
    told = "".join(f" {name} {value:.1f} s" for name, value in known.items() if value is not None)
    return f"{done.fault.kind} at {done.at - record.began:.1f}{told}"


def table(records: Sequence[Record]) -> Table:
    """A row for each kind of fault."""
    names = ("fault", "done", "equal", "noticed s", "again (alone)", "went on s", "back s")
    shown = Table(*names, title="seconds: median, most")
    for line in lines(records):
        seconds = (spread(line.noticed), str(line.again), spread(line.went_on), spread(line.back))
        shown.add_row(line.kind, str(line.schedules), str(line.equal), *seconds)
    return shown


def rows(records: Sequence[Record], slots: int, patience: float) -> dict[str, Any]:
    """Everything, for JSON."""
    schedules = [{**asdict(record), "wrong": judged(record, slots, patience)} for record in records]
    return {"slots": slots, "kinds": [asdict(line) for line in lines(records)], "schedules": schedules}
