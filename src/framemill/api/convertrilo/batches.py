"""Several jobs, each made or begun by itself: what is wrong with one is told in its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from framemill.api.convertrilo.mapping import STATUSES, note_of, upload_key
from framemill.api.convertrilo.orders import Orders
from framemill.api.convertrilo.prices import neu
from framemill.api.convertrilo.refusals import unfit
from framemill.api.convertrilo.schemas import BulkSettings, JobCreate
from framemill.errors import FramemillError
from framemill.jobs.states import JobState
from framemill.sealing import Seals
from framemill.services.idempotency import Ids
from framemill.services.links import upload_url

DRY = "dry_run"
"""Status of what was only tried."""
SKIPPED = "skipped"
"""Status of what came behind the first that failed, with `failFast`."""


def read(item: Mapping[str, Any], settings: BulkSettings) -> JobCreate | str:
    """A job of a batch, whose own words win over the batch's; or what is wrong with it."""
    of_all = settings.model_dump(by_alias=True, exclude_none=True, exclude={"fail_fast", "dry_run", "confirm"})
    said = {**of_all, **item, **({"confirm": True} if settings.confirm else {})}
    try:
        return JobCreate.model_validate(said)
    except ValidationError as error:
        return unfit(error).message


@dataclass(frozen=True, slots=True)
class Batches:
    """What is done with several jobs; each call blocks."""

    orders: Orders
    seals: Seals
    base: str
    """What links begin with."""
    lacking: Mapping[str, str]
    """By codec: why it cannot be had on a GPU alone."""
    ids: Ids
    """What the orders give what they make."""

    def created(
        self, items: Sequence[JobCreate | str], raw: Sequence[Mapping[str, Any]], settings: BulkSettings
    ) -> dict[str, Any]:
        """Make them, or only try to; `raw`: as they came."""
        jobs: list[dict[str, Any]] = []
        total = reserved = 0
        failed = False
        for index, (item, came) in enumerate(zip(items, raw, strict=True)):
            one: dict[str, Any] = {"index": index}
            one |= {name: came.get(name) for name in ("externalId", "metadata")}
            if failed and settings.fail_fast:
                jobs.append({**one, "status": SKIPPED, "error": "A job before it failed."})
                continue
            self.ids.turn_to(str(index), 2 * index)  # an upload and a job, whatever becomes of the others
            told, estimate, held = self._made(item, dry=settings.dry_run)
            failed = failed or "error" in told
            total, reserved = total + estimate, reserved + held
            jobs.append({**one, **told})
        return {
            "totalJobs": len(jobs),
            "totalEstimatedNeu": neu(total),
            "reserved": neu(reserved),
            "jobs": jobs,
        }

    def confirmed(self, job_ids: Sequence[str], said: Mapping[str, Any]) -> dict[str, Any]:
        """Let them begin."""
        jobs: list[dict[str, Any]] = []
        queued = 0
        for job_id in dict.fromkeys(job_ids):
            try:
                shown = self.orders.confirmed(job_id, said)
            except FramemillError as error:
                jobs.append({"jobId": job_id, "status": "failed", "error": error.message})
                continue
            queued += 1
            jobs.append({"jobId": job_id, "status": STATUSES[shown.job.state]})
        return {"queued": queued, "jobs": jobs}

    def _made(self, item: JobCreate | str, *, dry: bool) -> tuple[dict[str, Any], int, int]:
        """What is told of one, what it will cost, and what was set aside for it."""
        if isinstance(item, str):
            return _wrong(item), 0, 0
        if item.policy == "gpu_only" and item.codec in self.lacking:
            return _wrong(self.lacking[item.codec]), 0, 0
        try:
            if dry:
                estimate = self.orders.tried(item)
                return {"status": DRY, "estimate": {"neu": neu(estimate)}}, estimate, 0
            made = self.orders.created(item)
        except FramemillError as error:
            return _wrong(error.message), 0, 0
        job = made.shown.job
        reserved = note_of(job).reserved
        told = {"jobId": job.id, "status": STATUSES[job.state], "estimate": {"neu": neu(made.estimate)}}
        if made.note.upload_id is not None and job.state is JobState.HELD:
            upload_id = made.note.upload_id
            told["upload"] = {"url": upload_url(self.seals, self.base, upload_id), "key": upload_key(upload_id)}
        return told, made.estimate, reserved


def _wrong(message: str) -> dict[str, Any]:
    return {"status": "failed", "error": message}
