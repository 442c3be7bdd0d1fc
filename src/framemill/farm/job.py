"""One job as its stages see it: its rows, its blobs, its folder, and the dispatcher that has its tasks done."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from framemill.errors import BlobsAway
from framemill.farm.dispatcher import Answered, Dispatcher, Errands
from framemill.farm.errands import standing_of
from framemill.farm.jobstore import JobStore
from framemill.farm.titles import read_title
from framemill.jobs.model import Failure, Input, Job, Output
from framemill.jobs.reasons import Reason
from framemill.jobs.states import Failed, InputState
from framemill.media.title import Title
from framemill.policy.tasks import Standing, Task
from framemill.storage.blobs import Blobs
from framemill.store import chunks as chunk_rows


@dataclass(frozen=True, slots=True)
class OneJob:
    """What its stages work with."""

    store: JobStore
    blobs: Blobs
    dispatcher: Dispatcher
    work: Path
    """Where outputs are written before they are delivered, in a folder for each job."""
    patient: bool
    """A farm that stays: what is in its way may pass. One that ends with its job says so instead."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when somebody else has changed the job, or what it waits for."""
    late: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when its time is over, and it goes on with no more than what is encoded by then."""

    def require_blobs(self) -> None:
        """Raises `BlobsAway` while they cannot be used: nothing of them is lost by that."""
        away = self.blobs.away()
        if away:
            raise BlobsAway(away)

    def standing(self, job: Job) -> Standing:
        """The job among the others."""
        return standing_of(job)

    def folder(self, job: Job) -> Path:
        """Where this attempt's outputs are written. An earlier attempt's lie elsewhere, and stay until then."""
        return self.work / job.id / str(job.attempt)

    @staticmethod
    def title_key(job: Job, output: Output) -> str:
        """The blob of an output's plan; a plan that was refuted has another one."""
        return f"titles/{job.id}-{job.attempt}-{job.refuted}-{output.position}.json"

    async def title(self, job: Job, output: Output) -> Title:
        """An output's plan."""
        return await asyncio.to_thread(read_title, self.blobs, self.title_key(job, output))

    @staticmethod
    def live(outputs: Sequence[Output]) -> list[Output]:
        """The outputs that the job has not given up."""
        return [output for output in outputs if output.reason is None]

    @staticmethod
    def sources_of(output: Output, inputs: Sequence[Input]) -> list[Input]:
        """What an output is made of, in order: those of its inputs that could be had."""
        ready = {source.id: source for source in inputs if source.state is InputState.READY}
        return [ready[input_id] for input_id in output.input_ids or ready if input_id in ready]

    def answers(
        self,
        errands: Errands,
        tasks: Sequence[Task],
        holders: Mapping[str, str] | None = None,
        failures: Mapping[str, Sequence[Failure]] | None = None,
    ) -> AsyncGenerator[Answered, None]:
        """Have tasks done; each answer as it comes."""
        return self.dispatcher.answers(errands, tasks, holders, failures)

    async def fail_output(
        self, output: Output, reason: Reason, message: str, *, sourceless: bool = False
    ) -> Failed | None:
        """An output cannot be made: the event that fails the job, or None when it goes on without that output.

        `sourceless`: none of its inputs is here. A job that goes on without an input goes on without what is of it.
        """
        job, _, outputs = await self.store.load()
        others = [other for other in self.live(outputs) if other.id != output.id]
        given_up = sourceless and job.on_input_error == "keep"
        first = job.on_output_error == "extras" and output.position == 0
        needed = first or (job.on_output_error == "fail" and not given_up)
        if needed or not others:
            return Failed(reason, message)
        await self.store.warn(f"{output.name} could not be made: {message}", reason, output)
        return None

    async def release_leases(self, job: Job) -> None:
        """Whoever held chunks of this attempt holds them no more."""
        epoch = self.store.epoch

        def release(conn: Connection) -> None:
            # Not from a read before: a lease may have been asked for, and not be written yet.
            for token in chunk_rows.lease_tokens(conn, job.id, job.attempt):
                chunk_rows.release_chunks(conn, token, epoch)

        await self.store.write(release)
