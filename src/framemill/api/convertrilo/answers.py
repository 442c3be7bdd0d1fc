"""What clients are told of jobs, with links; and what they are told before where there is no GPU."""

from datetime import UTC, datetime, timedelta
from typing import Any

from framemill.api.asked import live_status
from framemill.api.convertrilo import ondemand_mapping
from framemill.api.convertrilo.encodes import Encode, gpu_there
from framemill.api.convertrilo.links import download_url, output_url
from framemill.api.convertrilo.mapping import STATUSES, note_of, output_key, pct, status, upload_key
from framemill.api.convertrilo.orders import Made
from framemill.api.convertrilo.prices import neu
from framemill.api.convertrilo.refused import Refused
from framemill.api.parts import ApiParts
from framemill.api.progress import highest
from framemill.jobs.states import JobState
from framemill.services.jobs import Shown
from framemill.services.links import upload_url
from framemill.services.outputs import LINK_SECONDS


def told(shown: Shown, parts: ApiParts, base: str) -> dict[str, Any]:
    """A job's status."""
    if note_of(shown.job).on_demand is None:
        url = download_url(shown, parts.seals, base)
    else:
        url = ondemand_mapping.download_url(shown, parts.seals, base, datetime.now(UTC))
    return status(shown, done=int(highest(shown.job, pct(shown))), download_url=url)


def created(made: Made, parts: ApiParts, base: str) -> dict[str, Any]:
    """A job that was just made."""
    shown, note = made.shown, made.note
    output = shown.outputs[0]
    until = datetime.now(UTC) + timedelta(seconds=LINK_SECONDS)
    upload = None
    if note.upload_id is not None:
        upload = {"url": upload_url(parts.seals, base, note.upload_id), "key": upload_key(note.upload_id)}
    begun = shown.job.state is not JobState.HELD
    return {
        "jobId": shown.job.id,
        "upload": upload,
        "output": {"key": output_key(output), "publicUrl": output_url(parts.seals, base, output, until)},
        "externalId": note.external_id,
        "metadata": note.metadata,
        **({"status": STATUSES[shown.job.state]} if begun else {}),
        "estimate": {"neu": neu(made.estimate), "totalNeu": neu(made.estimate), "reserved": neu(note.reserved)},
    }


async def require_gpu(encode: Encode, parts: ApiParts) -> None:
    """Raise `Refused` where a GPU is asked for and the farm says that it has none for that codec."""
    if encode.policy != "gpu_only":
        return
    farm, _ = await live_status(parts)
    if farm is not None and not gpu_there(encode.codec, farm):
        why = (
            f"policy gpu_only: no machine of this farm encodes {encode.codec} on a GPU. Leave policy out, or ask for "
            "gpu_first, to encode on CPUs."
        )
        raise Refused(400, "invalid_request", why)
