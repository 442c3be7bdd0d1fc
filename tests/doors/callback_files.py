"""The callback receiver of online-convert's documents, anew: what it is told it writes into a folder.

A file for each job and status, `{id}_{code}.txt`, with the job readable in it; what is no job goes into
`callback_errors.log`. A second delivery of the same is the same file, so that it does not matter how often it comes.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from pprint import pformat
from typing import Any

from reached import Answer, Heard, serving


@dataclass(frozen=True)
class CallbackFiles:
    """The receiver's folder, and where it is told."""

    folder: Path
    url: str

    def statuses(self, job_id: str) -> set[str]:
        """Those of a job that a file was written for."""
        return {path.stem.removeprefix(f"{job_id}_") for path in self.folder.glob(f"{job_id}_*.txt")}

    def read(self, job_id: str, code: str) -> str:
        """What was written of the job in that status."""
        return (self.folder / f"{job_id}_{code}.txt").read_text()

    @property
    def errors(self) -> str:
        """Everything that was no job."""
        log = self.folder / "callback_errors.log"
        return log.read_text() if log.exists() else ""


def received(folder: Path, body: bytes) -> None:
    """What the receiver does with a callback."""
    try:
        job: Any = json.loads(body)
    except ValueError:
        job = None
    if not isinstance(job, dict) or not job.get("id"):
        with (folder / "callback_errors.log").open("a") as log:
            log.write(f"Invalid callback received. Content: {body!r}\n")
        return
    (folder / f"{job['id']}_{job['status']['code']}.txt").write_text(pformat(job))


@contextlib.contextmanager
def callback_files(folder: Path) -> Iterator[CallbackFiles]:
    """A receiver that is up, and writes there."""

    def answer(heard: Heard) -> Answer:
        received(folder, heard.body)
        return Answer(200)

    with serving(answer) as server:
        yield CallbackFiles(folder, f"{server.url}/callback.php")
