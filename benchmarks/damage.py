"""Break clips in every way that `tests/mutate.py` knows, encode what is left, and judge: exact, or refused.

    python benchmarks/damage.py --seed 1 --count 40 --json rows.json
    python benchmarks/damage.py --clip '*.ts' --kind 'ts-*' --on-damage keep
    python benchmarks/damage.py --case seg-3.ts:ts-clock:17 --keep broken

Clips of more than a few seconds are first cut to their beginning by a stream copy (`--seconds`), so that a case takes
a second or two. All cases go through one embedded farm, losslessly and in many chunks; until it ends it keeps them,
some megabytes a case. A case may end

- exact: the output shows each frame that one plain ffmpeg run gets out of the damaged file, at its time, and its sound
  lasts as long as that run's;
- refused: with a reason in one line, and without leaving a file behind.

Everything else is bad, and the exit status is then 1:

- different, duration, sync: other frames; pictures or sound shorter or longer by more than a frame; sound that lost a
  gap, so that what comes after it no longer fits the pictures;
- crash: something nobody foresaw; hang: over the limit, which is the same for all; untidy: files or lines too many.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import imageio_ffmpeg
import psutil
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import clips  # noqa: E402
import mutate  # noqa: E402
import oracle  # noqa: E402

from framemill.errors import FramemillError  # noqa: E402
from framemill.jobs.reasons import reason_of  # noqa: E402
from framemill.services.local import LocalSession, local_session  # noqa: E402
from framemill.services.requests import encode_request  # noqa: E402

MEDIA = ROOT.parent / "shared" / "media"
NO_CLIPS = {".tsv", ".md", ".txt", ".json"}
GOOD = ("exact", "refused")
BAD = ("different", "duration", "sync", "crash", "hang", "untidy")
CODE = re.compile(
    r"\bTraceback\b|\b[A-Z]\w*(Error|Exception|Warning)\b|\bobject at 0x|\bRay\w+|\bsignal \d|\bnonsense\b"
)
"""What a reason never says to a user."""
MERCY_SECONDS = 20.0
"""For a case over its limit to end when its processes are killed."""


class Case(NamedTuple):
    """One clip, broken in one way."""

    clip: Path
    kind: str
    seed: int

    @property
    def name(self) -> str:
        """What `--case` takes."""
        return f"{self.clip.name}:{self.kind}:{self.seed}"


@dataclass(frozen=True)
class Row:
    """What came of a case."""

    clip: str
    kind: str
    seed: int
    verdict: str
    seconds: float = 0.0
    """Of the encode."""
    cpu_seconds: float = 0.0
    """Of all its processes, where it completed; other work on the machine does not count."""
    frames: int = 0
    clean: bool = False
    """Plain ffmpeg decodes the damaged file without a word."""
    reason: str = ""
    detail: str = ""
    warnings: tuple[str, ...] = ()


# Sources


def shortened(clip: Path, seconds: float, folder: Path) -> Path:
    """The clip, or a stream copy of its beginning where it lasts more than twice as long."""
    copy = folder / clip.name
    if copy.exists():
        return copy
    data = clip.read_bytes()
    try:
        with av.open(str(clip), metadata_errors="replace") as opened:
            length = (opened.duration or 0) / av.time_base
    except (av.FFmpegError, ValueError):
        return clip
    if not seconds or length <= 2 * seconds or mutate.container(data) is None:
        return clip
    early = ["-movflags", "+faststart"] if 0 <= data.find(b"moov") < data.find(b"mdat") else []
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", "-t", str(seconds), "-copyts"]
    command += ["-i", str(clip), "-map", "0", "-c", "copy", *early, "-fflags", "+bitexact", str(copy)]
    done = subprocess.run(command, check=False, capture_output=True)
    if done.returncode:
        copy.unlink(missing_ok=True)
        return clip
    return copy


def cases(sources: list[Path], kinds: list[str], seed: int, count: int) -> list[Case]:
    """`count` cases a clip; every kind once before any comes twice, in an order that the clip's name shuffles."""
    found = []
    for clip in sources:
        known = [kind for kind in mutate.kinds_for(clip.read_bytes()) if not kinds or _matches(kind, kinds)]
        random.Random(clip.name).shuffle(known)  # noqa: S311 - no secret
        found += [Case(clip, known[at % len(known)], at) for at in range(seed, seed + count) if known]
    return found


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


# Encoding


class Overdue(Exception):
    """A job took longer than any may."""


class Watched:
    """One job of a session, with a limit that is watched from outside."""

    def __init__(self, session: LocalSession, source: Path, output: Path, settings: dict[str, str]) -> None:
        self._session, self._source, self._output, self._settings = session, source, output, settings
        self._overdue = threading.Event()
        self._row: dict[str, Any] = {}
        self._error: BaseException | None = None

    def run(self, timeout: float) -> dict[str, Any]:
        """The job's row. Raises `Overdue` with what it was at, and whatever the session raises."""
        thread = threading.Thread(target=self._encode, daemon=True)
        thread.start()
        thread.join(timeout)
        if thread.is_alive():
            at = self._processes()
            told = "; ".join(shlex.join(process.cmdline()[:40]) for process in at) or "no process of its own"
            self._overdue.set()
            for process in at:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            thread.join(MERCY_SECONDS)
            raise Overdue(f"after {timeout:g} s at: {told}" + ("; and it does not end" if thread.is_alive() else ""))
        if self._error is not None:
            raise self._error
        return self._row

    def _encode(self) -> None:
        try:
            request = encode_request(str(self._source), str(self._output), "lossless", self._settings)
            self._row = self._session.encode(request, self._progress)
        except BaseException as error:  # noqa: BLE001 - it is raised where it is judged
            self._error = error

    def _progress(self, _: dict[str, Any]) -> None:
        if self._overdue.is_set():
            raise Overdue

    def _processes(self) -> list[psutil.Process]:
        """Processes of ours that have this case's source open, or name it."""
        found = []
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                names = [*process.cmdline(), *(file.path for file in process.open_files())]
                if any(str(self._source) in name for name in names):
                    found.append(process)
        return found


@contextlib.contextmanager
def farm(slots: int) -> Iterator[LocalSession]:
    with (
        tempfile.TemporaryDirectory(prefix="framemill-damage-") as folder,
        local_session(Path(folder), slots) as session,
    ):
        yield session


# Judging


class Span(NamedTuple):
    """When a decoded stream starts and ends, how much of it there is, and its longest frame; all in seconds."""

    start: Fraction
    end: Fraction
    amount: Fraction
    longest: Fraction
    frames: int


def span(path: Path, stream: str) -> Span | None:
    """What one plain run decodes of a stream (`V`, `a`); none where that is nothing."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "quiet", "-copyts", "-threads", "1", "-i", str(path)]
    command += ["-map", f"0:{stream}:0", "-fps_mode", "passthrough", "-enc_time_base", "demux", "-f", "framecrc", "-"]
    listing = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace").stdout
    tick = re.search(r"^#tb 0: (\S+)", listing, re.M)
    lines = [line.split(",") for line in listing.splitlines() if line and not line.startswith("#")]
    if tick is None or not lines:
        return None
    times = [(int(pts), int(duration)) for _, _, pts, duration, *_ in lines]
    base = Fraction(tick[1])
    start, end = min(pts for pts, _ in times), max(sum(time) for time in times)
    lengths = [duration for _, duration in times]
    return Span(start * base, end * base, sum(lengths) * base, max(lengths) * base, len(times))


def judged(source: Path, output: Path) -> tuple[str, str, int, bool]:
    """Verdict and detail of an output, its frames, and whether the source is clean."""
    found = oracle.compare(source, output)
    frame = Fraction(1, 25)
    if found.frames_expected:
        before, after = span(source, "V"), span(output, "V")
        if before and before.frames > 1:
            frame = (before.end - before.start) / before.frames
        if not found.exact:
            off = _off(before, after)
            verdict = "duration" if off is None or abs(off) > frame else "different"
            return verdict, found.difference, found.frames_got, found.clean
    verdict, detail = _sound(span(source, "a"), span(output, "a"), frame)
    shift = found.audio_shift or Fraction(0)
    if verdict == "exact" and abs(shift) > frame:
        verdict, detail = "sync", f"The sound starts {float(shift):.3f} s late."
    return verdict if found.exact else "different", found.difference or detail, found.frames_got, found.clean


def _off(before: Span | None, after: Span | None) -> Fraction | None:
    """By how much an output lasts longer than its source; none where only one of them is there."""
    if before is None or after is None:
        return None if before or after else Fraction(0)
    return (after.end - after.start) - (before.end - before.start)


def _sound(before: Span | None, after: Span | None, frame: Fraction) -> tuple[str, str]:
    if before is None:
        return ("exact", "") if after is None else ("duration", "There is sound where the source has none.")
    if after is None:
        return "duration", f"The sound is left out ({float(before.amount):.3f} s of it can be decoded)."
    allowed = frame + max(before.longest, after.longest)
    lasts, amount = before.end - before.start, before.amount
    got = after.end - after.start
    if abs(got - lasts) <= allowed:
        return "exact", ""
    told = f"The sound lasts {float(got):.3f} s, the source's {float(lasts):.3f} s ({float(amount):.3f} s of samples)."
    return ("sync" if abs(got - amount) <= allowed else "duration"), told


def tried(session: LocalSession, case: Case, folder: Path, settings: dict[str, str], timeout: float) -> Row:
    """Break, encode, judge. The damaged file and the output stay in the folder."""
    source = folder / f"broken{case.clip.suffix}"
    outputs = folder / "out"
    outputs.mkdir(parents=True)
    source.write_bytes(mutate.damaged(case.clip.read_bytes(), case.kind, case.seed))
    output, began = outputs / "output.mp4", time.monotonic()
    row = Row(case.clip.name, case.kind, case.seed, "refused")
    try:
        job = Watched(session, source, output, settings).run(timeout)
    except Overdue as error:
        return replace(row, verdict="hang", seconds=time.monotonic() - began, detail=str(error))
    except FramemillError as error:
        job = {"state": "failed", "reason": reason_of(error).value, "message": error.message}
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        detail = f"{type(error).__name__}: {error}"
        return replace(row, verdict="crash", seconds=time.monotonic() - began, detail=detail)
    row = replace(row, seconds=time.monotonic() - began, warnings=_warnings(job))
    row = replace(row, cpu_seconds=float((job.get("report") or {}).get("cpu_seconds", 0)))
    left = sorted(path.name for path in outputs.iterdir())
    if job["state"] != "completed":
        return _refused(replace(row, clean=oracle.is_clean(source)), job, left)
    if left != [output.name]:
        return replace(row, verdict="untidy", detail=f"There are files beside the output: {', '.join(left)}.")
    try:
        verdict, detail, frames, clean = judged(source, output)
    except (av.FFmpegError, ValueError, OSError) as error:
        return replace(row, verdict="different", detail=f"The output can't be judged: {error}")
    return replace(row, verdict=verdict, detail=detail, frames=frames, clean=clean)


def _warnings(job: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(warning["message"]) for warning in job.get("warnings") or ())


def _refused(row: Row, job: dict[str, Any], left: list[str]) -> Row:
    reason, message = str(job["reason"]), str(job["message"])
    row = replace(row, reason=reason, detail=message)
    if reason == "internal" or job["state"] != "failed" or CODE.search(message):
        return replace(row, verdict="crash")
    if left or len(message.splitlines()) != 1:
        return replace(row, verdict="untidy", detail=f"{message}{' Left behind: ' if left else ''}{', '.join(left)}")
    return row


# Telling


def show(console: Console, rows: list[Row], again: str, elapsed: float) -> None:
    """Kinds by verdicts, reasons, and every bad case with what repeats it."""
    table = Table("kind", *GOOD, *BAD, "slowest", box=None, header_style="bold")
    for kind in [kind for kind in mutate.KINDS if any(row.kind == kind for row in rows)]:
        of_kind = [row for row in rows if row.kind == kind]
        counts = Counter(row.verdict for row in of_kind)
        cells = [str(counts[name] or "") for name in GOOD] + [f"[red]{counts[name] or ''}[/]" for name in BAD]
        table.add_row(kind, *cells, f"{max(row.seconds for row in of_kind):.1f} s")
    console.print(table)
    reasons = Counter(row.reason for row in rows if row.reason)
    console.print(" · ".join(f"{name} {count}" for name, count in reasons.most_common()))
    for row in rows:
        if row.verdict in BAD:
            case = shlex.quote(f"{row.clip}:{row.kind}:{row.seed}")
            console.print(f"[red]{row.verdict}[/] {row.seconds:.1f} s  {escape(row.detail[-600:])}")
            console.print(f"    {escape(again)} --case {escape(case)}", soft_wrap=True)
    totals = Counter(row.verdict for row in rows)
    told = " · ".join(f"{name} {totals[name]}" for name in (*GOOD, *BAD))
    whole = sum(row.verdict == "refused" and row.clean for row in rows)
    console.print(f"{told} · {len(rows)} cases in {elapsed:.0f} s; plain ffmpeg has no complaint of {whole} refused")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--media", type=Path, metavar="DIR", help=f"clips to break (default without --generated: {MEDIA})")
    add("--generated", action="store_true", help="break the clips of tests/clips.py")
    add("--clip", action="append", default=[], metavar="GLOB", help="only clips of that name; may be repeated")
    add("--kind", action="append", default=[], metavar="GLOB", help="only damage of that kind; may be repeated")
    add("--seed", type=int, default=0, metavar="N", help="of the first case of each clip (default: 0)")
    add("--count", type=int, default=20, metavar="N", help="cases a clip (default: 20)")
    add("--case", action="append", default=[], metavar="CLIP:KIND:SEED", help="exactly that one; may be repeated")
    add("--on-damage", choices=("refuse", "keep"), help="the setting on_damage (default: as the farm has it)")
    add("--set", action="append", default=[], metavar="K=V", help="another setting; may be repeated")
    add("--timeout", type=float, default=60, metavar="S", help="longest time of one encode (default: 60)")
    add("--seconds", type=float, default=3, metavar="S", help="longer clips are cut to that (default: 3; 0: as is)")
    add("--jobs", type=int, default=1, metavar="N", help="cases at a time")
    add("--slots", type=int, default=2, metavar="N", help="encodes at a time in the farm")
    add("--keep", type=Path, metavar="DIR", help="keep the bad cases' files there; with --case, those of all")
    add("--json", type=Path, metavar="FILE", help="write the rows")
    options = parser.parse_args()
    if not options.media and (not options.generated or options.case) and MEDIA.is_dir():
        options.media = MEDIA
    return options


def sources(options: argparse.Namespace, folder: Path) -> list[Path]:
    """The clips to break, made and shortened in the folder."""
    (folder / "short").mkdir(parents=True)
    wanted = options.clip or [case.rsplit(":", 2)[0] for case in options.case] or ["*"]
    found = []
    if options.media:
        files = [path for path in sorted(options.media.iterdir()) if path.is_file() and path.suffix not in NO_CLIPS]
        found += [shortened(path, options.seconds, folder / "short") for path in files if _matches(path.name, wanted)]
    if options.generated or options.case:
        names = {path.name for path in found}
        made = [make for name, make in clips.CLIPS.items() if _matches(name, wanted) and name not in names]
        found += [make(folder / "generated") for make in made]
    return found


def main() -> int:
    options, began = arguments(), time.monotonic()
    console = Console(width=None if sys.stdout.isatty() else 200)
    settings = dict(text.split("=", 1) for text in ["chunk_frames=12", *options.set])
    if options.on_damage:
        settings["on_damage"] = options.on_damage
    with tempfile.TemporaryDirectory(prefix="framemill-damage-") as scratch:
        folder = Path(scratch)
        found = sources(options, folder)
        by_name = {path.name: path for path in found}
        if options.case:
            parts = [case.rsplit(":", 2) for case in options.case]
            planned = [Case(by_name[clip], kind, int(seed)) for clip, kind, seed in parts]
        else:
            planned = cases(found, options.kind, options.seed, options.count)
        rows: dict[int, Row] = {}

        def run(session: LocalSession, number: int) -> Row:
            place = folder / f"{number:05}"
            row = tried(session, planned[number], place, settings, options.timeout)
            _put_away(place, planned[number], row, options)
            return row

        with farm(options.slots) as session, ThreadPoolExecutor(options.jobs) as pool:
            order = {pool.submit(run, session, number): number for number in range(len(planned))}
            try:
                for done in track(as_completed(order), total=len(order), console=console, transient=True):
                    rows[order[done]] = done.result()
                    _save(options.json, rows)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    ended = [rows[number] for number in sorted(rows)]
    show(console, ended, _again(options), time.monotonic() - began)
    return int(any(row.verdict in BAD for row in ended))


def _save(path: Path | None, rows: dict[int, Row]) -> None:
    if path is not None:
        path.write_text(json.dumps([asdict(rows[number]) for number in sorted(rows)], indent=1) + "\n")


def _put_away(place: Path, case: Case, row: Row, options: argparse.Namespace) -> None:
    """Keep a case's files where that was asked for, else remove them."""
    files = [path for path in place.rglob("*") if path.is_file()]
    if options.keep and (options.case or row.verdict in BAD):
        options.keep.mkdir(parents=True, exist_ok=True)
        for path in files:
            (options.keep / f"{case.name.replace(':', '-')}-{path.name}").write_bytes(path.read_bytes())
    for path in files:
        path.unlink()


def _again(options: argparse.Namespace) -> str:
    """The command that repeats a case, without the case."""
    given = [["--on-damage", options.on_damage]] if options.on_damage else []
    given += [["--set", text] for text in options.set]
    given += [["--seconds", f"{options.seconds:g}"]] if options.seconds != 3 else []
    return shlex.join(
        ["python", "benchmarks/damage.py", *(word for words in given for word in words), "--keep", "broken"]
    )


if __name__ == "__main__":
    sys.exit(main())
