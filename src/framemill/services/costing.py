"""What a job will cost, from what was found in its source: reckoned as the farm charges it, by the job's own tariff."""

from dataclasses import dataclass
from fractions import Fraction

from framemill.jobs.metering import USUAL, charge
from framemill.jobs.states import InputState
from framemill.media.estimate import estimated
from framemill.services.jobs import Shown


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job will take of its account."""

    seconds: Fraction
    """Of its outputs, the longest one."""
    amount: int
    """Thousandths of a credit."""
    per_minute: int
    """Of one minute of it, likewise."""


def cost_of(shown: Shown) -> Cost | None:
    """What a job of one source will cost; none: nobody knows yet what is in that, or there are several."""
    if len(shown.inputs) != 1 or shown.inputs[0].state is not InputState.READY or shown.inputs[0].facts is None:
        return None
    source, seconds, amount, per_minute = shown.inputs[0], Fraction(0), 0, 0
    tariff = shown.job.tariff or USUAL
    for output in shown.outputs:
        settings = output.settings.within(source.start, source.end)
        found = estimated(source.facts or {}, settings, shown.job.run)
        if settings.encodes_video and not found.renditions:  # it has no pictures after all
            settings = settings.model_copy(update={"video_codec": "none"})
        lasts = Fraction(str(found.duration_seconds))
        seconds = max(seconds, lasts)
        amount += charge(settings, lasts, found.renditions, tariff)
        per_minute += charge(settings, 60, found.renditions, tariff)
    return Cost(seconds, amount, per_minute)
