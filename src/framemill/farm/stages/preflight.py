"""Looks at every target before anything is encoded: a wrong key shall fail a job in seconds, not after hours."""

import asyncio
from collections.abc import Sequence

from framemill.errors import OutputError
from framemill.farm.job import OneJob
from framemill.farm.orders import TargetOrder, TargetSeen
from framemill.farm.stages.send import asked, uri_of, way_of
from framemill.jobs.model import Job, Output
from framemill.jobs.reasons import Reason, reason_of
from framemill.jobs.states import DeliveryState, Failed
from framemill.storage.address import is_remote
from framemill.storage.delivery import free_number, refuse_place, there_already
from framemill.store import deliveries as delivery_rows


async def refuse_targets(one: OneJob, job: Job, outputs: Sequence[Output]) -> Failed | None:
    """Give up outputs that their targets will not take: the event where that fails the job."""
    rows = await one.store.read(lambda conn: delivery_rows.load_deliveries(conn, job.id))
    own = {row.uri for row in rows if row.attempt < job.attempt and row.state is DeliveryState.COMPLETED}
    looks = [
        (output, asyncio.ensure_future(_refused(one, job, output, number, own)))
        for output in outputs
        for number in range(len(output.targets))
    ]
    given_up: set[str] = set()
    try:
        for output, look in looks:
            refused = await look
            if refused is None or output.id in given_up:
                continue
            given_up.add(output.id)
            failed = await one.fail_output(output, refused.reason, refused.message)
            if failed is not None:
                return failed
    finally:
        for _, look in looks:
            look.cancel()
        await asyncio.gather(*(look for _, look in looks), return_exceptions=True)
    return None


async def _refused(one: OneJob, job: Job, output: Output, number: int, own: set[str]) -> Failed | None:
    """Why a target will not take the output; none, as far as that can be seen."""
    target, folder = output.targets[number], output.settings.folder
    if not is_remote(target.uri):
        return await asyncio.to_thread(_refused_here, output, number, own)
    order = TargetOrder(way=way_of(job, output, target), name=output.name, folder=folder, prove=True, acl=target.acl)
    seen = await asked(one, job, f"target:{output.id}:{job.attempt}:{number}", order)
    if not isinstance(seen, TargetSeen) or seen.reason is not None:
        return Failed(seen.reason or Reason.INTERNAL, seen.message)
    if seen.there and target.if_exists == "fail" and not _is_ours(output, number, own):
        return Failed(Reason.TARGET_REFUSED, there_already(target.uri).message)
    return None


def _refused_here(output: Output, number: int, own: set[str]) -> Failed | None:
    target, folder = output.targets[number], output.settings.folder
    try:
        refuse_place(target.uri, folder)
        taken = target.if_exists == "fail" and free_number(target.uri, folder) > 1
    except OutputError as error:
        return Failed(reason_of(error), error.message)
    if taken and not _is_ours(output, number, own):
        return Failed(Reason.TARGET_REFUSED, there_already(target.uri).message)
    return None


def _is_ours(output: Output, number: int, own: set[str]) -> bool:
    """Whether an earlier attempt has put there what is there."""
    uri = uri_of(output, number, "")
    return any(one == uri or (output.settings.folder and one.startswith(uri)) for one in own)
