"""What an owner may still do with single outputs of a job that has ended: call them otherwise, lock them, take them
away. The job stays as it is."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from framemill.errors import Conflict
from framemill.jobs.model import Output
from framemill.jobs.states import ENDED_JOB
from framemill.services.jobs import Jobs
from framemill.services.parts import checked_name, the_part
from framemill.services.passwords import locks_of
from framemill.store import jobs as job_rows
from framemill.store.database import Database


class Outcomes:
    """The outputs of the jobs that `jobs` shows; each call blocks.

    All raise `NotFound` for what is not there, and `Conflict` for a job that has not ended.
    """

    def __init__(
        self, database: Database, jobs: Jobs, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._clock = clock

    def changed(
        self, job_id: str, output_id: str, *, stem: str | None = None, passwords: Sequence[str] | None = None
    ) -> Output:
        """`stem`: its name but for the suffix, which says what it is; `passwords`: any of these opens it, none: nobody
        needs one. What is None stays. Raises `WrongUse` for what is no name, and too many passwords."""
        changes: dict[str, Any] = {} if passwords is None else {"password_hashes": locks_of(passwords)}

        def change(output: Output) -> dict[str, Any]:
            if stem is None:
                return changes
            suffix = "" if output.settings.folder else PurePosixPath(output.name).suffix
            return {**changes, "name": checked_name(checked_name(stem) + suffix)}

        return self._written(job_id, output_id, change)

    def withdrawn(self, job_id: str, output_id: str) -> Output:
        """Nobody gets it any more; the farm collects its files when it tidies up. Harmless when it was done before."""
        now = self._clock()
        return self._written(job_id, output_id, lambda output: {"withdrawn_at": output.withdrawn_at or now})

    def _written(self, job_id: str, output_id: str, change: Callable[[Output], dict[str, Any]]) -> Output:
        self._jobs.shown(job_id)  # whose it is
        with self._database.writing() as conn:
            job, _, outputs = job_rows.load_job(conn, job_id) or (None, [], [])
            output = the_part(outputs, output_id, "output")
            if job is not None and job.state not in ENDED_JOB:
                raise Conflict(f"Job {job_id} is {job.state}: its outputs can be changed when it has ended.")
            made = output.model_copy(update=change(output))
            job_rows.save_output(conn, made)
        return made
