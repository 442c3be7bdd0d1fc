"""Drives one job: performs the instructions that its state asks for and feeds the results back as events.

Deciding is `jobs.lifecycle`'s; truth is in the store. Everything here can be cut off at any line and done again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from framemill.errors import EpochOver, FramemillError, InvalidTransition
from framemill.farm.elapsed import note_begun, seconds_since
from framemill.farm.job import OneJob
from framemill.farm.report import build_report
from framemill.farm.stages.deliver import deliver_outputs, forget_plans, remove_attempt
from framemill.farm.stages.encode import encode_chunks
from framemill.farm.stages.finish import finish_outputs
from framemill.farm.stages.grow import growing
from framemill.farm.stages.ingest import ingest_inputs
from framemill.farm.stages.plan import plan_outputs
from framemill.farm.stages.quota import within_quotas
from framemill.farm.stages.send import expected_deliveries
from framemill.farm.stages.withdraw import withdraw_deliveries
from framemill.jobs import lifecycle
from framemill.jobs.model import Job, Output
from framemill.jobs.reasons import Reason, reason_of
from framemill.jobs.states import (
    ENDED_JOB,
    Failed,
    InputsReady,
    InputState,
    JobEvent,
    JobState,
    Packaged,
    Started,
    Stitched,
    WorkStopped,
)
from framemill.logs import log_context
from framemill.store import chunks as chunk_rows
from framemill.store import deliveries as delivery_rows
from framemill.store.trouble import is_trouble

log = logging.getLogger(__name__)


_ENCODED_BY_NOW = frozenset({JobState.ENCODING, JobState.STITCHING, JobState.PACKAGING, JobState.DELIVERING})
"""Where some of it may be encoded already, or all of it."""


class Driver:
    """One job on its way; one instance at a time drives it."""

    def __init__(self, one: OneJob) -> None:
        self._one = one
        self._store = one.store
        self._until: float | None = None
        self._keeps = False
        """Whether it goes on with what is good when its time is over."""
        self._state: JobState | None = None
        self._outputs: list[Output] = []

    def heard(self) -> None:
        """Somebody else has changed the job, or what it waits for is here."""
        self._one.news.set()

    async def run(self) -> Job:
        """Drive the job until it has ended, and return it; a held one until its inputs are here."""
        with log_context(job=self._store.job_id):
            return await self._run()

    async def _run(self) -> Job:
        job, inputs, self._outputs = await self._store.load()
        if job.state is JobState.QUEUED:
            job = await self._moved(Started(), job.attempt)
            if job.limits.max_process_seconds is not None:
                await asyncio.to_thread(note_begun, self._one.blobs, job.id, job.attempt)
        await self._note_limit(job)
        while not self._ends(job):
            event = await self._perform(job)
            if job.state is JobState.HELD and not isinstance(event, Failed):
                job, inputs, _ = await self._store.load()
                if job.state is JobState.HELD and any(source.state is InputState.WAITING for source in inputs):
                    continue  # another one was added
                if job.state is JobState.HELD and inputs:
                    await self._store.note_prepared(job, inputs)
                return job
            log.info("%s", type(event).__name__, extra={"action": "job_event", "job": job.id})
            job = await self._moved(event, job.attempt)
        if job.state is JobState.FAILED:
            await self._stop_work(job)
        if job.state is JobState.COMPLETED:
            await asyncio.to_thread(forget_plans, self._one, job)
        return job

    async def _moved(self, event: JobEvent, attempt: int) -> Job:
        """The job after the event; or as it is, where it comes too late: it was cancelled meanwhile."""
        try:
            return await self._store.apply(event, attempt)
        except InvalidTransition:
            job, _, _ = await self._store.load()
            return job

    def _ends(self, job: Job) -> bool:
        self._state = job.state
        return job.state in ENDED_JOB or job.state is JobState.QUEUED  # it ended, and its owner wants it once more

    @property
    def stopping(self) -> bool:
        """It does what an end of the job asks for, and is not to be cut off by that."""
        return self._state is JobState.CANCELLING or self._state in ENDED_JOB

    def overdue(self, now: float) -> bool:
        """Whether the job has taken as long as it may; `now` on the loop's clock, which nobody sets."""
        return self._until is not None and now >= self._until and not self._one.late.is_set()

    def keeps_what_is_done(self) -> bool:
        """Its time is over: whether it goes on with what is encoded by now, instead of failing."""
        if not self._keeps or self._state not in _ENCODED_BY_NOW:
            return False
        if self._state is not JobState.ENCODING:
            self._one.late.set()
        return True

    @property
    def encoding(self) -> bool:
        """Whether it is encoded; to encode no more it has to be driven anew."""
        return self._state is JobState.ENCODING

    async def _note_limit(self, job: Job) -> None:
        if job.limits.max_process_seconds is not None and job.started_at is not None:
            taken = await asyncio.to_thread(seconds_since, self._one.blobs, job.id, job.attempt, job.started_at)
            now = asyncio.get_running_loop().time()
            self._until = now + job.limits.max_process_seconds - taken
            self._keeps = job.on_output_error != "fail"
            if self._keeps and now >= self._until and job.state in _ENCODED_BY_NOW:
                self._one.late.set()

    async def apply(self, event: JobEvent) -> Job:
        """Feed an event from outside to the job."""
        return await self._store.apply(event)

    async def _perform(self, job: Job) -> JobEvent:
        steps: dict[type, Callable[[Any], Awaitable[JobEvent]]] = {
            lifecycle.FetchInputs: self._inputs,
            lifecycle.MakePlan: lambda instruction: plan_outputs(self._one, instruction),
            lifecycle.EncodeChunks: self._encode,
            lifecycle.Stitch: self._stitch,
            lifecycle.Package: self._package,
            lifecycle.Deliver: lambda _: deliver_outputs(self._one),
            lifecycle.StopWork: self._stopped,
        }
        (instruction,) = lifecycle.instructions_for(job)
        try:
            return await steps[type(instruction)](instruction)
        except EpochOver:
            raise
        except Exception as error:
            if self._one.patient and self._passes(error):
                raise  # the job is taken up again
            if isinstance(error, FramemillError):
                return Failed(reason_of(error), error.message)
            log.exception("unforeseen", extra={"action": "job_failed", "job": job.id})
            return Failed(reason_of(error), f"{type(error).__name__}: {error}")

    def _passes(self, error: Exception) -> bool:
        """Whether the store or the disk is to blame: nothing is lost by waiting until it is there again."""
        return is_trouble(error) or reason_of(error) is Reason.DISK_FULL or not self._one.blobs.root.is_dir()

    async def _inputs(self, _: Any) -> JobEvent:
        return await ingest_inputs(self._one) or await within_quotas(self._one) or InputsReady()

    async def _encode(self, _: Any) -> JobEvent:
        async with growing(self._one, self._outputs) as packages:
            return await encode_chunks(self._one, packages.chunk_done)

    async def _stitch(self, _: Any) -> JobEvent:
        async with growing(
            self._one, self._outputs
        ):  # the last chunks: who plays it shall not wait for the others' proof
            written = await finish_outputs(self._one)
        return Stitched() if isinstance(written, dict) else written

    async def _package(self, _: Any) -> JobEvent:
        written = await finish_outputs(self._one)  # what was verified already is taken as it is
        if not isinstance(written, dict):
            return written
        job, inputs, outputs = await self._store.load()
        live = self._one.live(outputs)
        rows = await self._store.read(lambda conn: chunk_rows.load_chunks(conn, job.id, job.attempt))
        titles = {output.id: await self._one.title(job, output) for output in live}
        report = build_report(job, inputs=inputs, outputs=live, titles=titles, rows=rows, written=written)
        files = {output_id: stitched.files for output_id, stitched in written.items()}
        deliveries = expected_deliveries(job, live, files)
        await self._store.write(lambda conn: delivery_rows.save_deliveries(conn, deliveries))
        return Packaged(report)

    async def _stopped(self, _: Any) -> JobEvent:
        job, _, _ = await self._store.load()
        await self._stop_work(job)
        return WorkStopped()

    async def _stop_work(self, job: Job) -> None:
        """Nothing of this attempt is left under way, or lying about."""
        await self._one.release_leases(job)
        _, _, outputs = await self._store.load()
        await withdraw_deliveries(self._one, job, outputs)
        await asyncio.to_thread(remove_attempt, self._one, job)
