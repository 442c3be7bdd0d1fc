"""What a worker or a stitcher does with an order of each kind. Nothing that was foreseen is raised."""

import asyncio
import logging
from collections.abc import Awaitable

from framemill.errors import BlobsAway, FramemillError
from framemill.farm.bringing import bring_for
from framemill.farm.delivering import at_target
from framemill.farm.encoding import encode_extra, encode_group, try_frames
from framemill.farm.finishing import finish
from framemill.farm.growing import grow_package
from framemill.farm.ingesting import ingest_source
from framemill.farm.orders import (
    DeliverOrder,
    ExtraOrder,
    GroupOrder,
    GrowOrder,
    IngestOrder,
    OnShare,
    Order,
    Planned,
    PlanOrder,
    ProbeOrder,
    Result,
    ShareOrder,
    StitchOrder,
    SurveyOrder,
    TargetOrder,
    TrialOrder,
    WithdrawOrder,
)
from framemill.farm.probing import probe
from framemill.farm.surveying import share_out, survey
from framemill.farm.titles import plan
from framemill.jobs.reasons import Reason, reason_of
from framemill.storage.blobs import Blobs
from framemill.storage.keyring import Keyring

log = logging.getLogger(__name__)


async def perform(
    order: Order,
    on_share: OnShare,
    blobs: Blobs,
    keyring: Keyring = Keyring(),  # noqa: B008 (frozen)
) -> Result:
    """Carry it out; `on_share` hears how much is done, where known; `keyring` opens what clients have named."""
    try:
        if blobs.shared:
            await asyncio.to_thread(bring_for, order, blobs)
        result = await _performed(order, on_share, blobs, keyring)
    except BlobsAway as error:
        return Result(reason=reason_of(error), message=error.message)
    except OSError:
        if blobs.root.is_dir():
            raise
        return _AWAY
    return _AWAY if result.reason is not None and not blobs.root.is_dir() else result


#: Whatever failed, it was not the order's fault.
_AWAY = Result(reason=Reason.DISK_FULL, message="The farm's folder is away: bring it back.")


async def _performed(  # noqa: PLR0911 - one for each kind of order
    order: Order, on_share: OnShare, blobs: Blobs, keyring: Keyring
) -> Result:
    match order:
        case GroupOrder():
            return await encode_group(order, blobs, on_share)
        case ExtraOrder():
            return await encode_extra(order, blobs, on_share)
        case StitchOrder():
            return await finish(order, blobs)
        case GrowOrder():
            on_share(1.0)  # it takes no slot: whoever counts what is under way shall not count it
            return await grow_package(order, blobs)
        case TrialOrder():
            return await try_frames(order, blobs)
        case PlanOrder():
            return await _planned(plan(order, blobs, keyring))
        case SurveyOrder():
            return await survey(order, blobs)
        case ShareOrder():
            return await _planned(asyncio.to_thread(share_out, order, blobs))
        case IngestOrder():
            return await ingest_source(order, on_share, blobs, keyring)
        case ProbeOrder():
            return await probe(order, blobs, keyring)
        case TargetOrder() | DeliverOrder() | WithdrawOrder():
            return await at_target(order, on_share, keyring)


async def _planned(planning: Awaitable[Planned]) -> Planned:
    try:
        return await planning
    except (FramemillError, OSError, MemoryError) as error:
        return Planned(reason=reason_of(error), message=_said(error))


def _said(error: BaseException) -> str:
    return error.message if isinstance(error, FramemillError) else str(error)
