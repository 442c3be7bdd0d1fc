"""Links to what is fetched: absolute, and good without a key."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from framemill.api.convertrilo.mapping import file_of
from framemill.jobs.model import Output
from framemill.jobs.states import JobState
from framemill.sealing import Seals
from framemill.services.jobs import Shown
from framemill.services.links import output_place
from framemill.services.outputs import LINK_SECONDS


def output_url(seals: Seals, base: str, output: Output, until: datetime, path: str | None = None) -> str:
    """Where an output can be fetched, once it is there; `path`: what its file was called when it was published."""
    usual = f"output.{output.settings.container}"  # as the farm calls a file that stays with it
    return f"{output_place(seals, base, output.id, until)}/{quote(path or usual)}"


def download_url(shown: Shown, seals: Seals, base: str, now: datetime | None = None) -> str | None:
    """Where the output of a job can be fetched that has succeeded; none: there is nothing to fetch, or no longer."""
    output = next((one for one in shown.outputs if one.stays), None)
    now = now or datetime.now(UTC)
    if shown.job.state is not JobState.COMPLETED or output is None or output.withdrawn_at is not None:
        return None
    if output.expires_at is not None and output.expires_at <= now:
        return None
    until = now + timedelta(seconds=LINK_SECONDS)
    until = until if output.expires_at is None else min(until, output.expires_at)
    return output_url(seals, base, output, until, file_of(output, shown.deliveries))
