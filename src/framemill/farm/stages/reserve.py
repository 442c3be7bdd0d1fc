"""What a job's outputs cost, set aside of its account's balance as soon as it is known: before anything is encoded."""

import functools
from datetime import UTC, datetime
from fractions import Fraction

from sqlalchemy import Connection

from framemill.farm.job import OneJob
from framemill.farm.work import title_seconds
from framemill.jobs import metering
from framemill.jobs.metering import Tariff
from framemill.jobs.model import Job
from framemill.jobs.reasons import Reason
from framemill.jobs.states import Failed
from framemill.media.estimate import PICTURES_A_SECOND
from framemill.media.picking import picked
from framemill.media.title import Title
from framemill.store import ledger
from framemill.store.epochs import require_epoch


async def reserve_cost(one: OneJob) -> Failed | None:
    """Set aside what the outputs cost that are not charged yet; or the failure of a job that cannot be paid.

    A job that keeps what is good goes on with what there is: its outputs are charged in the order in which they are
    done, as far as that goes. One that keeps nothing has failed as soon as it is known that they cost more than it may
    spend. An account that is not counted is asked for nothing.
    """
    job, _, outputs = await one.store.load()
    cap = job.limits.max_spend
    counted = await one.store.read(lambda conn: ledger.counts(conn, job.account))
    if cap is None and not counted:
        return None
    wanted = sum(
        [cost_of(await one.title(job, output), job.tariff) for output in one.live(outputs) if output.charged is None]
    )
    if job.on_output_error == "fail" and not metering.affordable(wanted, job.spent, cap):
        costs, most = (f"{amount / metering.CREDIT:g}" for amount in (wanted + job.spent, cap or 0))
        return Failed(Reason.SPEND_CAP_REACHED, f"The job costs {costs} credits; it may spend {most}.")
    if not counted:
        return None
    if cap is not None:
        wanted = min(wanted, max(cap - job.spent, 0))
    epoch = one.store.epoch
    missing = await one.store.write(lambda conn: _reserve(conn, job, wanted, epoch))
    if not missing or job.on_output_error == "keep":
        return None
    told = f"The job costs {wanted / 1000:g} credits, {missing / 1000:g} more than its account has left."
    return Failed(Reason.BALANCE_TOO_LOW, told)


def _reserve(conn: Connection, job: Job, wanted: int, epoch: int) -> int:
    require_epoch(conn, epoch)
    return ledger.reserve_up_to(conn, job.account, job.id, wanted, now=datetime.now(UTC))


def cost_of(title: Title, tariff: Tariff | None = None) -> int:
    """Thousandths of a credit for an output; `tariff`: the job's own."""
    charge = functools.partial(metering.charge, tariff=tariff or metering.USUAL)
    if title.settings.kind == "picture" and title.film is not None:
        return charge(title.settings, Fraction(len(picked(title.settings, title.film.shown)), PICTURES_A_SECOND))
    seconds = Fraction(title_seconds(title))
    if title.film is None and title.settings.encodes_video:  # the source has no pictures after all
        return charge(title.settings.model_copy(update={"video_codec": "none"}), seconds)
    pictures = title.film.pictures if title.film is not None else ()
    return charge(title.settings, seconds, [(picture.width, picture.height) for picture in pictures])
