"""Encode odd clips losslessly in many pieces, and let the oracle judge: same frames, same order, same times.

    python benchmarks/exactness.py --generated
    python benchmarks/exactness.py --media ~/samples --clip '*.ts' --cut chunk_frames=12 --json rows.json

A clip that plain ffmpeg decodes without a word must come out exact, however it is cut: the exit status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import av
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import clips  # noqa: E402
import oracle  # noqa: E402

from framemill.errors import FramemillError  # noqa: E402
from framemill.services.local import local_session  # noqa: E402
from framemill.services.requests import encode_request  # noqa: E402

MEDIA = ROOT.parent / "shared" / "media"
NOT_MEDIA = {"", ".tsv", ".csv", ".txt", ".md", ".json", ".py", ".html", ".srt", ".vtt"}
CUTS = ("chunks=7", "chunk_frames=12")
VERDICTS = {
    "exact": "green",
    "refused-clean": "red",
    "refused-not-clean": "yellow",
    "different": "red",
    "different-not-clean": "yellow",
}

Encode = Callable[[Path, Path, str], "dict[str, Any] | str"]
"""Encode a source to an output with a cut; gives the job's report, or why there is none."""


@dataclass(frozen=True)
class Row:
    """One clip, cut in one way."""

    clip: str
    cut: str
    seconds: float
    verdict: str = "different"
    clean: bool = False
    frames: int = 0
    chunks: int = 0
    error_ticks: float = 0.0
    audio_shift: float | None = None
    audio_missing: int | None = None
    detail: str = ""


# Encoding


@contextmanager
def one_by_one(slots: int | None, timeout: float) -> Iterator[Encode]:
    """Every encode is a process of its own: what a user at the shell has."""
    more = ["--slots", str(slots)] if slots else []

    def encode(source: Path, output: Path, cut: str) -> dict[str, Any] | str:
        command = [sys.executable, "-m", "framemill", "encode", str(source), "-o", str(output)]
        command += ["--preset", "lossless", "--set", cut, "--json", *more]
        done = _run(command, timeout)
        if done.returncode:
            return done.stderr.strip() or f"exit status {done.returncode}: {done.stdout.strip()[-300:]}"
        try:
            report = json.loads(done.stdout)
        except json.JSONDecodeError as error:
            return f"The report is not JSON ({error}): {done.stdout[:200]!r}"
        return report if isinstance(report, dict) else f"The report is not an object: {done.stdout[:200]!r}"

    yield encode


@contextmanager
def session(slots: int | None, timeout: float) -> Iterator[Encode]:
    """One embedded farm for all clips, where `one_by_one` starts one for each; it stops nobody who takes long."""
    with (
        tempfile.TemporaryDirectory(prefix="framemill-session-") as folder,
        local_session(Path(folder), slots or 2) as farm,
    ):

        def encode(source: Path, output: Path, cut: str) -> dict[str, Any] | str:
            try:
                request = encode_request(str(source), str(output), "lossless", dict([cut.split("=")]))
                row = farm.encode(request, lambda _: None)
            except FramemillError as error:
                return error.message
            return row["report"] if row["state"] == "completed" else str(row["message"])

        yield encode


def _run(command: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a command; out of time, it is asked to stop before it is made to."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, errors="replace") as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.terminate()
            try:
                process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            return subprocess.CompletedProcess(command, 124, "", f"out of time after {timeout:.0f} s")
    return subprocess.CompletedProcess(command, process.returncode, out, err)


# Judging


def examine(encode: Encode, source: Path, output: Path, cut: str) -> Row:
    """Encode one clip and judge the result."""
    began = time.monotonic()
    report = encode(source, output, cut)
    row = Row(source.name, cut, seconds=time.monotonic() - began)
    if isinstance(report, str):
        clean = oracle.is_clean(source)
        verdict = "refused-clean" if clean else "refused-not-clean"
        return replace(row, verdict=verdict, clean=clean, detail=(report.strip().splitlines() or ["no reason"])[-1])
    row = replace(row, chunks=len((report.get("plan") or {}).get("chunks") or ()))
    try:
        found = oracle.compare(source, output)
    except (av.FFmpegError, ValueError, OSError) as error:
        return replace(row, clean=oracle.is_clean(source), detail=f"The output can't be judged: {error}")
    return replace(
        row,
        verdict="exact" if found.exact else "different" if found.clean else "different-not-clean",
        clean=found.clean,
        frames=found.frames_got,
        error_ticks=found.error_ticks,
        audio_shift=None if found.audio_shift is None else float(found.audio_shift),
        audio_missing=found.audio_missing,
        detail=found.difference,
    )


def sources(media: Path | None, generated: Path | None, patterns: list[str]) -> list[Path]:
    """The clips to encode: files of a folder and those made into another, whose names match."""

    def wanted(name: str) -> bool:
        return not patterns or any(fnmatch(name, pattern) for pattern in patterns)

    found = []
    if media:
        files = (path for path in sorted(media.rglob("*")) if path.is_file() and path.suffix.lower() not in NOT_MEDIA)
        found += [path for path in files if wanted(path.name)]
    if generated:
        found += [make(generated) for name, make in clips.CLIPS.items() if wanted(name)]
    return found


def show(console: Console, rows: list[Row], elapsed: float) -> None:
    """The table and its summary."""
    table = Table("clip", "cut", "frames", "chunks", "verdict", "seconds", "detail", box=None, header_style="bold")
    for row in rows:
        verdict = f"[{VERDICTS[row.verdict]}]{row.verdict}[/]"
        counts = str(row.frames), str(row.chunks)
        table.add_row(row.clip, row.cut, *counts, verdict, f"{row.seconds:.1f}", escape(row.detail))
    console.print(table)
    totals = Counter(row.verdict for row in rows)
    console.print(" · ".join(f"{name} {totals[name]}" for name in VERDICTS), f"· {len(rows)} runs in {elapsed:.0f} s")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--media", type=Path, metavar="DIR", help=f"clips to try (default without --generated: {MEDIA})")
    add("--generated", action="store_true", help="try the clips of tests/clips.py")
    add("--clip", action="append", default=[], metavar="GLOB", help="only clips of that name; may be repeated")
    add("--cut", action="append", metavar="SET", help=f"how to cut; may be repeated (default: {', '.join(CUTS)})")
    add("--jobs", type=int, default=1, metavar="N", help="clips at a time")
    add("--slots", type=int, metavar="N", help="encodes at a time in a farm")
    add("--session", action="store_true", help="one embedded farm for all clips")
    add("--timeout", type=float, default=600, metavar="S", help="longest time of one encode")
    add("--keep", type=Path, metavar="DIR", help="keep the generated clips and the outputs there")
    add("--json", type=Path, metavar="FILE", help="write the rows")
    options = parser.parse_args()
    if not options.media and not options.generated and MEDIA.is_dir():
        options.media = MEDIA
    return options


def main() -> int:
    options, began = arguments(), time.monotonic()
    console = Console(width=None if sys.stdout.isatty() else 200)
    with tempfile.TemporaryDirectory(prefix="framemill-exactness-") as scratch:
        folder = options.keep or Path(scratch)
        outputs = folder / "outputs"
        outputs.mkdir(parents=True, exist_ok=True)
        found = sources(options.media, folder / "generated" if options.generated else None, options.clip)
        if not found:
            console.print("There are no clips to try.")
            return 2
        farm = session if options.session else one_by_one
        with farm(options.slots, options.timeout) as encode, ThreadPoolExecutor(options.jobs) as pool:

            def run(number: int, source: Path, cut: str) -> Row:
                output = outputs / f"{number:04}-{source.name}-{cut.replace('=', '')}.mp4"
                row = examine(encode, source, output, cut)
                if not options.keep:
                    output.unlink(missing_ok=True)
                return row

            pairs = [(source, cut) for source in found for cut in options.cut or CUTS]
            order = {pool.submit(run, number, *pair): number for number, pair in enumerate(pairs)}
            done = {order[run]: run.result() for run in track(as_completed(order), total=len(order), console=console)}
    rows = [done[number] for number in sorted(done)]
    show(console, rows, time.monotonic() - began)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return int(any(row.clean and row.verdict != "exact" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
