"""Disturb a farm while it encodes, by seeded schedules of faults, and judge what comes of it.

    python benchmarks/chaos.py 7 --schedules 200 --json rows.json
    python benchmarks/chaos.py 7 --only 13
    python benchmarks/chaos.py 7 --faults 'kill:*,chunk:*' --gcs memory
    FRAMEMILL_BLOBS_ENDPOINT=… python benchmarks/chaos.py 7 --database postgresql://… --blobs s3://bucket/chaos

One farm in service mode, on a folder of its own, encodes the same clip again and again; nothing is taken from an
earlier run. Each schedule does one to three faults to it, at times counted from the start of encoding. It is green if

- the job completes, and every file has the bytes of the run without faults;
- no more chunks are encoded again than may have been under way at a fault that loses them, and none that was committed
  before, unless the fault was done to its file;
- the work of a worker that was killed or stopped is begun again within 15 s, and after the loss of Ray's head work
  goes on within 60 s of its restart (both while nothing else disturbs it);
- 10 s after the end there is no ffmpeg of the farm, and nothing of the job in `work/`;
- the farm gets whole again by itself.

The exit status is 1 when one schedule is not. `--faults` takes names or patterns (`--list` shows all).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.chaos_farm import CHUNK_FRAMES, SLOTS, TestedFarm, differing, hashes, make_clip, make_clock, only_file
from benchmarks.chaos_faults import NotThere, Undo, mount_small, namespace_command, strike, unmount
from benchmarks.chaos_plan import CLOCKS, KINDS, Fault, Schedule, chosen, draw
from benchmarks.chaos_proof import Done, Record, judged
from benchmarks.chaos_words import rows, table, tell
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from framemill.errors import FarmError, FramemillError

ENCODING_SHARE = 1 / 3
"""Seconds that a second of the clip takes, about, on two slots: what a schedule's times are drawn for."""
JOB_SECONDS = 300.0
TIDY_SECONDS = 10.0
WHOLE_SECONDS = 150.0
_PATIENCE_SECONDS = 10.0  # for what a fault is to hit
_LOOK_SECONDS = 0.1
_DISK_BYTES = 300 << 20
_OUTPUTS: Mapping[str, Mapping[str, Any]] = {
    "film.mp4": {"encoder_preset": "medium", "crf": 20},
    "package": {"container": "package", "encoder_preset": "veryfast", "ladder": [{"height": 240, "crf": 26}]},
}


@dataclass
class _Course:
    """A schedule while it is carried out."""

    job_id: str
    began: float
    """Monotonic."""
    due: list[Fault]
    undo: list[tuple[float, Done, Undo]] = field(default_factory=list)


class Chaos:
    """Carries out schedules on one farm."""

    def __init__(self, farm: TestedFarm, clip: Path, outputs: Path) -> None:
        self.farm = farm
        self._clip = clip
        self._outputs = outputs
        self.reference: dict[str, str] = {}

    def make_reference(self) -> float:
        """Run without faults, twice; seconds of encoding the film alone. Raises `FarmError` when the runs differ."""
        seconds = 0.0
        for number, package in ((-2, True), (-1, False)):
            record = self.run(Schedule(number, package, ()))
            seconds = record.seconds
            wrong = judged(record, SLOTS)
            if wrong:
                raise FarmError(f"A run without faults fails: {'; '.join(wrong)}")
        return seconds

    def run(self, schedule: Schedule) -> Record:
        """Do the schedule's faults to a job."""
        record = Record(schedule)
        folder = self._outputs / str(schedule.number)
        folder.mkdir(parents=True)
        names = [name for name in _OUTPUTS if name != "package" or schedule.package]
        submitted = time.monotonic()
        job_id = ""
        try:
            with self.farm.client() as client:
                job_id = client.submit(self._asked(folder, names)).id
            self._disturb(job_id, schedule, record)
            record.seconds = round(time.monotonic() - submitted, 2)
            record.orders = self.farm.orders(job_id)
            found = hashes(folder)
            self.reference = self.reference or found
            record.different = differing(found, only_file(self.reference, names))
            self._tidy(job_id, record)
            record.settled = round(self.farm.settle(WHOLE_SECONDS), 2)
        except FramemillError as error:
            record.troubles.append(error.message)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if job_id and record.state != "completed":
            with contextlib.suppress(FramemillError), self.farm.client() as client:
                client.cancel(job_id)
        return record

    def _asked(self, folder: Path, names: Sequence[str]) -> dict[str, Any]:
        outputs = [{"target": str(folder / name), "settings": dict(_OUTPUTS[name])} for name in names]
        run = {"chunk_frames": CHUNK_FRAMES, "reuse": "off"}
        limits = {"max_process_seconds": 3 * JOB_SECONDS}  # less than the farm's clock is set by
        return {"inputs": [{"uri": str(self._clip)}], "outputs": outputs, "run": run, "limits": limits}

    def _disturb(self, job_id: str, schedule: Schedule, record: Record) -> None:
        until = time.monotonic() + JOB_SECONDS
        while record.state in {"", "queued", "ingesting", "planning"} and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS / 2)
            record.state, record.message = self.farm.job(job_id)
        record.began = time.time()
        course = _Course(job_id, time.monotonic(), list(schedule.faults))
        try:
            while time.monotonic() < until:
                self._step(course, record)
                record.state, record.message = self.farm.job(job_id)
                ended = record.state in {"completed", "failed", "cancelled"}
                if ended and not course.undo:
                    break
                time.sleep(_LOOK_SECONDS)
        finally:
            for _, done, undo in course.undo:
                undo()
                done.undone_at = time.time()
        record.ended = time.time()
        record.faults += [Done(fault, record.ended, skipped="the job had ended") for fault in course.due]

    def _step(self, course: _Course, record: Record) -> None:
        """Do what is due, undo what is due, see what has come back."""
        now = time.monotonic() - course.began
        for fault in [fault for fault in course.due if fault.at <= now]:
            if self.farm.job(course.job_id)[0] not in {"encoding", "stitching", "packaging", "delivering"}:
                continue
            try:
                done, undo = strike(self.farm, fault, course.job_id)
            except NotThere as error:
                if now < fault.at + _PATIENCE_SECONDS:
                    continue
                done, undo = Done(fault, time.time(), skipped=str(error)), None
            course.due.remove(fault)
            record.faults.append(done)
            if undo is not None:
                course.undo.append((now + fault.lasts, done, undo))
        for entry in [entry for entry in course.undo if entry[0] <= now]:
            entry[2]()
            entry[1].undone_at = time.time()
            course.undo.remove(entry)
        self._see(record)

    def _see(self, record: Record) -> None:
        open_ones = [done for done in record.faults if done.open]
        if not open_ones:
            return
        started = self.farm.head_started()
        running = {process.pid: process.role for process in self.farm.look() if not process.stopped}
        for done in open_ones:
            if done.fault.loses_head and done.restarted_at is None and started > done.at:
                done.restarted_at = started
            if done.fault.loses_head and not (done.restarted_at or done.undone_at):
                continue  # nothing stays that runs on a head that is lost
            there = Counter(role for pid, role in running.items() if pid not in done.pids or done.undone_at is not None)
            if all(there[role] >= count for role, count in done.before.items() if role != "ffmpeg"):
                done.back_at = time.time()

    def _tidy(self, job_id: str, record: Record) -> None:
        """Wait for what may take a moment after the job's end, and note what stays."""
        until = time.monotonic() + TIDY_SECONDS
        left = self.farm.ffmpegs()
        leftovers = self.farm.leftovers(job_id)
        while (left or leftovers) and time.monotonic() < until:
            time.sleep(0.5)
            left &= self.farm.ffmpegs()  # one that was begun since is a canary's
            leftovers = self.farm.leftovers(job_id)
        record.orphans, record.leftovers = sorted(left), leftovers
        while any(done.open for done in record.faults):
            if time.monotonic() > until + TIDY_SECONDS:
                break
            self._see(record)
            time.sleep(_LOOK_SECONDS)


def main() -> None:
    arguments = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
    kinds = _kinds(arguments, console)
    numbers = [arguments.only] if arguments.only is not None else range(arguments.schedules)
    schedules = [draw(arguments.seed, number, kinds, arguments.seconds * ENCODING_SHARE) for number in numbers]
    scratch = Path(tempfile.mkdtemp(prefix="chaos-", dir=arguments.folder))
    records: list[Record] = []
    root = scratch / "disk"
    try:
        if arguments.small_disk:
            mount_small(root, _DISK_BYTES)
        (root / "farm").mkdir(parents=True)
        clip = make_clip(scratch, arguments.seconds)
        clock = make_clock(scratch) if arguments.clock else None
        durable = {"database": arguments.database, "blobs": arguments.blobs}
        farm = TestedFarm(root / "farm", gcs=arguments.gcs, clock=clock, **durable)
        chaos = Chaos(farm, clip, scratch / "outputs")
        console.print(
            f"seed {arguments.seed}: {len(schedules)} schedules, {len(kinds)} kinds of faults, gcs {arguments.gcs}"
        )
        try:
            farm.start(arguments.patience)
            console.print(f"a run without faults takes {chaos.make_reference():.1f} s")
            _all(chaos, schedules, records, console=console, seed=arguments.seed, patience=arguments.patience)
        except (FarmError, KeyboardInterrupt) as error:
            console.print(f"it ends here: {error}", markup=False)
        finally:
            farm.end()
    finally:
        if arguments.keep:
            shutil.copytree(
                scratch, arguments.keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("blobs", "ballast")
            )
        if arguments.small_disk:
            unmount(root)
        shutil.rmtree(scratch, ignore_errors=True)
    failed = [record for record in records if judged(record, SLOTS, arguments.patience)]
    console.print(table(records))
    console.print(f"{len(records) - len(failed)} of {len(schedules)} schedules green")
    if arguments.json:
        told = {"seed": arguments.seed, "gcs": arguments.gcs}
        arguments.json.write_text(json.dumps(told | rows(records, SLOTS, arguments.patience), indent=1, default=sorted))
    sys.exit(1 if failed or len(records) < len(schedules) else 0)


def _all(
    chaos: Chaos, schedules: Sequence[Schedule], records: list[Record], *, console: Console, seed: str, patience: float
) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=len(schedules))
        for schedule in schedules:
            progress.update(bar, description=", ".join(fault.kind for fault in schedule.faults))
            began = time.time()
            record = chaos.run(schedule)
            records.append(record)
            wrong = judged(record, SLOTS, patience)
            tell(console, record, wrong, seed)
            if wrong:
                for word in chaos.farm.last_words(began):
                    console.print(f"    {word}", markup=False)
            if record.troubles:
                chaos.farm.end()
                chaos.farm.start(patience)
            progress.advance(bar)


def _kinds(arguments: argparse.Namespace, console: Console) -> list[str]:
    """The kinds that can be had here; a full disk is one of its own, which only we and our children see."""
    try:
        kinds = chosen(filter(None, arguments.faults.split(",")), arguments.clock)
    except ValueError as error:
        sys.exit(str(error))
    if arguments.list:
        console.print("\n".join([*KINDS, *CLOCKS]))
        sys.exit()
    if "disk:full" in kinds and not arguments.small_disk:
        words = namespace_command()
        if words is not None:
            os.execv(words[0], [*words, sys.executable, *sys.argv, "--small-disk"])  # noqa: S606
        console.print("disk:full is skipped: no file system can be mounted here")
        kinds.remove("disk:full")
    return kinds


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("seed", help="any word; a schedule is the same for the same seed, number and kinds")
    add("--schedules", type=int, default=200, metavar="N", help="how many (default: 200)")
    add("--only", type=int, metavar="N", help="the schedule of that number alone")
    add("--faults", default="", metavar="KIND,…", help="kinds or patterns (default: all)")
    add("--gcs", choices=("rocksdb", "memory"), default="rocksdb", help="where Ray keeps its cluster's state")
    add("--database", default="", metavar="URL", help="an empty PostgreSQL database (default: SQLite)")
    add("--blobs", default="", metavar="URL", help="s3://bucket/prefix, opened by what FRAMEMILL_BLOBS_… say")
    add("--clock", action="store_true", help="set the clock that the farm sees, too; needs a C compiler")
    add("--seconds", type=float, default=24.0, metavar="N", help="length of the clip (default: 24)")
    add("--patience", type=float, default=1.0, metavar="N", help="so many times as long may recovery take (default: 1)")
    add("--folder", type=Path, metavar="DIR", help="where to make a scratch folder (default: the system's)")
    add("--json", type=Path, metavar="FILE", help="write everything that was seen")
    add("--keep", type=Path, metavar="DIR", help="copy the farm's logs and store there in the end")
    add("--list", action="store_true", help="show the kinds of faults, and end")
    add("--small-disk", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
