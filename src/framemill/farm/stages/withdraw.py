"""Takes back what has come to a target, where the rest will not: half a package is nothing that anybody could use."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Iterator, Sequence

from framemill.farm.errands import Errands
from framemill.farm.job import OneJob
from framemill.farm.orders import Order, Withdrawn, WithdrawOrder
from framemill.farm.stages.send import file_of, way_of
from framemill.jobs.model import Delivery, Job, Output
from framemill.jobs.states import DELIVERY_TRANSITIONS, DeliveryState, UploadAgain, advance
from framemill.policy.tasks import DELIVER, Task
from framemill.storage.address import is_remote
from framemill.store import deliveries as delivery_rows

log = logging.getLogger(__name__)

_MOST_SECONDS = 10.0
"""How long a store is given for it, which may be away: nobody is to wait for that."""
_TOUCHED = {DeliveryState.COMPLETED, DeliveryState.UPLOADING}


async def withdraw_deliveries(one: OneJob, job: Job, outputs: Sequence[Output]) -> None:
    """Remove from targets what this attempt has put there of outputs that are not whole there; as far as that goes."""
    rows = await one.store.read(lambda conn: delivery_rows.load_deliveries(conn, job.id))
    mine = [row for row in rows if row.attempt == job.attempt]
    halves = dict(_halves(job, outputs, mine))
    if not halves:
        return
    orders: dict[str, Order] = {task: order for task, (order, _) in halves.items()}
    tasks = [Task(id=task, standing=one.standing(job), lane=DELIVER, effort=0.1) for task in orders]
    try:
        async with (
            asyncio.timeout(_MOST_SECONDS),
            contextlib.aclosing(one.answers(Errands(job, orders), tasks)) as answers,
        ):
            async for task, result, _ in answers:
                if isinstance(result, Withdrawn) and result.reason is None:
                    gone = [_gone(row) for row in halves[task.id][1]]
                    await one.store.write(functools.partial(delivery_rows.save_deliveries, changed=gone))
                else:
                    log.warning("not withdrawn: %s", result.message, extra={"action": "not_withdrawn", "job": job.id})
    except TimeoutError:
        log.warning("a target does not answer", extra={"action": "not_withdrawn", "job": job.id})


def _halves(
    job: Job, outputs: Sequence[Output], rows: Sequence[Delivery]
) -> Iterator[tuple[str, tuple[WithdrawOrder, list[Delivery]]]]:
    """What is to be taken back from each target that has not all of its output."""
    for output in outputs:
        for number, target in enumerate(output.targets):
            its = [row for row in rows if row.output_id == output.id and row.target == number]
            touched = [row for row in its if row.state in _TOUCHED]
            if not touched or all(row.state is DeliveryState.COMPLETED for row in its) or not is_remote(target.uri):
                continue
            order = WithdrawOrder(
                way=way_of(job, output, target),
                folder=output.settings.folder,
                number=target.number or 1,
                files=tuple(file_of(row) for row in reversed(touched)),
            )
            yield f"withdraw:{output.id}:{job.attempt}:{number}", (order, touched)


def _gone(row: Delivery) -> Delivery:
    return row.model_copy(update={"state": advance(DELIVERY_TRANSITIONS, row.state, UploadAgain())})
