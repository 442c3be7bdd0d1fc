"""What `framemill encode` shows, wherever the job runs: a progress bar, and a result at the end."""

import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import click
from rich import filesize
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from framemill.cli.lines import Lines
from framemill.config import ray_job

_OF_BYTES = {"fetching", "uploading", "downloading"}
_STAGES = {
    "uploading": "Sending the source",
    "downloading": "Fetching the result",
    "fetching": "Fetching the source",
    "ingesting": "Reading the source",
    "queued": "Starting",
    "planning": "Planning",
    "encoding": "Encoding",
    "stitching": "Joining and verifying",
    "packaging": "Packaging",
    "delivering": "Delivering",
}


class Bar:
    """A progress bar on stderr, where stderr is a terminal; lines in the log of a Ray job, which is none."""

    def __init__(self, *, show: bool) -> None:
        console = Console(stderr=True)
        self._lines = Lines() if show and ray_job() is not None else None
        columns = (
            TextColumn("{task.description:<22}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        silent = not show or not console.is_terminal
        self._progress = Progress(*columns, console=console, disable=silent, transient=True)
        self._task = self._progress.add_task("Starting", total=None)

    def __enter__(self) -> "Bar":
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        self._progress.stop()

    def update(self, told: dict[str, Any]) -> None:
        """Move the bar to what the farm told."""
        stage = told.get("waiting") or _STAGES.get(told["state"], told["state"].capitalize())
        if self._lines is not None:
            self._lines.update(stage, told)
        if told["state"] in _OF_BYTES or "bytes" in told:
            self._progress.update(self._task, description=stage, completed=told["bytes"], total=told["bytes_planned"])
        elif told.get("frames_planned"):
            self._progress.update(self._task, description=stage, completed=told["frames"], total=told["frames_planned"])
        elif told.get("share") is not None:
            self._progress.update(self._task, description=stage, completed=told["share"], total=1.0)
        else:
            self._progress.update(self._task, description=stage, total=None)


def show_result(row: dict[str, Any], *, as_json: bool) -> None:
    """Show how a job ended: its `state`, `reason` and `message`, and its `report` where it has one."""
    report: dict[str, Any] = row.get("report") or {}
    if as_json:
        outcome = {"state": row["state"], "reason": row.get("reason"), "message": row.get("message")}
        json.dump({**outcome, **report}, sys.stdout, indent=2)
        sys.stdout.write("\n")
        sys.stdout.flush()
        return
    if row["state"] != "completed":
        click.echo(f"framemill: {row.get('message') or row['state']}", err=True)
        return
    for warning in report["warnings"]:
        click.echo(f"framemill: {warning}", err=True)
    output = report["outputs"][0]
    size = sum(file["size"] for file in output["files"])
    click.echo(f"{output['path']}  ({filesize.decimal(size)}, {report['seconds']['total']:.1f} s)")
    click.echo(_proved(report))


def _proved(report: dict[str, Any]) -> str:
    proof = report["outputs"][0]["proof"]
    parts = []
    if proof.get("frames_planned"):
        chunks = len(report["plan"]["chunks"])
        parts.append(
            f"{proof['frames']} frames in {chunks} {'chunk' if chunks == 1 else 'chunks'}, each at its own time"
        )
    if proof.get("audio_packets"):
        parts.append("sound whole")
    return "Verified: " + "; ".join(parts) + "." if parts else "Verified."


@contextlib.contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: children die, and no half-written output stays."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
